"""Questions to the tables on Postgres: those that a certification shares, and a snapshot's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from memos_gov.domain import ids
from memos_gov.domain.facts import Facts
from memos_gov.domain.history import REPEATED, LogPosition, Outcome, Tree
from memos_gov.ports import StoredEvent, Unusual
from memos_gov.projections.arrays import Texts
from memos_gov.projections.known import OUTCOME, document_of, index_at, outcome_of
from memos_gov.transparency import merkle

if TYPE_CHECKING:
    from memos_gov.backends.postgres.connection import Connection

CERTIFIER = "certifier"
_STORED_EVENT = (
    "SELECT e.idx, e.type, e.version, e.stream, e.header, e.sealed, e.key_id, o.command_id"
    " FROM events e JOIN outcomes o ON o.tenant = e.tenant AND o.idx = e.idx"
)


class Reading:
    """Look-ups that a certification and a snapshot share."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _one(self, query: str, *values: Any) -> tuple[Any, ...] | None:
        """Return the first row."""
        if not _can_be_stored(values):
            return None
        return self._connection.execute(query, values, binary=True).fetchone()

    def _all(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return every row."""
        if not _can_be_stored(values):
            return []
        return self._connection.execute(query, values, binary=True).fetchall()

    def _among(self, query: str, names: Iterable[str], *before: Any) -> Iterator[tuple[Any, ...]]:
        """Run `query`, whose last mark stands for an array of names; nothing for no names."""
        known = sorted(name for name in set(names) if _can_be_stored((name,)))
        if known:
            yield from self._all(query, *before, Texts.of(known))

    def facts(self, streams: Iterable[str]) -> dict[str, tuple[int, Facts]]:
        """See `Snapshot.facts`."""
        query = (
            "SELECT s.stream, s.version, f.doc FROM streams s"
            " JOIN facts f ON f.stream = s.stream AND f.version = s.version"
            " WHERE s.stream = ANY(%b)"
        )
        return {
            stream: (version, document_of(stream, doc))
            for stream, version, doc in self._among(query, streams)
        }

    def children(self, tenant: str, cubes: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """See `Snapshot.children`."""
        query = (
            "SELECT source, cube FROM lineage WHERE tenant = %s AND source = ANY(%b)"
            " ORDER BY source, idx, cube"
        )
        found: dict[str, list[str]] = {}
        for source, cube in self._among(query, cubes, tenant):
            found.setdefault(source, []).append(cube)
        return {source: tuple(made) for source, made in found.items()}


def _can_be_stored(values: Iterable[Any]) -> bool:
    """Whether values can be in a table here; no text with a NUL is, but anybody can name one."""
    return not any(isinstance(value, str) and "\0" in value for value in values)


class PostgresSnapshot(Reading):
    """See `Snapshot`."""

    def index(self, tenant: str) -> int:
        """See `Snapshot.index`."""
        row = self._one("SELECT size FROM trees WHERE tenant = %s", tenant)
        return -1 if row is None else int(row[0]) - 1

    def tenants(self) -> list[str]:
        """See `Snapshot.tenants`."""
        return [str(tenant) for (tenant,) in self._all("SELECT tenant FROM trees ORDER BY tenant")]

    def log_time_ms(self) -> int:
        """See `Snapshot.log_time_ms`."""
        row = self._one("SELECT max(log_time_ms) FROM checkpoints WHERE follower = %s", CERTIFIER)
        return int((row and row[0]) or 0)

    def newest_events(self, tenant: str, limit: int) -> list[StoredEvent]:
        """See `Snapshot.newest_events`."""
        query = f"{_STORED_EVENT} WHERE e.tenant = %s ORDER BY e.idx DESC, e.seq DESC LIMIT %s"
        return [StoredEvent(*row) for row in self._all(query, tenant, limit)]

    def tree(self, tenant: str) -> Tree:
        """See `Snapshot.tree`."""
        row = self._one("SELECT size, frontier FROM trees WHERE tenant = %s", tenant)
        return Tree() if row is None else Tree(row[0], merkle.unpack(row[1]))

    def leaf_entries(self, tenant: str, start: int, limit: int) -> list[bytes]:
        """See `Snapshot.leaf_entries`."""
        query = "SELECT entry FROM outcomes WHERE tenant = %s AND idx >= %s ORDER BY idx LIMIT %s"
        return [entry for (entry,) in self._all(query, tenant, start, limit)]

    def decided_at(self, tenant: str, index: int) -> int | None:
        """See `Snapshot.decided_at`."""
        row = self._one(
            "SELECT time_ms FROM outcomes WHERE tenant = %s AND idx = %s", tenant, index
        )
        return None if row is None or row[0] is None else int(row[0])

    def decided(self, tenant: str, index: int) -> tuple[LogPosition, Outcome] | None:
        """See `Snapshot.decided`."""
        query = f"SELECT {OUTCOME} FROM outcomes WHERE tenant = %s AND idx = %s"
        row = self._one(query, tenant, index)
        return None if row is None else (LogPosition(row[0], row[1]), outcome_of(row))

    def certified(self, partition: int) -> int:
        """See `Snapshot.certified`."""
        query = "SELECT next_offset FROM checkpoints WHERE follower = %s AND partition = %s"
        row = self._one(query, CERTIFIER, partition)
        return 0 if row is None else int(row[0])

    def unusual(self, partition: int, tenant: str, start: int, limit: int) -> list[Unusual]:
        """See `Snapshot.unusual`."""
        query = (
            "SELECT log_offset, tenant, code, detail, command_id FROM outcomes"
            " WHERE partition = %s AND log_offset >= %s"
            " AND (code <> 'accepted' OR detail <> '{}'::bytea)"
            " AND (tenant = %s OR (tenant = %s AND command_id = ''))"
            " ORDER BY log_offset LIMIT %s"
        )
        found = self._all(query, partition, start, tenant, ids.control_of(partition), limit)
        return [Unusual(*row) for row in found]

    def facts_at(self, stream: str, version: int) -> Facts | None:
        """See `Snapshot.facts_at`."""
        query = "SELECT doc FROM facts WHERE stream = %s AND version = %s"
        row = self._one(query, stream, version)
        return None if row is None else document_of(stream, row[0])

    def facts_as_of(self, streams: Iterable[str], index: int) -> dict[str, tuple[int, Facts]]:
        """See `Snapshot.facts_as_of`."""
        query = (
            "SELECT s.stream, f.version, f.doc FROM streams s CROSS JOIN LATERAL"
            " (SELECT g.version, g.doc FROM facts g WHERE g.stream = s.stream AND g.idx <= %s"
            " ORDER BY g.version DESC LIMIT 1) f"
            " WHERE s.stream = ANY(%b)"
        )
        return {
            stream: (version, document_of(stream, doc))
            for stream, version, doc in self._among(query, streams, index)
        }

    def versions(self, stream: str, index: int) -> list[tuple[int, Facts]]:
        """See `Snapshot.versions`."""
        query = (
            "SELECT version, doc FROM facts WHERE stream = %s AND idx <= %s ORDER BY version DESC"
        )
        rows = self._all(query, stream, index)
        return [(version, document_of(stream, doc)) for version, doc in rows]

    def index_at(self, tenant: str, time_ms: int) -> int:
        """See `Snapshot.index_at`."""
        return index_at(self.index(tenant), lambda at: self.time_ms_of(tenant, at), time_ms)

    def time_ms_of(self, tenant: str, index: int) -> int:
        """See `Snapshot.time_ms_of`."""
        query = "SELECT log_time_ms FROM outcomes WHERE tenant = %s AND idx = %s"
        row = self._one(query, tenant, index)
        return 0 if row is None else int(row[0])

    def outcome(self, position: LogPosition) -> Outcome | None:
        """See `Snapshot.outcome`."""
        query = f"SELECT {OUTCOME} FROM outcomes WHERE partition = %s AND log_offset = %s"
        row = self._one(query, position.partition, position.offset)
        if row is not None and row[5] == REPEATED:
            found = self.outcome_of(row[2], row[4])
            return None if found is None else found[1]
        return None if row is None else outcome_of(row)

    def outcome_of(self, tenant: str, command_id: str) -> tuple[LogPosition, Outcome] | None:
        """See `Snapshot.outcome_of`."""
        query = (
            f"SELECT {OUTCOME} FROM outcomes WHERE tenant = %s AND command_id = %s"
            " AND code IN ('accepted', 'refused')"
        )
        row = self._one(query, tenant, command_id)
        return None if row is None else (LogPosition(row[0], row[1]), outcome_of(row))

    def content_event(self, tenant: str, cube: str, index: int) -> StoredEvent | None:
        """See `Snapshot.content_event`."""
        query = f"{_STORED_EVENT} WHERE e.tenant = %s AND e.idx = %s AND e.stream = %s"
        row = self._one(query, tenant, index, ids.content_stream(tenant, cube))
        return None if row is None else StoredEvent(*row)

    def content_keys(self, tenant: str, cube: str, index: int) -> set[str]:
        """See `Snapshot.content_keys`."""
        query = "SELECT key_id FROM events WHERE stream = %s AND idx <= %s AND key_id IS NOT NULL"
        rows = self._all(query, ids.content_stream(tenant, cube), index)
        return {str(key_id) for (key_id,) in rows}
