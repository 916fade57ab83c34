"""
`SqliteLeases`: leases in `operations.db`, seen by every process at once.

`synchronous=NORMAL`: a renewal waits for no disk. A lease that the machine
lost had a holder that the machine lost too.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

from memos_gov.backends.sqlite.connection import open_file, transaction, translated
from memos_gov.domain import ids

FARTHEST_MS = 3_600_000  # a lease that ends later was written by a clock that ran ahead
_CLAIM = (
    "INSERT INTO worker_names (name, holder, expires_ms) VALUES (?, ?, ?)"
    " ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_ms = excluded.expires_ms"
    " WHERE worker_names.holder = excluded.holder OR worker_names.expires_ms <= ?"
    " OR worker_names.expires_ms > ? RETURNING holder"
)
_NAMES = "SELECT name FROM worker_names WHERE expires_ms > ? AND expires_ms <= ? ORDER BY name"


class SqliteLeases:
    """The leases of one `operations.db`; see `Leases`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._db = open_file(path, synchronous="NORMAL")

    def renew(self, holder: str, seen: Mapping[str, int], *, now_ms: int, expires_ms: int) -> None:
        """See `Leases.renew`; what expired goes."""
        # A row of the instance stands for a holder that saw no tenant yet.
        rows = [(holder, t, index, expires_ms) for t, index in {ids.INSTANCE: -1, **seen}.items()]
        with self._lock, transaction(self._db, self._path, write=True):
            self._db.execute(
                "DELETE FROM leases WHERE holder = ? OR expires_ms <= ?", (holder, now_ms)
            )
            self._db.executemany("INSERT INTO leases VALUES (?,?,?,?)", rows)

    def release(self, holder: str) -> None:
        """See `Leases.release`."""
        with self._lock, transaction(self._db, self._path, write=True):
            self._db.execute("DELETE FROM leases WHERE holder = ?", (holder,))
            self._db.execute("DELETE FROM worker_names WHERE holder = ?", (holder,))

    def claim(self, name: str, holder: str, *, now_ms: int, expires_ms: int) -> bool:
        """See `Leases.claim`."""
        values = (name, holder, expires_ms, now_ms, now_ms + FARTHEST_MS)
        with self._lock, transaction(self._db, self._path, write=True):
            return self._db.execute(_CLAIM, values).fetchone() is not None

    def names(self, now_ms: int) -> list[str]:
        """See `Leases.names`."""
        with self._lock, translated(self._path):
            rows = self._db.execute(_NAMES, (now_ms, now_ms + FARTHEST_MS)).fetchall()
        return [str(name) for (name,) in rows]

    def waiting(self, tenant: str, index: int, now_ms: int, *, besides: str) -> list[str]:
        """See `Leases.waiting`."""
        query = (
            "SELECT DISTINCT holder FROM leases WHERE expires_ms > ? AND expires_ms <= ?"
            " AND holder != ? AND holder"
            " NOT IN (SELECT holder FROM leases WHERE tenant = ? AND seen >= ?) ORDER BY holder"
        )
        with self._lock, translated(self._path):
            rows = self._db.execute(
                query, (now_ms, now_ms + FARTHEST_MS, besides, tenant, index)
            ).fetchall()
        return [str(holder) for (holder,) in rows]

    def close(self) -> None:
        """See `Leases.close`."""
        with self._lock:
            self._db.close()
