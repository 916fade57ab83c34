"""Pointers of an installation in `operations.db`: which tables file is in use."""

from __future__ import annotations

from pathlib import Path

from memos_gov.backends.sqlite.connection import (
    open_file,
    open_read_only,
    transaction,
    translated,
)
from memos_gov.errors import CorruptionError
from memos_gov.fsck.report import REBUILD


class SqlitePointers:
    """The pointers of one `operations.db`; see `Pointers`."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """
        Open the file.

        Raises:
            CorruptionError: It is missing; it is never made here.
        """
        if not path.exists():
            raise CorruptionError(f"{path.name} is missing", place=path.name, remedy=REBUILD)
        self._path = path
        self._db = open_read_only(path) if read_only else open_file(path)

    def get(self, name: str, otherwise: str) -> str:
        """See `Pointers.get`."""
        with translated(self._path):
            row = self._db.execute("SELECT value FROM pointers WHERE name = ?", (name,)).fetchone()
        return otherwise if row is None else str(row[0])

    def all(self) -> dict[str, object]:
        """See `Pointers.all`."""
        with translated(self._path):
            return dict(self._db.execute("SELECT name, value FROM pointers ORDER BY name"))

    def set(self, name: str, value: str) -> None:
        """See `Pointers.set`."""
        with transaction(self._db, self._path, write=True):
            self._db.execute("INSERT OR REPLACE INTO pointers VALUES (?, ?)", (name, value))

    def close(self) -> None:
        """See `Pointers.close`."""
        self._db.close()
