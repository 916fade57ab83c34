"""
Schemas of tables for a while: filled, looked at, and gone, whatever happens to who made them.

An examination fills some beside the tables in use. They are unlogged, since
nobody misses them after a crash. Whoever has one holds a turn of its session
on its name; one that nobody holds was left by a process that was killed, and
goes with the next that begins.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager

from psycopg import errors

from memos_gov.backends.postgres import migrate
from memos_gov.backends.postgres.connection import connect, place_of, translated
from memos_gov.backends.postgres.tables import FIRST_SCHEMA, PostgresTables
from memos_gov.errors import CorruptionError
from memos_gov.projections.tables import TablesModel

SCRATCH = f"examined_{FIRST_SCHEMA}_"
_SCRATCH_LOCKS = 0x73637261
_HOLD = f"SELECT pg_try_advisory_lock({_SCRATCH_LOCKS}, hashtext(%s))"
_LET_GO = f"SELECT pg_advisory_unlock({_SCRATCH_LOCKS}, hashtext(%s))"


@contextmanager
def scratch_tables(url: str) -> Iterator[PostgresTables]:
    """
    Enter empty tables in a schema that nobody else uses, gone at the end.

    Raises:
        SettingsError, UnavailableError: They cannot be made.
    """
    name = f"{SCRATCH}{secrets.token_hex(8)}"
    with translated(place_of(url)), closing(connect(url)) as holder:
        holder.execute(_HOLD.encode(), (name,))
        remove_abandoned(url)
        try:
            migrate.upgrade(url, "tables", schema=name)
            with connect(url, schema=name) as maker:
                for table in TablesModel.metadata.tables:
                    maker.execute(f'ALTER TABLE "{table}" SET UNLOGGED'.encode())
            with closing(PostgresTables(url, schema=name)) as tables:
                yield tables
        finally:
            migrate.drop_schema(url, name)


def remove_abandoned(url: str) -> None:
    """Remove the schemas that a killed process left."""
    with translated(place_of(url)), closing(connect(url)) as connection:
        for name in migrate.schemas(url, SCRATCH):
            if connection.execute(_HOLD.encode(), (name,)).fetchone() == (True,):
                migrate.drop_schema(url, name)
                connection.execute(_LET_GO.encode(), (name,))


def copy_into(tables: PostgresTables, schema: str) -> None:
    """
    Copy every row of a schema, as one moment saw them, into empty tables of the same database.

    What is copied is read and not written, whoever writes to it meanwhile.

    Raises:
        CorruptionError: Rows that cannot be read, or that stand there twice.
    """
    place = f"{place_of(tables.url)} ({schema})"
    with (
        translated(place),
        connect(tables.url, schema=tables.schema, durable=False) as connection,
        connection.transaction(),
    ):
        connection.execute(b"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        for table in TablesModel.metadata.sorted_tables:
            columns = ", ".join(f'"{column.name}"' for column in table.columns)
            statement = (
                f'INSERT INTO "{table.name}" ({columns})'
                f' SELECT {columns} FROM "{schema}"."{table.name}"'
            )
            try:
                connection.execute(statement.encode())
            except (errors.DataError, errors.InternalError, errors.IntegrityError) as error:
                msg = f"rows of {table.name} in {place} cannot be read"
                raise CorruptionError(msg, place=f"tables {table.name}") from error
