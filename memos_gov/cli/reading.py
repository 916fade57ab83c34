"""`recall`, `get` and `list`: what the actor may see."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, get_args

import click

from memos_gov.cli import options, views
from memos_gov.cli.session import Session, verb
from memos_gov.domain.lifecycle import State
from memos_gov.errors import InvalidCommandError

if TYPE_CHECKING:
    from memos_gov.domain.as_of import AsOf


@verb("recall")
@click.argument("query")
@click.option("-k", type=int, help="How many cubes at the most.  [default: 5]")
@click.option("--budget", type=int, help="Pack what fits into so many characters.")
@options.as_of
def recall_verb(
    session: Session, query: str, k: int | None, budget: int | None, as_of: AsOf | None
) -> None:
    """Find the memories that fit best and that you may read."""
    with session.actor() as actor:
        found = actor.recall(query, k=k, budget=budget, as_of=as_of)
        session.show(found, views.hits)
    if found.partial:
        session.note("only the newest of the memories that you may read were ranked")


@verb("get")
@click.argument("cube")
@options.as_of
def get_verb(session: Session, cube: str, as_of: AsOf | None) -> None:
    """Read one memory, as it is or as it was."""
    with session.actor() as actor:
        session.show(actor.get(cube, as_of=as_of), views.hit)


@verb("list")
@click.option("--subject", help="Only about this subject.")
@click.option("--label", help="Only with this label.")
@click.option("--state", help="Only in this state, such as archived.")
@click.option("--limit", default=50, show_default=True, help="How many at the most.")
@click.option("--after", metavar="CUBE", help="Go on after the last cube of the page before.")
@options.as_of
def list_verb(
    session: Session,
    subject: str | None,
    label: str | None,
    state: str | None,
    limit: int,
    after: str | None,
    as_of: AsOf | None,
) -> None:
    """List memories that you may read, newest first; no content."""
    with session.actor() as actor:
        _known("state", state, get_args(State))
        if label is not None:
            _known("label", label, actor.rooms.bundles.get(actor.policy).vocabulary.labels)
        wanted = {"subject": subject, "label": label, "state": state, "after": after}
        found = actor.list(**wanted, limit=limit, as_of=as_of)
        session.show(found, views.listing)
    if len(found.hits) == limit:
        session.note(f"more: --after {found.hits[-1].cube_id}")


def _known(field: str, word: str | None, words: Collection[str]) -> None:
    """Refuse a word that no cube can have; an empty list would look like an answer."""
    if word is not None and word not in words:
        msg = f"{field}: unknown word; known are {', '.join(sorted(words))}"
        raise InvalidCommandError(msg, field=field)
