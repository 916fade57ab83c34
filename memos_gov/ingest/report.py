"""What an ingest did with the rows of a file."""

from __future__ import annotations

from dataclasses import dataclass, field

from memos_gov.ingest.rows import RowFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestReport:
    """
    What became of the rows of a file.

    `rows` is the sum of all others. `changed` rows were added before with
    other content, or by somebody else, and are left as they are. `notices`
    name the rows that changed or were refused, as `failed` names the others.
    """

    rows: int
    added: int
    unchanged: int
    changed: int
    failed: tuple[RowFailure, ...]
    refused: int
    notices: tuple[RowFailure, ...] = ()
    dry_run: bool = False


@dataclass(slots=True)
class Counts:
    """What became of the rows so far."""

    added: int = 0
    unchanged: int = 0
    changed: int = 0
    refused: int = 0
    failed: list[RowFailure] = field(default_factory=list)
    notices: list[RowFailure] = field(default_factory=list)

    def report(self, rows: int, *, dry_run: bool) -> IngestReport:
        """Return the report over `rows` rows."""
        return IngestReport(
            rows=rows,
            added=self.added,
            unchanged=self.unchanged,
            changed=self.changed,
            failed=tuple(sorted(self.failed)),
            refused=self.refused,
            notices=tuple(sorted(self.notices)),
            dry_run=dry_run,
        )
