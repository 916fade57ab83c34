"""Commands of legal matters."""

from __future__ import annotations

from typing import ClassVar

from pydantic import (
    model_validator,
)

from memos_gov.domain.commands.command import Command
from memos_gov.domain.commands.fields import CubeId, Name


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
