"""Insert, replace and remove many rows by key, the same on SQLite and Postgres."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Dialect


def upsert(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """
    Write `rows`, each replacing the one with its primary key; nothing for no rows.

    Of several rows with one key the last counts. The rows go to the driver as
    they are: every column is text, bytes, a number or a truth value.
    """
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        _upsert_arrays(connection, table, rows)
        return
    statement, order = _statement(table, connection.dialect)
    plain: Any = [*map(itemgetter(*order), rows)] if order else list(rows)
    connection.exec_driver_sql(statement, plain)


@cache
def _statement(table: Table, dialect: Dialect) -> tuple[str, tuple[str, ...]]:
    """Return the statement, and the order of its parameters where they go by place."""
    insert = sqlite.insert(table)
    keys = [column.name for column in table.primary_key]
    others = {c.name: insert.excluded[c.name] for c in table.columns if c.name not in keys}
    if others:
        statement = insert.on_conflict_do_update(index_elements=keys, set_=others)
    else:
        statement = insert.on_conflict_do_nothing(index_elements=keys)
    compiled = statement.compile(dialect=dialect)
    return str(compiled), tuple(compiled.positiontup or ())


def _upsert_arrays(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Write all rows by one statement, which may meet each key once only."""
    from memos_gov.projections.arrays import packed

    key_of = itemgetter(*(column.name for column in table.primary_key))
    values_of = itemgetter(*(column.name for column in table.columns))
    folded = dict(zip(map(key_of, rows), map(values_of, rows), strict=True))
    arrays = packed(table, list(folded.values()))
    connection.exec_driver_sql(insert_of_arrays(table, replaces=True), tuple(arrays))


def remove(
    connection: Connection, table: Table, names: tuple[str, ...], keys: Sequence[tuple[str, ...]]
) -> None:
    """Remove every row whose columns `names`, all of them texts, are one of `keys`."""
    if not keys:
        return
    if connection.dialect.name == "postgresql":
        from memos_gov.projections.arrays import Texts

        arrays = tuple(Texts.of(column) for column in zip(*keys, strict=True))
        connection.exec_driver_sql(_removal_of_arrays(table, names), arrays)
        return
    each = " AND ".join(f"{name} = ?" for name in names)
    connection.exec_driver_sql(f'DELETE FROM "{table.name}" WHERE {each}', list(keys))  # noqa: S608


@cache
def _removal_of_arrays(table: Table, names: tuple[str, ...]) -> str:
    marks, listed = ", ".join(["%b"] * len(names)), ", ".join(names)
    each = " AND ".join(f"t.{name} = k.{name}" for name in names)
    return f'DELETE FROM "{table.name}" t USING unnest({marks}) AS k({listed}) WHERE {each}'  # noqa: S608


@cache
def insert_of_arrays(table: Table, *, replaces: bool) -> str:
    """
    Return the statement for Postgres that inserts rows given as one array a column.

    Args:
        replaces: Whether a row replaces the one with its primary key; otherwise that is an error.
    """
    names = [f'"{column.name}"' for column in table.columns]
    marks = ", ".join(["%b"] * len(names))
    statement = f'INSERT INTO "{table.name}" ({", ".join(names)}) SELECT * FROM unnest({marks})'  # noqa: S608
    if not replaces:
        return statement
    keys = [f'"{column.name}"' for column in table.primary_key]
    others = [f"{name} = excluded.{name}" for name in names if name not in keys]
    action = f"UPDATE SET {', '.join(others)}" if others else "NOTHING"
    return f"{statement} ON CONFLICT ({', '.join(keys)}) DO {action}"
