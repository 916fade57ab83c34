"""
Leaving no copy of what ended in any file of the vault's tables and indexes.

A row that was taken out stays in its page until VACUUM takes it from there,
and VACUUM then closes the gap by moving rows, over which old bytes stay where
nothing lies any more. So `clear` (VACUUM) makes what ended unreachable at once,
and `sweep` writes the tables and indexes anew (VACUUM FULL) and removes the
former files; a mark stands in the database from the transaction that ended
something until that is done, so whoever opens next does what a crash left.
VACUUM keeps what an older snapshot can still see, as of a dump that runs or of
a standby with feedback; then nothing is written anew and the mark stays.

While a table is written anew, whoever needs it waits: some two seconds for a
million keys. The write-ahead log of the server keeps what ended until its
segments are recycled, and an archive, a standby or a base backup as long as
they keep anything: for those, and for every other backup, what ended is
unreadable from the end of its epoch on (`KeyStore.unreadable_since`).
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from psycopg import errors

from memos_gov.backends.postgres.vault.database import (
    PAUSE_S,
    SWEEPS,
    UNSWEPT,
    VaultDatabase,
    turn_taken,
)
from memos_gov.errors import SettingsError, UnavailableError

if TYPE_CHECKING:
    from memos_gov.backends.postgres.connection import Connection

WAIT_S = 5.0
_TABLES = {"keys": ("content_keys",), "file": ("content_keys", "secrets", "directory")}
_MARKED = "SELECT value FROM meta WHERE name = %s"
_DEAD = "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relid = to_regclass(%s)"
_FILE = "SELECT pg_relation_filenode(to_regclass(%s))"


def clear(database: VaultDatabase, tables: Iterable[str]) -> None:
    """Take dead rows out of their pages, as far as nobody is in the way."""
    with database.pool.connection() as connection:
        for table in sorted(tables):
            connection.execute(f"VACUUM (SKIP_LOCKED) {table}".encode())


def sweep(database: VaultDatabase) -> None:
    """
    See `KeyStore.sweep`.

    Raises:
        UnavailableError: Somebody reads, or sweeps, for longer than WAIT_S; the mark stays.
        SettingsError: The account does not own the tables, so that it cannot.
    """
    if database.one(_MARKED, (UNSWEPT,)) is None:
        return
    with (
        database.pool.connection() as connection,
        turn_taken(connection, SWEEPS, database.place, wait_s=WAIT_S),
    ):
        row = connection.execute(_MARKED.encode(), (UNSWEPT,)).fetchone()
        if row is None:
            return
        (marked,) = row
        tables = _TABLES["keys" if marked.startswith("keys:") else "file"]
        for table in tables:
            _clear_all(connection, table, database.place)
        for table in tables:
            _write_anew(connection, table, database.place)
        connection.execute(b"DELETE FROM meta WHERE name = %s AND value = %s", (UNSWEPT, marked))


def _clear_all(connection: Connection, table: str, place: str) -> None:
    """Take every dead row out of a table; VACUUM counts those that it had to leave."""
    end = time.monotonic() + WAIT_S
    while True:
        connection.execute(f"VACUUM {table}".encode())
        if connection.execute(_DEAD.encode(), (table,)).fetchone() == (0,):
            return
        if time.monotonic() >= end:
            raise _being_read(place)
        time.sleep(PAUSE_S)


def _write_anew(connection: Connection, table: str, place: str) -> None:
    """Write a table and its indexes into new files; the former ones are emptied and removed."""
    before = connection.execute(_FILE.encode(), (table,)).fetchone()
    connection.execute(f"SET lock_timeout = '{WAIT_S}s'".encode())
    try:
        connection.execute(f"VACUUM (FULL) {table}".encode())
    except errors.LockNotAvailable as error:
        raise _being_read(place) from error
    finally:
        if not connection.closed:
            connection.execute(b"RESET lock_timeout")
    # VACUUM passes over a table of somebody else with a warning only.
    if connection.execute(_FILE.encode(), (table,)).fetchone() == before:
        msg = f"{place}: the account does not own the vault's tables, so it cannot sweep them"
        raise SettingsError(msg)


def _being_read(place: str) -> UnavailableError:
    msg = f"the vault {place} is being read, so copies of what was destroyed lie in it"
    return UnavailableError(msg, backend="postgres")
