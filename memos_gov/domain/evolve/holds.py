"""Facts of legal matters, and of what they hold."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from memos_gov.domain import events as e
from memos_gov.domain.evolve.evolving import Changes, Known, Occurrence, evolve
from memos_gov.domain.evolve.people import subject_facts
from memos_gov.domain.evolve.touching import held_stream
from memos_gov.domain.facts import (
    GovernanceFacts,
    HeldTarget,
    MatterFacts,
    SubjectFacts,
)


@evolve.register
def _(event: e.HoldPlaced, at: Occurrence, known: Known) -> Changes:
    stream = event.stream(at.tenant)
    facts = known.get(stream)
    if not isinstance(facts, MatterFacts) or not facts.targets:
        facts = MatterFacts(placed_by=at.actor, placed_at=at.now)
    targets = (*(t for t in facts.targets if t != event.target), event.target)
    return {
        stream: replace(facts, targets=targets),
        **_held(
            event.target, at, known, lambda m: (*(x for x in m if x != event.matter), event.matter)
        ),
    }


@evolve.register
def _(event: e.HoldReleased, at: Occurrence, known: Known) -> Changes:
    changes: Changes = {event.stream(at.tenant): MatterFacts()}
    for target in event.targets:
        changes |= _held(target, at, known, lambda m: tuple(x for x in m if x != event.matter))
    return changes


def _held(
    target: HeldTarget,
    at: Occurrence,
    known: Known,
    change: Callable[[tuple[str, ...]], tuple[str, ...]],
) -> Changes:
    stream = held_stream(at.tenant, target)
    facts = subject_facts(known, stream) if target.kind == "subject" else known.get(stream)
    if not isinstance(facts, SubjectFacts | GovernanceFacts):
        return {}
    return {stream: replace(facts, matters=change(facts.matters))}
