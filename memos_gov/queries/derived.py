"""Audit `derived`: what a cube was made of, and what was made of it, both to the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from memos_gov.domain import ids
from memos_gov.domain.facts import GovernanceFacts
from memos_gov.errors import InvalidCommandError
from memos_gov.queries.arguments import AuditArguments
from memos_gov.queries.asking import Evidence

COLUMNS = (
    "relation",
    "distance",
    "cube",
    "source",
    "pathway",
    "source_revision",
    "state",
    "label",
    "index",
)
MADE_OF, MADE_INTO = "made_of", "made_into"
_PIECE = 300


def derived(evidence: Evidence, about: AuditArguments) -> tuple[int, list[tuple[Any, ...]]]:
    """
    Return one row a derivation: first those that led to a cube, then those it led to.

    `distance` counts derivations from the cube asked about; `state` and
    `label` are of the source in the first kind and of what was made in the
    second. As of a moment, what had been made by then, and how it stood.

    Raises:
        InvalidCommandError: No cube is named, or a person is; nothing was written.
    """
    if about.cube is None or about.subject is not None:
        msg = "cube: name the memory this is about, and no person"
        raise InvalidCommandError(msg, field="cube")
    index = evidence.ask("derived", target=about.cube)
    last = evidence.last_act()
    ways = (MADE_OF, MADE_INTO)
    found = [edge for way in ways for edge in _edges(evidence, about.cube, way, last)]
    other = {edge: edge[3] if edge[0] == MADE_OF else edge[2] for edge in found}
    facts = _facts(evidence, set(other.values()), last)
    nothing = ("", "")
    return index, [(*edge[:6], *facts.get(other[edge], nothing), edge[6]) for edge in found]


def _edges(evidence: Evidence, cube: str, relation: str, last: int) -> Iterator[tuple[Any, ...]]:
    """Yield the derivations on the way up or down, nearest first, each once."""
    frontier, seen, distance = [cube], {cube}, 0
    while frontier:
        distance += 1
        edges = list(_step(evidence, frontier, relation, last))
        yield from ((relation, distance, *edge) for edge in edges)
        reached = [edge[1] if relation == MADE_OF else edge[0] for edge in edges]
        frontier = sorted(set(reached) - seen)
        seen.update(frontier)


def _step(
    evidence: Evidence, cubes: Sequence[str], relation: str, last: int
) -> Iterator[tuple[Any, ...]]:
    from sqlalchemy import select

    from memos_gov.projections.tables import LineageRow, table_of

    table = table_of(LineageRow)
    near = table.c.cube if relation == MADE_OF else table.c.source
    query = select(
        table.c.cube, table.c.source, table.c.pathway, table.c.revision, table.c.idx
    ).where(table.c.tenant == evidence.tenant, table.c.idx <= last)
    for start in range(0, len(cubes), _PIECE):
        piece = query.where(near.in_(cubes[start : start + _PIECE]))
        rows = evidence.rows(piece.order_by(table.c.idx, table.c.cube, table.c.source))
        yield from (tuple(row) for row in rows)


def _facts(evidence: Evidence, cubes: set[str], last: int) -> dict[str, tuple[str, str]]:
    """Return cube -> its state and label, up to an index."""
    streams = {ids.governance_stream(evidence.tenant, cube): cube for cube in cubes}
    with evidence.governor.tables.snapshot(tenant=evidence.tenant) as snapshot:
        found = snapshot.facts_as_of(streams, last)
    return {
        streams[stream]: (facts.state, facts.label)
        for stream, (_, facts) in found.items()
        if isinstance(facts, GovernanceFacts)
    }
