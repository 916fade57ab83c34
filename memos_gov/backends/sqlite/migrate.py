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
from memos_gov.errors import CorruptionError, SettingsError
from memos_gov.fsck.report import REBUILD

_BRING_FORWARD = "Run `memos-gov rebuild`: the file is brought forward, all of it."
HEADS = {"vault": "vault_0002", "operations": "operations_0002", "tables": "tables_0002"}


def upgrade(path: Path, branch: str) -> None:
    """
    Bring a file to the newest format of its branch, all or nothing; an absent one is made.

    Raises:
        UnavailableError, CorruptionError: The file is as it was.
    """
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    engine = create_engine("sqlite://", creator=lambda: open_file(path))
    try:
        with translated(path), engine.connect() as connection:
            config.attributes["connection"] = connection
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            command.upgrade(config, f"{branch}@head")
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


def migrations_folder() -> Path:
    """Return the migrations: beside the package in a checkout, inside it in a wheel."""
    package = Path(__file__).resolve().parents[2]
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent / "migrations"


def check(path: Path, branch: str) -> None:
    """
    Refuse a file of another format than this program's.

    Raises:
        SettingsError: Newer, older, or no format at all; says what to do.
        CorruptionError: No database, or damaged.
    """
    found = _revision(path)
    if found == HEADS[branch]:
        return
    if found is None:
        msg = f"{path.name} is empty or was never finished"
        remedy = None if branch == "vault" else REBUILD
        raise CorruptionError(msg, place=path.name, remedy=remedy)
    newer = found > HEADS[branch]
    age = "newer" if newer else "older"
    msg = f"{path.name} has the format {found}, {age} than {HEADS[branch]} of this program"
    older = _BRING_FORWARD if branch == "vault" else REBUILD
    raise SettingsError(msg, remedy="Upgrade memos-gov." if newer else older)


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
