"""
How every Postgres database here is opened, and what its errors mean.

One pool a process and database, for plain statements (`transaction`) and for
SQLAlchemy (`engine`) alike. Connections are in autocommit and transactions
explicit, as with the files of SQLite. One that the server has ended meanwhile
is not handed out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import errors, pq, sql
from psycopg.adapt import Dumper
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import event, exc
from sqlalchemy.pool import QueuePool

from memos_gov.errors import (
    MAKE_ROOM,
    CorruptionError,
    GovernanceError,
    SettingsError,
    UnavailableError,
)
from memos_gov.projections.arrays import Bigints, Binaries, Integers, Packed, Texts, Truths

if TYPE_CHECKING:
    from sqlalchemy import Engine

    Connection = psycopg.Connection[tuple[Any, ...]]

CONNECT_TIMEOUT_S = 10
LOCK_TIMEOUT_S = 30
# A peer that vanished with its machine is given up after this long.
NETWORK_TIMEOUT_S = 30
# As many as are lent: to end and make one anew for each that is lent costs more than the wait.
POOL_IDLE_MAX = 32
POOL_CONNECTIONS_MAX = 32
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,49}")
_FIT = (
    "Check engines.postgres.url (account, TLS), engines.postgres.prefix, and the password"
    " (PGPASSWORD or a password file of libpq)."
)
_AWAY = (
    "Retry later; a command keeps its id, so a retry cannot act twice. If it never answers,"
    " check that Postgres runs and that engines.postgres.url names its host and port."
)
_FOUND = "SELECT datcollate, pg_encoding_to_char(encoding) FROM pg_database WHERE datname = %s"
_ORDERED = {("C", "UTF8"), ("POSIX", "UTF8")}
_UNFIT = re.compile(
    r"authentication failed|no password supplied|no pg_hba.conf entry|does not exist"
    r"|certificate verify|does not match host name|does not support SSL|root certificate file"
    r"|valid client certificate|certificate file|private key file"
    r"|alert (?:unknown ca|\w+ certificate|certificate \w+)"
)


def place_of(url: str) -> str:
    """
    Return a database as messages name it: host, port and name, and no password.

    Raises:
        SettingsError: It is no address of a Postgres database.
    """
    known = _parts(url)
    host = known.get("host") or known.get("hostaddr") or "localhost"
    return f"{host}:{known.get('port', '5432')}/{known.get('dbname', known.get('user', ''))}"


def _parts(url: str) -> dict[str, Any]:
    try:
        return conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        raise SettingsError("the address is none of a Postgres database") from error


def another_database(url: str, name: str) -> str:
    """Return the address of another database of the same server."""
    return make_conninfo(**(_parts(url) | {"dbname": name}))


def for_reading(url: str) -> str:
    """Return an address whose sessions write nothing."""
    parts = _parts(url)
    options = f"{parts.get('options') or ''} -c default_transaction_read_only=on"
    return make_conninfo(**(parts | {"options": options.strip()}))


def connect(url: str, *, schema: str = "public", durable: bool = True) -> Connection:
    """
    Open a connection in autocommit; times are UTC, and no wait for a lock is endless.

    Args:
        url: `postgresql://...`, or the key words of libpq.
        schema: The only one that is looked into.
        durable: False where a commit need not be on the disk when it returns.

    Raises:
        SettingsError: The database, the account or its password does not fit.
        UnavailableError: Nobody answers there.
    """
    if not _SCHEMA.fullmatch(schema):
        raise SettingsError("a schema is named with small letters, digits and _")
    parts = _parts(url)
    options = (
        f"{parts.pop('options', '')} -c search_path={schema} -c timezone=UTC -c jit=off"
        # (a plan made while a table was small would be kept while it grows)
        " -c plan_cache_mode=force_custom_plan"
        f" -c lock_timeout={LOCK_TIMEOUT_S}s -c synchronous_commit={'on' if durable else 'off'}"
    )
    known: dict[str, Any] = {
        "application_name": "memos_gov",
        "connect_timeout": CONNECT_TIMEOUT_S,
        "keepalives_idle": NETWORK_TIMEOUT_S // 3,
        "keepalives_interval": NETWORK_TIMEOUT_S // 3,
        "keepalives_count": 2,
        "tcp_user_timeout": NETWORK_TIMEOUT_S * 1000,
    }
    with translated(place_of(url)):
        connection = psycopg.connect(
            make_conninfo(**(known | parts | {"options": options.strip()})), autocommit=True
        )
    for kind in (Texts, Binaries, Bigints, Integers, Truths):
        connection.adapters.register_dumper(kind, _dumper(kind.array_oid))
    return connection


@cache
def _dumper(array_oid: int) -> type[Dumper]:
    """Return what sends arrays that were packed by hand as they are."""

    class PackedDumper(Dumper):
        format = pq.Format.BINARY
        oid = array_oid

        def dump(self, obj: Packed) -> Packed:
            return obj

    return PackedDumper


class PostgresPool:
    """Connections to one schema of one database, kept for whoever comes next; for all threads."""

    def __init__(self, url: str, *, schema: str = "public", durable: bool = True) -> None:
        self.place = place_of(url)
        self.schema = schema
        self._pool = QueuePool(
            lambda: connect(url, schema=schema, durable=durable),  # type: ignore[arg-type]
            pool_size=POOL_IDLE_MAX,
            max_overflow=POOL_CONNECTIONS_MAX - POOL_IDLE_MAX,
            timeout=CONNECT_TIMEOUT_S,
        )
        event.listen(self._pool, "checkout", _refuse_ended)
        self._engine: Engine | None = None

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Lend a connection in autocommit; one that breaks meanwhile is thrown away."""
        with translated(self.place):
            lent = self._pool.connect()
            connection: Any = lent.driver_connection
            try:
                yield connection
            finally:
                if connection.closed:
                    lent.invalidate()
                else:
                    lent.close()

    @contextmanager
    def transaction(self, begin: str = "BEGIN") -> Iterator[Connection]:
        """
        Enter a transaction: committed at the end, rolled back whole when anything is raised.

        Args:
            begin: One statement or several, without values from outside.

        Raises:
            UnavailableError: No answer; at the very end the outcome is unknown.
        """
        with self.connection() as connection:
            connection.execute(begin.encode())
            try:
                yield connection
            except BaseException:
                if not connection.closed:
                    connection.rollback()
                raise
            connection.execute("COMMIT")

    def engine(self) -> Engine:
        """
        Return SQLAlchemy's engine over the same connections, in autocommit like them.

        Whoever uses it begins and ends transactions by statements, within `translated`.
        """
        if self._engine is None:
            from sqlalchemy import create_engine

            self._engine = create_engine(
                "postgresql+psycopg://",
                pool=self._pool,
                isolation_level="AUTOCOMMIT",
                use_native_hstore=False,
            )
        return self._engine

    def close(self) -> None:
        """Close every connection that nobody has borrowed."""
        self._pool.dispose()


def _refuse_ended(connection: Any, *_: object) -> None:
    """Make the pool open anew where the server has ended what was kept (it restarted)."""
    if is_ended(connection):
        raise exc.InvalidatePoolError


def is_ended(connection: Connection) -> bool:
    """Whether a connection is known to be over; nothing is sent, only what came is looked at."""
    try:
        for _ in range(2):  # (the server's last word comes before the end itself)
            connection.pgconn.consume_input()
    except psycopg.OperationalError:
        return True
    return connection.closed or connection.pgconn.status != pq.ConnStatus.OK


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Let no driver error pass: turn it into what the caller can do about it."""
    try:
        yield
    except psycopg.Error as error:
        raise _translate(error, place) from error
    except exc.TimeoutError as error:
        msg = f"{place}: all {POOL_CONNECTIONS_MAX} connections are in use"
        raise UnavailableError(msg, backend="postgres") from error
    except exc.SQLAlchemyError as error:
        driver = getattr(error, "orig", None)  # SQLAlchemy wraps the driver's error
        if not isinstance(driver, psycopg.Error):
            raise
        raise _translate(driver, place) from error


def _translate(error: psycopg.Error, place: str) -> GovernanceError:
    """Return our error; it repeats nothing of the driver's message, which may hold rows."""
    match error:
        case errors.DataCorrupted() | errors.IndexCorrupted():
            return CorruptionError(f"{place} is damaged", place=place)
        case errors.UndefinedTable() | errors.UndefinedColumn() | errors.InvalidSchemaName():
            return SettingsError(f"{place} lacks a table of this version")
        case errors.InsufficientPrivilege():
            return SettingsError(f"{place}: the account lacks a right that it needs")
        case errors.DiskFull():
            msg = f"no room left on the disk of {place}"
            return UnavailableError(msg, backend="postgres", remedy=MAKE_ROOM)
        case errors.ReadOnlySqlTransaction():
            msg = f"{place} cannot be written: it is a copy that follows another"
            return UnavailableError(msg, backend="postgres")
        case errors.IntegrityError() | errors.SerializationFailure() | errors.DeadlockDetected():
            msg = f"{place}: somebody else wrote the same rows; nothing of this was written"
            return UnavailableError(msg, backend="postgres")
        case errors.LockNotAvailable():
            msg = f"{place}: somebody else holds it for over {LOCK_TIMEOUT_S} s"
            return UnavailableError(msg, backend="postgres")
    # (libpq gives no code for a connection that was refused)
    if (unfit := _UNFIT.search(str(error))) and error.sqlstate is None:
        return SettingsError(f"{place} refuses to be opened ({unfit[0]})", remedy=_FIT)
    msg = f"{place} did not answer ({type(error).__name__})"
    return UnavailableError(msg, backend="postgres", remedy=_AWAY)


def turn_of(number: int, table: str = "checkpoints", *, shared: bool = False) -> str:
    """Return the statement that waits for a turn among those at one table of a schema."""
    key = f"('{table}'::regclass::oid::bigint << 32) | {number:d}"
    return f"SELECT pg_advisory_xact_lock{'_shared' if shared else ''}({key})"


def make_database(url: str) -> bool:
    """
    Make the database of an address where there is none; return whether it was made.

    Its texts are in order of their bytes, as everywhere here.

    Raises:
        SettingsError: It is there and orders texts in another way.
    """
    name = str(_parts(url).get("dbname", ""))
    with translated(place_of(url)), connect(another_database(url, "postgres")) as server:
        found = server.execute(_FOUND, (name,)).fetchone()
        if found is None:
            return _created(server, name)
    _require_order(found, url, "Name a database that does not exist; it will be made.")
    return False


def server_version(url: str) -> str:
    """Return the version of the server, asked of the database that is always there."""
    with translated(place_of(url)), connect(another_database(url, "postgres")) as server:
        said = server.info.parameter_status("server_version") or "unknown"
    return said.split()[0]  # (after it stands who packed it)


def has_database(url: str) -> bool:
    """Whether the server has the database of an address."""
    name = str(_parts(url).get("dbname", ""))
    with translated(place_of(url)), connect(another_database(url, "postgres")) as server:
        return server.execute(_FOUND, (name,)).fetchone() is not None


def require_order(connection: Connection, url: str) -> None:
    """
    Refuse a database that was moved to one of another order of texts.

    Raises:
        SettingsError: Names both orders, and how a database of the right one is made.
    """
    remedy = (
        "Dump it, make a database WITH TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C'"
        " LC_CTYPE 'C', and load the dump there."
    )
    name = connection.info.dbname
    _require_order(connection.execute(_FOUND, (name,)).fetchone() or ("?", "?"), url, remedy)


def _require_order(found: tuple[Any, ...], url: str, remedy: str) -> None:
    if found not in _ORDERED:
        msg = f"{place_of(url)} orders texts by {found[0]} in {found[1]}, not by C in UTF8"
        raise SettingsError(msg, remedy=remedy)


def _created(server: Connection, name: str) -> bool:
    statement = sql.SQL(
        "CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"
    )
    try:
        server.execute(statement.format(sql.Identifier(name)))
    except (errors.DuplicateDatabase, errors.UniqueViolation):  # somebody else was quicker
        return False
    return True


def drop_database(url: str) -> None:
    """Remove a database and all that is in it; whoever is connected to it is cut off."""
    name = sql.Identifier(str(_parts(url)["dbname"]))
    with translated(place_of(url)), connect(another_database(url, "postgres")) as server:
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
