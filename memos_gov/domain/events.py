"""
What happened: every event, as the governance metadata that stands in the clear.

Past participle, one class an event, one version a shape. A released version
is never edited; a new one gets its own class and an upcast. What is personal
or guessable is not here but in the sealed payload (`payloads`). Every field
is a closed word, an opaque id, or a number.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from memos_gov.domain import ids
from memos_gov.domain.facts import Form, GrantScope, HeldTarget
from memos_gov.domain.verdicts import IndexDepth, Integer


class Event(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An accepted fact."""

    VERSION: ClassVar[int] = 1
    REFUSAL: ClassVar[bool] = False

    def stream(self, tenant: str) -> str:
        """Return the stream this event belongs to first; by default usage, which has no version."""
        return ids.usage_stream(tenant)


class OnContent(Event, frozen=True, kw_only=True):
    """An event of a cube's content."""

    cube: str

    def stream(self, tenant: str) -> str:
        """Return the cube's content stream."""
        return ids.content_stream(tenant, self.cube)


class OnGovernance(Event, frozen=True, kw_only=True):
    """An event of what rules a cube."""

    cube: str

    def stream(self, tenant: str) -> str:
        """Return the cube's governance stream."""
        return ids.governance_stream(tenant, self.cube)


class OnSubject(Event, frozen=True, kw_only=True):
    """An event of a natural person."""

    subject: str

    def stream(self, tenant: str) -> str:
        """Return the subject's stream."""
        return ids.subject_stream(tenant, self.subject)


class OnPrincipal(Event, frozen=True, kw_only=True):
    """An event of somebody who may act."""

    principal: str

    def stream(self, tenant: str) -> str:
        """Return the principal's stream."""
        return ids.principal_stream(tenant, self.principal)


class OnMatter(Event, frozen=True, kw_only=True):
    """An event of a legal matter."""

    matter: str

    def stream(self, tenant: str) -> str:
        """Return the matter's stream."""
        return ids.matter_stream(tenant, self.matter)


class OnCase(Event, frozen=True, kw_only=True):
    """An event of a review case."""

    case: str

    def stream(self, tenant: str) -> str:
        """Return the case's stream."""
        return ids.case_stream(tenant, self.case)


class LogFounded(Event, frozen=True, kw_only=True):
    """The control record at offset 0: whose log this is and what may stand in it."""

    instance: str
    partitions: Integer
    mac_key: str
    event_types: tuple[str, ...]
    rules: Integer

    def stream(self, tenant: str) -> str:
        """Return the stream of the log itself."""
        return ids.log_stream()


class TenantFounded(OnPrincipal, frozen=True, kw_only=True):
    """Index 0 of a tenant: first principal, policy and keys; the one command without a verdict."""

    roles: tuple[str, ...]
    clearance: str
    purposes: tuple[str, ...]
    regions: tuple[str, ...]
    policy: str
    verifier_key: str
    recovery_key: str


class PrincipalAdded(OnPrincipal, frozen=True, kw_only=True):
    """A principal with its roles and attributes."""

    roles: tuple[str, ...]
    clearance: str
    purposes: tuple[str, ...]
    regions: tuple[str, ...]


class RolesGranted(OnPrincipal, frozen=True, kw_only=True):
    """Roles given to a principal."""

    roles: tuple[str, ...]


class RolesRevoked(OnPrincipal, frozen=True, kw_only=True):
    """Roles taken from a principal."""

    roles: tuple[str, ...]


class CubeRemembered(OnContent, frozen=True, kw_only=True):
    """A cube came to be; its content and metadata are sealed beside."""

    form: Form
    origin: str
    semantic_type: str
    author: str | None
    conversation: str | None
    position: Integer | None
    subjects: tuple[str, ...]
    owner: str
    label: str
    purposes: tuple[str, ...]
    basis: str
    region: str
    retention_class: str
    priority: str
    state: Literal["generated", "activated"]
    quarantined: bool
    findings: tuple[str, ...]
    index: IndexDepth
    size_bytes: Integer
    valid_from: Integer
    valid_to: Integer | None
    sources: tuple[str, ...]


class CubeRevised(OnContent, frozen=True, kw_only=True):
    """A new content revision, sealed whole; `append` says the old text stands before the new."""

    revision: Integer
    mode: Literal["overwrite", "append"]
    findings: tuple[str, ...]
    index: IndexDepth
    size_bytes: Integer
    valid_from: Integer
    valid_to: Integer | None


class CubeRelabelled(OnGovernance, frozen=True, kw_only=True):
    """The label rose."""

    label: str


class CubeQuarantined(OnGovernance, frozen=True, kw_only=True):
    """Nobody reads the cube until a review approves it."""


class CubeActivated(OnGovernance, frozen=True, kw_only=True):
    """The cube may be recalled: admitted by review, or brought back from the archive."""


class CubeArchived(OnGovernance, frozen=True, kw_only=True):
    """The cube is kept but no longer recalled."""


class CubeFrozen(OnGovernance, frozen=True, kw_only=True):
    """The cube admits no change."""


class CubeThawed(OnGovernance, frozen=True, kw_only=True):
    """The cube admits changes again."""


class CubeShared(OnGovernance, frozen=True, kw_only=True):
    """Another principal may read, or read and write."""

    principal: str
    scope: GrantScope
    valid_from: Integer
    valid_to: Integer | None


class CubeUnshared(OnGovernance, frozen=True, kw_only=True):
    """A share ended."""

    principal: str


class ConsentGiven(OnSubject, frozen=True, kw_only=True):
    """A subject agreed to a purpose."""

    purpose: str
    valid_from: Integer
    valid_to: Integer | None


class ConsentWithdrawn(OnSubject, frozen=True, kw_only=True):
    """A subject refused or took back a purpose."""

    purpose: str
    valid_from: Integer
    valid_to: Integer | None


class HoldPlaced(OnMatter, frozen=True, kw_only=True):
    """A subject or a cube is held for a matter."""

    target: HeldTarget


class HoldReleased(OnMatter, frozen=True, kw_only=True):
    """A matter holds nothing any more."""

    targets: tuple[HeldTarget, ...]


class ReviewOpened(OnCase, frozen=True, kw_only=True):
    """An act waits for a second pair of eyes."""

    action: str
    target: str


class ReviewApproved(OnCase, frozen=True, kw_only=True):
    """The act may be done."""


class ReviewRejected(OnCase, frozen=True, kw_only=True):
    """The act may not be done."""


class ReviewUsed(OnCase, frozen=True, kw_only=True):
    """The approved act was done; the approval is spent."""


class PolicyActivated(Event, frozen=True, kw_only=True):
    """Another bundle decides from here on."""

    policy: str

    def stream(self, tenant: str) -> str:
        """Return the policy guard, so that every verdict under the former policy is stale."""
        return ids.guard_stream(tenant, "policy")


class PolicyRolledBack(PolicyActivated, frozen=True, kw_only=True):
    """The recovery key brought a former bundle back; `signature` is over `recovery_text`."""

    signature: str


class ReadCube(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A cube and the revision that was returned."""

    cube: str
    revision: Integer


class CubesRead(Event, frozen=True, kw_only=True):
    """
    Content or facts of cubes were returned.

    `snapshot` is the index whose facts were used, `refused` counts hidden
    candidates by reason; the query and the candidates are sealed.
    """

    action: Literal["read", "recall", "list"]
    cubes: tuple[ReadCube, ...]
    snapshot: Integer
    refused: dict[str, Integer]


class AuditAsked(Event, frozen=True, kw_only=True):
    """Somebody asked a question of evidence about `target`."""

    question: str
    target: str | None


class CommandRefused(Event, frozen=True, kw_only=True):
    """A command was refused, by policy or by the domain; `reasons` are codes, sorted."""

    REFUSAL: ClassVar[bool] = True

    action: str
    targets: tuple[str, ...]
    reasons: tuple[str, ...]


class CubeContent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The sealed payload of a content revision."""

    content: str
    metadata: dict[str, str]


class ReadDetail(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The sealed payload of a read: what was asked and which cubes were weighed."""

    query: str
    candidates: tuple[str, ...]


Payload = CubeContent | ReadDetail


class Draft(msgspec.Struct, frozen=True):
    """An event decided on, with what must be sealed before it is proposed."""

    event: Event
    payload: Payload | None = None


EVENT_TYPES: dict[str, type[Event]] = {
    cls.__name__: cls
    for cls in (
        AuditAsked,
        CommandRefused,
        ConsentGiven,
        ConsentWithdrawn,
        CubeActivated,
        CubeArchived,
        CubeFrozen,
        CubeQuarantined,
        CubeRelabelled,
        CubeRemembered,
        CubeRevised,
        CubeShared,
        CubeThawed,
        CubeUnshared,
        CubesRead,
        HoldPlaced,
        HoldReleased,
        LogFounded,
        PolicyActivated,
        PolicyRolledBack,
        PrincipalAdded,
        ReviewApproved,
        ReviewOpened,
        ReviewRejected,
        ReviewUsed,
        RolesGranted,
        RolesRevoked,
        TenantFounded,
    )
}


def type_name(event_type: type[Event]) -> str:
    """Return the name and version under which a log permits an event."""
    return f"{event_type.__name__}.v{event_type.VERSION}"
