"""
`SqliteTables`: the certifier's thin writer and the snapshots, on plain tuples.

`synchronous=NORMAL`: these rows can be lost with the machine, since the log
makes them again. The statements name the columns of `projections.tables` in
their order; a test compares the two. SQLAlchemy is imported only when a view
or a question asks for a connection.
"""

from __future__ import annotations

import gc
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from memos_gov.backends.sqlite.connection import open_file, transaction, translated
from memos_gov.domain import ids
from memos_gov.domain.facts import Facts, GovernanceFacts, facts_type
from memos_gov.domain.history import REPEATED, Known, LogPosition, Needs, Outcome, Rows, Tree
from memos_gov.domain.lineage import is_live
from memos_gov.errors import CorruptionError
from memos_gov.ports import Checkpoint, StoredEvent, Unusual
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
_OUTCOME = "partition, log_offset, tenant, idx, command_id, code, detail, actor, command, leaf"
_STORED_EVENT = (
    "SELECT e.idx, e.type, e.version, e.stream, e.header, e.sealed, e.key_id, o.command_id"
    " FROM events e JOIN outcomes o ON o.tenant = e.tenant AND o.idx = e.idx"
)
_CERTIFIER = "certifier"


class SqliteTables:
    """One `tables.db`; see `Tables` for what it keeps."""

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
        with self._write_lock, transaction(self._writer, self._path, write=True), _PAUSE:
            yield _Certification(self._writer)

    @contextmanager
    def snapshot(self) -> Iterator[_Snapshot]:
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
    def connection(self, *, write: bool = False) -> Iterator[Connection]:
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
        with _PAUSE, translated(self._path):
            self._writer.execute("PRAGMA synchronous=OFF")
            try:
                yield
            finally:
                self._writer.execute("PRAGMA synchronous=FULL")
                self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                self._writer.execute("PRAGMA synchronous=NORMAL")

    def close(self) -> None:
        """See `Tables.close`."""
        if self._engine is not None:
            self._engine.dispose()
        for reader in self._readers:
            reader.close()
        self._writer.close()


class _PausedCollection:
    """Garbage collection is off while anybody is inside, and as it was once all have left."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._was_on = False

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._was_on = gc.isenabled()
                gc.disable()

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._was_on:
                gc.enable()


_PAUSE = _PausedCollection()


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
            stream: (version, _document(stream, doc))
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
        known = Known(trees=self._trees(wanted.tenants), outcomes=self._outcomes(wanted.commands))
        self._add(known, wanted.streams)
        for tenant in {tenant for tenant, _ in wanted.narrowed}:
            self._add_descendants(known, tenant, {c for t, c in wanted.narrowed if t == tenant})
        self._add(known, set(_subject_streams(known)) - wanted.streams)
        return known

    def _add_descendants(self, known: Known, tenant: str, cubes: set[str]) -> None:
        """Add who was made of `cubes`, step by step, no further than cubes that are still live."""
        seen, frontier = set(cubes), cubes
        while frontier:
            children = self.children(tenant, frontier)
            for cube, made in children.items():
                known.children[ids.lineage_stream(tenant, cube)] = made
            fresh = {cube for made in children.values() for cube in made} - seen
            streams = {cube: ids.governance_stream(tenant, cube) for cube in fresh}
            self._add(known, {*streams.values()} - known.facts.keys())
            self._add(known, {ids.lineage_stream(tenant, cube) for cube in fresh})
            frontier = {cube for cube in fresh if is_live(known.facts.get(streams[cube]))}
            seen |= fresh

    def _add(self, known: Known, streams: set[str]) -> None:
        for stream, (version, facts) in self.facts(streams).items():
            known.facts[stream], known.versions[stream] = facts, version

    def _trees(self, tenants: set[str]) -> dict[str, Tree]:
        query = "SELECT tenant, size, frontier FROM trees WHERE tenant IN ({})"
        return {t: Tree(size, merkle.unpack(raw)) for t, size, raw in self._rows(query, tenants)}

    def _outcomes(self, commands: set[tuple[str, str]]) -> dict[tuple[str, str], Outcome]:
        query = (
            f"SELECT {_OUTCOME} FROM outcomes WHERE code IN ('accepted', 'refused')"
            " AND command_id IN ({})"
        )
        found = (outcome_of(row) for row in self._rows(query, {c for _, c in commands}))
        return {(o.tenant, o.command_id): o for o in found if (o.tenant, o.command_id) in commands}

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
        query = f"SELECT {_OUTCOME} FROM outcomes WHERE tenant = ? AND idx = ?"
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
        return None if row is None else _document(stream, row[0])

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
            stream: (version, _document(stream, doc))
            for stream, version, doc in self._rows(query, set(streams), index)
        }

    def versions(self, stream: str, index: int) -> list[tuple[int, Facts]]:
        """See `Snapshot.versions`."""
        query = "SELECT version, doc FROM facts WHERE stream = ? AND idx <= ? ORDER BY version DESC"
        rows = self._connection.execute(query, (stream, index)).fetchall()
        return [(version, _document(stream, doc)) for version, doc in rows]

    def index_at(self, tenant: str, time_ms: int) -> int:
        """See `Snapshot.index_at`: halves the history until the place is found."""
        low, high = -1, self.index(tenant)
        while low < high:
            middle = (low + high + 1) // 2
            if self.time_ms_of(tenant, middle) <= time_ms:
                low = middle
            else:
                high = middle - 1
        return low

    def time_ms_of(self, tenant: str, index: int) -> int:
        """See `Snapshot.time_ms_of`."""
        query = "SELECT log_time_ms FROM outcomes WHERE tenant = ? AND idx = ?"
        row = self._connection.execute(query, (tenant, index)).fetchone()
        return 0 if row is None else int(row[0])

    def outcome(self, position: LogPosition) -> Outcome | None:
        """See `Snapshot.outcome`."""
        query = f"SELECT {_OUTCOME} FROM outcomes WHERE partition = ? AND log_offset = ?"
        row = self._connection.execute(query, (position.partition, position.offset)).fetchone()
        if row is not None and row[5] == REPEATED:
            found = self.outcome_of(row[2], row[4])
            return None if found is None else found[1]
        return None if row is None else outcome_of(row)

    def outcome_of(self, tenant: str, command_id: str) -> tuple[LogPosition, Outcome] | None:
        """See `Snapshot.outcome_of`."""
        query = (
            f"SELECT {_OUTCOME} FROM outcomes WHERE tenant = ? AND command_id = ?"
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


def _document(stream: str, doc: bytes) -> Facts:
    """Return the facts of a row of `facts`."""
    try:
        return msgspec.json.decode(doc, type=facts_type(stream))
    except (TypeError, ValueError) as error:
        msg = f"the facts of {stream} do not decode"
        raise CorruptionError(msg, place=f"tables {stream}") from error


def outcome_of(row: Sequence[Any]) -> Outcome:
    """Return an outcome from a row of `_OUTCOME`."""
    _, _, tenant, idx, command_id, code, detail, actor, command, leaf = row
    return Outcome(
        tenant=tenant,
        index=idx,
        code=code,
        detail=msgspec.json.decode(detail),
        command_id=command_id,
        actor=actor,
        command=command,
        leaf=leaf,
    )


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


def _subject_streams(known: Known) -> Iterator[str]:
    for stream, facts in known.facts.items():
        if isinstance(facts, GovernanceFacts):
            tenant = stream.split("/", 1)[0]
            yield from (ids.subject_stream(tenant, subject) for subject in facts.subjects)


def _pieces(items: list[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
