"""Insert or replace by primary key, the same on SQLite and Postgres."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect


def upsert(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """
    Write `rows`, each replacing the one with its primary key; nothing for no rows.

    The rows go to the driver as they are: every column is text, bytes, a
    number or a truth value.
    """
    if not rows:
        return
    statement, order = _statement(table, connection.dialect)
    plain: Any = [*map(itemgetter(*order), rows)] if order else list(rows)
    connection.exec_driver_sql(statement, plain)


@cache
def _statement(table: Table, dialect: Dialect) -> tuple[str, tuple[str, ...]]:
    """Return the statement, and the order of its parameters where they go by place."""
    insert = (postgresql if dialect.name == "postgresql" else sqlite).insert(table)
    keys = [column.name for column in table.primary_key]
    others = {c.name: insert.excluded[c.name] for c in table.columns if c.name not in keys}
    if others:
        statement = insert.on_conflict_do_update(index_elements=keys, set_=others)
    else:
        statement = insert.on_conflict_do_nothing(index_elements=keys)
    compiled = statement.compile(dialect=dialect)
    return str(compiled), tuple(compiled.positiontup or ())
