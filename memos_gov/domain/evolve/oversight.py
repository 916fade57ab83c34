"""Facts of the log, of review cases and of policies."""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace

from memos_gov.domain import events as e
from memos_gov.domain.evolve.evolving import Changes, Known, Occurrence, evolve
from memos_gov.domain.facts import (
    CaseFacts,
    LogFacts,
    PolicyFacts,
    VaultFacts,
)


@evolve.register
def _(event: e.LogFounded, at: Occurrence, known: Known) -> Changes:
    facts = LogFacts(
        instance=event.instance,
        partitions=event.partitions,
        mac_keys=(event.mac_key,),
        event_types=event.event_types,
        rules=event.rules,
    )
    return {event.stream(at.tenant): facts}


@evolve.register
def _(event: e.LogExtended, at: Occurrence, known: Known) -> Changes:
    facts = known.get(event.stream(at.tenant))
    if not isinstance(facts, LogFacts):
        return {}
    types = tuple(sorted({*facts.event_types, *event.event_types}))
    return {event.stream(at.tenant): replace(facts, event_types=types, rules=event.rules)}


@evolve.register
def _(event: e.ReviewOpened, at: Occurrence, known: Known) -> Changes:
    return {
        event.stream(at.tenant): CaseFacts(
            state="open",
            actor=at.actor,
            action=event.action,
            target=event.target,
            opened_at=at.now,
        )
    }


@evolve.register
def _(event: e.ReviewApproved, at: Occurrence, known: Known) -> Changes:
    return _decided(event, at, known, "approved")


@evolve.register
def _(event: e.ReviewRejected, at: Occurrence, known: Known) -> Changes:
    return _decided(event, at, known, "rejected")


@evolve.register
def _(event: e.ReviewUsed, at: Occurrence, known: Known) -> Changes:
    return _decided(event, at, known, "used")


def _decided(
    event: e.OnCase, at: Occurrence, known: Known, state: Literal["approved", "rejected", "used"]
) -> Changes:
    stream = event.stream(at.tenant)
    facts = known.get(stream)
    if not isinstance(facts, CaseFacts):
        return {}
    decided_by = facts.decided_by if state == "used" else at.actor
    return {stream: replace(facts, state=state, decided_by=decided_by)}


@evolve.register
def _(event: e.PolicyActivated, at: Occurrence, known: Known) -> Changes:
    stream = event.stream(at.tenant)
    facts = known.get(stream)
    if not isinstance(facts, PolicyFacts):
        return {}
    former = (*(d for d in facts.former if d != facts.active), facts.active)
    return {stream: replace(facts, active=event.policy, former=former)}


@evolve.register
def _(event: e.VaultRotated, at: Occurrence, known: Known) -> Changes:
    return {event.stream(at.tenant): VaultFacts(epoch=event.epoch)}
