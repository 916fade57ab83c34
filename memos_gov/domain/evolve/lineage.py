"""Facts of lineage: what was made of what, and what an actor has read in a session."""

from __future__ import annotations

from msgspec.structs import replace

from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.evolve.cubes import governed
from memos_gov.domain.evolve.evolving import Changes, Known, Occurrence, evolve
from memos_gov.domain.evolve.words import from_the_first, indexed
from memos_gov.domain.facts import (
    CorrelationFacts,
    GovernanceFacts,
    LineageFacts,
    Source,
    TimedWord,
)
from memos_gov.domain.lineage.descent import SOURCES_MAX
from memos_gov.domain.lineage.inheritance import earliest


@evolve.register
def _(event: e.CubeDerived, at: Occurrence, known: Known) -> Changes:
    return {**_descending(event, at, known), **_capped(event, at, known)}


@evolve.register
def _(event: e.CubeLinked, at: Occurrence, known: Known) -> Changes:
    stream = event.stream(at.tenant)
    facts = _capped(event, at, known).get(stream)
    if not isinstance(facts, GovernanceFacts):
        return _descending(event, at, known)
    sources = dict.fromkeys((*facts.sources, *(source.cube for source in event.sources)))
    linked = replace(facts, sources=tuple(sources))
    return {**_descending(event, at, known), stream: linked}


def _descending(event: e.CubeDerived | e.CubeLinked, at: Occurrence, known: Known) -> Changes:
    """Return how many were made of each source, this one too."""
    changes: Changes = {}
    for source in event.sources:
        stream = ids.lineage_stream(at.tenant, source.cube)
        facts = changes.get(stream, known.get(stream))
        made = facts.descendants if isinstance(facts, LineageFacts) else 0
        changes[stream] = LineageFacts(descendants=made + 1)
    return changes


def _capped(
    event: e.CubeDerived | e.CubeLinked | e.CubeNarrowed, at: Occurrence, known: Known
) -> Changes:
    facts = known.get(event.stream(at.tenant))
    if not isinstance(facts, GovernanceFacts):
        return {}
    return governed(
        event,
        at,
        known,
        expires_at=earliest(facts.expires_at, event.expires_at),
        valid_to=earliest(facts.valid_to, event.valid_to),
    )


@evolve.register
def _(event: e.CubeMerged, at: Occurrence, known: Known) -> Changes:
    return governed(event, at, known, state="merged")


@evolve.register
def _(event: e.CubeNarrowed, at: Occurrence, known: Known) -> Changes:
    stream = event.stream(at.tenant)
    facts = _capped(event, at, known).get(stream)
    if not isinstance(facts, GovernanceFacts):
        return {}
    if event.label is not None:
        said = TimedWord(word=event.label, valid_from=at.now)
        words = (*from_the_first(facts.labels, facts.label), said)
        facts = replace(facts, label=event.label, labels=words)
    if event.basis is not None:
        said = TimedWord(word=event.basis, valid_from=at.now)
        words = (*from_the_first(facts.bases, facts.basis), said)
        facts = replace(facts, basis=event.basis, bases=words)
    narrower = replace(
        facts,
        quarantined=facts.quarantined or event.quarantined,
        restricted=facts.restricted or event.restricted,
    )
    return {stream: narrower, **indexed(event, at, known)}


@evolve.register
def _(event: e.CubesRead, at: Occurrence, known: Known) -> Changes:
    if not at.correlation or event.action == "list":
        return {}
    facts = known.get(at.correlation)
    before = facts if isinstance(facts, CorrelationFacts) else CorrelationFacts()
    reads = {source.cube: source for source in before.reads}
    full = before.full
    for read in event.cubes:
        if read.cube in at.struck:
            continue
        if read.cube in reads or len(reads) < SOURCES_MAX:
            reads[read.cube] = Source(cube=read.cube, revision=read.revision)
        else:
            full = True
    after = CorrelationFacts(reads=tuple(reads.values()), full=full)
    return {} if after == before else {at.correlation: after}
