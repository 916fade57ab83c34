"""
Version 1 of events that have a newer version: frozen, decoded for ever, never written again.

A class here keeps the name of its event, so that records name the same type.
Where a header is decoded it becomes the newest version at once; nothing else
of the program meets one of these.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from memos_gov.domain import facts
from memos_gov.domain.events import cubes, holds
from memos_gov.domain.events.event import OnGovernance, OnMatter


class CubeRelabelled(OnGovernance, frozen=True, kw_only=True):
    """The label rose."""

    label: str

    def newest(self) -> cubes.CubeRelabelled:
        """Return a label that holds from its record on."""
        return cubes.CubeRelabelled(cube=self.cube, label=self.label)


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
