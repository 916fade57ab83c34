"""`remember` and `revise`: content comes in, as far as policy admits it."""

from __future__ import annotations

from typing import Any

import click

from memos_gov.cli import options, views
from memos_gov.cli.session import Session, verb


@verb("remember")
@click.argument("text")
@click.option("--subject", "subjects", multiple=True, help="Whom it is about; repeatable.")
@click.option("--label", help="How far it may go, such as internal or confidential.")
@click.option("--for", "purposes", multiple=True, help="What it may be used for; repeatable.")
@click.option("--basis", help="The legal basis, such as contract or consent.")
@click.option("--class", "retention_class", help="The retention class, such as complaint.")
@click.option("--region", help="Where it must stay.")
@click.option("--priority", default="normal", show_default=True, help="low, normal or high.")
@click.option("--type", "semantic_type", default="fact", show_default=True, help="What it is.")
@click.option(
    "--origin",
    type=click.Choice(["user", "agent", "import", "inference"]),
    default="user",
    show_default=True,
    help="Where it comes from.",
)
@click.option("--author", help="Who said it.")
@click.option("--conversation", help="The conversation it belongs to.")
@click.option("--position", type=int, help="Its place in the conversation, from 0.")
@click.option("--consented", multiple=True, metavar="PURPOSE", help="The subjects agreed to it.")
@click.option("--objected", multiple=True, metavar="PURPOSE", help="The subjects refused it.")
@click.option("--command-id", help="A UUID; the same one never remembers twice.")
@options.valid_from
@options.valid_to("When it stops being true.")
@options.metadata
@options.dry_run
def remember_verb(
    session: Session,
    text: str,
    consented: tuple[str, ...],
    objected: tuple[str, ...],
    **named: Any,
) -> None:
    """Keep a memory; TEXT of `-` reads standard input."""
    import memos_gov

    words = [(purpose, True) for purpose in consented] + [(purpose, False) for purpose in objected]
    consents = [memos_gov.Consent(purpose=purpose, given=given) for purpose, given in words]
    with session.actor() as actor:
        receipt = actor.remember(options.content(text), consents=consents, **named)
        session.show(receipt, views.receipt("remembered"))


@verb("revise")
@click.argument("cube")
@click.argument("text")
@click.option("--append", is_flag=True, help="Put TEXT after what is there.")
@click.option("--expect", type=int, metavar="REVISION", help="Refuse if another one is current.")
@options.valid_from
@options.valid_to("When it stops being true; as it was if not given.")
@options.metadata
@options.dry_run
def revise_verb(
    session: Session,
    cube: str,
    text: str,
    append: bool,
    expect: int | None,
    **named: Any,
) -> None:
    """Give a memory new content; `-` reads standard input."""
    with session.actor() as actor:
        receipt = actor.revise(
            cube,
            options.content(text),
            mode="append" if append else "overwrite",
            expected_revision=expect,
            **named,
        )
        session.show(receipt, views.receipt("revised"))
