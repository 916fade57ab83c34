"""Who may use a memory and whether it may change: shares, consents, holds, states."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import click

from memos_gov.cli import options, views
from memos_gov.cli.session import Session, Verb, verb

if TYPE_CHECKING:
    from memos_gov.receipts import Receipt
    from memos_gov.service import Actor


@verb("share")
@click.argument("cube")
@click.option("--with", "with_", required=True, metavar="PRINCIPAL", help="Who shall have it.")
@click.option(
    "--scope",
    type=click.Choice(["read", "write"]),
    default="read",
    show_default=True,
    help="How much.",
)
@options.valid_from
@options.valid_to("When the share ends.")
@options.dry_run
def share_verb(
    session: Session,
    cube: str,
    with_: str,
    scope: Literal["read", "write"],
    **when: Any,
) -> None:
    """Let another principal read a memory, or write it too."""
    with session.actor() as actor:
        receipt = actor.share(cube, with_=with_, scope=scope, **when)
        session.show(receipt, views.receipt("shared"))


@verb("relabel")
@click.argument("cube")
@click.argument("label")
@options.valid_from
@options.valid_to("When it stopped being true: this corrects the past and leaves today's label.")
@options.dry_run
def relabel_verb(session: Session, cube: str, label: str, **when: Any) -> None:
    """Raise or lower the label of a memory."""
    with session.actor() as actor:
        session.show(actor.relabel(cube, label, **when), views.receipt("relabelled"))


@verb("rebase")
@click.argument("cube")
@click.argument("basis")
@options.valid_from
@options.valid_to("When it stopped being true: this corrects the past and leaves today's basis.")
@options.dry_run
def rebase_verb(session: Session, cube: str, basis: str, **when: Any) -> None:
    """Put a memory on another legal basis."""
    with session.actor() as actor:
        session.show(actor.rebase(cube, basis, **when), views.receipt("rebased"))


@verb("unshare")
@click.argument("cube")
@click.option("--with", "with_", required=True, metavar="PRINCIPAL", help="Who has it now.")
@options.dry_run
def unshare_verb(session: Session, cube: str, with_: str, dry_run: bool) -> None:
    """End a share."""
    with session.actor() as actor:
        receipt = actor.unshare(cube, with_=with_, dry_run=dry_run)
        session.show(receipt, views.receipt("unshared"))


@verb("consent")
@click.argument("subject")
@click.argument("for_purpose", metavar="PURPOSE")
@click.option("--given/--withdrawn", default=True, show_default=True, help="What was said.")
@options.valid_from
@options.valid_to("When the consent ends.")
@options.dry_run
def consent_verb(
    session: Session,
    subject: str,
    for_purpose: str,
    given: bool,
    valid_from: datetime | None,
    valid_to: datetime | None,
    dry_run: bool,
) -> None:
    """Record that a subject agreed to a purpose, or took it back."""
    with session.actor() as actor:
        receipt = actor.consent(
            subject,
            for_purpose,
            given=given,
            valid_from=valid_from,
            valid_to=valid_to,
            dry_run=dry_run,
        )
        session.show(receipt, views.receipt("consent given" if given else "consent withdrawn"))


@verb("hold")
@click.argument("matter")
@click.option("--subject", help="Hold everything about this subject.")
@click.option("--cube", help="Hold this memory.")
@click.option("--label", help="Hold whatever has this label.")
@click.option("--class", "retention_class", help="Hold whatever is of this retention class.")
@options.timed("--recorded-from", "Hold what was recorded then or later.")
@options.timed("--recorded-to", "Hold what was recorded before.")
@options.timed("--valid-from", "When the hold begins; now by default.")
@options.valid_to("When the hold ends by itself.")
@options.dry_run
def hold_verb(session: Session, matter: str, dry_run: bool, **on: Any) -> None:
    """
    Hold a subject, a memory or a scope for a legal matter.

    What is held cannot change, nor come to its end.

    A scope is what --label, --class and the two dates name together; it covers
    what is remembered later too.
    """
    with session.actor() as actor:
        receipt = actor.hold(matter=matter, dry_run=dry_run, **on)
        session.show(receipt, views.receipt("held"))


@verb("release")
@click.argument("matter")
@click.option("--subject", help="Release only this subject.")
@click.option("--cube", help="Release only this memory.")
@options.dry_run
def release_verb(
    session: Session, matter: str, subject: str | None, cube: str | None, dry_run: bool
) -> None:
    """Release what a legal matter holds: all of it, or one part."""
    with session.actor() as actor:
        receipt = actor.release(matter, subject=subject, cube=cube, dry_run=dry_run)
        session.show(receipt, views.receipt("released"))


@verb("trigger")
@click.argument("cube")
@options.timed("--at", "When it happened; now by default.", "occurred_at")
@options.dry_run
def trigger_verb(session: Session, cube: str, occurred_at: datetime | None, dry_run: bool) -> None:
    """
    Say that the event happened which retention waits for.

    Such as a contract that ended: the memory's class is counted from it.
    """
    with session.actor() as actor:
        receipt = actor.trigger(cube, occurred_at=occurred_at, dry_run=dry_run)
        session.show(receipt, views.receipt("triggered"))


def _on_cube(
    name: str, act_of: Callable[[Actor], Callable[..., Receipt]], done: str, promise: str
) -> Verb:
    """Return a verb that takes a cube and nothing else."""

    @verb(name, help=promise)
    @click.argument("cube")
    @options.dry_run
    def run(session: Session, cube: str, dry_run: bool) -> None:
        with session.actor() as actor:
            session.show(act_of(actor)(cube, dry_run=dry_run), views.receipt(done))

    return run


freeze_verb = _on_cube(
    "freeze", lambda actor: actor.freeze, "frozen", "Admit no change to a memory."
)
thaw_verb = _on_cube("thaw", lambda actor: actor.thaw, "thawed", "Admit changes to a memory again.")
archive_verb = _on_cube(
    "archive", lambda actor: actor.archive, "archived", "Keep a memory, but recall it no longer."
)
restore_verb = _on_cube(
    "restore", lambda actor: actor.restore, "restored", "Bring a memory back from the archive."
)
