"""Moving a vault to a new epoch: every key, secret and name, in bounded batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from memos_gov.backends.postgres.connection import is_ended
from memos_gov.backends.postgres.vault.database import (
    ROTATES,
    Row,
    VaultDatabase,
    live_epochs_in,
    mark,
    turn_taken,
)
from memos_gov.backends.postgres.vault.directory import Directory
from memos_gov.backends.postgres.vault.seal import seal_epochs
from memos_gov.errors import UnavailableError
from memos_gov.wrapping import DIRECTORY, NAMES, Wrapping, secret_of

if TYPE_CHECKING:
    from memos_gov.backends.postgres.connection import Connection

_MOVES = f"name !~ '^({DIRECTORY}|{NAMES})(:|$)'"  # the others end with their epoch
_NEXT = {
    "content_keys": (
        "SELECT tenant, key_id, epoch, wrapped FROM content_keys"
        " WHERE key_id > %s AND epoch < %s ORDER BY key_id LIMIT %s"
    ),
    "secrets": (
        "SELECT tenant, name, epoch, wrapped FROM secrets"
        f" WHERE (tenant, name) > (%s, %s) AND epoch < %s AND {_MOVES}"
        " ORDER BY tenant, name LIMIT %s"
    ),
    "directory": (
        "SELECT tenant, opaque, kind, epoch, sealed FROM directory"
        " WHERE (tenant, opaque) > (%s, %s) AND epoch < %s ORDER BY tenant, opaque LIMIT %s"
    ),
}
_FIRST: dict[str, tuple[str, ...]] = {
    "content_keys": ("",),
    "secrets": ("", ""),
    "directory": ("", ""),
}
_REWRAP = (
    "UPDATE {table} SET epoch = %s, wrapped = moved.wrapped"
    " FROM unnest(%s::text[], %s::text[], %s::bytea[]) AS moved (tenant, name, wrapped)"
    " WHERE {table}.tenant = moved.tenant AND {table}.{named} = moved.name"
)
_RESEAL = (
    "UPDATE directory SET epoch = %s, lookup = moved.lookup, sealed = moved.sealed"
    " FROM unnest(%s::text[], %s::text[], %s::bytea[], %s::bytea[])"
    " AS moved (tenant, opaque, lookup, sealed)"
    " WHERE directory.tenant = moved.tenant AND directory.opaque = moved.opaque"
)


class VaultRotation:
    """See `Rotation`."""

    def __init__(self, database: VaultDatabase, wrapping: Wrapping, directory: Directory) -> None:
        self._database = database
        self._wrapping = wrapping
        self._directory = directory
        self._passed = dict(_FIRST)
        self._held: Connection | None = None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """See `Rotation.alone`; no step is taken once the session that has the turn is over."""
        place = self._database.place
        with (
            self._database.pool.connection() as connection,
            turn_taken(connection, ROTATES, place),
        ):
            self._held = connection
            try:
                yield
            finally:
                self._held = None

    def _require_held(self) -> None:
        if self._held is not None and is_ended(self._held):
            msg = f"the turn to rotate the vault {self._database.place} was lost"
            raise UnavailableError(msg, backend="postgres")

    def begin(self, epoch: int, now_ms: int) -> None:
        """See `Rotation.begin`; who is writing under the former epoch is waited for."""
        self._require_held()
        self._wrapping.require(epoch)
        with self._database.turning() as connection:
            connection.execute(
                "INSERT INTO epochs (epoch, began_ms) VALUES (%s, %s) ON CONFLICT DO NOTHING",
                (epoch, now_ms),
            )
            seal_epochs(connection, self._wrapping)

    def left(self, epoch: int) -> int:
        """See `Rotation.left`."""
        query = (
            "SELECT (SELECT count(*) FROM content_keys WHERE epoch < %s)"
            f" + (SELECT count(*) FROM secrets WHERE epoch < %s AND {_MOVES})"
            " + (SELECT count(*) FROM directory WHERE epoch < %s)"
        )
        ((count,),) = self._database.rows(query, (epoch, epoch, epoch))
        return int(count)

    def rewrap(self, limit: int) -> int:
        """See `Rotation.rewrap`: entries first, since they need the secrets of their epoch."""
        self._require_held()
        epoch = self._database.live_epochs()[-1]
        self._prepare_secrets(epoch)
        with self._database.moving() as connection:
            if live_epochs_in(connection)[-1] != epoch:
                return 0
            mark(connection, "file")
            done = self._move_entries(connection, epoch, limit)
            if done < limit:
                _retire_secrets(connection, epoch)
                done += self._move(connection, "secrets", "name", epoch, limit - done)
            if done < limit:
                done += self._move(connection, "content_keys", "key_id", epoch, limit - done)
        return done

    def _prepare_secrets(self, epoch: int) -> None:
        """Make the directory's secrets of the new epoch, which a transaction of its own does."""
        tenants = "SELECT DISTINCT tenant FROM directory WHERE epoch < %s"
        for (tenant,) in self._database.rows(tenants, (epoch,)):
            self._directory.sealed.prepare(tenant, epoch)

    def _next(self, connection: Connection, table: str, epoch: int, limit: int) -> list[Row]:
        """Return the next rows of a table that are under an earlier epoch."""
        passed = self._passed[table]
        query = _NEXT[table].encode()
        rows = connection.execute(query, (*passed, epoch, limit)).fetchall()
        if rows:
            self._passed[table] = rows[-1][2 - len(passed) : 2]
        elif passed != _FIRST[table]:
            self._passed[table] = _FIRST[table]  # whatever came below meanwhile is found now
            return self._next(connection, table, epoch, limit)
        return rows

    def _move_entries(self, connection: Connection, epoch: int, limit: int) -> int:
        names = self._directory.sealed
        moved = []
        for tenant, opaque, kind, former, sealed in self._next(
            connection, "directory", epoch, limit
        ):
            name = names.open(tenant, opaque, former, sealed)
            lookup = names.lookup(tenant, kind, name, epoch, create=True)
            moved.append((tenant, opaque, lookup, names.seal(tenant, opaque, name, epoch)))
        if moved:
            connection.execute(_RESEAL.encode(), (epoch, *_columns(moved)))
        return len(moved)

    def _move(self, connection: Connection, table: str, named: str, epoch: int, limit: int) -> int:
        moved = []
        for tenant, name, former, wrapped in self._next(connection, table, epoch, limit):
            key = self._wrapping.unwrap(tenant, name, former, wrapped)
            moved.append((tenant, name, self._wrapping.wrap(tenant, name, key, epoch)))
        if moved:
            query = _REWRAP.format(table=table, named=named)
            connection.execute(query.encode(), (epoch, *_columns(moved)))
        return len(moved)

    def end(self, now_ms: int) -> tuple[int, ...]:
        """See `Rotation.end`."""
        self._require_held()
        with self._database.turning() as connection:
            ended = live_epochs_in(connection)[:-1]
            if ended:
                mark(connection, "file")
            connection.execute(
                "UPDATE epochs SET ended_ms = %s WHERE epoch = ANY(%s)", (now_ms, list(ended))
            )
            seal_epochs(connection, self._wrapping)
        return ended


def _retire_secrets(connection: Connection, epoch: int) -> None:
    """Take out the directory's secrets that no entry is under any more."""
    former = connection.execute("SELECT epoch FROM epochs WHERE epoch < %s", (epoch,)).fetchall()
    names = [secret_of(purpose, e) for purpose in (DIRECTORY, NAMES) for (e,) in former]
    connection.execute("DELETE FROM secrets WHERE name = ANY(%s)", (names,))


def _columns(rows: Sequence[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]
