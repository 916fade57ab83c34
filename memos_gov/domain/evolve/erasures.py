"""Facts of erasures, and of the subjects they are about."""

from __future__ import annotations

from msgspec.structs import replace

from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.evolve.evolving import Changes, Known, Occurrence, evolve
from memos_gov.domain.evolve.people import subject_facts
from memos_gov.domain.facts import CustodianReceipt, ErasureFacts, OpenErasures


@evolve.register
def _(event: e.ErasureRequested, at: Occurrence, known: Known) -> Changes:
    stream = event.stream(at.tenant)
    facts = known.get(stream)
    if isinstance(facts, ErasureFacts):
        asked = replace(
            facts,
            state="requested",
            cubes=event.cubes,
            index=at.index,
            last=None,
            kept=0,
            custodians=(),
            receipts=(),
        )
    else:
        asked = _requested(event, at)
    return {stream: asked, **_open(event.erasure, at, known, is_open=True)}


def _requested(event: e.ErasureRequested, at: Occurrence) -> ErasureFacts:
    return ErasureFacts(
        state="requested",
        subject=event.subject,
        cube=event.cube,
        cubes=event.cubes,
        requested_by=at.actor,
        requested_at=at.now,
        requested_index=at.index,
        index=at.index,
    )


def _open(erasure: str, at: Occurrence, known: Known, *, is_open: bool) -> Changes:
    """Enter an erasure among those to go on with, or take it out."""
    stream = ids.open_erasures_stream(at.tenant)
    facts = known.get(stream)
    before = facts.erasures if isinstance(facts, OpenErasures) else ()
    others = tuple(other for other in before if other != erasure)
    return {stream: OpenErasures(erasures=(*others, erasure) if is_open else others)}


@evolve.register
def _(event: e.SubjectRestricted, at: Occurrence, known: Known) -> Changes:
    stream = event.stream(at.tenant)
    facts = subject_facts(known, stream)
    return {stream: replace(facts, restricted=True, erasing=True, erasure=event.erasure)}


@evolve.register
def _(event: e.ErasurePlanned, at: Occurrence, known: Known) -> Changes:
    stream = event.stream(at.tenant)
    facts = known.get(stream)
    if not isinstance(facts, ErasureFacts):
        return {}
    planned = replace(
        facts,
        state=event.state,
        index=at.index,
        pages=(*facts.pages, at.index),
        last=event.last,
        erased=facts.erased + event.erased,
        kept=facts.kept + event.kept,
        custodians=event.custodians,
    )
    return {stream: planned, **_decided(event, at, known)}


def _decided(event: e.ErasurePlanned, at: Occurrence, known: Known) -> Changes:
    """With the last page nothing waits any more; what was kept whole need not be gone on with."""
    if event.state == "erasing":
        return {}
    changes: Changes = {}
    if event.subject is not None:
        stream = ids.subject_stream(at.tenant, event.subject)
        changes[stream] = replace(subject_facts(known, stream), erasing=False)
    if event.state == "kept":
        changes |= _open(event.erasure, at, known, is_open=False)
    return changes


@evolve.register
def _(event: e.CustodianErased, at: Occurrence, known: Known) -> Changes:
    stream = event.stream(at.tenant)
    facts = known.get(stream)
    if not isinstance(facts, ErasureFacts):
        return {}
    receipt = CustodianReceipt(
        custodian=event.custodian,
        checked=event.checked,
        remaining=event.remaining,
        digest=event.digest,
        place=event.place,
        started_at=event.started_at,
        ended_at=event.ended_at,
        index=at.index,
    )
    return {stream: replace(facts, index=at.index, receipts=(*facts.receipts, receipt))}


@evolve.register
def _(event: e.ErasureCompleted, at: Occurrence, known: Known) -> Changes:
    stream = event.stream(at.tenant)
    facts = known.get(stream)
    if not isinstance(facts, ErasureFacts):
        return {}
    completed = replace(
        facts,
        state="completed",
        index=at.index,
        statement=event.statement,
        completed_at=at.now,
    )
    return {stream: completed, **_open(event.erasure, at, known, is_open=False)}


@evolve.register
def _(event: e.BackupsEnded, at: Occurrence, known: Known) -> Changes:
    stream = event.stream(at.tenant)
    facts = known.get(stream)
    if not isinstance(facts, ErasureFacts):
        return {}
    ended = {"index": at.index, "statement": event.statement, "backups_ended_at": event.since}
    return {stream: replace(facts, **ended)}
