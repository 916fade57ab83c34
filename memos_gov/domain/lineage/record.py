"""A record against the rules of lineage, and what it adds to who was made of whom."""

from __future__ import annotations

from collections.abc import Sequence

from memos_gov.domain import codec, ids
from memos_gov.domain import events as e
from memos_gov.domain.facts import CorrelationFacts
from memos_gov.domain.history import Known, Rows
from memos_gov.domain.lineage.rules import (
    Fault,
    fault_of_derivation,
    fault_of_linking,
    fault_of_narrowing,
)


def session_of(data: codec.RecordData) -> str:
    """Return the stream of what the record's actor has read in its session."""
    return ids.correlation_stream(data.tenant, data.actor, data.correlation)


def fault_of(events: Sequence[e.Event], data: codec.RecordData, known: Known) -> Fault | None:
    """Return what is wrong with a record that is complete otherwise, if anything."""
    return _fault_of_sources(events, data, known) or fault_of_narrowing(
        events,
        tenant=data.tenant,
        known=known.facts,
        children=known.children,
        relied_on=None if data.verdict is None else data.relied_on,
        now=known.log_time_ms // 1000,
    )


def _fault_of_sources(
    events: Sequence[e.Event], data: codec.RecordData, known: Known
) -> Fault | None:
    """Return what is wrong with what a record says new content was made of."""
    by_target = data.verdict.by_target if data.verdict else {}
    unlinked = {target for target, answer in by_target.items() if answer.unlinks}
    reads, facts, tenant = _reads(events, data, known), known.facts, data.tenant
    fault = fault_of_derivation(events, tenant=tenant, known=facts, reads=reads, unlinked=unlinked)
    if fault is not None or not known.links:
        return fault
    return fault_of_linking(events, tenant=tenant, known=facts, reads=reads, unlinked=unlinked)


def _reads(events: Sequence[e.Event], data: codec.RecordData, known: Known) -> CorrelationFacts:
    """Return what was read in the session, which counts where an actor says something."""
    if not any(isinstance(event, e.CubeRemembered | e.CubeRevised) for event in events):
        return CorrelationFacts()
    facts = known.facts.get(session_of(data))
    return facts if isinstance(facts, CorrelationFacts) else CorrelationFacts()


def descend(
    event: e.CubeDerived | e.CubeLinked, tenant: str, index: int, known: Known, rows: Rows
) -> None:
    """Enter a cube among what was made of each of its sources."""
    pathway = event.pathway if isinstance(event, e.CubeDerived) else "correlation"
    for source in event.sources:
        stream = ids.lineage_stream(tenant, source.cube)
        known.children[stream] = (*known.children.get(stream, ()), event.cube)
        rows.lineage.append((tenant, source.cube, event.cube, pathway, source.revision, index))
