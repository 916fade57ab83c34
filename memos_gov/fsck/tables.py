"""
Tables against tables: everything certified again from the log, compared row by row.

Both sides are read in the order of their primary keys, side by side, so that
memory does not grow with them. Values are compared as the database keeps them:
the number 1 is neither 1.0 nor the text "1".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from memos_gov.domain.history import LogPosition
from memos_gov.follow import Certifier, Follower
from memos_gov.fsck.report import REBUILD, Findings
from memos_gov.fsck.walk import Ends
from memos_gov.ports import EventLog, KeyStore, Tables

if TYPE_CHECKING:
    from sqlalchemy import Column, Connection, Table

PAGE_ROWS = 1000


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


def compare(live: Tables, fresh: Tables, findings: Findings) -> None:
    """Compare every table of two databases, row by row."""
    from memos_gov.projections.tables import TablesModel

    for table in TablesModel.metadata.sorted_tables:
        with (
            findings.guarded(f"tables {table.name}", "damaged", REBUILD),
            live.connection() as one,
            fresh.connection() as other,
        ):
            _compare(table, _rows(table, one), _rows(table, other), findings)
        findings.progress(f"table {table.name}", 1, 1)


def _columns(table: Table) -> list[Column[Any]]:
    """Return the columns, those of the primary key first."""
    keys = list(table.primary_key.columns)
    return [*keys, *(column for column in table.columns if column not in set(keys))]


def _rows(table: Table, connection: Connection) -> Iterator[tuple[Any, ...]]:
    from sqlalchemy import select, type_coerce
    from sqlalchemy.types import NullType

    stored = (type_coerce(column, NullType()) for column in _columns(table))
    query = select(*stored).order_by(*table.primary_key.columns)
    for row in connection.execute(query.execution_options(yield_per=PAGE_ROWS)):
        yield tuple(row)


def _compare(
    table: Table,
    live: Iterator[tuple[Any, ...]],
    fresh: Iterator[tuple[Any, ...]],
    findings: Findings,
) -> None:
    width = len(table.primary_key.columns)
    one, other, count = next(live, None), next(fresh, None), 0
    while one is not None or other is not None:
        if _same(one, other):
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
            changed = ", ".join(column.name for column, a, b in named if not _same((a,), (b,)))
            message = f"another value than the log gives: {changed}"
            _note(table, one, "row_changed", message, findings)
            one, other = next(live, None), next(fresh, None)
    findings.counts["rows"] += count


def _same(one: tuple[Any, ...] | None, other: tuple[Any, ...] | None) -> bool:
    """Whether two rows are equal, and their values of one type."""
    return one == other and (one is None or [*map(type, one)] == [*map(type, other or ())])


def _note(table: Table, row: tuple[Any, ...], kind: str, message: str, findings: Findings) -> None:
    """Note a row by its table and primary key."""
    key = ", ".join(str(value) for value in row[: len(table.primary_key.columns)])
    findings.add(f"{table.name} ({key})", kind, message, REBUILD)
