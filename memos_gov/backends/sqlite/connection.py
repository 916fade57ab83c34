"""How every SQLite file here is opened, and what its errors mean."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from memos_gov.errors import (
    GIVE_ACCESS,
    MAKE_ROOM,
    CorruptionError,
    GovernanceError,
    SettingsError,
    UnavailableError,
    remedy_of,
)

BUSY_TIMEOUT_S = 30.0
LOOK_S = 0.001
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_READ_ONLY = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}


def open_file(
    path: Path, *, synchronous: str = "FULL", secure_delete: bool = False
) -> sqlite3.Connection:
    """
    Open a database file in WAL mode, made with mode 0600 when absent.

    Transactions are explicit (`isolation_level=None`); the connection may be
    used by any thread, one at a time.
    """
    with translated(path):
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(
            path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(f"PRAGMA synchronous={synchronous}")
            connection.execute("PRAGMA wal_autocheckpoint=8000")
            if secure_delete:
                connection.execute("PRAGMA secure_delete=ON")
        except BaseException:
            connection.close()
            raise
    return connection


def open_read_only(path: Path) -> sqlite3.Connection:
    """
    Open a database file for reading only; not a byte beside or in it is made or changed.

    A file that nobody has open (it has no write-ahead log) is read as it lies.
    """
    mode = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "mode=ro&immutable=1"
    with translated(path):
        return sqlite3.connect(
            f"file:{quote(str(path.absolute()))}?{mode}",
            uri=True,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
        )


def copy_file(path: Path, to: Path) -> None:
    """Copy a database as of now, the original untouched; the copy need not outlive a crash."""
    with (
        translated(path),
        closing(open_read_only(path)) as source,
        closing(sqlite3.connect(to)) as target,
    ):
        target.execute("PRAGMA synchronous=OFF")
        source.backup(target)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Let no driver error pass: turn it into what the caller can do about it."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translate(error, path) from error
    except UnicodeDecodeError as error:  # the driver's, about a text or a message it cannot read
        raise CorruptionError(f"{path.name} is damaged", place=path.name) from error
    except OSError as error:
        msg = f"{path.name}: {os.strerror(error.errno or 0)}"
        raise UnavailableError(msg, backend="sqlite", remedy=remedy_of(error)) from error
    except Exception as error:
        driver = getattr(error, "orig", None)  # SQLAlchemy wraps the driver's error
        if not isinstance(driver, sqlite3.Error):
            raise
        raise _translate(driver, path) from error


def _translate(error: sqlite3.Error, path: Path) -> GovernanceError:
    code = getattr(error, "sqlite_errorcode", 0)
    primary = code & 0xFF
    if primary in _DAMAGED or is_undecodable(error):
        return CorruptionError(f"{path.name} is damaged", place=path.name)
    if primary in _READ_ONLY:
        msg = f"{path.name} cannot be written"
        return UnavailableError(msg, backend="sqlite", remedy=GIVE_ACCESS)
    # The file beside a database that is opened is the first that finds no room.
    if primary == sqlite3.SQLITE_FULL or code == sqlite3.SQLITE_IOERR_SHMSIZE:
        msg = f"no room left on the disk for {path.name}"
        return UnavailableError(msg, backend="sqlite", remedy=MAKE_ROOM)
    if isinstance(error, sqlite3.OperationalError) and "no such table" in str(error):
        return SettingsError(f"{path.name} lacks a table of this version")
    return UnavailableError(
        f"{path.name} did not answer ({type(error).__name__})", backend="sqlite"
    )


def is_undecodable(error: Exception) -> bool:
    """Whether a file holds text that is no UTF-8; the driver has no code of its own for that."""
    without_code = isinstance(error, sqlite3.OperationalError) and "Could not decode" in str(error)
    return without_code or isinstance(error, UnicodeDecodeError)


@contextmanager
def transaction(connection: sqlite3.Connection, path: Path, *, write: bool) -> Iterator[None]:
    """Enter a transaction: committed at the end, rolled back whole when anything is raised."""
    with translated(path):
        if write:
            _begin_in_turn(connection)
        else:
            connection.execute("BEGIN")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _begin_in_turn(connection: sqlite3.Connection) -> None:
    with looking_often(connection) as looks:
        for last in looks:
            try:
                connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if last or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise


@contextmanager
def looking_often(connection: sqlite3.Connection) -> Iterator[Iterator[bool]]:
    """
    Enter with looks at a file that is busy, every few milliseconds for BUSY_TIMEOUT_S.

    SQLite's own wait looks ever more rarely, so whoever waits longest has the least
    chance of a gap between others who write without a pause. Within the `with` it
    does not wait; each look is False, and True the last one.
    """
    connection.execute("PRAGMA busy_timeout=0")
    try:
        yield _looks()
    finally:
        connection.execute(f"PRAGMA busy_timeout={round(BUSY_TIMEOUT_S * 1000)}")


def _looks() -> Iterator[bool]:
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while time.monotonic() < deadline:
        yield False
        time.sleep(random.uniform(0, 2 * LOOK_S))  # noqa: S311 - no two look in step
    yield True
