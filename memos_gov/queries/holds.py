"""Audit `holds`: what is held for which legal matter, since when, until when, and who placed it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from memos_gov.domain import ids
from memos_gov.domain.facts import HoldScope, MatterFacts, PlacedHold
from memos_gov.queries.arguments import AuditArguments
from memos_gov.queries.asking import Evidence, Names

COLUMNS = (
    "matter",
    "kind",
    "target",
    "cubes",
    "since",
    "placed_by",
    "label",
    "retention_class",
    "recorded_from",
    "recorded_to",
    "valid_from",
    "valid_to",
    "in_force",
)
NO_SCOPE = HoldScope(label=None, retention_class=None, recorded_from=None, recorded_to=None)


def held(evidence: Evidence, about: AuditArguments) -> tuple[int, list[tuple[Any, ...]]]:
    """
    Return one row a hold that has not ended, by matter; of one person or cube only where named.

    `cubes` counts what it covers now, `since` is when it was placed. Of a cube
    that is named, holds on it through its persons and by scope are not among
    them: those are on other targets.
    """
    about.takes("subject", "cube")
    person = None if about.subject is None else evidence.opaque("subject", about.subject)
    wanted = person or about.cube
    index = evidence.ask("holds", target=wanted)
    evidence.follower.catch_up("cubes")
    now = evidence.now
    holds = [
        hold
        for facts in evidence.facts("matter", timed=True).values()
        if isinstance(facts, MatterFacts)
        for hold in facts.holds
        if wanted in (None, hold.target.id) and (hold.valid_to is None or now < hold.valid_to)
    ]
    return index, sorted(_rows(evidence, holds, now), key=lambda row: row[:3])


def _rows(evidence: Evidence, holds: list[PlacedHold], now: int) -> Iterator[tuple[Any, ...]]:
    names = evidence.names({x for h in holds for x in (h.matter, h.target.id, h.placed_by)})
    for hold in holds:
        yield _row(evidence, hold, names, now)


def _row(evidence: Evidence, hold: PlacedHold, names: Names, now: int) -> tuple[Any, ...]:
    scope = hold.scope or NO_SCOPE
    return (
        names[hold.matter],
        hold.target.kind,
        names[hold.target.id],
        _covered(evidence, hold),
        hold.placed_at,
        names[hold.placed_by],
        scope.label,
        scope.retention_class,
        scope.recorded_from,
        scope.recorded_to,
        hold.valid_from,
        hold.valid_to,
        hold.holds_at(now),
    )


def _covered(evidence: Evidence, hold: PlacedHold) -> int:
    """Return how many cubes that were there a hold covers; a scope by the labels of today."""
    from sqlalchemy import func, literal, select

    from memos_gov.projections.tables import CubeRow, CubeWordRow, FactsRow, table_of

    if hold.target.kind == "cube":
        return 1
    cube, word, facts = (table_of(t) for t in (CubeRow, CubeWordRow, FactsRow))
    first = literal(ids.content_stream(evidence.tenant, "")).concat(cube.c.cube)
    query = (
        select(func.count())
        .select_from(cube)
        .join(facts, (facts.c.stream == first) & (facts.c.version == 1))
        .where(cube.c.tenant == evidence.tenant, facts.c.idx <= evidence.last_act())
    )
    if hold.target.kind == "subject":
        mine = (word.c.tenant == cube.c.tenant) & (word.c.cube == cube.c.cube)
        about = (word.c.kind == "subject", word.c.value == hold.target.id)
        return int(evidence.rows(query.join(word, mine).where(*about))[0][0])
    return int(evidence.rows(query.where(*_within(cube, hold.scope or NO_SCOPE)))[0][0])


def _within(cube: Any, scope: HoldScope) -> list[Any]:
    """Return a scope as conditions on the `cubes` view."""
    narrows = (
        (scope.label, cube.c.label == scope.label),
        (scope.retention_class, cube.c.retention_class == scope.retention_class),
        (scope.recorded_from, cube.c.recorded_at >= (scope.recorded_from or 0)),
        (scope.recorded_to, cube.c.recorded_at < (scope.recorded_to or 0)),
    )
    return [condition for part, condition in narrows if part is not None]
