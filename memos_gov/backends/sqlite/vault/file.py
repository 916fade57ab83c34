"""
One `vault.db`: its connection, for one thread at a time, its epochs, and what must be swept.

`synchronous=FULL`: a key is on the disk before anything is sealed with it.

What ended is zeros or gone in its page at once, but copies of it may lie in
the write-ahead log, and elsewhere in the file: SQLite moves the neighbours of
a row that comes or goes and leaves a copy where they were, which no later
deletion reaches, `secure_delete` or not. So a mark stands in the file from the
transaction that ended something until the log is empty (`log:`) or the file
was written anew (`file:`).
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from memos_gov.backends.sqlite.connection import (
    looking_often,
    open_file,
    open_read_only,
    transaction,
    translated,
)
from memos_gov.errors import UnavailableError
from memos_gov.ports import Epoch
from memos_gov.wrapping import WRAPPED_BYTES

IN_LIST_MAX = 500
DESTROYED = f"wrapped = zeroblob({WRAPPED_BYTES})"
_UNSWEPT = "unswept"
Row = tuple[Any, ...]


class VaultFile:
    """The database of a vault; safe to use from many threads."""

    def __init__(self, path: Path, *, read_only: bool) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._db = open_read_only(path) if read_only else open_file(path, secure_delete=True)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Enter a durable transaction, all or nothing."""
        with self._lock, transaction(self._db, self.path, write=True):
            yield self._db

    def rows(self, query: str, values: Sequence[object] = ()) -> list[Row]:
        """Return the rows of a query."""
        with self._lock, translated(self.path):
            return self._db.execute(query, values).fetchall()

    def one(self, query: str, values: Sequence[object] = ()) -> Row | None:
        """Return the first row of a query."""
        return next(iter(self.rows(query, values)), None)

    def listed(self, query: str, values: Sequence[object], keys: Iterable[Any]) -> Iterator[Row]:
        """Yield the rows of a query that ends with an IN list, `{}`, in pieces over `keys`."""
        wanted = sorted(set(keys))
        for start in range(0, len(wanted), IN_LIST_MAX):
            piece = wanted[start : start + IN_LIST_MAX]
            yield from self.rows(query.format(",".join("?" * len(piece))), (*values, *piece))

    def pages(self, query: str) -> Iterator[Row]:
        """Yield the rows of a query, a page at a time under the lock."""
        with self._lock, translated(self.path):
            cursor = self._db.execute(query)
        while True:
            with self._lock, translated(self.path):
                page = cursor.fetchmany(IN_LIST_MAX)
            if not page:
                return
            yield from page

    def epochs(self) -> tuple[Epoch, ...]:
        """Return every epoch of this vault, the newest last."""
        rows = self.rows("SELECT epoch, began_ms, ended_ms FROM epochs ORDER BY epoch")
        return tuple(Epoch(*row) for row in rows) or (Epoch(1, 0, None),)

    def live_epochs(self) -> tuple[int, ...]:
        """Return the epochs that something may be wrapped under, the newest last; at least one."""
        rows = self.rows("SELECT epoch FROM epochs WHERE ended_ms IS NULL ORDER BY epoch")
        return tuple(int(epoch) for (epoch,) in rows) or (1,)

    def mark(self, reach: Literal["log", "file"]) -> None:
        """Note, within a transaction, how far what it ends must be swept."""
        token = secrets.token_hex(8)  # so that who sweeps takes away no later mark than it saw
        self._db.execute(
            "INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value ="
            " CASE WHEN value LIKE 'file:%' THEN ? ELSE excluded.value END",
            (_UNSWEPT, f"{reach}:{token}", f"file:{token}"),
        )

    def sweep(self, *, file_too: bool) -> None:
        """
        Overwrite what was marked; the file itself only where `file_too`.

        Raises:
            UnavailableError: Somebody reads the file for too long; the mark stays.
        """
        found = self.one("SELECT value FROM meta WHERE name = ?", (_UNSWEPT,))
        if found is None:
            return
        (marked,) = found
        whole = str(marked).startswith("file:")
        if file_too and whole:
            self._write_anew()
        if not self.empty_log():
            msg = f"{self.path.name} is being read, so copies of what was destroyed lie in its log"
            raise UnavailableError(msg, backend="sqlite")
        if file_too or not whole:
            with self.writing() as db:
                db.execute("DELETE FROM meta WHERE name = ? AND value = ?", (_UNSWEPT, marked))

    def _write_anew(self) -> None:
        """Write the whole file again without the rows of destroyed keys."""
        with self.writing() as db:
            db.execute(f"DELETE FROM content_keys WHERE {DESTROYED}")
        with self._lock, translated(self.path):
            self._db.execute("PRAGMA temp_store=MEMORY")
            self._db.execute("VACUUM")

    def empty_log(self) -> bool:
        """Empty the write-ahead log; return whether nobody was reading it."""
        with self._lock, translated(self.path), looking_often(self._db) as looks:
            return any(self._is_emptied() for _ in looks)

    def _is_emptied(self) -> bool:
        (busy, _, _) = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._db.close()
