"""Audit `hold-attempts`: who tried to change or end what a legal hold keeps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from memos_gov.domain import ids
from memos_gov.domain.codec import decode_stored_header
from memos_gov.domain.events import ErasurePlanned
from memos_gov.domain.facts import ErasureFacts
from memos_gov.queries.arguments import AuditArguments
from memos_gov.queries.asking import Evidence

COLUMNS = ("index", "time_s", "cube", "actor", "action", "purpose", "reasons", "policy")
REASON = "legal_hold"


def hold_attempts(evidence: Evidence, about: AuditArguments) -> tuple[int, list[tuple[Any, ...]]]:
    """
    Return what was refused for a hold in a period, in order; dry runs too.

    Of a cube that an erasure had to keep, `actor` is who asked for the erasure.
    """
    about.takes("since", "until")
    index = evidence.ask("hold-attempts")
    evidence.follower.catch_up("accesses")
    return index, list(_rows(evidence, *about.period()))


def _rows(evidence: Evidence, start: int, end: int) -> Iterator[tuple[Any, ...]]:
    found = _found(evidence, start, end)
    asked = _asked(evidence, {one.idx for one in found if one.actor == ids.ERASER})
    actors = [asked.get(one.idx, one.actor) for one in found]
    names = evidence.names(actors)
    for one, actor in zip(found, actors, strict=True):
        yield (
            one.idx,
            one.time_s,
            one.cube,
            names[actor],
            one.action,
            one.purpose,
            one.reasons.split(),
            one.policy,
        )


def _found(evidence: Evidence, start: int, end: int) -> list[Any]:
    from sqlalchemy import select

    from memos_gov.projections.tables import AccessRow, table_of

    access = table_of(AccessRow)
    query = (
        select(access)
        .where(access.c.tenant == evidence.tenant, access.c.effect == "refuse")
        .where(access.c.idx <= evidence.last_act())
        .where(access.c.time_s >= start, access.c.time_s < end)
        .where(access.c.reasons.contains(REASON))
        .order_by(access.c.idx, access.c.cube)
    )
    return [one for one in evidence.rows(query) if REASON in one.reasons.split()]


def _asked(evidence: Evidence, indices: Iterable[int]) -> dict[int, str]:
    """Return index of a page -> who asked for its erasure."""
    from sqlalchemy import select

    from memos_gov.projections.tables import EventRow, table_of

    event = table_of(EventRow)
    query = (
        select(event.c.idx, event.c.version, event.c.header)
        .where(event.c.tenant == evidence.tenant, event.c.idx.in_(indices))
        .where(event.c.type == ErasurePlanned.__name__)
    )
    pages: dict[int, str] = {}
    for row in evidence.rows(query):
        planned = decode_stored_header(ErasurePlanned.__name__, row.version, row.header)
        pages[row.idx] = planned.stream(evidence.tenant)
    with evidence.governor.tables.snapshot(tenant=evidence.tenant) as snapshot:
        found = snapshot.facts(set(pages.values()))
    facts = {stream: known for stream, (_, known) in found.items()}
    return {
        index: asked.requested_by
        for index, stream in pages.items()
        if isinstance(asked := facts.get(stream), ErasureFacts)
    }
