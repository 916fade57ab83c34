"""Commands of retention: the event that a class counts from."""

from __future__ import annotations

from typing import ClassVar

from pydantic import AwareDatetime

from memos_gov.domain.commands.cubes import OnCube


class TriggerRetention(OnCube):
    """Say when the event happened from which the cube's class counts, such as a contract's end."""

    ACTION: ClassVar[str] = "retention_trigger"

    occurred_at: AwareDatetime
