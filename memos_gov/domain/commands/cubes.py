"""Commands that make, change and share cubes."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import (
    AwareDatetime,
    Field,
)

from memos_gov.domain.commands.command import Command
from memos_gov.domain.commands.fields import SUBJECTS_MAX, Content, CubeId, Metadata, Name, Word
from memos_gov.domain.verdicts import INTEGER_MAX


class Consent(Command):
    """A word of a subject that comes with a cube: agreed to a purpose, or refused it."""

    purpose: Word
    given: bool
    valid_from: AwareDatetime | None = None
    valid_to: AwareDatetime | None = None


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
