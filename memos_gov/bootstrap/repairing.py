"""Repairing a data folder: examined, rebuilt where the log gives it back, examined again."""

from __future__ import annotations

from pathlib import Path

import msgspec

from memos_gov.bootstrap.examining import fsck
from memos_gov.bootstrap.upkeep import rebuild
from memos_gov.fsck import FsckReport
from memos_gov.fsck.repair import RepairPlan, plan_of
from memos_gov.fsck.report import Progress
from memos_gov.rebuild import RebuildReport


class RepairReport(msgspec.Struct, frozen=True, kw_only=True):
    """
    What was found, what was planned, and how the folder stands afterwards.

    `rebuilt` and `after` are None where nothing was rebuilt.
    """

    before: FsckReport
    plan: RepairPlan
    rebuilt: RebuildReport | None = None
    after: FsckReport | None = None

    @property
    def clean(self) -> bool:
        """Whether nothing is found any more."""
        return (self.after or self.before).clean


def repair(
    data: Path | str | None = None, *, dry_run: bool = False, progress: Progress | None = None
) -> RepairReport:
    """
    Examine a data folder, make again what the log gives back, and examine it once more.

    Log, vault, keys, policies and defaults are never written. Every finding
    that is not made right is in the plan's `kept`, with its remedy.

    Args:
        dry_run: Only say what would be done.

    Raises:
        SettingsError: As `fsck` and `rebuild`.
        CorruptionError: The log gives other trees than those in use; nothing was switched.
        UnavailableError: The folder is open elsewhere, or cannot be written.
    """
    before = fsck(data, progress=progress)
    plan = plan_of(before)
    if dry_run or not plan.rebuilds:
        return RepairReport(before=before, plan=plan)
    rebuilt = rebuild(data, settles=False, progress=progress)
    after = fsck(data, progress=progress)
    return RepairReport(before=before, plan=plan, rebuilt=rebuilt, after=after)
