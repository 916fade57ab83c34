"""
What a caller may ask for: every command as a closed, validated model.

Imperative, one class a command. A command names people and things as the
caller knows them ("customer-17"); the Governor turns names into opaque ids
before anything is decided. `ACTION` is the word policy judges it by.
"""

from __future__ import annotations

from memos_gov.domain.commands.command import C, Circumstances, Command, make, seconds
from memos_gov.domain.commands.cubes import (
    ArchiveCube,
    Consent,
    FreezeCube,
    OnCube,
    RememberCube,
    RestoreCube,
    ReviseCube,
    ShareCube,
    ThawCube,
    UnshareCube,
    Whole,
)
from memos_gov.domain.commands.fields import (
    CONTENT_BYTES_MAX,
    LIST_PAGE_MAX,
    METADATA_BYTES_MAX,
    NAME_CHARS_MAX,
    RECALL_K_MAX,
    SUBJECTS_MAX,
    Circumstance,
    Content,
    CubeId,
    Metadata,
    Name,
    Word,
)
from memos_gov.domain.commands.holds import PlaceHold, ReleaseHold
from memos_gov.domain.commands.oversight import (
    ActivatePolicy,
    ApproveReview,
    AskAudit,
    OnCase,
    RejectReview,
)
from memos_gov.domain.commands.people import (
    AddPrincipal,
    GiveConsent,
    GrantRoles,
    OnSubject,
    RevokeRoles,
    WithdrawConsent,
)
from memos_gov.domain.commands.reading import ListCubes, ReadCube, ReadHistory, RecallCubes
from memos_gov.domain.commands.retention import (
    DisposeCube,
    FollowSchedule,
    ScheduleCube,
    TriggerRetention,
)
from memos_gov.domain.commands.words import RebaseCube, RelabelCube

__all__ = [
    "COMMAND_TYPES",
    "CONTENT_BYTES_MAX",
    "LIST_PAGE_MAX",
    "METADATA_BYTES_MAX",
    "NAME_CHARS_MAX",
    "RECALL_K_MAX",
    "SUBJECTS_MAX",
    "ActivatePolicy",
    "AddPrincipal",
    "ApproveReview",
    "ArchiveCube",
    "AskAudit",
    "C",
    "Circumstance",
    "Circumstances",
    "Command",
    "Consent",
    "Content",
    "CubeId",
    "DisposeCube",
    "FollowSchedule",
    "FreezeCube",
    "GiveConsent",
    "GrantRoles",
    "ListCubes",
    "Metadata",
    "Name",
    "OnCase",
    "OnCube",
    "OnSubject",
    "PlaceHold",
    "ReadCube",
    "ReadHistory",
    "RebaseCube",
    "RecallCubes",
    "RejectReview",
    "RelabelCube",
    "ReleaseHold",
    "RememberCube",
    "RestoreCube",
    "ReviseCube",
    "RevokeRoles",
    "ScheduleCube",
    "ShareCube",
    "ThawCube",
    "TriggerRetention",
    "UnshareCube",
    "Whole",
    "WithdrawConsent",
    "Word",
    "make",
    "seconds",
]


COMMAND_TYPES: tuple[type[Command], ...] = (
    ActivatePolicy,
    AddPrincipal,
    ApproveReview,
    ArchiveCube,
    AskAudit,
    DisposeCube,
    FollowSchedule,
    FreezeCube,
    GiveConsent,
    GrantRoles,
    ListCubes,
    PlaceHold,
    ReadCube,
    ReadHistory,
    RebaseCube,
    RecallCubes,
    RejectReview,
    RelabelCube,
    ReleaseHold,
    RememberCube,
    RestoreCube,
    ReviseCube,
    RevokeRoles,
    ScheduleCube,
    ShareCube,
    ThawCube,
    TriggerRetention,
    UnshareCube,
    WithdrawConsent,
)
