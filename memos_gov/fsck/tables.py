"""
Tables against tables: everything certified again from the log, compared row by row.

Both sides are read in the order of their primary keys, side by side, so that
memory does not grow with them. Values are compared as the database keeps them:
the number 1 is neither 1.0 nor the text "1".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from memos_gov.domain.history import LogPosition
from memos_gov.follow import Certifier, Follower
from memos_gov.fsck.report import REBUILD, RESTORE, Findings
from memos_gov.fsck.walk import Ends, Seen
from memos_gov.ports import EventLog, KeyStore, Tables

if TYPE_CHECKING:
    from sqlalchemy import Column, Connection, Table

PAGE_ROWS = 1000
Row = tuple[Any, ...]


def certify_again(
    log: EventLog, ends: Ends, keys: KeyStore, tables: Tables, findings: Findings
) -> None:
    """Bring tables to the ends of the log, every record judged anew, views too."""
    certifier, follower = Certifier(log, tables, keys, obeys=False), Follower(log, tables)
    follower.catch_up()
    before = 0
    for partition, end in enumerate(ends):
        for batch in certifier.batches(LogPosition(partition, end - 1)):
            follower.apply(batch)
            findings.progress("certify", before + batch[-1].position.offset + 1, sum(ends))
        before += end


class CertifyAgain:
    """
    Every record of a walk judged anew into empty tables, views too.

    It stops where the log itself is found changed; `whole` is whether `tables`
    have come to its end.
    """

    def __init__(self, log: EventLog, keys: KeyStore, tables: Tables, findings: Findings) -> None:
        self._certifier = Certifier(log, tables, keys, obeys=False)
        self._follower = Follower(log, tables)
        self.tables = tables
        self._findings = findings
        self._stopped = False
        self.whole = False

    def see(self, batch: Sequence[Seen]) -> None:
        """Certify the next records."""
        if self._stopped or self._findings.log_is_changed:
            return
        self._stopped = True
        with self._findings.guarded("log.db", "replay", RESTORE):
            partition = batch[0].parsed.at.partition
            decided = self._certifier.decide(partition, [seen.parsed for seen in batch])
            self._follower.apply(decided)
            self._stopped = False
        self._findings.progress("certify", 1, 1)

    def end(self) -> None:
        """Note that nothing is left."""
        self.whole = not self._stopped and not self._findings.log_is_changed


def compare(live: Tables, fresh: Tables, findings: Findings) -> None:
    """Compare every table of two databases, row by row."""
    from memos_gov.projections.tables import TablesModel

    for table in TablesModel.metadata.sorted_tables:
        with (
            findings.guarded(f"tables {table.name}", "damaged", REBUILD),
            live.connection() as one,
            fresh.connection() as other,
        ):
            _compare(table, _pages(table, one), _pages(table, other), findings)
        findings.progress(f"table {table.name}", 1, 1)


def _columns(table: Table) -> list[Column[Any]]:
    """Return the columns, those of the primary key first."""
    keys = list(table.primary_key.columns)
    return [*keys, *(column for column in table.columns if column not in set(keys))]


def _pages(table: Table, connection: Connection) -> Iterator[Sequence[Row]]:
    """Yield the rows of a table as the driver reads them, in order of the primary key."""
    from sqlalchemy import select

    query = select(*_columns(table)).order_by(*table.primary_key.columns)
    cursor = connection.connection.cursor()
    cursor.execute(str(query.compile(dialect=connection.dialect)))
    while page := cursor.fetchmany(PAGE_ROWS):
        yield page


def _compare(
    table: Table, live: Iterator[Sequence[Row]], fresh: Iterator[Sequence[Row]], findings: Findings
) -> None:
    """Compare whole pages as long as they are equal, and row by row from there on."""
    one, other = next(live, ()), next(fresh, ())
    while one and _same(one, other):
        findings.counts["rows"] += len(one)
        one, other = next(live, ()), next(fresh, ())
    left, due = chain(one, chain.from_iterable(live)), chain(other, chain.from_iterable(fresh))
    _merge(table, left, due, findings)


def _merge(table: Table, live: Iterator[Row], fresh: Iterator[Row], findings: Findings) -> None:
    """Compare rows in the order of their keys, and note each that differs."""
    width = len(table.primary_key.columns)
    one, other, count = next(live, None), next(fresh, None), 0
    while one is not None or other is not None:
        if one is not None and other is not None and _same([one], [other]):
            one, other, count = next(live, None), next(fresh, None), count + 1
        elif other is None or (one is not None and one[:width] < other[:width]):
            assert one is not None
            _note(table, one, "row_added", "a row that the log does not give", findings)
            one = next(live, None)
        elif one is None or other[:width] < one[:width]:
            _note(table, other, "row_missing", "a row that the log gives is missing", findings)
            other = next(fresh, None)
        else:
            named = zip(_columns(table), one, other, strict=True)
            changed = ", ".join(column.name for column, a, b in named if not _same([(a,)], [(b,)]))
            message = f"another value than the log gives: {changed}"
            _note(table, one, "row_changed", message, findings)
            one, other = next(live, None), next(fresh, None)
    findings.counts["rows"] += count


def _same(one: Sequence[Row], other: Sequence[Row]) -> bool:
    """Whether rows are equal, and their values of one type."""
    types, due = (map(type, chain.from_iterable(rows)) for rows in (one, other))
    return one == other and [*types] == [*due]


def _note(table: Table, row: Row, kind: str, message: str, findings: Findings) -> None:
    """Note a row by its table and primary key."""
    key = ", ".join(str(value) for value in row[: len(table.primary_key.columns)])
    findings.add(f"{table.name} ({key})", kind, message, REBUILD)
