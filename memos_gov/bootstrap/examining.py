"""
Examining a data folder that may be refused by `open_service`: `fsck`, whole or in parts.

Every file is opened for reading only. What the log makes again is made in a
temporary folder, with mode 0600, and removed; keys are not copied.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Collection
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

from memos_gov import settings as settings_module
from memos_gov.backends.clock import SystemClock
from memos_gov.backends.keyfiles import FileKeyring
from memos_gov.backends.sqlite import index as index_file
from memos_gov.backends.sqlite import log as log_file
from memos_gov.backends.sqlite import migrate
from memos_gov.backends.sqlite.connection import copy_file
from memos_gov.backends.sqlite.operations import SqlitePointers
from memos_gov.backends.sqlite.soundness import Schema, damage, differences, schema_made_by
from memos_gov.backends.sqlite.tables import SqliteTables
from memos_gov.backends.sqlite.vault import SqliteKeyStore
from memos_gov.bootstrap.embedded import INDEX, LOG, OPERATIONS, TABLES, TABLES_POINTER, VAULT
from memos_gov.bootstrap.folder_opening import FolderOpening
from memos_gov.bootstrap.opening import TILES
from memos_gov.errors import SettingsError, UnavailableError
from memos_gov.fsck import (
    PARTS,
    Examined,
    Findings,
    FsckReport,
    examine,
)
from memos_gov.fsck.report import BRING_KEY, REBUILD, RESTORE, Progress
from memos_gov.ports import Tables

if TYPE_CHECKING:
    from memos_gov.bootstrap.connected_examining import ConnectedOpening

TABLES_NAME = re.compile(r"tables(?:\.(\d+))?\.db")


def fsck(
    data: Path | str | None = None,
    *,
    parts: Collection[str] = PARTS,
    progress: Progress | None = None,
) -> FsckReport:
    """
    Examine a data folder from outside, also one that `open_service` refuses.

    Nothing in the folder is written.

    Args:
        parts: Some of PARTS, to look at these alone.

    Raises:
        SettingsError: There is no such folder, or no such part.
        UnavailableError: The folder was written to meanwhile; ask again.
    """
    if unknown := sorted(set(parts) - set(PARTS)):
        remedy = f"The parts are {', '.join(PARTS)}."
        raise SettingsError(f"there is no part {unknown[0]}", remedy=remedy)
    folder = settings_module.folder_of(data)
    if not folder.is_dir():
        raise SettingsError(f"{folder} is no data folder of memos-gov")
    findings = Findings(progress)
    with ExitStack() as stack:
        opening = _opening(folder, stack, findings, frozenset(parts))
        before = opening.stamps()
        report = examine(opening.examined(), findings, parts)
        if not report.clean and before != opening.stamps():
            msg = "the folder was written to while it was examined"
            raise UnavailableError(msg, backend="files")
    return report


def _opening(
    folder: Path, stack: ExitStack, findings: Findings, parts: frozenset[str]
) -> EmbeddedOpening | ConnectedOpening:
    engines = None if (folder / LOG).exists() else settings_module.load(folder).engines
    if engines is None:
        return EmbeddedOpening(folder, stack, findings, parts)
    from memos_gov.bootstrap.connected_examining import ConnectedOpening

    return ConnectedOpening(settings_module.load(folder), engines, stack, findings, parts)


def verify_log(data: Path | str | None = None, *, progress: Progress | None = None) -> FsckReport:
    """Examine the log alone: records, seals, outcomes and roots; errors as `fsck`."""
    return fsck(data, parts=("log",), progress=progress)


class EmbeddedOpening(FolderOpening):
    """Opens the files of the embedded set-up for reading."""

    def __init__(
        self, folder: Path, stack: ExitStack, findings: Findings, parts: frozenset[str]
    ) -> None:
        super().__init__(folder, stack, findings, parts)
        scratch = tempfile.TemporaryDirectory(prefix="memos-gov-")
        self._scratch = Path(stack.enter_context(scratch))

    def stamps(self) -> object:
        """Return what changes when a database or the tiles of the folder are written to."""
        written = (*self._folder.glob("*.db*"), *self._folder.glob(f"{TILES}/*"))
        found = {str(path): path.stat() for path in written}
        return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in found.items()}

    def examined(self) -> Examined:
        """Return everything that the parts need, opened for reading."""
        name = self._tables_name()
        live = self._tables(name)
        return self._examined(self._log(), self._keys(), live, self._fresh, self._index())

    def _tables_name(self) -> str:
        """Return which tables are in use, as far as the pointers can be read."""
        path, name = self._folder / OPERATIONS, TABLES
        if self._has_sound_pages(path, "tables", REBUILD) and self._has_format(path, "operations"):
            with self._findings.guarded(OPERATIONS, "damaged", REBUILD):
                with closing(SqlitePointers(path, read_only=True)) as pointers:
                    name = self._pointed(pointers.all())
                self._compare_schema(
                    path, "tables", lambda: migrate.made("operations").schema, REBUILD
                )
        return name

    def _pointed(self, pointers: dict[str, object]) -> str:
        name = pointers.pop(TABLES_POINTER, TABLES)
        if pointers:
            message = "holds a pointer that nothing here uses"
            self._findings.add(OPERATIONS, "pointer", message, REBUILD)
        if isinstance(name, str) and TABLES_NAME.fullmatch(name):
            return name
        message = "points to tables of a name that none have"
        self._findings.add(OPERATIONS, "pointer", message, REBUILD)
        return TABLES

    def _log(self) -> log_file.SqliteEventLog | None:
        path = self._folder / LOG
        if self._has_sound_pages(path, "log", RESTORE):
            with self._findings.guarded(LOG, "damaged", RESTORE):
                log = log_file.SqliteEventLog(path, SystemClock(), read_only=True)
                self._stack.callback(log.close)
                self._compare_schema(path, "log", lambda: schema_made_by(log_file.lay_out), RESTORE)
                return log
        return None

    def _keys(self) -> SqliteKeyStore | None:
        path = self._folder / VAULT
        sound = self._has_sound_pages(path, "vault", RESTORE) and self._has_format(path, "vault")
        keyring, readable = FileKeyring(self._folder / "keys"), False
        with self._findings.guarded("keys/kek", "key_file", BRING_KEY):
            readable = bool(keyring.master().epochs)
        if sound and readable:
            with self._findings.guarded(VAULT, "damaged", RESTORE):
                keys = SqliteKeyStore(path, keyring.master, read_only=True)
                self._stack.callback(keys.close)
                self._compare_schema(path, "vault", lambda: migrate.made("vault").schema, RESTORE)
                keys.check_epochs()
                return keys
        return None

    def _tables(self, name: str) -> Tables | None:
        """Copy the tables in use, unless they are laid out in another way than those made again."""
        path, copy = self._folder / name, self._scratch / name
        if self._has_sound_pages(path, "tables", REBUILD) and self._has_format(path, "tables"):
            with self._findings.guarded(name, "damaged", REBUILD):
                before = self._findings.total
                self._compare_schema(path, "tables", lambda: migrate.made("tables").schema, REBUILD)
                if self._findings.total == before:
                    copy.touch(mode=0o600)
                    copy_file(path, copy)
                    return self._opened_tables(copy)
        return None

    def _fresh(self) -> Tables:
        path = self._scratch / "fresh.db"
        path.touch(mode=0o600)
        path.write_bytes(migrate.made("tables").body)
        return self._opened_tables(path)

    def _opened_tables(self, path: Path) -> SqliteTables:
        tables = SqliteTables(path)
        self._stack.callback(tables.close)
        return tables

    def _index(self) -> index_file.SqliteCubeIndex | None:
        """Open the index, if it is examined; one that is not there yet is made by a recall."""
        path = self._folder / INDEX
        if "index" not in self._parts or not path.exists():
            return None
        if self._has_sound_pages(path, "index", REBUILD):
            with self._findings.guarded(INDEX, "index", REBUILD):
                index = index_file.SqliteCubeIndex(path, read_only=True)
                self._stack.callback(index.close)
                index.position()
                self._compare_schema(
                    path, "index", lambda: schema_made_by(index_file.lay_out), REBUILD
                )
                return index
        return None

    def _has_sound_pages(self, path: Path, part: str, remedy: str) -> bool:
        """Whether a file is there and, where its part is examined, has no damaged page."""
        if not path.exists():
            self._findings.add(path.name, "missing", "the file is missing", remedy)
            return False
        before = self._findings.total
        if part in self._parts:
            self._findings.progress(path.name, 0, 1)
            with self._findings.guarded(path.name, "damaged", remedy):
                for found in damage(path):
                    self._findings.add(path.name, "damaged", f"SQLite says: {found}", remedy)
        return self._findings.total == before

    def _has_format(self, path: Path, branch: str) -> bool:
        """Whether a file is of this program's format."""
        before = self._findings.total
        with self._findings.guarded(path.name, "format", RESTORE if branch == "vault" else REBUILD):
            migrate.check(path, branch)
        return self._findings.total == before

    def _compare_schema(
        self, path: Path, part: str, due: Callable[[], Schema], remedy: str
    ) -> None:
        """Compare the schema of a file, where its part is examined, with the one it should have."""
        if part in self._parts:
            for difference in differences(path, due()):
                self._findings.add(path.name, "schema", difference, remedy)
