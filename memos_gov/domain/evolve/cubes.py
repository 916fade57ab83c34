"""Facts of cubes."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.evolve.evolving import Changes, Known, Occurrence, evolve
from memos_gov.domain.facts import (
    ContentFacts,
    GovernanceFacts,
    Grant,
)


@evolve.register
def _(event: e.CubeRemembered, at: Occurrence, known: Known) -> Changes:
    return {
        ids.content_stream(at.tenant, event.cube): ContentFacts(
            revision=1,
            mode="overwrite",
            index=event.index,
            findings=event.findings,
            size_bytes=event.size_bytes,
            valid_from=event.valid_from,
            valid_to=event.valid_to,
            recorded_at=at.now,
            event_index=at.index,
            key_id=at.key_id,
        ),
        ids.governance_stream(at.tenant, event.cube): _governance(event, at),
    }


def _governance(event: e.CubeRemembered, at: Occurrence) -> GovernanceFacts:
    return GovernanceFacts(
        form=event.form,
        state=event.state,
        frozen=False,
        quarantined=event.quarantined,
        label=event.label,
        origin=event.origin,
        semantic_type=event.semantic_type,
        author=event.author,
        conversation=event.conversation,
        position=event.position,
        subjects=event.subjects,
        owner=event.owner,
        purposes=event.purposes,
        basis=event.basis,
        region=event.region,
        retention_class=event.retention_class,
        priority=event.priority,
        grants=(),
        holds=(),
        sources=event.sources,
        recorded_at=at.now,
    )


@evolve.register
def _(event: e.CubeRevised, at: Occurrence, known: Known) -> Changes:
    return {
        event.stream(at.tenant): ContentFacts(
            revision=event.revision,
            mode=event.mode,
            index=event.index,
            findings=event.findings,
            size_bytes=event.size_bytes,
            valid_from=event.valid_from,
            valid_to=event.valid_to,
            recorded_at=at.now,
            event_index=at.index,
            key_id=at.key_id,
        )
    }


@evolve.register
def _(event: e.CubeRolledBack, at: Occurrence, known: Known) -> Changes:
    return {
        event.stream(at.tenant): ContentFacts(
            revision=event.revision,
            mode="overwrite",
            index=event.index,
            findings=event.findings,
            size_bytes=event.size_bytes,
            valid_from=event.valid_from,
            valid_to=event.valid_to,
            recorded_at=at.now,
            event_index=at.index,
            key_id=at.key_id,
        )
    }


def governed(event: e.OnGovernance, at: Occurrence, known: Known, **changes: Any) -> Changes:
    """
    Return the cube's facts with some fields changed.

    Nothing for a cube never remembered, and for one that was erased: that is the end.
    """
    stream = event.stream(at.tenant)
    facts = known.get(stream)
    if not isinstance(facts, GovernanceFacts) or facts.state == "erased":
        return {}
    return {stream: replace(facts, **changes)}


@evolve.register
def _(event: e.CubeQuarantined, at: Occurrence, known: Known) -> Changes:
    return governed(event, at, known, quarantined=True)


@evolve.register
def _(event: e.CubeActivated, at: Occurrence, known: Known) -> Changes:
    return governed(event, at, known, state="activated", quarantined=False)


@evolve.register
def _(event: e.CubeArchived, at: Occurrence, known: Known) -> Changes:
    return governed(event, at, known, state="archived")


@evolve.register
def _(event: e.CubeExpired, at: Occurrence, known: Known) -> Changes:
    return governed(event, at, known, state="expired", expired_at=at.now)


@evolve.register
def _(event: e.CubeRestricted, at: Occurrence, known: Known) -> Changes:
    # Without a reason nothing is decided yet: an erasure that was asked for goes on.
    erasing = not event.reasons
    return governed(event, at, known, restricted=True, erasing=erasing, erasure=event.erasure)


@evolve.register
def _(event: e.CubeErased, at: Occurrence, known: Known) -> Changes:
    facts = known.get(event.stream(at.tenant))
    grants = facts.grants if isinstance(facts, GovernanceFacts) else ()
    erasure = event.erasure
    return _shares(event, at, known, ends=grants, state="erased", erasing=False, erasure=erasure)


@evolve.register
def _(event: e.CubeFrozen, at: Occurrence, known: Known) -> Changes:
    return governed(event, at, known, frozen=True)


@evolve.register
def _(event: e.CubeThawed, at: Occurrence, known: Known) -> Changes:
    return governed(event, at, known, frozen=False)


@evolve.register
def _(event: e.CubeShared, at: Occurrence, known: Known) -> Changes:
    grant = Grant(
        principal=event.principal,
        scope=event.scope,
        valid_from=event.valid_from,
        valid_to=event.valid_to,
    )
    return _shares(event, at, known, ends=_of(event.principal, event, at, known), begins=(grant,))


@evolve.register
def _(event: e.CubeUnshared, at: Occurrence, known: Known) -> Changes:
    return _shares(event, at, known, ends=_of(event.principal, event, at, known))


def _of(principal: str, event: e.OnGovernance, at: Occurrence, known: Known) -> tuple[Grant, ...]:
    facts = known.get(event.stream(at.tenant))
    grants = facts.grants if isinstance(facts, GovernanceFacts) else ()
    return tuple(g for g in grants if g.principal == principal)


def _shares(
    event: e.OnGovernance,
    at: Occurrence,
    known: Known,
    *,
    ends: tuple[Grant, ...],
    begins: tuple[Grant, ...] = (),
    **changes: Any,
) -> Changes:
    """End shares from now on, and begin others; one that had not begun leaves no trace."""
    facts = known.get(event.stream(at.tenant))
    if not isinstance(facts, GovernanceFacts):
        return {}
    kept = tuple(g for g in facts.grants if g not in ends)
    ended = tuple(_ended(g, at.now) for g in ends if g.valid_from < at.now)
    shares = {"grants": (*kept, *begins), "ended": (*facts.ended, *ended)}
    return governed(event, at, known, **shares, **changes)


def _ended(grant: Grant, now: int) -> Grant:
    end = now if grant.valid_to is None else min(grant.valid_to, now)
    return replace(grant, valid_to=end)
