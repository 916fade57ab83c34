"""
What a caller may ask for: every command as a closed, validated model.

Imperative, one class a command. A command names people and things as the
caller knows them ("customer-17"); the Governor turns names into opaque ids
before anything is decided. `ACTION` is the word policy judges it by.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, ClassVar, Literal, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from memos_gov.domain import detectors, ids
from memos_gov.domain.verdicts import INTEGER_MAX
from memos_gov.errors import InvalidCommandError

CONTENT_BYTES_MAX = 256_000
METADATA_BYTES_MAX = 16_000
NAME_CHARS_MAX = 200
SUBJECTS_MAX = 50
RECALL_K_MAX = 100
LIST_PAGE_MAX = 200

_AUDITED = re.compile(r"[a-z]_[a-z0-9]{1,40}|([0-9]{1,18}|[0-9a-f-]{36})(/[a-z0-9_-]{1,64})?")
_WORD = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_CIRCUMSTANCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")


def _clean(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("is not valid Unicode") from None
    return text


def _name(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("must be printable and not blank")
    return _clean(text)


def _content(text: str) -> str:
    if not _clean(text).strip():
        raise ValueError("is empty")
    if len(text.encode()) > CONTENT_BYTES_MAX:
        msg = f"is over the limit of {CONTENT_BYTES_MAX} bytes (CONTENT_BYTES_MAX)"
        raise ValueError(msg)
    return text


def _word(text: str) -> str:
    if not _WORD.fullmatch(text):
        raise ValueError("is not a word of the vocabulary")
    return text


def _cube_id(text: str) -> str:
    return text if ids.is_opaque(text) else "c_unknown"


def _tenant(text: str) -> str:
    if not ids.is_tenant(text):
        raise ValueError("must be 1 to 63 of a-z, 0-9 and -, and not begin with -")
    return text


def _circumstance(text: str) -> str:
    if not _CIRCUMSTANCE.fullmatch(text):
        raise ValueError("must be 1 to 64 of letters, digits and _.:-, a letter or digit first")
    return text


def _opaque(text: str) -> str:
    if not ids.is_opaque(text):
        raise ValueError("is no id")
    return text


def _audited(text: str) -> str:
    if not _AUDITED.fullmatch(text):
        raise ValueError("is no id, index or verdict id")
    return text


def _metadata(values: dict[str, str]) -> dict[str, str]:
    for key, value in values.items():
        _word(key.replace("_", "-").lower())
        if detectors.find(key):
            raise ValueError("a key holds a personal number")
        _clean(value)
    if sum(len(k) + len(v.encode()) for k, v in values.items()) > METADATA_BYTES_MAX:
        msg = f"is over the limit of {METADATA_BYTES_MAX} bytes (METADATA_BYTES_MAX)"
        raise ValueError(msg)
    return values


Name = Annotated[str, Field(min_length=1, max_length=NAME_CHARS_MAX), AfterValidator(_name)]
Content = Annotated[str, AfterValidator(_content)]
Word = Annotated[str, AfterValidator(_word)]
CubeId = Annotated[str, Field(max_length=NAME_CHARS_MAX), AfterValidator(_cube_id)]
Metadata = Annotated[dict[str, str], AfterValidator(_metadata)]
Circumstance = Annotated[str, AfterValidator(_circumstance)]


class Command(BaseModel):
    """Something to be done; unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    ACTION: ClassVar[str] = ""

    @model_validator(mode="after")
    def _times_in_order(self) -> Command:
        start, end = getattr(self, "valid_from", None), getattr(self, "valid_to", None)
        if start and end and end <= start:
            raise ValueError("valid_to: must be after valid_from")
        return self


class Circumstances(Command):
    """
    Who acts, where, for what, and how they came: the form of what a caller says of itself.

    Policy is asked about these words and records keep them in the clear, so
    none of them is free text. `approval` is the id of a review case.
    """

    model_config = ConfigDict(strict=True)

    principal: Name
    tenant: Annotated[str, AfterValidator(_tenant)]
    purpose: Word
    session: Circumstance | None = None
    channel: Circumstance | None = None
    region: Circumstance | None = None
    approval: Annotated[str, AfterValidator(_opaque)] | None = None


class AddPrincipal(Command):
    """Let somebody act, with roles and attributes."""

    ACTION: ClassVar[str] = "principal_add"

    principal: Name
    roles: tuple[Word, ...]
    clearance: Word = "internal"
    purposes: tuple[Word, ...] = ()
    regions: tuple[str, ...] = ("*",)


class GrantRoles(Command):
    """Give roles to a principal."""

    ACTION: ClassVar[str] = "role_grant"

    principal: Name
    roles: tuple[Word, ...] = Field(min_length=1)


class RevokeRoles(Command):
    """Take roles from a principal."""

    ACTION: ClassVar[str] = "role_revoke"

    principal: Name
    roles: tuple[Word, ...] = Field(min_length=1)


class Consent(Command):
    """A word of a subject that comes with a cube: agreed to a purpose, or refused it."""

    purpose: Word
    given: bool
    valid_from: AwareDatetime | None = None


class RememberCube(Command):
    """Keep a memory under governance; consents apply to each of its subjects."""

    ACTION: ClassVar[str] = "remember"

    content: Content = Field(repr=False)
    subjects: tuple[Name, ...] = Field((), max_length=SUBJECTS_MAX)
    label: Word
    purposes: tuple[Word, ...] = Field(min_length=1)
    basis: Word
    retention_class: Word
    region: Word = "global"
    priority: Word = "normal"
    semantic_type: Word = "fact"
    origin: Literal["user", "agent", "import", "inference"] = "user"
    author: Name | None = None
    conversation: Name | None = None
    position: int | None = Field(None, ge=0, le=INTEGER_MAX)
    valid_from: AwareDatetime | None = None
    valid_to: AwareDatetime | None = None
    metadata: Metadata = Field(default_factory=dict, repr=False)
    consents: tuple[Consent, ...] = ()


class Whole(Command):
    """Content as it will stand, checked against the same limits as what came in."""

    content: Content = Field(repr=False)


class OnCube(Command):
    """A command about one cube."""

    cube: CubeId


class ReviseCube(OnCube):
    """
    Give a cube new content; `append` puts it after the old.

    Metadata and the end of validity stay as they were unless they are given;
    `append` also keeps the beginning, and adds to the metadata.
    """

    ACTION: ClassVar[str] = "revise"

    content: Content = Field(repr=False)
    mode: Literal["overwrite", "append"] = "overwrite"
    expected_revision: int | None = Field(None, ge=1)
    metadata: Metadata | None = Field(None, repr=False)
    valid_from: AwareDatetime | None = None
    valid_to: AwareDatetime | None = None


class ReadCube(OnCube):
    """Read one cube."""

    ACTION: ClassVar[str] = "read"


class ReadHistory(OnCube):
    """Read the events of one cube, never its content."""

    ACTION: ClassVar[str] = "history"


class RecallCubes(Command):
    """Find the `k` most relevant cubes that the actor may read."""

    ACTION: ClassVar[str] = "recall"

    query: Annotated[str, Field(max_length=10_000), AfterValidator(_content)] = Field(repr=False)
    k: int = Field(5, ge=1, le=RECALL_K_MAX)


class ListCubes(Command):
    """List the facts of the cubes that the actor may read, newest first, a page at a time."""

    ACTION: ClassVar[str] = "list"

    subject: Name | None = None
    label: Word | None = None
    state: Word | None = None
    limit: int = Field(50, ge=1, le=LIST_PAGE_MAX)
    after: CubeId | None = None


class ShareCube(OnCube):
    """Let another principal read, or read and write."""

    ACTION: ClassVar[str] = "share"

    principal: Name
    scope: Literal["read", "write"] = "read"
    valid_from: AwareDatetime | None = None
    valid_to: AwareDatetime | None = None


class UnshareCube(OnCube):
    """End a share."""

    ACTION: ClassVar[str] = "unshare"

    principal: Name


class FreezeCube(OnCube):
    """Admit no change to a cube."""

    ACTION: ClassVar[str] = "freeze"


class ThawCube(OnCube):
    """Admit changes again."""

    ACTION: ClassVar[str] = "thaw"


class ArchiveCube(OnCube):
    """Keep a cube, but recall it no longer."""

    ACTION: ClassVar[str] = "archive"


class RestoreCube(OnCube):
    """Bring a cube back from the archive."""

    ACTION: ClassVar[str] = "restore"


class OnSubject(Command):
    """A command about one subject and one purpose."""

    subject: Name
    purpose: Word
    valid_from: AwareDatetime | None = None
    valid_to: AwareDatetime | None = None


class GiveConsent(OnSubject):
    """Record that a subject agreed to a purpose."""

    ACTION: ClassVar[str] = "consent_give"


class WithdrawConsent(OnSubject):
    """Record that a subject refused or took back a purpose."""

    ACTION: ClassVar[str] = "consent_withdraw"


class PlaceHold(Command):
    """Hold a subject or a cube for a legal matter: exactly one of the two."""

    ACTION: ClassVar[str] = "hold"

    matter: Name
    subject: Name | None = None
    cube: CubeId | None = None

    @model_validator(mode="after")
    def _one_target(self) -> PlaceHold:
        if (self.subject is None) == (self.cube is None):
            raise ValueError("subject: name a subject or a cube, one of the two")
        return self


class ReleaseHold(Command):
    """Release everything a matter holds."""

    ACTION: ClassVar[str] = "release"

    matter: Name


class OnCase(Command):
    """A command about one review case."""

    case: CubeId


class ApproveReview(OnCase):
    """Let an act that waits for review be done."""

    ACTION: ClassVar[str] = "review_approve"


class RejectReview(OnCase):
    """Refuse an act that waits for review."""

    ACTION: ClassVar[str] = "review_reject"


class ActivatePolicy(Command):
    """Let another kept bundle decide from here on."""

    ACTION: ClassVar[str] = "policy_activate"

    policy: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class AskAudit(Command):
    """Ask a question of evidence; `action` is the word policy judges it by."""

    ACTION: ClassVar[str] = "audit"

    question: Word
    action: Literal["audit", "explain", "log_read", "review_list"] = "audit"
    target: Annotated[str, AfterValidator(_audited)] | None = None


COMMAND_TYPES: tuple[type[Command], ...] = (
    ActivatePolicy,
    AddPrincipal,
    ApproveReview,
    ArchiveCube,
    AskAudit,
    FreezeCube,
    GiveConsent,
    GrantRoles,
    ListCubes,
    PlaceHold,
    ReadCube,
    ReadHistory,
    RecallCubes,
    RejectReview,
    ReleaseHold,
    RememberCube,
    RestoreCube,
    ReviseCube,
    RevokeRoles,
    ShareCube,
    ThawCube,
    UnshareCube,
    WithdrawConsent,
)

C = TypeVar("C", bound=Command)


def make(command_type: type[C], **fields: object) -> C:
    """
    Return a valid command.

    Raises:
        InvalidCommandError: Names the first field at fault, never its value.
    """
    try:
        return command_type(**fields)
    except ValidationError as error:
        field, message = _first_fault(error)
    # Raised out here, so that the validator's error, which holds the input, is not its context.
    raise InvalidCommandError(f"{field}: {message}", field=field)


def _first_fault(error: ValidationError) -> tuple[str, str]:
    """Return the first field at fault and what is wrong with it."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    place = first["loc"]
    # A key of metadata is the caller's text, so it is not repeated.
    field = "metadata" if place[:1] == ("metadata",) else ".".join(str(part) for part in place)
    message = first["msg"].removeprefix("Value error, ")
    if not field:
        field, _, message = message.rpartition(": ")
    return field, message


def seconds(moment: datetime | None, otherwise: int) -> int:
    """Return a moment in whole seconds since the epoch, `otherwise` when there is none."""
    return otherwise if moment is None else int(moment.timestamp())
