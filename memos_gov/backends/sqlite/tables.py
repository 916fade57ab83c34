"""
`SqliteTables`: the certifier's thin writer and the snapshots, on plain tuples.

`synchronous=NORMAL`: these rows can be lost with the machine, since the log
makes them again. The statements name the columns of `projections.tables` in
their order; a test compares the two. SQLAlchemy is imported only when a view
or a question asks for a connection.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memos_gov.backends.sqlite.connection import open_file, transaction, translated
from memos_gov.domain import ids
from memos_gov.domain.facts import Facts
from memos_gov.domain.history import REPEATED, Known, LogPosition, Needs, Outcome, Rows, Tree
from memos_gov.ports import Checkpoint, StoredEvent, Unusual
from memos_gov.projections.collection import PAUSE
from memos_gov.projections.known import OUTCOME, document_of, index_at, known_of, outcome_of
from memos_gov.transparency import merkle

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

IN_LIST_MAX = 500
CACHE_KIB = 32_768

_INSERT = {
    "outcomes": "INSERT INTO outcomes VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
    "events": "INSERT INTO events VALUES (?,?,?,?,?,?,?,?,?)",
    "facts": "INSERT INTO facts VALUES (?,?,?,?,?,?)",
    "lineage": "INSERT INTO lineage VALUES (?,?,?,?,?,?)",
    "streams": "INSERT OR REPLACE INTO streams VALUES (?,?)",
    "trees": "INSERT OR REPLACE INTO trees VALUES (?,?,?)",
    "checkpoints": "INSERT OR REPLACE INTO checkpoints VALUES (?,?,?,?,?)",
}
_STORED_EVENT = (
    "SELECT e.idx, e.type, e.version, e.stream, e.header, e.sealed, e.key_id, o.command_id"
    " FROM events e JOIN outcomes o ON o.tenant = e.tenant AND o.idx = e.idx"
)
_CERTIFIER = "certifier"


class SqliteTables:
    """One `tables.db`; see `Tables` for what it keeps."""

    supports_tenant_wall = False
    supports_watching = False
    supports_views_beside = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer = self._open_to_write()
        self._write_lock = threading.RLock()
        self._readers: list[sqlite3.Connection] = []
        self._readers_lock = threading.Lock()
        self._engine: Engine | None = None

    def _open_to_write(self) -> sqlite3.Connection:
        """Open a connection that keeps pages in memory: rows are written all over the file."""
        connection = open_file(self._path, synchronous="NORMAL")
        with translated(self._path):
            connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        return connection

    @contextmanager
    def certification(self) -> Iterator[_Certification]:
        """See `Tables.certification`; garbage collection pauses meanwhile."""
        with self._write_lock, transaction(self._writer, self._path, write=True), PAUSE:
            yield _Certification(self._writer)

    @contextmanager
    def snapshot(self, *, tenant: str | None = None) -> Iterator[_Snapshot]:
        """See `Tables.snapshot`; connections are kept for the next one."""
        with self._readers_lock:
            reader = self._readers.pop() if self._readers else None
        reader = reader or open_file(self._path, synchronous="NORMAL")
        try:
            with transaction(reader, self._path, write=False):
                yield _Snapshot(reader)
        finally:
            with self._readers_lock:
                self._readers.append(reader)

    @contextmanager
    def connection(self, *, write: bool = False, tenant: str | None = None) -> Iterator[Connection]:
        """See `Tables.connection`."""
        engine = self._sqlalchemy()
        with translated(self._path), engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
            try:
                yield connection
            except BaseException:
                connection.exec_driver_sql("ROLLBACK")
                raise
            connection.exec_driver_sql("COMMIT")

    def _sqlalchemy(self) -> Engine:
        if self._engine is None:
            from sqlalchemy import create_engine
            from sqlalchemy.pool import StaticPool  # noqa: F401

            self._engine = create_engine(
                "sqlite://",
                creator=self._open_to_write,
                isolation_level="AUTOCOMMIT",
            )
        return self._engine

    @contextmanager
    def bulk(self) -> Iterator[None]:
        """See `Tables.bulk`: nothing is synced until the end, and garbage collection pauses."""
        with PAUSE, translated(self._path):
            self._writer.execute("PRAGMA synchronous=OFF")
            try:
                yield
            finally:
                self._writer.execute("PRAGMA synchronous=FULL")
                self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                self._writer.execute("PRAGMA synchronous=NORMAL")

    @contextmanager
    def watch(self) -> Iterator[_Watch]:
        """See `Tables.watch`."""
        yield _Watch()

    def close(self) -> None:
        """See `Tables.close`."""
        if self._engine is not None:
            self._engine.dispose()
        for reader in self._readers:
            reader.close()
        self._writer.close()


class _Watch:
    """See `Watch`: each process certifies for itself here, so there is nothing to wait for."""

    def wait(self, timeout_s: float) -> bool:
        """See `Watch.wait`."""
        return False


class _Reading:
    """Look-ups that a certification and a snapshot share."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def _rows(self, query: str, keys: Iterable[Any], *before: Any) -> Iterator[tuple[Any, ...]]:
        """Run `query`, whose `{}` stands for an IN list, in pieces over `keys`."""
        for piece in _pieces(sorted(keys), IN_LIST_MAX):
            marks = ",".join("?" * len(piece))
            yield from self._connection.execute(query.format(marks), (*before, *piece))

    def facts(self, streams: Iterable[str]) -> dict[str, tuple[int, Facts]]:
        """See `Snapshot.facts`."""
        query = (
            "SELECT s.stream, s.version, f.doc FROM streams s"
            " JOIN facts f ON f.stream = s.stream AND f.version = s.version"
            " WHERE s.stream IN ({})"
        )
        return {
            stream: (version, document_of(stream, doc))
            for stream, version, doc in self._rows(query, set(streams))
        }

    def children(self, tenant: str, cubes: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """See `Snapshot.children`."""
        query = (
            "SELECT source, cube FROM lineage WHERE tenant = ? AND source IN ({})"
            " ORDER BY source, idx, cube"
        )
        found: dict[str, list[str]] = {}
        for source, cube in self._rows(query, set(cubes), tenant):
            found.setdefault(source, []).append(cube)
        return {source: tuple(made) for source, made in found.items()}


class _Certification(_Reading):
    """See `Certification`."""

    def checkpoint(self, partition: int) -> Checkpoint:
        """See `Certification.checkpoint`."""
        return read_checkpoint(self._connection, _CERTIFIER, partition)

    def load(self, wanted: Needs) -> Known:
        """See `Certification.load`."""
        return known_of(self, wanted)

    def trees(self, tenants: Iterable[str]) -> dict[str, Tree]:
        """See `Lookups.trees`."""
        query = "SELECT tenant, size, frontier FROM trees WHERE tenant IN ({})"
        found = self._rows(query, set(tenants))
        return {tenant: Tree(size, merkle.unpack(raw)) for tenant, size, raw in found}

    def finals(self, tenant: str, commands: Iterable[str]) -> list[Outcome]:
        """See `Lookups.finals`."""
        query = (
            f"SELECT {OUTCOME} FROM outcomes WHERE tenant = ? AND command_id IN ({{}})"
            " AND code IN ('accepted', 'refused')"
        )
        return [outcome_of(row) for row in self._rows(query, set(commands), tenant)]

    def write(self, partition: int, rows: Rows, checkpoint: Checkpoint) -> None:
        """See `Certification.write`."""
        many = self._connection.executemany
        many(_INSERT["outcomes"], rows.outcomes)
        many(_INSERT["events"], rows.events)
        many(_INSERT["facts"], rows.facts)
        many(_INSERT["lineage"], rows.lineage)
        many(_INSERT["streams"], rows.versions.items())
        many(
            _INSERT["trees"],
            [(t, tree.size, merkle.pack(tree.frontier)) for t, tree in rows.trees.items()],
        )
        write_checkpoint(self._connection, _CERTIFIER, partition, checkpoint)


class _Snapshot(_Reading):
    """See `Snapshot`."""

    def index(self, tenant: str) -> int:
        """See `Snapshot.index`."""
        row = self._connection.execute(
            "SELECT size FROM trees WHERE tenant = ?", (tenant,)
        ).fetchone()
        return -1 if row is None else int(row[0]) - 1

    def tenants(self) -> list[str]:
        """See `Snapshot.tenants`."""
        rows = self._connection.execute("SELECT tenant FROM trees ORDER BY tenant").fetchall()
        return [str(tenant) for (tenant,) in rows]

    def log_time_ms(self) -> int:
        """See `Snapshot.log_time_ms`."""
        query = "SELECT coalesce(max(log_time_ms), 0) FROM checkpoints WHERE follower = ?"
        (found,) = self._connection.execute(query, (_CERTIFIER,)).fetchone()
        return int(found)

    def newest_events(self, tenant: str, limit: int) -> list[StoredEvent]:
        """See `Snapshot.newest_events`."""
        query = f"{_STORED_EVENT} WHERE e.tenant = ? ORDER BY e.idx DESC, e.seq DESC LIMIT ?"
        rows = self._connection.execute(query, (tenant, limit)).fetchall()
        return [StoredEvent(*row) for row in rows]

    def tree(self, tenant: str) -> Tree:
        """See `Snapshot.tree`."""
        query = "SELECT size, frontier FROM trees WHERE tenant = ?"
        row = self._connection.execute(query, (tenant,)).fetchone()
        return Tree() if row is None else Tree(row[0], merkle.unpack(row[1]))

    def leaf_entries(self, tenant: str, start: int, limit: int) -> list[bytes]:
        """See `Snapshot.leaf_entries`."""
        query = "SELECT entry FROM outcomes WHERE tenant = ? AND idx >= ? ORDER BY idx LIMIT ?"
        return [entry for (entry,) in self._connection.execute(query, (tenant, start, limit))]

    def decided_at(self, tenant: str, index: int) -> int | None:
        """See `Snapshot.decided_at`."""
        query = "SELECT time_ms FROM outcomes WHERE tenant = ? AND idx = ?"
        row = self._connection.execute(query, (tenant, index)).fetchone()
        return None if row is None or row[0] is None else int(row[0])

    def decided(self, tenant: str, index: int) -> tuple[LogPosition, Outcome] | None:
        """See `Snapshot.decided`."""
        query = f"SELECT {OUTCOME} FROM outcomes WHERE tenant = ? AND idx = ?"
        row = self._connection.execute(query, (tenant, index)).fetchone()
        return None if row is None else (LogPosition(row[0], row[1]), outcome_of(row))

    def certified(self, partition: int) -> int:
        """See `Snapshot.certified`."""
        return read_checkpoint(self._connection, _CERTIFIER, partition).next_offset

    def unusual(self, partition: int, tenant: str, start: int, limit: int) -> list[Unusual]:
        """See `Snapshot.unusual`."""
        query = (
            "SELECT log_offset, tenant, code, detail, command_id FROM outcomes"
            " WHERE partition = ? AND log_offset >= ?"
            " AND (code <> 'accepted' OR detail <> CAST('{}' AS BLOB))"
            " AND (tenant = ? OR (tenant = ? AND command_id = ''))"
            " ORDER BY log_offset LIMIT ?"
        )
        found = (partition, start, tenant, ids.control_of(partition), limit)
        return [Unusual(*row) for row in self._connection.execute(query, found)]

    def facts_at(self, stream: str, version: int) -> Facts | None:
        """See `Snapshot.facts_at`."""
        row = self._connection.execute(
            "SELECT doc FROM facts WHERE stream = ? AND version = ?", (stream, version)
        ).fetchone()
        return None if row is None else document_of(stream, row[0])

    def facts_as_of(self, streams: Iterable[str], index: int) -> dict[str, tuple[int, Facts]]:
        """See `Snapshot.facts_as_of`."""
        query = (
            "SELECT s.stream, f.version, f.doc FROM streams s"
            " JOIN facts f ON f.stream = s.stream AND f.version ="
            " (SELECT g.version FROM facts g WHERE g.stream = s.stream AND g.idx <= ?"
            " ORDER BY g.version DESC LIMIT 1)"
            " WHERE s.stream IN ({})"
        )
        return {
            stream: (version, document_of(stream, doc))
            for stream, version, doc in self._rows(query, set(streams), index)
        }

    def versions(self, stream: str, index: int) -> list[tuple[int, Facts]]:
        """See `Snapshot.versions`."""
        query = "SELECT version, doc FROM facts WHERE stream = ? AND idx <= ? ORDER BY version DESC"
        rows = self._connection.execute(query, (stream, index)).fetchall()
        return [(version, document_of(stream, doc)) for version, doc in rows]

    def index_at(self, tenant: str, time_ms: int) -> int:
        """See `Snapshot.index_at`."""
        return index_at(self.index(tenant), lambda at: self.time_ms_of(tenant, at), time_ms)

    def time_ms_of(self, tenant: str, index: int) -> int:
        """See `Snapshot.time_ms_of`."""
        query = "SELECT log_time_ms FROM outcomes WHERE tenant = ? AND idx = ?"
        row = self._connection.execute(query, (tenant, index)).fetchone()
        return 0 if row is None else int(row[0])

    def outcome(self, position: LogPosition) -> Outcome | None:
        """See `Snapshot.outcome`."""
        query = f"SELECT {OUTCOME} FROM outcomes WHERE partition = ? AND log_offset = ?"
        row = self._connection.execute(query, (position.partition, position.offset)).fetchone()
        if row is not None and row[5] == REPEATED:
            found = self.outcome_of(row[2], row[4])
            return None if found is None else found[1]
        return None if row is None else outcome_of(row)

    def outcome_of(self, tenant: str, command_id: str) -> tuple[LogPosition, Outcome] | None:
        """See `Snapshot.outcome_of`."""
        query = (
            f"SELECT {OUTCOME} FROM outcomes WHERE tenant = ? AND command_id = ?"
            " AND code IN ('accepted', 'refused')"
        )
        row = self._connection.execute(query, (tenant, command_id)).fetchone()
        return None if row is None else (LogPosition(row[0], row[1]), outcome_of(row))

    def content_event(self, tenant: str, cube: str, index: int) -> StoredEvent | None:
        """See `Snapshot.content_event`."""
        query = f"{_STORED_EVENT} WHERE e.tenant = ? AND e.idx = ? AND e.stream = ?"
        stream = ids.content_stream(tenant, cube)
        row = self._connection.execute(query, (tenant, index, stream)).fetchone()
        return None if row is None else StoredEvent(*row)

    def content_keys(self, tenant: str, cube: str, index: int) -> set[str]:
        """See `Snapshot.content_keys`."""
        query = "SELECT key_id FROM events WHERE stream = ? AND idx <= ? AND key_id IS NOT NULL"
        rows = self._connection.execute(query, (ids.content_stream(tenant, cube), index))
        return {str(key_id) for (key_id,) in rows}


def read_checkpoint(connection: sqlite3.Connection, follower: str, partition: int) -> Checkpoint:
    """Return a follower's checkpoint; the beginning when it never ran."""
    row = connection.execute(
        "SELECT next_offset, digest, log_time_ms FROM checkpoints"
        " WHERE follower = ? AND partition = ?",
        (follower, partition),
    ).fetchone()
    return Checkpoint() if row is None else Checkpoint(*row)


def write_checkpoint(
    connection: sqlite3.Connection, follower: str, partition: int, checkpoint: Checkpoint
) -> None:
    """Advance a follower."""
    row = (
        follower,
        partition,
        checkpoint.next_offset,
        checkpoint.digest,
        checkpoint.log_time_ms,
    )
    connection.execute(_INSERT["checkpoints"], row)


def _pieces(items: list[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
