"""Audit `conflicts`: where a hold, a minimum and an erasure or an end meet, and which rule won."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from memos_gov.domain.questions import Cube
from memos_gov.queries.arguments import AuditArguments
from memos_gov.queries.asking import Evidence, Names
from memos_gov.queries.due import candidates, matters, of_today, told, weighed
from memos_gov.schedule.asking import Asked

COLUMNS = (
    "cube",
    "retention_class",
    "owner",
    "keeps",
    "ends",
    "won",
    "rules",
    "until",
    "matters",
    "steps",
)
_KEEPS = {"statutory_until": "statutory_minimum", "minimum_until": "minimum"}
_ENDS = {
    "erasure_requested": "erasure",
    "expires_at": "expiry",
    "maximum_at": "maximum",
    "grace_until": "grace",
}


def conflicts(evidence: Evidence, about: AuditArguments) -> tuple[int, list[tuple[Any, ...]]]:
    """
    Return cubes that one rule keeps and another would end by now, with the rule that won.

    `until` is when the minimum that keeps is over; None for a hold. Policy is
    asked about each of them with today's facts.

    Raises:
        PolicyUnavailableError: Policy did not answer.
    """
    about.takes()
    of_today(evidence)
    index = evidence.ask("conflicts")
    evidence.follower.catch_up("cubes", "due", "usage")
    now = evidence.now
    cubes = sorted({*candidates(evidence, now), *_postponed(evidence)})
    rows = [_row(*found, now) for found in weighed(evidence, cubes)]
    return index, [row for row in rows if row[3] and row[4]]


def _postponed(evidence: Evidence) -> list[str]:
    """Return the cubes whose erasure was asked for and has not happened."""
    from sqlalchemy import select

    from memos_gov.projections.tables import DueRow, table_of

    row = table_of(DueRow)
    asked = row.c.steps.contains("erasure_requested")
    query = select(row.c.cube).where(row.c.tenant == evidence.tenant, asked)
    return [one.cube for one in evidence.rows(query)]


def _row(asked: Asked, cube: Cube, names: Names, now: int) -> tuple[Any, ...]:
    verdict = asked.verdict
    at = {step.code: step.at for step in verdict.steps}
    floors = {code: at[code] or 0 for code in _KEEPS if (at.get(code) or 0) > now}
    keeps = (["hold"] if "held" in at else []) + [_KEEPS[code] for code in floors]
    if "awaits_event" in at and verdict.rules[-1] in {"retention/statutory", "retention/minimum"}:
        keeps.append("awaits_event")
    return (
        asked.cube,
        cube.governance.retention_class,
        names[cube.governance.owner],
        keeps,
        _ends(asked, at, now),
        verdict.rules[0],
        list(verdict.rules),
        max(floors.values(), default=None),
        matters(cube, names, now),
        told(verdict.steps),
    )


def _ends(asked: Asked, at: Mapping[str, int | None], now: int) -> list[str]:
    """Return what would end the cube by now if nothing kept it."""
    found = [word for code, word in _ENDS.items() if code in at and (at[code] or 0) <= now]
    if asked.question["erasure_requested"] and "erasure" not in found:
        found.insert(0, "erasure")  # (a minimum that waits for its event weighs nothing else)
    return found
