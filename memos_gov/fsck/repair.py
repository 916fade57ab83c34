"""
What of an examination can be made right from the log, and what cannot.

Only what the log makes again is ever rebuilt: tables, index, tiles, and the
pointer to the tables. The log, the vault, keys, policies and defaults are never
touched. Nothing is rebuilt at all while the log or the vault is in doubt,
since everything would be made again from the doubt.
"""

from __future__ import annotations

import msgspec

from memos_gov.fsck.report import WATCH, Finding, FsckReport

SOURCES = ("log", "vault", "keys/kek")
_HARMLESS = frozenset({"key_alive", "name_alive"})
_WITNESSES = frozenset({"head", "certificate"})


class RepairPlan(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a repair would do.

    `rebuilt` are the findings that a rebuild makes right, `kept` those it does
    not; `refused` says why nothing is rebuilt although something could be, or "".
    """

    rebuilt: tuple[Finding, ...]
    kept: tuple[Finding, ...]
    refused: str

    @property
    def rebuilds(self) -> bool:
        """Whether there is something to rebuild, and nothing against it."""
        return bool(self.rebuilt) and not self.refused


def plan_of(report: FsckReport) -> RepairPlan:
    """Return what a repair after this examination would do."""
    rebuilt = tuple(finding for finding in report.findings if finding.rebuildable)
    kept = tuple(finding for finding in report.findings if not finding.rebuildable)
    doubtful = [finding for finding in kept if _is_doubt(finding)]
    refused = ""
    if rebuilt and doubtful:
        refused = f"nothing is made again from a source in doubt: first see to {doubtful[0].place}"
    return RepairPlan(rebuilt=rebuilt, kept=kept, refused=refused)


def _is_doubt(finding: Finding) -> bool:
    """Whether what a rebuild reads may not be believed; a record kept as evidence may."""
    if finding.kind in _WITNESSES:
        return True
    is_source = finding.place.startswith(SOURCES)
    return is_source and finding.kind not in _HARMLESS and finding.remedy != WATCH
