"""
What happened: every event, as the governance metadata that stands in the clear.

Past participle, one class an event, one version a shape. A released version
is never edited; a new one gets its own class, and the old one moves to the
file of its version (`v1.py`) with an upcast. What is personal
or guessable is not here but in the sealed payload (`payloads`). Every field
is a closed word, an opaque id, or a number.
"""

from __future__ import annotations

from memos_gov.domain.events import v1
from memos_gov.domain.events.artefacts import CubesTransformed
from memos_gov.domain.events.base_models import BaseModelRegistered
from memos_gov.domain.events.cubes import (
    CubeActivated,
    CubeArchived,
    CubeErased,
    CubeExpired,
    CubeFrozen,
    CubeQuarantined,
    CubeRebased,
    CubeRelabelled,
    CubeRemembered,
    CubeRestricted,
    CubeRevised,
    CubeRolledBack,
    CubeShared,
    CubeThawed,
    CubeUnshared,
)
from memos_gov.domain.events.erasures import (
    BackupsEnded,
    CustodianErased,
    ErasureCompleted,
    ErasurePlanned,
    ErasureRequested,
    SubjectRestricted,
)
from memos_gov.domain.events.event import (
    Event,
    OnCase,
    OnContent,
    OnErasure,
    OnGovernance,
    OnMatter,
    OnPrincipal,
    OnSubject,
)
from memos_gov.domain.events.holds import HoldPlaced, HoldReleased
from memos_gov.domain.events.lineage import (
    CubeDerived,
    CubeLinked,
    CubeMerged,
    CubeNarrowed,
    Pathway,
)
from memos_gov.domain.events.oversight import (
    LogExtended,
    LogFounded,
    PolicyActivated,
    PolicyRolledBack,
    ReviewApproved,
    ReviewOpened,
    ReviewRejected,
    ReviewUsed,
    TenantFounded,
    VaultRotated,
)
from memos_gov.domain.events.payloads import (
    CubeContent,
    Draft,
    ErasureReason,
    Payload,
    ReadDetail,
)
from memos_gov.domain.events.people import (
    ConsentGiven,
    ConsentWithdrawn,
    PrincipalAdded,
    RolesGranted,
    RolesRevoked,
    SubjectErased,
)
from memos_gov.domain.events.retention import (
    RetentionScheduled,
    RetentionTriggered,
    ScheduleFollowed,
    scheduled,
)
from memos_gov.domain.events.signing import CheckpointSigned, RecordedOutcome
from memos_gov.domain.events.usage import AuditAsked, CommandRefused, CubesRead, ReadCube

__all__ = [
    "EVENT_TYPES",
    "EVENT_VERSIONS",
    "OLDER_VERSIONS",
    "AuditAsked",
    "BackupsEnded",
    "BaseModelRegistered",
    "CheckpointSigned",
    "CommandRefused",
    "ConsentGiven",
    "ConsentWithdrawn",
    "CubeActivated",
    "CubeArchived",
    "CubeContent",
    "CubeDerived",
    "CubeErased",
    "CubeExpired",
    "CubeFrozen",
    "CubeLinked",
    "CubeMerged",
    "CubeNarrowed",
    "CubeQuarantined",
    "CubeRebased",
    "CubeRelabelled",
    "CubeRemembered",
    "CubeRestricted",
    "CubeRevised",
    "CubeRolledBack",
    "CubeShared",
    "CubeThawed",
    "CubeUnshared",
    "CubesRead",
    "CubesTransformed",
    "CustodianErased",
    "Draft",
    "ErasureCompleted",
    "ErasurePlanned",
    "ErasureReason",
    "ErasureRequested",
    "Event",
    "HoldPlaced",
    "HoldReleased",
    "LogExtended",
    "LogFounded",
    "OnCase",
    "OnContent",
    "OnErasure",
    "OnGovernance",
    "OnMatter",
    "OnPrincipal",
    "OnSubject",
    "Pathway",
    "Payload",
    "PolicyActivated",
    "PolicyRolledBack",
    "PrincipalAdded",
    "ReadCube",
    "ReadDetail",
    "RecordedOutcome",
    "RetentionScheduled",
    "RetentionTriggered",
    "ReviewApproved",
    "ReviewOpened",
    "ReviewRejected",
    "ReviewUsed",
    "RolesGranted",
    "RolesRevoked",
    "ScheduleFollowed",
    "SubjectErased",
    "SubjectRestricted",
    "TenantFounded",
    "VaultRotated",
    "scheduled",
    "type_name",
]


EVENT_TYPES: dict[str, type[Event]] = {
    cls.__name__: cls
    for cls in (
        AuditAsked,
        BackupsEnded,
        BaseModelRegistered,
        CheckpointSigned,
        CommandRefused,
        ConsentGiven,
        ConsentWithdrawn,
        CubeActivated,
        CubeArchived,
        CubeDerived,
        CubeErased,
        CubeExpired,
        CubeFrozen,
        CubeLinked,
        CubeMerged,
        CubeNarrowed,
        CubeQuarantined,
        CubeRebased,
        CubeRelabelled,
        CubeRemembered,
        CubeRestricted,
        CubeRevised,
        CubeRolledBack,
        CubeShared,
        CubeThawed,
        CubeUnshared,
        CubesRead,
        CubesTransformed,
        CustodianErased,
        ErasureCompleted,
        ErasurePlanned,
        ErasureRequested,
        HoldPlaced,
        HoldReleased,
        LogExtended,
        LogFounded,
        PolicyActivated,
        PolicyRolledBack,
        PrincipalAdded,
        RetentionScheduled,
        RetentionTriggered,
        ReviewApproved,
        ReviewOpened,
        ReviewRejected,
        ReviewUsed,
        RolesGranted,
        RolesRevoked,
        ScheduleFollowed,
        SubjectErased,
        SubjectRestricted,
        TenantFounded,
        VaultRotated,
    )
}


OLDER_VERSIONS: tuple[type[Event], ...] = (
    v1.AuditAsked,
    v1.CommandRefused,
    v1.CubeRelabelled,
    v1.CubesRead,
    v1.HoldPlaced,
    v1.HoldReleased,
)


EVENT_VERSIONS: dict[tuple[str, int], type[Event]] = {
    (cls.__name__, cls.VERSION): cls for cls in (*OLDER_VERSIONS, *EVENT_TYPES.values())
}


def type_name(event_type: type[Event]) -> str:
    """Return the name and version under which a log permits an event."""
    return f"{event_type.__name__}.v{event_type.VERSION}"
