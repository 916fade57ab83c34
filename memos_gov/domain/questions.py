"""
Facts into policy questions: plain dicts of the shapes in `policy_inputs.py`.

Pure and quick, since a recall asks about hundreds of cubes. Consents, holds
and shares are resolved at `now` here, so that a policy compares words, not
intervals.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from memos_gov.domain import ids
from memos_gov.domain.commands import Command, RebaseCube, RelabelCube
from memos_gov.domain.facts import (
    ConsentFact,
    ContentFacts,
    Facts,
    GovernanceFacts,
    Grant,
    Hold,
    HoldsFacts,
    PrincipalFacts,
    ScopedHold,
    SubjectFacts,
)

Question = dict[str, Any]
STAYS: Question = {"label": None, "basis": None}


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """
    Who asks, from the credential, and under which circumstances.

    `principal` and `on_behalf_of` are opaque ids; `via` names the proof of
    identity; `approval` is a review case that allowed exactly this act.
    """

    tenant: str
    principal: str
    via: str
    purpose: str
    correlation: str
    on_behalf_of: str | None = None
    session: str | None = None
    channel: str | None = None
    region: str | None = None
    approval: str | None = None


class Cube(msgspec.Struct, frozen=True):
    """A cube's facts at one snapshot, with those of its subjects."""

    cube: str
    content: ContentFacts
    governance: GovernanceFacts
    subjects: tuple[SubjectFacts, ...]
    scoped: tuple[ScopedHold, ...] = ()

    @property
    def holds(self) -> tuple[Hold, ...]:
        """Every hold on the cube: its own, its subjects', those whose scope covers it."""
        people = (hold for subject in self.subjects for hold in subject.holds)
        scoped = (hold for hold in self.scoped if hold.scope.covers(self.governance))
        return (*self.governance.holds, *people, *scoped)

    def held_at(self, now: int) -> bool:
        """Whether a hold on the cube is in force."""
        return any(hold.holds_at(now) for hold in self.holds)

    @property
    def restricted(self) -> bool:
        """Whether the cube itself or one of its subjects is restricted."""
        return self.governance.restricted or any(s.restricted for s in self.subjects)

    @property
    def erasing(self) -> bool:
        """Whether an erasure decides about the cube right now."""
        return self.governance.erasing or any(s.erasing for s in self.subjects)

    @property
    def valid_to(self) -> int | None:
        """When what it says stops being true: by its content, or by what it was made of."""
        ends = [t for t in (self.content.valid_to, self.governance.valid_to) if t is not None]
        return min(ends, default=None)


def cube_in(facts: Mapping[str, Facts], tenant: str, cube: str) -> Cube | None:
    """Return a cube as facts know it, with its subjects; None for one never remembered."""
    content = facts.get(ids.content_stream(tenant, cube))
    governance = facts.get(ids.governance_stream(tenant, cube))
    if not isinstance(content, ContentFacts) or not isinstance(governance, GovernanceFacts):
        return None
    subjects = (facts.get(ids.subject_stream(tenant, s)) for s in governance.subjects)
    found = tuple(s if isinstance(s, SubjectFacts) else SubjectFacts() for s in subjects)
    guard = facts.get(ids.guard_stream(tenant, "holds"))
    scoped = guard.holds if isinstance(guard, HoldsFacts) else ()
    return Cube(cube, content, governance, found, scoped)


def asked(
    caller: Caller, actor: PrincipalFacts, action: str, now: int, *, approved: bool = False
) -> Question:
    """Return what every question about an act carries."""
    return {
        "now": now,
        "tenant": caller.tenant,
        "actor": {
            "id": caller.principal,
            "roles": actor.roles,
            "clearance": actor.clearance,
            "purposes": actor.purposes,
            "regions": actor.regions,
        },
        "action": action,
        "purpose": caller.purpose,
        "context": {
            "session": caller.session,
            "channel": caller.channel,
            "region": caller.region,
            "approved": approved,
        },
    }


def cube_facts(cube: Cube, tenant: str, now: int) -> Question:
    """Return one cube as policy sees it."""
    content, governance = cube.content, cube.governance
    return {
        "id": cube.cube,
        "tenant": tenant,
        "form": governance.form,
        "label": governance.label,
        "state": governance.state,
        "frozen": governance.frozen,
        "quarantined": governance.quarantined,
        "held": cube.held_at(now),
        "restricted": cube.restricted,
        "erasing": cube.erasing,
        "owner": governance.owner,
        "purposes": governance.purposes,
        "basis": governance.basis,
        "region": governance.region,
        "retention_class": governance.retention_class,
        "semantic_type": governance.semantic_type,
        "priority": governance.priority,
        "findings": content.findings,
        "grants": [
            {"principal": g.principal, "scope": g.scope}
            for g in governance.grants
            if g.holds_at(now)
        ],
        "consent": consent(cube.subjects, now),
        "recorded_at": governance.recorded_at,
        "valid_from": max(content.valid_from, 0),
        "valid_to": cube.valid_to,
    }


def becomes(command: Command) -> Question:
    """Return what a command would make of a cube's words."""
    match command:
        case RelabelCube():
            return {**STAYS, "label": command.label}
        case RebaseCube():
            return {**STAYS, "basis": command.basis}
        case _:
            return STAYS


def missing_cube(cube: str, caller: Caller, now: int) -> Question:
    """
    Return the facts of a cube that is not there: nothing about it could refuse the caller.

    Policy is asked about it all the same, so a missing cube and a hidden one
    get the same answer in the same time.
    """
    return {
        "id": cube,
        "tenant": caller.tenant,
        "form": "plaintext",
        "label": "public",
        "state": "activated",
        "frozen": False,
        "quarantined": False,
        "held": False,
        "restricted": False,
        "erasing": False,
        "owner": caller.principal,
        "purposes": [caller.purpose],
        "basis": "",
        "region": "global",
        "retention_class": "",
        "semantic_type": "",
        "priority": "",
        "findings": [],
        "grants": [],
        "consent": {"given": [caller.purpose], "withdrawn": []},
        "recorded_at": now,
        "valid_from": now,
        "valid_to": None,
    }


def next_edge(cube: Cube, now: int) -> int | None:
    """Return the next moment at which a share, consent or hold of the cube begins or ends."""
    consents = (word for subject in cube.subjects for word in subject.consents)
    words: list[Grant | ConsentFact | Hold] = [*cube.governance.grants, *consents, *cube.holds]
    edges = (edge for word in words for edge in (word.valid_from, word.valid_to))
    return min((edge for edge in edges if edge is not None and edge > now), default=None)


def consent(subjects: Sequence[SubjectFacts], now: int) -> Question:
    """Return what all subjects gave and what any of them withdrew, at `now`."""
    if not subjects:
        return {"given": [], "withdrawn": []}
    words = [s.consent_at(now) for s in subjects]
    given = set.intersection(*({p for p, yes in w.items() if yes} for w in words))
    withdrawn = {p for w in words for p, yes in w.items() if not yes}
    return {"given": sorted(given), "withdrawn": sorted(withdrawn)}


def target(
    kind: str,
    *,
    id: str | None = None,
    name: str | None = None,
    roles: Iterable[str] = (),
    clearance: str | None = None,
    purposes: Iterable[str] = (),
    own: bool = False,
    held: bool = False,
    restricted: bool = False,
) -> Question:
    """Return what an act that is not about a set of cubes is about."""
    return {
        "kind": kind,
        "id": id,
        "name": name,
        "roles": list(roles),
        "clearance": clearance,
        "purposes": list(purposes),
        "own": own,
        "held": held,
        "restricted": restricted,
    }


class Ruled(Protocol):
    """What rules a cube, or would rule it."""

    @property
    def label(self) -> str:
        """How far it may go."""

    @property
    def purposes(self) -> tuple[str, ...]:
        """What it may be used for."""

    @property
    def basis(self) -> str:
        """On which ground it is kept."""

    @property
    def region(self) -> str:
        """Where it must stay."""

    @property
    def retention_class(self) -> str:
        """How long it is kept."""


def admission(
    ruled: Ruled,
    *,
    content: str,
    semantic_type: str,
    origin: str,
    findings: Iterable[str],
    subjects: Sequence[SubjectFacts],
    restricted: bool = False,
    session_reads: int = 0,
    now: int,
) -> Question:
    """
    Return content that asks to be admitted.

    Args:
        ruled: What would rule it.
        subjects: Whom it is about, with the consents that come with it.
        restricted: Whether something else than its subjects restricts it.
        session_reads: How many cubes the actor has read in this session.
    """
    return {
        "cube": {
            "form": "plaintext",
            "label": ruled.label,
            "purposes": ruled.purposes,
            "basis": ruled.basis,
            "region": ruled.region,
            "retention_class": ruled.retention_class,
            "semantic_type": semantic_type,
            "origin": origin,
            "size_bytes": len(content.encode()),
            "session_reads": session_reads,
        },
        "findings": list(findings),
        "consent": consent(subjects, now),
        "restricted": restricted or any(s.restricted for s in subjects),
    }


def readmission(
    content: str, cube: Cube, findings: Iterable[str], now: int, session_reads: int = 0
) -> Question:
    """
    Return a cube whose new content asks to be admitted.

    Args:
        session_reads: How many cubes the actor has read in this session, where
            the content is its own words.
    """
    governance = cube.governance
    return admission(
        governance,
        content=content,
        semantic_type=governance.semantic_type,
        origin=governance.origin,
        findings=findings,
        subjects=cube.subjects,
        restricted=governance.restricted,
        session_reads=session_reads,
        now=now,
    )


def planned(cube: str, facts: Mapping[str, Any]) -> Question:
    """Return a cube whose forms are to be chosen."""
    return {
        "id": cube,
        "form": facts["form"],
        "label": facts["label"],
        "semantic_type": facts["semantic_type"],
        "quarantined": facts["quarantined"],
        "findings": list(facts["findings"]),
    }


def erasure_target(kind: str, id: str, *, held: bool, kept: int, last: bool) -> Question:
    """Return what an erasure was asked for, and how it stands before this page."""
    return {"kind": kind, "id": id, "held": held, "kept": kept, "last": last}


def erased(cube: Cube, target: str, now: int, *, last_used_at: int | None) -> Question:
    """Return a cube whose erasure was asked for by way of `target`."""
    others = [subject for subject in cube.governance.subjects if subject != target]
    asked = retained(cube, now, last_used_at=last_used_at, erasure_requested=True)
    return {**asked, "others": len(others)}


def retained(
    cube: Cube,
    now: int,
    *,
    last_used_at: int | None = None,
    erasure_requested: bool | None = None,
    approved: bool = False,
) -> Question:
    """
    Return a cube whose keeping is asked about, holds as they are at `now`.

    An erasure was asked for where one could not be done and restricted the
    cube; `erasure_requested` asks as if one were, or were not.
    """
    governance = cube.governance
    requested = governance.restricted if erasure_requested is None else erasure_requested
    return {
        "id": cube.cube,
        "retention_class": governance.retention_class,
        "state": governance.state,
        "created_at": governance.recorded_at,
        "changed_at": cube.content.recorded_at,
        "last_used_at": last_used_at,
        "triggered_at": governance.triggered_at,
        "expires_at": governance.expires_at,
        "expired_at": governance.expired_at,
        "held": cube.held_at(now),
        "restricted": cube.restricted,
        "erasure_requested": requested,
        "approved": approved,
    }
