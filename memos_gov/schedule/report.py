"""What a run of the schedule did, or would do: ids and rules, never content."""

from __future__ import annotations

from typing import Literal

import msgspec

from memos_gov.domain.verdicts import Disposal, Step

Standing = Literal["due", "review", "waiting", "rejected", "erasing"]


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """
    A cube of which something is due by the moment asked for, and how that follows.

    `due` (seconds) is when it was; `standing` says whether it would be done
    (`due`), whether a review would be opened first (`review`), whether one
    waits for an answer or was answered with no, or that its erasure is under way.
    """

    cube: str
    retention_class: str
    action: Disposal
    due: int
    standing: Standing
    rules: tuple[str, ...]
    steps: tuple[Step, ...]


class ScheduleReport(msgspec.Struct, frozen=True, kw_only=True):
    """
    A run over one tenant; `now` (seconds) is the moment by which things were due.

    `done` counts cubes by what became of them: archived, expired, erased, kept
    (by policy's plan of the erasure); dated (asked again, and due at another
    time); reviews opened, waiting, rejected; erasing (not finished yet);
    overtaken (they kept moving, and are left to the next run). `due`
    lists what is due, for a dry run only. `index` is that of the run's own
    record, -1 for a dry run.
    """

    tenant: str
    now: int
    dry_run: bool
    done: dict[str, int]
    due: tuple[Due, ...] = ()
    index: int = -1
