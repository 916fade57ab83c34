"""
Formats of the Postgres databases: made by alembic, checked without it.

The same revisions as those of the files of SQLite. A branch lies in a schema of
its database: `public`, or for tables one of those that `memos_gov.rebuild`
makes beside each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import errors, sql

from memos_gov.backends.postgres.connection import (
    PostgresPool,
    connect,
    make_database,
    place_of,
    require_order,
    translated,
)
from memos_gov.backends.postgres.wall import building
from memos_gov.projections.formats import HEADS, migrate, require_current

if TYPE_CHECKING:
    from sqlalchemy import Connection as Alchemy

    from memos_gov.backends.postgres.connection import Connection

# One key for whoever makes or moves formats: two processes that start at once take turns.
_TURN = 0x6D656D6F735F676F


def upgrade(url: str, branch: str, *, schema: str = "public") -> None:
    """
    Bring a schema to the newest format of its branch, all or nothing.

    A database or a schema that is absent is made.

    Raises:
        SettingsError, UnavailableError: The schema is as it was.
    """
    make_database(url)
    pool = PostgresPool(url, schema=schema)
    try:
        with translated(pool.place), pool.engine().connect() as connection:
            connection.exec_driver_sql("BEGIN")
            lay_out(connection, branch, schema)
            connection.exec_driver_sql("COMMIT")
    finally:
        pool.close()


def lay_out(connection: Alchemy, branch: str, schema: str) -> None:
    """Bring the schema that a connection looks into to the newest format, in its transaction."""
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_TURN})")
    connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    migrate(connection, branch)
    if branch == "tables":
        for statement in building(schema):
            connection.exec_driver_sql(statement)


def bring_forward(url: str, branch: str, *, schema: str = "public") -> bool:
    """
    Bring a schema of an older format to this program's in place; return whether it was older.

    Raises:
        SettingsError: It is newer.
        CorruptionError: It has no format at all.
    """
    found = revision(url, schema=schema)
    if found is not None and found < HEADS[branch]:
        upgrade(url, branch, schema=schema)
        return True
    require_current(found, branch, f"{place_of(url)} ({schema})")
    return False


def check(url: str, branch: str, *, schema: str = "public") -> None:
    """
    Refuse a schema of another format than this program's.

    Raises:
        SettingsError: Newer or older, no such database, or texts in another
            order; says what to do.
        CorruptionError: It has no format at all.
    """
    with translated(place_of(url)), connect(url, schema=schema) as connection:
        require_order(connection, url)
        found = _revision(connection)
    require_current(found, branch, f"{place_of(url)} ({schema})")


def revision(url: str, *, schema: str = "public") -> str | None:
    """Return the format of a schema; None where it has none."""
    with translated(place_of(url)), connect(url, schema=schema) as connection:
        return _revision(connection)


def _revision(connection: Connection) -> str | None:
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except errors.UndefinedTable:
        return None
    return None if row is None else str(row[0])


def schemas(url: str, prefix: str) -> list[str]:
    """Return the schemas of a database whose names begin with `prefix`, sorted."""
    query = "SELECT nspname FROM pg_namespace WHERE starts_with(nspname, %s) ORDER BY nspname"
    with translated(place_of(url)), connect(url) as connection:
        return [str(name) for (name,) in connection.execute(query, (prefix,))]


def drop_schema(url: str, schema: str) -> None:
    """Remove a schema and all that is in it; nothing where it is absent."""
    with translated(place_of(url)), connect(url) as connection:
        statement = sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema))
        connection.execute(statement)
