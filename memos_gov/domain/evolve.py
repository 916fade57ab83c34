"""
Events into facts: pure, total, the same for live certification and for replay.

`evolve` returns the new document of every stream an event touches; each of
those streams gains one version. An event of usage touches none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import singledispatch
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.facts import (
    CaseFacts,
    ConsentFact,
    ContentFacts,
    Facts,
    GovernanceFacts,
    Grant,
    HeldTarget,
    LogFacts,
    MatterFacts,
    PolicyFacts,
    PrincipalFacts,
    SubjectFacts,
)


class Occurrence(msgspec.Struct, frozen=True, kw_only=True):
    """Where and by whom an event happened; `now` is its record's time in seconds."""

    tenant: str
    index: int
    now: int
    actor: str
    key_id: str = ""


Known = Mapping[str, Facts]
Changes = dict[str, Facts]


@singledispatch
def evolve(event: e.Event, at: Occurrence, known: Known) -> Changes:
    """
    Return the new facts of the touched streams.

    Args:
        event: What happened.
        at: Where it happened.
        known: The facts of at least the touched streams (`touched`); a stream
            that is absent was never written.
    """
    return {}


def touched(event: e.Event, tenant: str) -> tuple[str, ...]:
    """Return the streams whose facts `evolve` reads and writes for this event."""
    match event:
        case e.CubeRemembered() | e.CubeRevised():
            content = ids.content_stream(tenant, event.cube)
            return (content, ids.governance_stream(tenant, event.cube))
        case e.TenantFounded():
            return (event.stream(tenant), ids.guard_stream(tenant, "policy"))
        case e.HoldPlaced():
            return (event.stream(tenant), _held_stream(tenant, event.target))
        case e.HoldReleased():
            return (event.stream(tenant), *(_held_stream(tenant, t) for t in event.targets))
        case e.CubesRead() | e.AuditAsked() | e.CommandRefused():
            return ()
        case _:
            return (event.stream(tenant),)


def touched_cubes(events: Iterable[e.Event], tenant: str) -> set[str]:
    """Return the cubes whose facts these events change."""
    streams = (stream.split("/") for event in events for stream in touched(event, tenant))
    return {parts[2] for parts in streams if parts[1] == "cube"}


def _held_stream(tenant: str, target: HeldTarget) -> str:
    if target.kind == "subject":
        return ids.subject_stream(tenant, target.id)
    return ids.governance_stream(tenant, target.id)


@evolve.register
def _(event: e.LogFounded, at: Occurrence, known: Known) -> Changes:
    facts = LogFacts(
        instance=event.instance,
        partitions=event.partitions,
        mac_keys=(event.mac_key,),
        event_types=event.event_types,
        rules=event.rules,
    )
    return {ids.log_stream(): facts}


@evolve.register
def _(event: e.TenantFounded, at: Occurrence, known: Known) -> Changes:
    return {
        ids.guard_stream(at.tenant, "policy"): PolicyFacts(
            active=event.policy,
            former=(),
            verifier_key=event.verifier_key,
            recovery_key=event.recovery_key,
        ),
        event.stream(at.tenant): _principal(event),
    }


@evolve.register
def _(event: e.PrincipalAdded, at: Occurrence, known: Known) -> Changes:
    return {event.stream(at.tenant): _principal(event)}


def _principal(event: e.TenantFounded | e.PrincipalAdded) -> PrincipalFacts:
    return PrincipalFacts(
        roles=event.roles,
        clearance=event.clearance,
        purposes=event.purposes,
        regions=event.regions,
    )


@evolve.register
def _(event: e.RolesGranted, at: Occurrence, known: Known) -> Changes:
    return _with_roles(event, at, known, lambda roles: roles | set(event.roles))


@evolve.register
def _(event: e.RolesRevoked, at: Occurrence, known: Known) -> Changes:
    return _with_roles(event, at, known, lambda roles: roles - set(event.roles))


def _with_roles(
    event: e.OnPrincipal,
    at: Occurrence,
    known: Known,
    change: Callable[[set[str]], set[str]],
) -> Changes:
    stream = event.stream(at.tenant)
    facts = known.get(stream)
    if not isinstance(facts, PrincipalFacts):
        return {}
    return {stream: replace(facts, roles=tuple(sorted(change(set(facts.roles)))))}


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
        matters=(),
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


def _governed(event: e.OnGovernance, at: Occurrence, known: Known, **changes: Any) -> Changes:
    """Return the cube's facts with some fields changed; nothing for a cube never remembered."""
    stream = event.stream(at.tenant)
    facts = known.get(stream)
    if not isinstance(facts, GovernanceFacts):
        return {}
    return {stream: replace(facts, **changes)}


@evolve.register
def _(event: e.CubeRelabelled, at: Occurrence, known: Known) -> Changes:
    return _governed(event, at, known, label=event.label)


@evolve.register
def _(event: e.CubeQuarantined, at: Occurrence, known: Known) -> Changes:
    return _governed(event, at, known, quarantined=True)


@evolve.register
def _(event: e.CubeActivated, at: Occurrence, known: Known) -> Changes:
    return _governed(event, at, known, state="activated", quarantined=False)


@evolve.register
def _(event: e.CubeArchived, at: Occurrence, known: Known) -> Changes:
    return _governed(event, at, known, state="archived")


@evolve.register
def _(event: e.CubeFrozen, at: Occurrence, known: Known) -> Changes:
    return _governed(event, at, known, frozen=True)


@evolve.register
def _(event: e.CubeThawed, at: Occurrence, known: Known) -> Changes:
    return _governed(event, at, known, frozen=False)


@evolve.register
def _(event: e.CubeShared, at: Occurrence, known: Known) -> Changes:
    grant = Grant(
        principal=event.principal,
        scope=event.scope,
        valid_from=event.valid_from,
        valid_to=event.valid_to,
    )
    return _governed(event, at, known, grants=(*_other_grants(event, at, known), grant))


@evolve.register
def _(event: e.CubeUnshared, at: Occurrence, known: Known) -> Changes:
    return _governed(event, at, known, grants=_other_grants(event, at, known))


def _other_grants(
    event: e.CubeShared | e.CubeUnshared, at: Occurrence, known: Known
) -> tuple[Grant, ...]:
    facts = known.get(event.stream(at.tenant))
    grants = facts.grants if isinstance(facts, GovernanceFacts) else ()
    return tuple(g for g in grants if g.principal != event.principal)


@evolve.register
def _(event: e.ConsentGiven, at: Occurrence, known: Known) -> Changes:
    return _consented(event, at, known, given=True)


@evolve.register
def _(event: e.ConsentWithdrawn, at: Occurrence, known: Known) -> Changes:
    return _consented(event, at, known, given=False)


def _consented(
    event: e.ConsentGiven | e.ConsentWithdrawn, at: Occurrence, known: Known, *, given: bool
) -> Changes:
    stream = event.stream(at.tenant)
    facts = _subject(known, stream)
    word = ConsentFact(
        purpose=event.purpose,
        given=given,
        valid_from=event.valid_from,
        valid_to=event.valid_to,
    )
    return {stream: replace(facts, consents=(*facts.consents, word))}


def _subject(known: Known, stream: str) -> SubjectFacts:
    facts = known.get(stream)
    return facts if isinstance(facts, SubjectFacts) else SubjectFacts()


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
    stream = _held_stream(at.tenant, target)
    facts = _subject(known, stream) if target.kind == "subject" else known.get(stream)
    if not isinstance(facts, SubjectFacts | GovernanceFacts):
        return {}
    return {stream: replace(facts, matters=change(facts.matters))}


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
