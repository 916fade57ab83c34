"""
`PostgresLeases`: leases in the database of operations, seen by every host at once.

They are durable: a server that crashes and comes back finds holders that did
not crash with it, and whoever completes an erasure must still wait for them.
A renewal is one round trip and one fsync, every RENEW_S (`leasing.py`) of a
service. Hosts must agree on the time: a clock that is behind the one of who
asks shortens its lease for that one by as much.
"""

from __future__ import annotations

from collections.abc import Mapping

from memos_gov.backends.postgres.connection import PostgresPool
from memos_gov.domain import ids

FARTHEST_MS = 3_600_000  # a lease that ends later was written by a clock that ran ahead
_RENEW = (
    "INSERT INTO leases (holder, tenant, seen, expires_ms)"
    " SELECT %s::text, news.tenant, news.seen, %s::bigint"
    " FROM unnest(%s::text[], %s::bigint[]) AS news (tenant, seen)"
    " ON CONFLICT (holder, tenant) DO UPDATE"
    " SET seen = excluded.seen, expires_ms = excluded.expires_ms"
)
# Who takes out what expired waits for nobody, so that no two wait for each other.
_CLEAR = (
    "DELETE FROM leases WHERE (holder, tenant) IN (SELECT holder, tenant FROM leases"
    " WHERE expires_ms <= %s AND holder != %s FOR UPDATE SKIP LOCKED)"
)
_WAITING = (
    "SELECT DISTINCT holder FROM leases WHERE expires_ms > %s AND expires_ms <= %s"
    " AND holder != %s AND holder"
    " NOT IN (SELECT holder FROM leases WHERE tenant = %s AND seen >= %s) ORDER BY holder"
)
_RELEASE = "DELETE FROM leases WHERE holder = %s"
_FREE = "DELETE FROM worker_names WHERE holder = %s"
_CLAIM = (
    "INSERT INTO worker_names (name, holder, expires_ms) VALUES (%s, %s, %s)"
    " ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_ms = excluded.expires_ms"
    " WHERE worker_names.holder = excluded.holder OR worker_names.expires_ms <= %s"
    " OR worker_names.expires_ms > %s RETURNING holder"
)
_NAMES = "SELECT name FROM worker_names WHERE expires_ms > %s AND expires_ms <= %s ORDER BY name"


class PostgresLeases:
    """The leases of one database; see `Leases`."""

    def __init__(self, url: str) -> None:
        """
        Open the leases; nobody is asked before the first use.

        Args:
            url: The database of operations, of the newest format (`migrate.py`).
        """
        self._pool = PostgresPool(url)

    def renew(self, holder: str, seen: Mapping[str, int], *, now_ms: int, expires_ms: int) -> None:
        """See `Leases.renew`; what expired goes."""
        # A row of the instance stands for a holder that saw no tenant yet.
        known = {ids.INSTANCE: -1, **seen}
        values = (holder, expires_ms, list(known), list(known.values()))
        with self._pool.connection() as connection:
            try:
                with connection.pipeline():
                    connection.execute("BEGIN")
                    connection.execute(_RELEASE, (holder,))
                    connection.execute(_RENEW, values)
                    connection.execute("COMMIT")
                    connection.execute(_CLEAR, (now_ms, holder))
            except BaseException:
                if not connection.closed:
                    connection.rollback()
                raise

    def release(self, holder: str) -> None:
        """See `Leases.release`."""
        with self._pool.connection() as connection:
            connection.execute(_RELEASE, (holder,))
            connection.execute(_FREE, (holder,))

    def claim(self, name: str, holder: str, *, now_ms: int, expires_ms: int) -> bool:
        """See `Leases.claim`."""
        values = (name, holder, expires_ms, now_ms, now_ms + FARTHEST_MS)
        with self._pool.connection() as connection:
            return connection.execute(_CLAIM, values).fetchone() is not None

    def names(self, now_ms: int) -> list[str]:
        """See `Leases.names`."""
        with self._pool.connection() as connection:
            rows = connection.execute(_NAMES, (now_ms, now_ms + FARTHEST_MS)).fetchall()
        return [str(name) for (name,) in rows]

    def waiting(self, tenant: str, index: int, now_ms: int, *, besides: str) -> list[str]:
        """See `Leases.waiting`."""
        values = (now_ms, now_ms + FARTHEST_MS, besides, tenant, index)
        with self._pool.connection() as connection:
            rows = connection.execute(_WAITING, values).fetchall()
        return [str(holder) for (holder,) in rows]

    def close(self) -> None:
        """See `Leases.close`."""
        self._pool.close()
