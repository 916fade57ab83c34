"""
Commands about the words that rule a cube: its label and its legal basis.

Each says over which time the word is true. Without an end it is in force from
now on; with one it corrects what is on record about the past.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import AwareDatetime

from memos_gov.domain.commands.cubes import OnCube
from memos_gov.domain.commands.fields import Word


class RelabelCube(OnCube):
    """Raise or lower a cube's label."""

    ACTION: ClassVar[str] = "relabel"

    label: Word
    valid_from: AwareDatetime | None = None
    valid_to: AwareDatetime | None = None


class RebaseCube(OnCube):
    """Put a cube on another legal basis."""

    ACTION: ClassVar[str] = "rebase"

    basis: Word
    valid_from: AwareDatetime | None = None
    valid_to: AwareDatetime | None = None
