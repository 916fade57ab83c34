"""Moving a vault to a new epoch: every key, secret and name, in bounded batches."""

from __future__ import annotations

import sqlite3
from contextlib import AbstractContextManager, nullcontext

from memos_gov.backends.sqlite.vault.directory import Directory
from memos_gov.backends.sqlite.vault.file import DESTROYED, Row, VaultFile
from memos_gov.backends.sqlite.vault.seal import seal_epochs
from memos_gov.wrapping import DIRECTORY, NAMES, Wrapping, secret_of

_KEYS = (
    "SELECT rowid, tenant, key_id, epoch, wrapped FROM content_keys"
    f" WHERE rowid > ? AND epoch < ? AND NOT {DESTROYED} ORDER BY rowid LIMIT ?"
)
_SECRETS = (
    "SELECT rowid, tenant, name, epoch, wrapped FROM secrets"
    " WHERE rowid > ? AND epoch < ? ORDER BY rowid LIMIT ?"
)
_ENTRIES = (
    "SELECT rowid, tenant, kind, opaque, epoch, sealed FROM directory"
    " WHERE rowid > ? AND epoch < ? ORDER BY rowid LIMIT ?"
)
_ENDS_WITH_ITS_EPOCH = " OR ".join(
    f"name = '{purpose}' OR name LIKE '{purpose}:%'" for purpose in (DIRECTORY, NAMES)
)


class VaultRotation:
    """See `Rotation`."""

    def __init__(self, file: VaultFile, wrapping: Wrapping, directory: Directory) -> None:
        self._file = file
        self._wrapping = wrapping
        self._directory = directory
        self._passed = {"content_keys": 0, "secrets": 0, "directory": 0}

    @property
    def _epoch(self) -> int:
        return self._file.live_epochs()[-1]

    def alone(self) -> AbstractContextManager[None]:
        """See `Rotation.alone`; one machine's processes are kept apart by `Keyring.rotating`."""
        return nullcontext()

    def begin(self, epoch: int, now_ms: int) -> None:
        """See `Rotation.begin`."""
        self._wrapping.require(epoch)
        with self._file.writing() as db:
            db.execute(
                "INSERT INTO epochs VALUES (?, ?, NULL) ON CONFLICT DO NOTHING", (epoch, now_ms)
            )
            seal_epochs(db, self._wrapping)

    def left(self, epoch: int) -> int:
        """See `Rotation.left`."""
        counts = (
            f"SELECT count(*) FROM content_keys WHERE epoch < ? AND NOT {DESTROYED}",
            f"SELECT count(*) FROM secrets WHERE epoch < ? AND NOT ({_ENDS_WITH_ITS_EPOCH})",
            "SELECT count(*) FROM directory WHERE epoch < ?",
        )
        return sum(row[0] for count in counts for row in self._file.rows(count, (epoch,)))

    def rewrap(self, limit: int) -> int:
        """See `Rotation.rewrap`: entries first, since they need the secrets of their epoch."""
        epoch = self._epoch
        self._prepare_secrets(epoch)
        with self._file.writing() as db:
            if self._epoch != epoch:
                return 0
            self._file.mark("file")
            done = self._move_entries(db, epoch, limit)
            if done < limit:
                self._retire_secrets(db, epoch)
                done += self._move(db, "secrets", "name", _SECRETS, epoch, limit - done)
            if done < limit:
                done += self._move(db, "content_keys", "key_id", _KEYS, epoch, limit - done)
        return done

    def _prepare_secrets(self, epoch: int) -> None:
        """Make the directory's secrets of the new epoch, which a transaction of its own does."""
        tenants = "SELECT DISTINCT tenant FROM directory WHERE epoch < ?"
        for (tenant,) in self._file.rows(tenants, (epoch,)):
            self._directory.sealed.prepare(tenant, epoch)

    def _next(self, table: str, query: str, epoch: int, limit: int) -> list[Row]:
        """Return the next rows of a table that are under an earlier epoch."""
        rows = self._file.rows(query, (self._passed[table], epoch, limit))
        if rows:
            self._passed[table] = rows[-1][0]
        elif self._passed[table]:
            self._passed[table] = 0  # whatever came below the mark meanwhile is found now
            return self._next(table, query, epoch, limit)
        return rows

    def _move_entries(self, db: sqlite3.Connection, epoch: int, limit: int) -> int:
        rows = self._next("directory", _ENTRIES, epoch, limit)
        moved = []
        for rowid, tenant, kind, opaque, former, sealed in rows:
            name = self._directory.sealed.open(tenant, opaque, former, sealed)
            (_, _, lookup, _, _, anew) = self._directory.row(tenant, kind, opaque, name, epoch)
            moved.append((lookup, epoch, anew, rowid))
        db.executemany(
            "UPDATE directory SET lookup = ?, epoch = ?, sealed = ? WHERE rowid = ?", moved
        )
        return len(moved)

    def _move(
        self, db: sqlite3.Connection, table: str, named: str, query: str, epoch: int, limit: int
    ) -> int:
        moved = []
        for rowid, tenant, name, former, wrapped in self._next(table, query, epoch, limit):
            key = self._wrapping.unwrap(tenant, name, former, wrapped)
            moved.append((epoch, self._wrapping.wrap(tenant, name, key, epoch), rowid))
        db.executemany(f"UPDATE {table} SET epoch = ?, wrapped = ? WHERE rowid = ?", moved)
        return len(moved)

    def _retire_secrets(self, db: sqlite3.Connection, epoch: int) -> None:
        """Take out the directory's secrets that no entry is under any more."""
        former = [e.number for e in self._file.epochs() if e.number < epoch]
        names = [secret_of(purpose, e) for purpose in (DIRECTORY, NAMES) for e in former]
        db.executemany("DELETE FROM secrets WHERE name = ?", [(name,) for name in names])

    def end(self, now_ms: int) -> tuple[int, ...]:
        """See `Rotation.end`."""
        with self._file.writing() as db:
            ended = self._file.live_epochs()[:-1]
            if ended:
                self._file.mark("file")
            db.executemany(
                "UPDATE epochs SET ended_ms = ? WHERE epoch = ?", [(now_ms, e) for e in ended]
            )
            seal_epochs(db, self._wrapping)
        return ended
