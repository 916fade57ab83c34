"""Facts of legal matters, and of what they hold."""

from __future__ import annotations

from msgspec.structs import replace

from memos_gov.domain import events as e
from memos_gov.domain.evolve.evolving import Changes, Known, Occurrence, evolve
from memos_gov.domain.evolve.people import subject_facts
from memos_gov.domain.evolve.touching import held_stream
from memos_gov.domain.facts import (
    Facts,
    GovernanceFacts,
    HeldTarget,
    Hold,
    HoldsFacts,
    MatterFacts,
    PlacedHold,
    ScopedHold,
    SubjectFacts,
)


@evolve.register
def _(event: e.HoldPlaced, at: Occurrence, known: Known) -> Changes:
    stream = event.stream(at.tenant)
    placed = PlacedHold(
        matter=event.matter,
        valid_from=at.now if event.valid_from is None else event.valid_from,
        valid_to=event.valid_to,
        target=event.target,
        scope=event.scope,
        placed_by=at.actor,
        placed_at=at.now,
    )
    others = _without(known, stream, (event.target,))
    return {
        stream: MatterFacts(holds=(*others, placed)),
        **_held(event.target, at, known, event.matter, placed),
    }


@evolve.register
def _(event: e.HoldReleased, at: Occurrence, known: Known) -> Changes:
    stream = event.stream(at.tenant)
    changes: Changes = {stream: MatterFacts(holds=_without(known, stream, event.targets))}
    for target in event.targets:
        changes |= _held(target, at, {**known, **changes}, event.matter, None)
    return changes


def _without(known: Known, stream: str, targets: tuple[HeldTarget, ...]) -> tuple[PlacedHold, ...]:
    """Return what a matter holds besides these targets."""
    facts = known.get(stream)
    holds = facts.holds if isinstance(facts, MatterFacts) else ()
    return tuple(hold for hold in holds if hold.target not in targets)


def _held(
    target: HeldTarget, at: Occurrence, known: Known, matter: str, placed: PlacedHold | None
) -> Changes:
    """Return the facts of what is held, with the matter's hold replaced or taken away."""
    stream = held_stream(at.tenant, target)
    facts: Facts | None = known.get(stream)
    match target.kind:
        case "scope":
            return {stream: _scoped(facts, target, placed)}
        case "subject":
            facts = subject_facts(known, stream)
    if not isinstance(facts, SubjectFacts | GovernanceFacts):
        return {}
    holds = tuple(hold for hold in facts.holds if hold.matter != matter)
    if placed is not None:
        window = (placed.valid_from, placed.valid_to)
        holds = (*holds, Hold(matter=matter, valid_from=window[0], valid_to=window[1]))
    return {stream: replace(facts, holds=holds)}


def _scoped(facts: Facts | None, target: HeldTarget, placed: PlacedHold | None) -> HoldsFacts:
    known = facts.holds if isinstance(facts, HoldsFacts) else ()
    holds = tuple(hold for hold in known if hold.id != target.id)
    if placed is None or placed.scope is None:
        return HoldsFacts(holds=holds)
    scoped = ScopedHold(
        matter=placed.matter,
        valid_from=placed.valid_from,
        valid_to=placed.valid_to,
        id=target.id,
        scope=placed.scope,
    )
    return HoldsFacts(holds=(*holds, scoped))
