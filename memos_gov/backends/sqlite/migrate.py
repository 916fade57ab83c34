"""
Formats of the database files: made by alembic, checked without it.

Three branches: `vault` and `operations` are migrated in place, `tables` is
made fresh. Opening a file compares one word, so that only making or moving
one costs alembic's import.
"""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import NamedTuple

from memos_gov.backends.sqlite.connection import open_file, open_read_only, translated
from memos_gov.backends.sqlite.soundness import Schema, schema_of
from memos_gov.errors import SettingsError
from memos_gov.projections.formats import HEADS, migrate, require_current


def upgrade(path: Path, branch: str) -> None:
    """
    Bring a file to the newest format of its branch, all or nothing; an absent one is made.

    Raises:
        UnavailableError, CorruptionError: The file is as it was.
    """
    from sqlalchemy import create_engine

    engine = create_engine("sqlite://", creator=lambda: open_file(path))
    try:
        with translated(path), engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            migrate(connection, branch)
            connection.commit()
    finally:
        engine.dispose()


def bring_forward(path: Path, branch: str) -> bool:
    """
    Bring a file of an older format to this program's in place; return whether it was older.

    Raises:
        SettingsError: It is newer.
        CorruptionError: It has no format at all, or is damaged.
    """
    found = _revision(path)
    if found is not None and found < HEADS[branch]:
        upgrade(path, branch)
        return True
    check(path, branch)
    return False


class Made(NamedTuple):
    """A file of the newest format of a branch that has no rows: its bytes and its schema."""

    body: bytes
    schema: Schema


@cache
def made(branch: str) -> Made:
    """Return what `upgrade` makes of nothing; it is made once a process."""
    with tempfile.TemporaryDirectory(prefix="memos-gov-") as scratch:
        path = Path(scratch) / f"{branch}.db"
        upgrade(path, branch)
        with closing(open_read_only(path)) as connection:
            return Made(path.read_bytes(), schema_of(connection))


def check(path: Path, branch: str) -> None:
    """
    Refuse a file of another format than this program's.

    Raises:
        SettingsError: Newer, older, or no format at all; says what to do.
        CorruptionError: No database, or damaged.
    """
    require_current(_revision(path), branch, path.name)


def _revision(path: Path) -> str | None:
    connection = open_read_only(path)
    try:
        with translated(path):
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except SettingsError as error:
        if isinstance(error.__cause__, sqlite3.OperationalError):
            return None
        raise
    finally:
        connection.close()
    return None if row is None else str(row[0])
