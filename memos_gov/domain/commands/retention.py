"""Commands of retention: the event that a class counts from, and what the schedule does."""

from __future__ import annotations

from typing import ClassVar

from pydantic import AwareDatetime, Field

from memos_gov.domain.commands.command import Command
from memos_gov.domain.commands.cubes import OnCube
from memos_gov.domain.commands.fields import CubeId


class TriggerRetention(OnCube):
    """Say when the event happened from which the cube's class counts, such as a contract's end."""

    ACTION: ClassVar[str] = "retention_trigger"

    occurred_at: AwareDatetime


class FollowSchedule(Command):
    """Begin a run of the schedule: what is due until then is done."""

    ACTION: ClassVar[str] = "schedule_run"

    until: AwareDatetime


class ScheduleCube(OnCube):
    """Write down what policy says is due for a cube, and open the review that it needs."""

    ACTION: ClassVar[str] = "schedule"


class DisposeCube(OnCube):
    """Do what is due for a cube."""

    ACTION: ClassVar[str] = "dispose"


class EraseDue(Command):
    """Erase cubes whose erasure is due; the schedule's own, nobody can send it."""

    ACTION: ClassVar[str] = "dispose"

    cubes: tuple[CubeId, ...] = Field(min_length=1)
