"""Facts of principals and subjects."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.evolve.evolving import Changes, Known, Occurrence, evolve
from memos_gov.domain.facts import (
    ConsentFact,
    PolicyFacts,
    PrincipalFacts,
    SubjectFacts,
)


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
def _(event: e.ConsentGiven, at: Occurrence, known: Known) -> Changes:
    return _consented(event, at, known, given=True)


@evolve.register
def _(event: e.ConsentWithdrawn, at: Occurrence, known: Known) -> Changes:
    return _consented(event, at, known, given=False)


def _consented(
    event: e.ConsentGiven | e.ConsentWithdrawn, at: Occurrence, known: Known, *, given: bool
) -> Changes:
    stream = event.stream(at.tenant)
    facts = subject_facts(known, stream)
    word = ConsentFact(
        purpose=event.purpose,
        given=given,
        valid_from=event.valid_from,
        valid_to=event.valid_to,
    )
    return {stream: replace(facts, consents=(*facts.consents, word))}


@evolve.register
def _(event: e.SubjectErased, at: Occurrence, known: Known) -> Changes:
    stream = event.stream(at.tenant)
    return {stream: replace(subject_facts(known, stream), restricted=True, erased=True)}


def subject_facts(known: Known, stream: str) -> SubjectFacts:
    """Return a subject's facts, empty ones for one never heard of."""
    facts = known.get(stream)
    return facts if isinstance(facts, SubjectFacts) else SubjectFacts()
