"""`audit`: the questions of auditors, a verb each."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from memos_gov.cli import options
from memos_gov.cli.errors import FOUND_WRONG
from memos_gov.cli.output import Screen
from memos_gov.cli.session import Session, VerbGroup, pass_session
from memos_gov.cli.text import is_said
from memos_gov.cli.views import value_of

if TYPE_CHECKING:
    from memos_gov.domain.as_of import AsOf
    from memos_gov.queries.audits import Audit

COLUMNS_MAX = 11


@click.group("audit", cls=VerbGroup)
def audit_verb() -> None:
    """Ask what an auditor asks; the question itself is recorded."""


@audit_verb.command("subject")
@click.argument("subject")
@options.as_of
@pass_session
def subject_question(session: Session, subject: str, as_of: AsOf | None) -> None:
    """
    Everything held about a person.

    With purpose, basis, recipients and expiry.
    """
    _ask(session, "subject", as_of, subject=subject)


@audit_verb.command("access")
@click.argument("cube", required=False)
@click.option("--subject", help="Any memory about this person.")
@options.as_of
@pass_session
def access_question(
    session: Session, cube: str | None, subject: str | None, as_of: AsOf | None
) -> None:
    """Who read or tried what, when, for what, and the answer."""
    _ask(session, "access", as_of, cube=cube, subject=subject)


@audit_verb.command("derived")
@click.argument("cube")
@options.as_of
@pass_session
def derived_question(session: Session, cube: str, as_of: AsOf | None) -> None:
    """What a memory was made of, and what was made of it."""
    _ask(session, "derived", as_of, cube=cube)


@audit_verb.command("holds")
@click.option("--subject", help="Only of this person.")
@click.option("--cube", help="Only of this memory.")
@options.as_of
@pass_session
def holds_question(
    session: Session, subject: str | None, cube: str | None, as_of: AsOf | None
) -> None:
    """Active legal holds: matter, scope, start, who placed them."""
    _ask(session, "holds", as_of, subject=subject, cube=cube)


@audit_verb.command("state")
@click.argument("cube")
@options.as_of
@pass_session
def state_question(session: Session, cube: str, as_of: AsOf | None) -> None:
    """How a memory stood, and the events that led there."""
    _ask(session, "state", as_of, cube=cube)


@audit_verb.command("due")
@click.option("--days", type=click.IntRange(0, 36_525), help="How far ahead; 30 by default.")
@pass_session
def due_question(session: Session, days: int | None) -> None:
    """What ends within days, by rule and owner."""
    _ask(session, "due", None, days=days)


@audit_verb.command("overdue")
@pass_session
def overdue_question(session: Session) -> None:
    """What is past its end and still here, and why."""
    _ask(session, "overdue", None)


@audit_verb.command("disposition")
@options.timed("--since", "From then on.")
@options.timed("--until", "Before then.")
@options.as_of
@pass_session
def disposition_question(
    session: Session, since: datetime | None, until: datetime | None, as_of: AsOf | None
) -> None:
    """
    What ended in a period.

    By which rule, who approved, and the leaf that proves it.
    """
    _ask(session, "disposition", as_of, since=since, until=until)


@audit_verb.command("conflicts")
@pass_session
def conflicts_question(session: Session) -> None:
    """Where hold, minimum and erasure meet, and what won."""
    _ask(session, "conflicts", None)


@audit_verb.command("hold-attempts")
@options.timed("--since", "From then on.")
@options.timed("--until", "Before then.")
@options.as_of
@pass_session
def hold_attempts_question(
    session: Session, since: datetime | None, until: datetime | None, as_of: AsOf | None
) -> None:
    """Who tried to change or end what is held."""
    _ask(session, "hold-attempts", as_of, since=since, until=until)


@audit_verb.command("erasure")
@click.argument("erasure", required=False)
@click.option("--subject", help="Those of this person, by name or id.")
@click.option("--cube", help="Those of this memory.")
@options.as_of
@pass_session
def erasure_question(
    session: Session,
    erasure: str | None,
    subject: str | None,
    cube: str | None,
    as_of: AsOf | None,
) -> None:
    """
    The evidence of an erasure, or of all.

    What each custodian read back, what was kept and why, what remains.
    """
    _ask(session, "erasure", as_of, erasure=erasure, subject=subject, cube=cube)


@audit_verb.command("requests")
@options.as_of
@pass_session
def requests_question(session: Session, as_of: AsOf | None) -> None:
    """Open requests to erase, against the deadline."""
    _ask(session, "requests", as_of)


@audit_verb.command("artefacts")
@click.option("--cube", help="Those of this memory.")
@options.as_of
@pass_session
def artefacts_question(session: Session, cube: str | None, as_of: AsOf | None) -> None:
    """Which memories are kept in another form."""
    _ask(session, "artefacts", as_of, cube=cube)


@audit_verb.command("base-model")
@options.as_of
@pass_session
def base_model_question(session: Session, as_of: AsOf | None) -> None:
    """With which base model memories become tensors."""
    _ask(session, "base-model", as_of)


@audit_verb.command("integrity")
@options.as_of
@pass_session
def integrity_question(session: Session, as_of: AsOf | None) -> int:
    """
    Whether the log proves itself from its beginning.

    Writes nothing; exit code 7 if it does not.
    """
    found = _ask(session, "integrity", as_of)
    results = [row[-1] for row in found.rows if row[0] != "recomputed root"]
    return 0 if set(results) <= {"ok"} else FOUND_WRONG


def _ask(session: Session, question: str, as_of: AsOf | None, **about: object) -> Audit:
    with session.actor() as actor:
        found = actor.audit(question, as_of=as_of, **about)
    session.show(found, _answer)
    return found


def _cell(column: str, row: dict[str, Any]) -> object:
    """Return a value of a row; one that a `value` column holds is named by its row."""
    name = row.get("name", column) if column == "value" else column
    return value_of(name, row[column])


def _answer(screen: Screen, found: Audit) -> None:
    """Draw the rows of an answer without the columns that say nothing in any of them."""
    rows = [dict(zip(found.columns, row, strict=True)) for row in found.rows]
    policies = sorted({str(row["policy"]) for row in rows if row.get("policy")})
    said = [n for n in found.columns if n != "policy" and any(is_said(row[n]) for row in rows)]
    names = [name.removesuffix("_s").replace("_", " ") for name in said]
    if not rows:
        screen.line("none")
    elif len(said) <= COLUMNS_MAX:
        screen.table(names, ([_cell(name, row) for name in said] for row in rows))
    else:
        for place, row in enumerate(rows):
            if place:
                screen.line("")
            screen.fields(
                (name, _cell(column, row)) for name, column in zip(names, said, strict=True)
            )
    if policies:
        screen.fields([("policy", policies)])
    known = "" if found.recorded is None else f" as recorded by index {found.recorded}"
    screen.line(f"as of {found.as_of}{known}, index {found.index}", "aside")
