"""Commands of legal matters."""

from __future__ import annotations

from typing import ClassVar

from pydantic import (
    AwareDatetime,
    model_validator,
)

from memos_gov.domain.commands.command import Command
from memos_gov.domain.commands.fields import CubeId, Name, Word

SCOPE = ("label", "retention_class", "recorded_from", "recorded_to")


class PlaceHold(Command):
    """
    Hold a subject, a cube, or a scope for a legal matter: exactly one of the three.

    A scope is what its parts name together: a label, a retention class, when
    cubes were recorded (from, and before). It covers what comes later too.
    The hold is in force while `valid_from` <= now < `valid_to`.
    """

    ACTION: ClassVar[str] = "hold"

    matter: Name
    subject: Name | None = None
    cube: CubeId | None = None
    label: Word | None = None
    retention_class: Word | None = None
    recorded_from: AwareDatetime | None = None
    recorded_to: AwareDatetime | None = None
    valid_from: AwareDatetime | None = None
    valid_to: AwareDatetime | None = None

    @property
    def scoped(self) -> bool:
        """Whether any part of a scope is named."""
        return any(getattr(self, field) is not None for field in SCOPE)

    @model_validator(mode="after")
    def _one_target(self) -> PlaceHold:
        named = (self.subject is not None, self.cube is not None, self.scoped)
        if not any(named):
            parts = ", ".join(SCOPE)
            raise ValueError(f"subject: name a subject, a cube, or a scope ({parts})")
        if sum(named) > 1:
            raise ValueError("subject: name a subject, a cube or a scope, one of the three")
        return self

    @model_validator(mode="after")
    def _recorded_in_order(self) -> PlaceHold:
        start, end = self.recorded_from, self.recorded_to
        if start and end and end <= start:
            raise ValueError("recorded_to: must be after recorded_from")
        return self


class ReleaseHold(Command):
    """Release everything a matter holds, or one subject or cube of it."""

    ACTION: ClassVar[str] = "release"

    matter: Name
    subject: Name | None = None
    cube: CubeId | None = None

    @model_validator(mode="after")
    def _at_most_one(self) -> ReleaseHold:
        if self.subject is not None and self.cube is not None:
            raise ValueError("subject: name a subject or a cube, not both")
        return self
