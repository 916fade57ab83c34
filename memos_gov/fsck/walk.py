"""
One walk over the log, for every check that looks at records.

Each record is parsed once and shown, with its outcome, to one check after
another (`Check`); a new check of records is a class in a file of its own. A
row of the tables that cannot be read is a finding at its place, and the walk
goes on without it. Memory does not grow with the log.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import msgspec

from memos_gov.certify import parse
from memos_gov.domain.history import REPEATED, LogPosition, LogRecord, Outcome, Parsed
from memos_gov.follow import BATCH_RECORDS_MAX, within_bytes
from memos_gov.fsck.report import REBUILD, Findings
from memos_gov.fsck.tree import leaf_of
from memos_gov.ports import EventLog, Tables

STAGE = "records"


class Seen(NamedTuple):
    """
    A record and what the tables say of it: `decided`, `missing`, or `unreadable`.

    `intact` is whether the outcome's leaf is the one that these bytes give.
    """

    parsed: Parsed
    state: Literal["decided", "missing", "unreadable"]
    outcome: Outcome | None
    intact: bool

    @property
    def repeats(self) -> bool:
        """Whether an earlier record had this command's outcome."""
        return self.outcome is not None and self.outcome.code == REPEATED


class Check(Protocol):
    """Something that looks at every record, in order of each partition of the log."""

    def see(self, batch: Sequence[Seen]) -> None:
        """Look at the next records."""

    def end(self) -> None:
        """Say what only the end of the log shows."""


Ends = Sequence[int]
"""The offset up to which each partition of a log is examined, by its number."""


def walk(
    log: EventLog, ends: Ends, tables: Tables | None, checks: Sequence[Check], findings: Findings
) -> None:
    """Show every record below the ends to each check, one partition after another."""
    before = 0
    for partition, end in enumerate(ends):
        for batch in batches(log, partition, end):
            seen = list(_seen(tables, batch, findings))
            for check in checks:
                check.see(seen)
            findings.progress(STAGE, before + batch[-1].offset + 1, sum(ends))
        before += end
    for check in checks:
        check.end()


def batches(log: EventLog, partition: int, end: int, start: int = 0) -> Iterator[list[LogRecord]]:
    """Yield the records of a partition from `start` to below `end` in order."""
    while start < end:
        found = [r for r in log.read(partition, start, BATCH_RECORDS_MAX) if r.offset < end]
        batch = within_bytes(found)
        if not batch:
            return
        yield batch
        start = batch[-1].offset + 1


def _seen(tables: Tables | None, batch: Sequence[LogRecord], findings: Findings) -> Iterator[Seen]:
    rows: dict[int, Any] | None = {}
    if tables is not None:
        rows = None
        with findings.guarded("tables outcomes", "damaged", REBUILD):
            rows = _rows(tables, batch[0].position, batch[-1].offset)
    for record in batch:
        parsed = parse(record)
        row = None if rows is None else rows.get(record.offset)
        outcome = None if row is None else _outcome(row, findings)
        if outcome is not None:
            intact = outcome.code != REPEATED and leaf_of(record, outcome) == outcome.leaf
            yield Seen(parsed, "decided", outcome, intact)
        else:
            missing = rows is not None and row is None
            yield Seen(parsed, "missing" if missing else "unreadable", None, intact=False)


def _rows(tables: Tables, first: LogPosition, last: int) -> dict[int, Any]:
    from sqlalchemy import select, type_coerce
    from sqlalchemy.types import NullType

    from memos_gov.projections.tables import OutcomeRow, table_of

    table = table_of(OutcomeRow)
    columns = [type_coerce(column, NullType()).label(column.name) for column in table.columns]
    within = table.c.log_offset.between(first.offset, last)
    query = select(*columns).where(table.c.partition == first.partition, within)
    with tables.connection() as connection:
        return {row.log_offset: row for row in connection.execute(query)}


def _outcome(row: Any, findings: Findings) -> Outcome | None:
    """Return the outcome of a row, or None and a finding when it is none."""
    try:
        repeated = row.code == REPEATED
        detail = b"{}" if repeated else row.detail
        return msgspec.convert(
            {
                "tenant": row.tenant,
                "index": -1 if repeated else row.idx,
                "code": row.code,
                "detail": msgspec.json.decode(memoryview(detail)),
                "command_id": row.command_id,
                "actor": row.actor,
                "command": row.command,
                "leaf": row.leaf or b"",
            },
            Outcome,
            builtin_types=(bytes,),
        )
    except (msgspec.MsgspecError, TypeError, ValueError):
        place = f"outcomes ({row.partition}, {row.log_offset})"
        findings.add(place, "outcome", "cannot be read", REBUILD)
        return None
