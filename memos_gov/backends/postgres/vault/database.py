"""
The database of a vault: its connections, its epochs, and who has to wait for whom.

A commit that returned is on the disk (`synchronous_commit=on`), so a key is
there before anything is sealed with it. Transactions are READ COMMITTED and
begin with the turns (advisory locks) that they need, so that every later
statement sees what those before them did:

    WRAPS    shared by whoever writes something wrapped, exclusive for who
             begins or ends an epoch: nothing is written under a former one
    CHANGES  exclusive, for who changes or takes out rows that are there
    SWEEPS   exclusive, for who writes tables anew
    ROTATES  exclusive, for who rotates

They are always taken in this order. Turns belong to the session, so a pooler
that shares one session among clients transaction by transaction does not do.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Literal

from memos_gov.backends.postgres.connection import PostgresPool, for_reading
from memos_gov.errors import SettingsError, UnavailableError
from memos_gov.ports import Epoch

if TYPE_CHECKING:
    from memos_gov.backends.postgres.connection import Connection

VAULT_LOCKS = 0x7661756C
WRAPS, CHANGES, SWEEPS, ROTATES = 1, 2, 3, 4
PAGE_ROWS = 500
PAUSE_S = 0.05
UNSWEPT = "unswept"
_SHARED_WRAPS = f"SELECT pg_advisory_xact_lock_shared({VAULT_LOCKS}, {WRAPS})"
_ALONE_WRAPS = f"SELECT pg_advisory_xact_lock({VAULT_LOCKS}, {WRAPS})"
_ALONE_CHANGES = f"SELECT pg_advisory_xact_lock({VAULT_LOCKS}, {CHANGES})"
_LIVE = "SELECT epoch FROM epochs WHERE ended_ms IS NULL ORDER BY epoch"
_NEEDED = {"fsync": "on", "full_page_writes": "on", "track_counts": "on"}
Row = tuple[Any, ...]


class VaultDatabase:
    """One vault's database; safe to use from many threads."""

    def __init__(self, url: str, *, read_only: bool) -> None:
        self.pool = PostgresPool(for_reading(url) if read_only else url)
        self.place = self.pool.place

    def wrapping(self) -> AbstractContextManager[Connection]:
        """Enter a transaction in which no epoch begins or ends."""
        return self.pool.transaction(f"BEGIN; {_SHARED_WRAPS}")

    @contextmanager
    def wrapping_at_once(self) -> Iterator[Connection]:
        """
        Enter a transaction as `wrapping`, sent in one round trip when the `with` ends.

        Results are there afterwards, not before.
        """
        with self.pool.connection() as connection:
            try:
                with connection.pipeline():
                    connection.execute("BEGIN")
                    connection.execute(_SHARED_WRAPS.encode())
                    yield connection
                    connection.execute("COMMIT")
            except BaseException:
                if not connection.closed:
                    connection.rollback()
                raise

    def changing(self) -> AbstractContextManager[Connection]:
        """Enter the one transaction that may change or take out what is there."""
        return self.pool.transaction(f"BEGIN; {_ALONE_CHANGES}")

    def moving(self) -> AbstractContextManager[Connection]:
        """Enter a transaction that both wraps and changes."""
        return self.pool.transaction(f"BEGIN; {_SHARED_WRAPS}; {_ALONE_CHANGES}")

    def turning(self) -> AbstractContextManager[Connection]:
        """Enter the one transaction that may begin and end epochs."""
        return self.pool.transaction(f"BEGIN; {_ALONE_WRAPS}")

    def rows(self, query: str, values: Sequence[object] = ()) -> list[Row]:
        """Return the rows of a query."""
        with self.pool.connection() as connection:
            return connection.execute(query.encode(), values).fetchall()

    def one(self, query: str, values: Sequence[object] = ()) -> Row | None:
        """Return the first row of a query."""
        return next(iter(self.rows(query, values)), None)

    def pages(self, table: str, key: tuple[str, ...], columns: str) -> Iterator[Row]:
        """
        Yield the key and columns of every row, in order of the key, a page at a time.

        Each page is a statement of its own, so that nothing that was destroyed
        must be kept for whoever reads.
        """
        names, at = ", ".join(key), ", ".join(["%s"] * len(key))
        first = f"SELECT {names}, {columns} FROM {table}"
        end = f" ORDER BY {names} LIMIT {PAGE_ROWS}"
        page = self.rows(first + end)
        while page:
            yield from page
            page = self.rows(f"{first} WHERE ({names}) > ({at}){end}", page[-1][: len(key)])

    def epochs(self) -> tuple[Epoch, ...]:
        """Return every epoch of this vault, the newest last."""
        rows = self.rows("SELECT epoch, began_ms, ended_ms FROM epochs ORDER BY epoch")
        return tuple(Epoch(*row) for row in rows) or (Epoch(1, 0, None),)

    def live_epochs(self) -> tuple[int, ...]:
        """Return the epochs that something may be wrapped under, the newest last; at least one."""
        return tuple(int(epoch) for (epoch,) in self.rows(_LIVE)) or (1,)

    def require_durable(self) -> None:
        """
        Refuse a server that may lose what it confirmed, or that does not count dead rows.

        Raises:
            SettingsError: Names the setting.
        """
        query = "SELECT name, setting FROM pg_settings WHERE name = ANY(%s) ORDER BY name"
        for name, setting in self.rows(query, (list(_NEEDED),)):
            if setting != _NEEDED[name]:
                msg = f"the server of {self.place} has {name}={setting}; a vault needs it on"
                raise SettingsError(msg)

    def close(self) -> None:
        """Close every connection."""
        self.pool.close()


def live_epochs_in(connection: Connection) -> tuple[int, ...]:
    """Return what `VaultDatabase.live_epochs` does, as a transaction sees it."""
    return tuple(int(epoch) for (epoch,) in connection.execute(_LIVE.encode())) or (1,)


def mark(connection: Connection, reach: Literal["keys", "file"]) -> None:
    """Note, within a transaction, what holds copies of what it ends: keys alone, or all."""
    token = secrets.token_hex(8)  # so that who sweeps takes away no later mark than it saw
    connection.execute(
        "INSERT INTO meta (name, value) VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET value ="
        " CASE WHEN starts_with(meta.value, 'file:') THEN %s ELSE excluded.value END",
        (UNSWEPT, f"{reach}:{token}", f"file:{token}"),
    )


@contextmanager
def turn_taken(
    connection: Connection, turn: int, place: str, *, wait_s: float = 0.0
) -> Iterator[None]:
    """
    Have a turn for as long as the `with` lasts, whatever transactions come and go.

    Nobody waits for it within a statement, since one that waits keeps the rows
    that it could see from being cleared away.

    Raises:
        UnavailableError: Somebody else has it for longer than `wait_s`.
    """
    end = time.monotonic() + wait_s
    while not _is_taken(connection, turn):
        if time.monotonic() >= end:
            doing = "rotated" if turn == ROTATES else "swept"
            msg = f"the vault {place} is being {doing} by another process"
            raise UnavailableError(msg, backend="postgres")
        time.sleep(PAUSE_S)
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute(b"SELECT pg_advisory_unlock(%s, %s)", (VAULT_LOCKS, turn))


def _is_taken(connection: Connection, turn: int) -> bool:
    query = b"SELECT pg_try_advisory_lock(%s, %s)"
    return connection.execute(query, (VAULT_LOCKS, turn)).fetchone() == (True,)
