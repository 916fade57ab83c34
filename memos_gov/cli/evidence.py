"""`history`, `explain` and `audit`: what happened and why, never what was said."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from memos_gov.cli.errors import FOUND_WRONG
from memos_gov.cli.options import moment
from memos_gov.cli.output import Screen
from memos_gov.cli.session import Session, VerbGroup, pass_session, verb
from memos_gov.cli.text import cell, is_said
from memos_gov.cli.views import timed, value_of

if TYPE_CHECKING:
    from memos_gov.queries.audits import Audit
    from memos_gov.queries.explain import Explanation
    from memos_gov.queries.history import History

COLUMNS_MAX = 11
NO_TEXT = "(the policy has no text for this code)"


@verb("history")
@click.argument("cube")
def history_verb(session: Session, cube: str) -> None:
    """Show every event that changed a memory, oldest first."""
    with session.actor() as actor:
        session.show(actor.history(cube), _history)


def _history(screen: Screen, found: History) -> None:
    for change in found.changes:
        when = f"{change.index}  {moment(change.time_s)}"
        screen.line(f"{when}  {change.type} by {change.actor}", "heading")
        screen.paragraph(cell(timed(change.changes)), indent=4)


@verb("explain")
@click.argument("verdict")
@click.option("--facts", is_flag=True, help="Show the facts too, as they were.")
def explain_verb(session: Session, verdict: str, facts: bool) -> None:
    """
    Show why a verdict was given, and what it relied on.

    VERDICT is the id of a receipt or an error, or an index of the log.
    """
    with session.actor() as actor:
        session.show(actor.explain(verdict), _with_facts if facts else _explanation)


def _with_facts(screen: Screen, found: Explanation) -> None:
    """Draw an explanation and every fact; streams that say the same are drawn together."""
    _grounds(screen, found)
    screen.line("facts it relied on:", "heading")
    alike: dict[str, list[str]] = {}
    for fact in found.facts:
        said = cell(timed(fact.facts)) or "never written"
        alike.setdefault(said, []).append(f"{fact.stream} version {fact.version}")
    for said, streams in alike.items():
        for stream in streams:
            screen.line(f"  {stream}")
        screen.paragraph(said, indent=4)


def _explanation(screen: Screen, found: Explanation) -> None:
    _grounds(screen, found)
    kinds = cell(sorted({fact.stream.split("/")[1] for fact in found.facts}))
    screen.line(f"relied on {len(found.facts)} facts ({kinds}); --facts shows them", "aside")


def _grounds(screen: Screen, found: Explanation) -> None:
    screen.fields(
        [
            ("verdict", found.verdict_id),
            ("answer", found.effect),
            ("command", f"{found.command} by {found.actor} for {found.context.get('purpose')}"),
            ("decided", f"{moment(found.time_s)} at index {found.index}, {found.outcome}"),
            ("policy", found.policy),
            ("asked again", _asked_again(found)),
        ]
    )
    _section(screen, "reasons", ((r.code, r.text or NO_TEXT) for r in found.reasons))
    _section(screen, "rules", ((r.name, r.title) for r in found.rules))


def _asked_again(found: Explanation) -> str:
    answers = {True: "the same bundle gives the same answer", False: "the answer differs"}
    return f"not: {found.not_asked}" if found.same is None else answers[found.same]


def _section(screen: Screen, title: str, pairs: Iterable[tuple[str, object]]) -> None:
    if shown := list(pairs):
        screen.line(f"{title}:", "heading")
        screen.fields((f"  {name}", value) for name, value in shown)


@click.group("audit", cls=VerbGroup)
def audit_verb() -> None:
    """Ask what an auditor asks; the question itself is recorded."""


@audit_verb.command("subject")
@click.argument("subject")
@pass_session
def subject_question(session: Session, subject: str) -> None:
    """
    Everything held about a person.

    With purpose, basis, recipients and expiry.
    """
    _ask(session, "subject", subject=subject)


@audit_verb.command("access")
@click.argument("cube", required=False)
@click.option("--subject", help="Any memory about this person.")
@pass_session
def access_question(session: Session, cube: str | None, subject: str | None) -> None:
    """Who read or tried what, when, for what, and the answer."""
    _ask(session, "access", cube=cube, subject=subject)


@audit_verb.command("holds")
@click.option("--subject", help="Only of this person.")
@click.option("--cube", help="Only of this memory.")
@pass_session
def holds_question(session: Session, subject: str | None, cube: str | None) -> None:
    """Active legal holds: matter, scope, start, who placed them."""
    _ask(session, "holds", subject=subject, cube=cube)


@audit_verb.command("integrity")
@pass_session
def integrity_question(session: Session) -> int:
    """
    Whether the log proves itself from its beginning.

    Writes nothing; exit code 7 if it does not.
    """
    found = _ask(session, "integrity")
    results = [row[-1] for row in found.rows if row[0] != "recomputed root"]
    return 0 if set(results) <= {"ok"} else FOUND_WRONG


def _ask(session: Session, question: str, **about: str | None) -> Audit:
    with session.actor() as actor:
        found = actor.audit(question, **about)
    session.show(found, _answer)
    return found


def _answer(screen: Screen, found: Audit) -> None:
    """Draw the rows of an answer without the columns that say nothing in any of them."""
    rows = [dict(zip(found.columns, row, strict=True)) for row in found.rows]
    policies = sorted({str(row["policy"]) for row in rows if row.get("policy")})
    said = [n for n in found.columns if n != "policy" and any(is_said(row[n]) for row in rows)]
    names = [name.removesuffix("_s").replace("_", " ") for name in said]
    if not rows:
        screen.line("none")
    elif len(said) <= COLUMNS_MAX:
        screen.table(names, ([value_of(name, row[name]) for name in said] for row in rows))
    else:
        for place, row in enumerate(rows):
            if place:
                screen.line("")
            screen.fields(
                (name, value_of(column, row[column]))
                for name, column in zip(names, said, strict=True)
            )
    if policies:
        screen.fields([("policy", policies)])
    screen.line(f"as of {found.as_of}, index {found.index}", "aside")
