"""
`SqliteEventLog`: the log of one machine.

WAL with `synchronous=FULL`: a record is on the disk when `append` returns.
Triggers refuse UPDATE and DELETE. Threads that append at the same time share
one transaction (the first one in writes for all that wait); processes take
turns.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from memos_gov.backends.sqlite.connection import (
    open_file,
    open_read_only,
    transaction,
    translated,
)
from memos_gov.domain.codec import RECORD_BYTES_MAX
from memos_gov.domain.history import LogPosition, LogRecord
from memos_gov.errors import InvalidCommandError, SettingsError
from memos_gov.ports import Clock, Proposal

FORMAT = 1
BEHIND_MAX_MS = 60_000
AHEAD_MAX_MS = 5_000

_DDL = (
    """CREATE TABLE IF NOT EXISTS records (
        log_offset INTEGER PRIMARY KEY,
        tenant TEXT NOT NULL CHECK (typeof(tenant) = 'text'),
        body BLOB NOT NULL CHECK (typeof(body) = 'blob'))""",
    """CREATE TRIGGER IF NOT EXISTS records_keep BEFORE DELETE ON records
        BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END""",
    """CREATE TRIGGER IF NOT EXISTS records_stay BEFORE UPDATE ON records
        BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END""",
    f"PRAGMA user_version={FORMAT}",
)


@dataclass(slots=True)
class _Waiting:
    """One caller's proposals, and what became of them."""

    proposals: Sequence[Proposal]
    positions: list[LogPosition] = field(default_factory=list)
    error: BaseException | None = None
    done: bool = False


class SqliteEventLog:
    """One partition in `log.db`; see `EventLog` for what it keeps."""

    partitions = 1
    appends_together = True
    gapless = True

    def __init__(self, path: Path, clock: Clock, *, read_only: bool = False) -> None:
        """Open the log; `read_only` for the log as it is now, and nothing appended to it later."""
        self._path = path
        self._clock = clock
        self._writer = open_read_only(path) if read_only else open_file(path)
        self._reader = open_read_only(path) if read_only else open_file(path)
        self._write_lock = threading.Lock()
        self._read_lock = threading.Lock()
        self._queue_lock = threading.Lock()
        self._queue: list[_Waiting] = []
        self._prepare(make=not read_only)
        if read_only:
            self._reader.execute("BEGIN")

    def _prepare(self, *, make: bool) -> None:
        with translated(self._path):
            (found,) = self._writer.execute("PRAGMA user_version").fetchone()
            if found > FORMAT:
                msg = (
                    f"{self._path.name} has format {found}, newer than the {FORMAT} of this program"
                )
                raise SettingsError(msg, remedy="Upgrade memos-gov.")
        if found < FORMAT and make:
            with transaction(self._writer, self._path, write=True):
                lay_out(self._writer)

    def partition_of(self, tenant: str) -> int:
        """Return 0: there is one partition."""
        return 0

    def append(self, proposals: Sequence[Proposal]) -> list[LogPosition]:
        """See `EventLog.append`; callers that wait together share one fsync."""
        self._check(proposals)
        mine = _Waiting(proposals)
        with self._queue_lock:
            self._queue.append(mine)
        with self._write_lock:
            if not mine.done:
                self._write_all()
        if mine.error is not None:
            raise mine.error
        return mine.positions

    def _check(self, proposals: Sequence[Proposal]) -> None:
        now_ms = round(self._clock.now().timestamp() * 1000)
        for proposal in proposals:
            if len(proposal.body) > RECORD_BYTES_MAX:
                msg = f"the record is over {RECORD_BYTES_MAX} bytes (RECORD_BYTES_MAX)"
                raise InvalidCommandError(msg, field="content")
            if not -BEHIND_MAX_MS <= proposal.time_ms - now_ms <= AHEAD_MAX_MS:
                msg = "the record's time is outside the log's window of -60 to +5 seconds"
                raise InvalidCommandError(msg, field="time", remedy="Set the writer's clock.")

    def _write_all(self) -> None:
        with self._queue_lock:
            waiting, self._queue = self._queue, []
        try:
            with transaction(self._writer, self._path, write=True):
                self._insert(waiting)
        except BaseException as error:
            for caller in waiting:
                caller.error = error
            if not isinstance(error, Exception):  # an interrupt also ends its own thread
                raise
        finally:
            for caller in waiting:
                caller.done = True

    def _insert(self, waiting: Sequence[_Waiting]) -> None:
        offset = _end(self._writer)
        rows: list[tuple[int, str, bytes]] = []
        for caller in waiting:
            for proposal in caller.proposals:
                caller.positions.append(LogPosition(0, offset))
                rows.append((offset, proposal.tenant, proposal.body))
                offset += 1
        self._writer.executemany("INSERT INTO records VALUES (?, ?, ?)", rows)

    def read(self, partition: int, start: int, limit: int) -> list[LogRecord]:
        """See `EventLog.read`."""
        query = (
            "SELECT log_offset, CAST(tenant AS BLOB), CAST(body AS BLOB) FROM records"
            " WHERE log_offset >= ? ORDER BY log_offset LIMIT ?"
        )
        with self._read_lock, translated(self._path):
            rows = self._reader.execute(query, (start, limit)).fetchall()
        return [
            LogRecord(partition, offset, tenant.decode(errors="replace"), body)
            for offset, tenant, body in rows
        ]

    def end(self, partition: int) -> int:
        """See `EventLog.end`."""
        with self._read_lock, translated(self._path):
            return _end(self._reader)

    def damaged(self) -> Iterator[str]:
        """See `EventLog.damaged`: SQLite looks at no CHECK of a file that is only read."""
        query = (
            "SELECT log_offset FROM records WHERE log_offset > ?"
            " AND (typeof(tenant) <> 'text' OR typeof(body) <> 'blob') ORDER BY log_offset LIMIT 1"
        )
        after = -(2**63)
        while True:
            with self._read_lock, translated(self._path):
                row = self._reader.execute(query, (after,)).fetchone()
            if row is None:
                return
            (after,) = row
            yield f"log offset {after}"

    def close(self) -> None:
        """See `EventLog.close`."""
        self._reader.close()
        self._writer.close()


def lay_out(connection: sqlite3.Connection) -> None:
    """Make the table of records, and the triggers that keep it append-only."""
    for statement in _DDL:
        connection.execute(statement)


def _end(connection: sqlite3.Connection) -> int:
    (last,) = connection.execute("SELECT max(log_offset) FROM records").fetchone()
    return 0 if last is None else int(last) + 1
