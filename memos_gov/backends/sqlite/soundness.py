"""
Whether a database file is whole: its pages, its schema and its format words.

SQLite checks its own pages, but believes the schema that a file names. Here
the schema is compared with the one that this program makes, so that a trigger,
a constraint or a column that was changed is found as well.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from memos_gov.backends.sqlite.connection import open_read_only, translated

DAMAGES_MAX = 20
# White space between the tokens of SQL, or a quoted text, which is kept as it is.
_SPACE = re.compile(r"""('[^']*'|"[^"]*")|[ \t\n\f\r]+""")
_WORDS = ("user_version", "application_id", "auto_vacuum")
_OBJECTS = "SELECT type, name, tbl_name, sql FROM sqlite_master"


class Schema(NamedTuple):
    """The objects of a database, white space between their tokens aside, and its format words."""

    objects: frozenset[tuple[str | None, ...]]
    words: tuple[int, ...]


def schema_made_by(make: Callable[[sqlite3.Connection], object]) -> Schema:
    """Return the schema of a fresh database that `make` lays out."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as fresh:
        make(fresh)
        return schema_of(fresh)


def schema_of(connection: sqlite3.Connection) -> Schema:
    """Return the schema of a database."""
    rows = connection.execute(_OBJECTS).fetchall()
    words = (connection.execute(f"PRAGMA {word}").fetchone()[0] for word in _WORDS)
    return Schema(frozenset(tuple(map(_squeezed, row)) for row in rows), tuple(words))


def _squeezed(text: object) -> str | None:
    return None if text is None else _SPACE.sub(lambda found: found[1] or " ", str(text))


def damage(path: Path) -> Iterator[str]:
    """Yield what SQLite's own check finds wrong with a file's pages; nothing for a sound one."""
    with closing(open_read_only(path)) as connection:
        try:
            for (found,) in connection.execute(f"PRAGMA integrity_check({DAMAGES_MAX})"):
                if found != "ok":
                    yield str(found).splitlines()[0]
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            yield getattr(error, "sqlite_errorname", type(error).__name__)


def differences(path: Path, schema: Schema) -> Iterator[str]:
    """
    Yield in what the schema and the format words of a sound file are not `schema`.

    Raises:
        CorruptionError: They cannot be read.
    """
    with translated(path), closing(open_read_only(path)) as connection:
        found = schema_of(connection)
    for name in sorted({str(row[1]) for row in found.objects ^ schema.objects}):
        yield f"{name} is laid out in another way than this program does it"
    for name, mine, due in zip(_WORDS, found.words, schema.words, strict=True):
        if mine != due:
            yield f"{name} is {mine}, not {due}"
