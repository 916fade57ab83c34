"""Audits `due` and `overdue`: what ends soon, and what is past its end and still here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from memos_gov.domain.questions import Cube
from memos_gov.domain.verdicts import HELD, Step
from memos_gov.errors import InvalidCommandError
from memos_gov.queries.arguments import AuditArguments
from memos_gov.queries.asking import Evidence, Names
from memos_gov.schedule.asking import Asked, ask

DUE_COLUMNS = ("rule", "owner", "action", "due", "cube", "retention_class", "policy")
OVERDUE_COLUMNS = (
    "cube",
    "retention_class",
    "owner",
    "action",
    "due",
    "days_over",
    "exception",
    "by",
    "rules",
    "steps",
)
DAYS, DAY_S, PAGE = 30, 86_400, 200
EXCEPTIONS = {
    "due": "schedule_not_run",
    "review": "review_not_opened",
    "waiting": "review_open",
    "rejected": "review_rejected",
}


def of_today(evidence: Evidence) -> None:
    """
    Refuse a moment of the past: what is due follows from how things stand now.

    Raises:
        InvalidCommandError: Names `as_of`; nothing was written.
    """
    if evidence.then is not None:
        msg = "as_of: what is due follows from how things stand now"
        raise InvalidCommandError(msg, field="as_of")


def due(evidence: Evidence, about: AuditArguments) -> tuple[int, list[tuple[Any, ...]]]:
    """
    Return what is due within days (30 unless said), by the rule that decided and by owner.

    As the newest record about each cube says; `policy` is that of the record.
    """
    about.takes("days")
    of_today(evidence)
    index = evidence.ask("due")
    evidence.follower.catch_up("cubes", "due")
    until = evidence.now + (DAYS if about.days is None else about.days) * DAY_S
    return index, sorted(_due(evidence, until))


def _due(evidence: Evidence, until: int) -> Iterator[tuple[Any, ...]]:
    from sqlalchemy import select

    from memos_gov.projections.tables import CubeRow, DueRow, table_of

    row, cube = table_of(DueRow), table_of(CubeRow)
    mine = (row.c.tenant == cube.c.tenant) & (row.c.cube == cube.c.cube)
    found = evidence.rows(
        select(row, cube.c.owner)
        .join(cube, mine)
        .where(row.c.tenant == evidence.tenant, row.c.due_at <= until)
    )
    names = evidence.names({one.owner for one in found})
    for one in found:
        rule = one.rules.split()[0]
        yield (
            rule,
            names[one.owner],
            one.action,
            one.due_at,
            one.cube,
            one.retention_class,
            one.policy,
        )


def overdue(evidence: Evidence, about: AuditArguments) -> tuple[int, list[tuple[Any, ...]]]:
    """
    Return cubes past their retention that are still here, and the exception that keeps each.

    Policy is asked about each of them with today's facts.

    Raises:
        PolicyUnavailableError: Policy did not answer.
    """
    about.takes()
    of_today(evidence)
    index = evidence.ask("overdue")
    evidence.follower.catch_up("cubes", "due", "usage")
    now = evidence.now
    found = weighed(evidence, candidates(evidence, now))
    rows = [_overdue(*one, now) for one in found if _is_over(one[0], now)]
    return index, sorted(rows, key=lambda row: (row[4], row[0]))


def _is_over(asked: Asked, now: int) -> bool:
    ended = _ended(asked)
    return ended is not None and ended <= now


def candidates(evidence: Evidence, now: int) -> list[str]:
    """Return the cubes that something is due for by the view, or that a hold keeps."""
    from sqlalchemy import or_, select

    from memos_gov.projections.tables import DueRow, table_of

    row = table_of(DueRow)
    query = (
        select(row.c.cube)
        .where(row.c.tenant == evidence.tenant, or_(row.c.due_at <= now, row.c.held))
        .order_by(row.c.cube)
    )
    return [one.cube for one in evidence.rows(query)]


def weighed(evidence: Evidence, cubes: Sequence[str]) -> Iterator[tuple[Asked, Cube, Names]]:
    """Yield policy's answer about each cube today, with its facts and the names in them."""
    tables = evidence.governor.tables
    for start in range(0, len(cubes), PAGE):
        with tables.snapshot(tenant=evidence.tenant) as snapshot:
            attempt = evidence.governor.attempt(snapshot, evidence.caller)
            page = cubes[start : start + PAGE]
            known = attempt.cubes(page)
            asked = list(ask(attempt, tables, page, attempt.now))
        opaque = {cube.governance.owner for cube in known.values()}
        opaque |= {hold.matter for cube in known.values() for hold in cube.holds}
        names = evidence.names(opaque)
        yield from ((one, known[one.cube], names) for one in asked)


def _ended(asked: Asked) -> int | None:
    """Return when a cube's retention is over, whatever keeps it beyond that."""
    if asked.verdict.due is not None:
        return asked.verdict.due
    last = asked.verdict.steps[-1]
    return last.at if HELD in asked.verdict.rules else None


def _overdue(asked: Asked, cube: Cube, names: Names, now: int) -> tuple[Any, ...]:
    ended = _ended(asked)
    assert ended is not None
    held = HELD in asked.verdict.rules
    return (
        asked.cube,
        cube.governance.retention_class,
        names[cube.governance.owner],
        asked.verdict.steps[-1].code,
        ended,
        (now - ended) // DAY_S,
        "legal_hold" if held else EXCEPTIONS[asked.standing],
        matters(cube, names, now) if held else [asked.case] if asked.case else [],
        list(asked.verdict.rules),
        told(asked.verdict.steps),
    )


def matters(cube: Cube, names: Names, now: int) -> list[str]:
    """Return the names of the matters that hold a cube."""
    return sorted({names[hold.matter] for hold in cube.holds if hold.holds_at(now)})


def told(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Return a derivation as it stands in an answer."""
    return [{"code": step.code, "at": step.at} for step in steps]
