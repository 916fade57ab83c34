"""Audit `disposition`: what ended in a period, by which rule, who approved, and its proof."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from memos_gov.domain import ids
from memos_gov.domain.codec import decode_stored_header
from memos_gov.domain.events import RetentionScheduled
from memos_gov.domain.facts import CaseFacts, ErasureFacts
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


class Why(msgspec.Struct, frozen=True):
    """Why a cube ended: by which rules, and who let it."""

    rules: tuple[str, ...]
    approver: str | None


def disposition(evidence: Evidence, about: AuditArguments) -> tuple[int, list[tuple[Any, ...]]]:
    """
    Return what expired, was erased, or was archived by the schedule in a period, in order.

    `rules` are those of the schedule where it was due, else those of the
    erasure's plan; `approver` reviewed it, or asked for the erasure. `proof` is
    the leaf of its record in the tenant's tree, in hex.
    """
    about.takes("since", "until")
    index = evidence.ask("disposition")
    evidence.follower.catch_up("cubes", "dispositions")
    return index, list(_rows(evidence, *about.period()))


def _rows(evidence: Evidence, start: int, end: int) -> Iterator[tuple[Any, ...]]:
    found = _found(evidence, start, end)
    whys = _whys(evidence, found)
    people = {why.approver for why in whys if why.approver}
    names = evidence.names({x for one in found for x in (one.owner, one.actor)} | people)
    for one, why in zip(found, whys, strict=True):
        yield (
            one.idx,
            one.time_s,
            one.cube,
            one.retention_class,
            names[one.owner],
            one.done,
            list(why.rules),
            names[one.actor],
            why.approver and names[why.approver],
            one.erasure,
            one.leaf.hex(),
        )


def _found(evidence: Evidence, start: int, end: int) -> list[Any]:
    from sqlalchemy import select

    from memos_gov.projections.tables import CubeRow, DispositionRow, OutcomeRow, table_of

    row, cube, outcome = (table_of(t) for t in (DispositionRow, CubeRow, OutcomeRow))
    decided = (outcome.c.tenant == row.c.tenant) & (outcome.c.idx == row.c.idx)
    mine = (cube.c.tenant == row.c.tenant) & (cube.c.cube == row.c.cube)
    return evidence.rows(
        select(row, cube.c.owner, cube.c.retention_class, outcome.c.leaf)
        .join(cube, mine)
        .join(outcome, decided)
        .where(row.c.tenant == evidence.tenant, row.c.idx <= evidence.last_act())
        .where(row.c.time_s >= start, row.c.time_s < end)
        .order_by(row.c.idx, row.c.cube)
    )


def _whys(evidence: Evidence, found: list[Any]) -> list[Why]:
    """Return why each cube ended, in the same order."""
    asked = _asked(evidence, {one.erasure for one in found if one.erasure})
    due = _due(evidence, {facts.requested_index for facts in asked.values()})
    reviews = [_review(one, asked, due) for one in found]
    decided = _deciders(evidence, {case for case in reviews if case})
    return [
        _why(one, decided.get(case), asked, due) for one, case in zip(found, reviews, strict=True)
    ]


def _why(
    one: Any,
    decider: str | None,
    asked: dict[str, ErasureFacts],
    due: dict[tuple[int, str], RetentionScheduled],
) -> Why:
    facts = asked.get(one.erasure)
    if facts is None:
        return Why(tuple(one.rules.split()), decider)
    if facts.requested_by != ids.SCHEDULER:
        return Why(tuple(one.rules.split()), facts.requested_by)
    scheduled = due.get((facts.requested_index, one.cube))
    return Why(scheduled.rules if scheduled else tuple(one.rules.split()), decider)


def _review(
    one: Any, asked: dict[str, ErasureFacts], due: dict[tuple[int, str], RetentionScheduled]
) -> str | None:
    """Return the review that a cube's end may have had."""
    facts = asked.get(one.erasure)
    scheduled = due.get((facts.requested_index, one.cube)) if facts else None
    if scheduled is None or scheduled.due is None:
        review: str | None = one.review
        return review
    return ids.disposal_case_id(one.cube, scheduled.due)


def _asked(evidence: Evidence, erasures: Iterable[str]) -> dict[str, ErasureFacts]:
    """Return erasure -> how it was asked for."""
    streams = {ids.erasure_stream(evidence.tenant, erasure): erasure for erasure in erasures}
    with evidence.governor.tables.snapshot(tenant=evidence.tenant) as snapshot:
        found = snapshot.facts(streams)
    return {
        streams[stream]: facts
        for stream, (_, facts) in found.items()
        if isinstance(facts, ErasureFacts)
    }


def _due(evidence: Evidence, indices: Iterable[int]) -> dict[tuple[int, str], RetentionScheduled]:
    """Return (index, cube) -> what was due for it first, in the records at some indices."""
    from sqlalchemy import select

    from memos_gov.projections.tables import EventRow, table_of

    event = table_of(EventRow)
    query = (
        select(event.c.idx, event.c.version, event.c.header)
        .where(event.c.tenant == evidence.tenant, event.c.idx.in_(indices))
        .where(event.c.type == RetentionScheduled.__name__)
        .order_by(event.c.idx, event.c.seq)
    )
    found: dict[tuple[int, str], RetentionScheduled] = {}
    for row in evidence.rows(query):
        said = decode_stored_header(RetentionScheduled.__name__, row.version, row.header)
        assert isinstance(said, RetentionScheduled)
        found.setdefault((row.idx, said.cube), said)
    return found


def _deciders(evidence: Evidence, cases: Iterable[str]) -> dict[str | None, str]:
    """Return review -> who decided it."""
    streams = {ids.case_stream(evidence.tenant, case): case for case in cases}
    with evidence.governor.tables.snapshot(tenant=evidence.tenant) as snapshot:
        found = snapshot.facts(streams)
    return {
        streams[stream]: facts.decided_by
        for stream, (_, facts) in found.items()
        if isinstance(facts, CaseFacts) and facts.decided_by is not None
    }
