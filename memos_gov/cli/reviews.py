"""`review`: acts that policy lets happen only after somebody else has looked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from memos_gov.cli import options, views
from memos_gov.cli.options import moment
from memos_gov.cli.output import Screen
from memos_gov.cli.session import Session, VerbGroup, pass_session

if TYPE_CHECKING:
    from memos_gov.queries.cases import Case


@click.group("review", cls=VerbGroup)
def review_verb() -> None:
    """Decide what waits for a second person."""


@review_verb.command("list")
@pass_session
def waiting(session: Session) -> None:
    """List the cases that wait, oldest first."""
    with session.actor() as actor:
        session.show(actor.cases(), _cases)


def _cases(screen: Screen, found: tuple[Case, ...]) -> None:
    if not found:
        screen.line("nothing waits")
        return
    rows = ((c.case_id, moment(c.since), c.actor, c.action, c.target) for c in found)
    screen.table(("case", "since", "actor", "action", "target"), rows)


@review_verb.command("approve")
@click.argument("case")
@options.dry_run
@pass_session
def approve(session: Session, case: str, dry_run: bool) -> None:
    """
    Let an act be done.

    Who asked for it repeats it with `--approval CASE`.
    """
    with session.actor() as actor:
        session.show(actor.approve(case, dry_run=dry_run), views.receipt("approved"))


@review_verb.command("reject")
@click.argument("case")
@options.dry_run
@pass_session
def reject(session: Session, case: str, dry_run: bool) -> None:
    """Refuse an act for good."""
    with session.actor() as actor:
        session.show(actor.reject(case, dry_run=dry_run), views.receipt("rejected"))
