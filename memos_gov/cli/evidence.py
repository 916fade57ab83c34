"""`history` and `explain`: what happened and why; what was said only where it may be read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from memos_gov.cli import options
from memos_gov.cli.options import moment
from memos_gov.cli.output import Screen
from memos_gov.cli.session import Session, verb
from memos_gov.cli.text import cell
from memos_gov.cli.views import timed

if TYPE_CHECKING:
    from memos_gov.domain.as_of import AsOf
    from memos_gov.queries.explain import Explanation
    from memos_gov.queries.history import History

NO_TEXT = "(the policy has no text for this code)"


@verb("history")
@click.argument("cube")
@click.option("--diff", is_flag=True, help="Its revisions instead, and what each changed.")
@options.as_of
def history_verb(session: Session, cube: str, diff: bool, as_of: AsOf | None) -> None:
    """
    Show every event that changed a memory, oldest first.

    --diff is a read of its content: it is judged and recorded as one.
    """
    with session.actor() as actor:
        found = actor.history(cube, as_of=as_of, diff=diff)
        session.show(found, _revisions if diff else _history)
    if diff and all(revision.diff is None for revision in found.revisions):
        session.note("what it said is not shown to you; that you asked is recorded")


def _revisions(screen: Screen, found: History) -> None:
    """Draw each revision with its two times, and how it differs from the one before."""
    for revision in found.revisions:
        recorded = f"recorded {moment(revision.recorded_at)} at index {revision.index}"
        screen.line(f"revision {revision.revision}  {recorded} by {revision.actor}", "heading")
        end = "" if revision.valid_to is None else f" to {moment(revision.valid_to)}"
        screen.line(f"    true from {moment(revision.valid_from)}{end}", "aside")
        for line in revision.diff or ():
            screen.line(f"    {line}", _STYLES.get(line[:1], ""))
        if revision.redactions:
            screen.line(f"    masked: {cell(revision.redactions)}", "aside")


_STYLES = {"+": "added", "-": "removed", "@": "aside"}


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
