"""
Version 1 of events that have a newer version: frozen, decoded for ever, never written again.

A class here keeps the name of its event, so that records name the same type.
Where a header is decoded it becomes the newest version at once; nothing else
of the program meets one of these.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from memos_gov.domain import facts
from memos_gov.domain.events import cubes, holds, usage
from memos_gov.domain.events.event import Event, OnGovernance, OnMatter
from memos_gov.domain.verdicts import Integer


class CubeRelabelled(OnGovernance, frozen=True, kw_only=True):
    """The label rose."""

    label: str

    def newest(self) -> cubes.CubeRelabelled:
        """Return a label that holds from its record on."""
        return cubes.CubeRelabelled(cube=self.cube, label=self.label)


class CubesRead(Event, frozen=True, kw_only=True):
    """
    Content or facts of cubes were returned.

    `snapshot` is the index whose facts were used, `refused` counts hidden
    candidates by reason; the query and the candidates are sealed.
    """

    action: Literal["read", "recall", "list"]
    cubes: tuple[usage.ReadCube, ...]
    snapshot: Integer
    refused: dict[str, Integer]

    def newest(self) -> usage.CubesRead:
        """Return a read of the present."""
        return usage.CubesRead(
            action=self.action, cubes=self.cubes, snapshot=self.snapshot, refused=self.refused
        )


class AuditAsked(Event, frozen=True, kw_only=True):
    """Somebody asked a question of evidence about `target`."""

    question: str
    target: str | None

    def newest(self) -> usage.AuditAsked:
        """Return a question about the present."""
        return usage.AuditAsked(question=self.question, target=self.target)


class CommandRefused(Event, frozen=True, kw_only=True):
    """A command was refused, by policy or by the domain; `reasons` are codes, sorted."""

    REFUSAL: ClassVar[bool] = True

    action: str
    targets: tuple[str, ...]
    reasons: tuple[str, ...]

    def newest(self) -> usage.CommandRefused:
        """Return a refusal in the present."""
        return usage.CommandRefused(action=self.action, targets=self.targets, reasons=self.reasons)


class HeldTarget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a matter holds: a subject or a cube."""

    kind: Literal["subject", "cube"]
    id: str

    def newest(self) -> facts.HeldTarget:
        """Return the same target."""
        return facts.HeldTarget(kind=self.kind, id=self.id)


class HoldPlaced(OnMatter, frozen=True, kw_only=True):
    """A subject or a cube is held for a matter."""

    target: HeldTarget

    def newest(self) -> holds.HoldPlaced:
        """Return a hold that is in force from its record on."""
        return holds.HoldPlaced(matter=self.matter, target=self.target.newest())


class HoldReleased(OnMatter, frozen=True, kw_only=True):
    """A matter holds nothing any more."""

    targets: tuple[HeldTarget, ...]

    def newest(self) -> holds.HoldReleased:
        """Return the same release."""
        targets = tuple(target.newest() for target in self.targets)
        return holds.HoldReleased(matter=self.matter, targets=targets)
