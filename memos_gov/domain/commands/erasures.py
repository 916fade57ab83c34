"""Commands that end memories, and the one by which the eraser goes on with it."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from memos_gov.domain.commands.command import Command
from memos_gov.domain.commands.cubes import OnCube
from memos_gov.domain.commands.fields import REASON_CHARS_MAX, CubeId, Name, _content

Reason = Annotated[str, Field(max_length=REASON_CHARS_MAX, repr=False), AfterValidator(_content)]


class EraseSubject(Command):
    """Erase everything about a person, as far as policy releases it, and the name at last."""

    ACTION: ClassVar[str] = "erase"

    subject: Name
    reason: Reason


class EraseCube(OnCube):
    """Erase one cube and what was derived from it, as far as policy releases it."""

    ACTION: ClassVar[str] = "erase"

    reason: Reason


class PlanErasure(Command):
    """Carry out a page of an erasure that was asked for; the eraser's own, nobody can send it."""

    ACTION: ClassVar[str] = "erase"

    erasure: CubeId
