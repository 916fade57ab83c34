"""
Version 1 of events that have a newer version: frozen, decoded for ever, never written again.

A class here keeps the name of its event, so that records name the same type.
Where a header is decoded it becomes the newest version at once; nothing else
of the program meets one of these.
"""

from __future__ import annotations

from memos_gov.domain.events import cubes
from memos_gov.domain.events.event import OnGovernance


class CubeRelabelled(OnGovernance, frozen=True, kw_only=True):
    """The label rose."""

    label: str

    def newest(self) -> cubes.CubeRelabelled:
        """Return a label that holds from its record on."""
        return cubes.CubeRelabelled(cube=self.cube, label=self.label)
