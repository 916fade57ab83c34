"""Audit `disposition`: what ended in a period, by which rule, who approved, and its proof."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from memos_gov.domain import ids
from memos_gov.domain.facts import CaseFacts
from memos_gov.queries.arguments import AuditArguments
from memos_gov.queries.asking import Evidence

COLUMNS = (
    "index",
    "time_s",
    "cube",
    "retention_class",
    "owner",
    "done",
    "rules",
    "actor",
    "approver",
    "erasure",
    "proof",
)


def disposition(evidence: Evidence, about: AuditArguments) -> tuple[int, list[tuple[Any, ...]]]:
    """
    Return what expired, was erased, or was archived by the schedule in a period, in order.

    `proof` is the leaf of its record in the tenant's tree, in hex.
    """
    about.takes("since", "until")
    index = evidence.ask("disposition")
    evidence.follower.catch_up("cubes", "dispositions")
    return index, list(_rows(evidence, *about.period()))


def _rows(evidence: Evidence, start: int, end: int) -> Iterator[tuple[Any, ...]]:
    from sqlalchemy import select

    from memos_gov.projections.tables import CubeRow, DispositionRow, OutcomeRow, table_of

    row, cube, outcome = (table_of(t) for t in (DispositionRow, CubeRow, OutcomeRow))
    decided = (outcome.c.tenant == row.c.tenant) & (outcome.c.idx == row.c.idx)
    mine = (cube.c.tenant == row.c.tenant) & (cube.c.cube == row.c.cube)
    found = evidence.rows(
        select(row, cube.c.owner, cube.c.retention_class, outcome.c.leaf)
        .join(cube, mine)
        .join(outcome, decided)
        .where(row.c.tenant == evidence.tenant, row.c.idx <= evidence.last_act())
        .where(row.c.time_s >= start, row.c.time_s < end)
        .order_by(row.c.idx, row.c.cube)
    )
    approvers = _approvers(evidence, {one.review for one in found if one.review})
    names = evidence.names(
        {x for one in found for x in (one.owner, one.actor)} | {*approvers.values()}
    )
    for one in found:
        approver = approvers.get(one.review)
        yield (
            one.idx,
            one.time_s,
            one.cube,
            one.retention_class,
            names[one.owner],
            one.done,
            one.rules.split(),
            names[one.actor],
            approver and names[approver],
            one.erasure,
            one.leaf.hex(),
        )


def _approvers(evidence: Evidence, cases: set[str]) -> dict[str | None, str]:
    """Return review -> who decided it."""
    streams = {ids.case_stream(evidence.tenant, case): case for case in cases}
    with evidence.governor.tables.snapshot() as snapshot:
        found = snapshot.facts(streams)
    return {
        streams[stream]: facts.decided_by
        for stream, (_, facts) in found.items()
        if isinstance(facts, CaseFacts) and facts.decided_by is not None
    }
