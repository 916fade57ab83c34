"""
Upkeep of a data folder that nobody has opened: examine it, or make its tables again.

Both work on folders that `open_service` refuses. Examining opens every file
for reading only; rebuilding holds the folder alone, writes new files beside
those in use and moves a pointer at the very end.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from memos_gov import settings as settings_module
from memos_gov.backends.clock import SystemClock
from memos_gov.backends.files import FilePolicyBundles
from memos_gov.backends.folder_lock import folder_held
from memos_gov.backends.keyfiles import FileKeyring
from memos_gov.backends.sqlite import migrate
from memos_gov.backends.sqlite.connection import copy_file, damage
from memos_gov.backends.sqlite.index import SqliteCubeIndex
from memos_gov.backends.sqlite.log import SqliteEventLog
from memos_gov.backends.sqlite.operations import SqlitePointers
from memos_gov.backends.sqlite.tables import SqliteTables
from memos_gov.backends.sqlite.vault import SqliteKeyStore
from memos_gov.backends.tiles import FileTileStore
from memos_gov.bootstrap.opening import (
    INDEX,
    LOG,
    OPERATIONS,
    TABLES,
    TABLES_POINTER,
    TILES,
    VAULT,
    control_record,
)
from memos_gov.destroyer import Destroyer
from memos_gov.errors import CorruptionError, SettingsError, UnavailableError
from memos_gov.fsck import Examined, Findings, FsckReport, examine, verify
from memos_gov.fsck.report import REBUILD, RESTORE, Progress
from memos_gov.materializers.plaintext import IndexFollower
from memos_gov.materializers.tiles import TileFollower
from memos_gov.notary import newest_head
from memos_gov.ports import EventLog
from memos_gov.rebuild import RebuildReport, check_roots, replay, roots
from memos_gov.sealing import Sealer

_TABLES_NAME = re.compile(r"tables(?:\.(\d+))?\.db")


def fsck(data: Path | str | None = None, *, progress: Progress | None = None) -> FsckReport:
    """
    Examine a data folder from outside, also one that `open_service` refuses.

    Nothing in the folder is written. Temporary copies of what the log makes
    again lie elsewhere, with mode 0600, and are removed; keys are not copied.

    Raises:
        SettingsError: There is no such folder.
        UnavailableError: The folder was written to meanwhile; ask again.
    """
    return _examined(data, progress, whole=True)


def verify_log(data: Path | str | None = None, *, progress: Progress | None = None) -> FsckReport:
    """Examine the log alone: records, seals, outcomes and roots; errors as `fsck`."""
    return _examined(data, progress, whole=False)


def _examined(data: Path | str | None, progress: Progress | None, *, whole: bool) -> FsckReport:
    folder = settings_module.load(data).data
    if not folder.is_dir():
        raise SettingsError(f"{folder} is no data folder of memos-gov")
    findings, before = Findings(progress), _stamps(folder)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="memos-gov-")))
        at = _opened_to_read(folder, scratch, stack, findings, whole=whole)
        report = examine(at, findings) if whole else verify(at, findings)
    if not report.clean and before != _stamps(folder):
        msg = "the folder was written to while it was examined"
        raise UnavailableError(msg, backend="files")
    return report


def _stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """Return what changes when a database of the folder is written to."""
    found = {path.name: path.stat() for path in folder.glob("*.db*")}
    return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in found.items()}


def _opened_to_read(
    folder: Path, scratch: Path, stack: ExitStack, findings: Findings, *, whole: bool
) -> Examined:
    """Open what can be opened of a folder; each part that cannot is a finding."""
    log = vault = index = live = fresh = None
    name = TABLES
    if _is_sound(folder / OPERATIONS, REBUILD, findings, whole=whole):
        with (
            findings.guarded(OPERATIONS, "damaged", REBUILD),
            closing(SqlitePointers(folder / OPERATIONS, read_only=True)) as pointers,
        ):
            name = pointers.get(TABLES_POINTER, TABLES)
    if _is_sound(folder / LOG, RESTORE, findings, whole=whole):
        with findings.guarded(LOG, "damaged", RESTORE):
            log = SqliteEventLog(folder / LOG, SystemClock(), read_only=True)
            stack.callback(log.close)
    for branch, file in (("vault", VAULT), ("operations", OPERATIONS)):
        if (folder / file).exists():
            with findings.guarded(file, "format"):
                migrate.check(folder / file, branch)
    if _is_sound(folder / VAULT, RESTORE, findings, whole=whole) and not findings.found["format"]:
        with findings.guarded(VAULT, "damaged", RESTORE):
            opened = SqliteKeyStore(
                folder / VAULT, FileKeyring(folder / "keys").master, read_only=True
            )
            stack.callback(opened.close)
            opened.check_epochs()
            vault = opened
    if _is_sound(folder / name, REBUILD, findings, whole=whole):
        with findings.guarded(name, "damaged", REBUILD):
            migrate.check(folder / name, "tables")
            live = _copied_tables(folder / name, scratch / "live.db", stack)
    # An index that is not there yet is made by the first recall.
    if (
        whole
        and (folder / INDEX).exists()
        and _is_sound(folder / INDEX, REBUILD, findings, whole=whole)
    ):
        index = SqliteCubeIndex(folder / INDEX, read_only=True)
        stack.callback(index.close)
    if whole:
        fresh = _fresh_tables(scratch / "fresh.db", stack)
    bundles = FilePolicyBundles(folder / "policies")
    return Examined(log=log, keys=vault, live=live, fresh=fresh, index=index, bundles=bundles)


def _is_sound(path: Path, remedy: str, findings: Findings, *, whole: bool) -> bool:
    """Whether a file is there and, where all is examined, has no damaged page."""
    if not path.exists():
        findings.add(path.name, "missing", "the file is missing", remedy)
        return False
    before = findings.found["damaged"]
    if whole:
        findings.progress(path.name, 0, 1)
        with findings.guarded(path.name, "damaged", remedy):
            for found in damage(path):
                findings.add(path.name, "damaged", f"SQLite says: {found}", remedy)
    return findings.found["damaged"] == before


def _copied_tables(path: Path, to: Path, stack: ExitStack) -> SqliteTables:
    to.touch(mode=0o600)
    copy_file(path, to)
    tables = SqliteTables(to)
    stack.callback(tables.close)
    return tables


def _fresh_tables(path: Path, stack: ExitStack) -> SqliteTables:
    migrate.upgrade(path, "tables")
    tables = SqliteTables(path)
    stack.callback(tables.close)
    return tables


def rebuild(data: Path | str | None = None, *, progress: Progress | None = None) -> RebuildReport:
    """
    Make the tables, the index, the tiles and the pointer to the tables again from the log.

    A vault or a file of pointers of an older format is brought forward in
    place first, each in one transaction, so that nothing in it is lost.

    The tables in use stay so until the new ones are whole, on the disk, and
    agree with them; a kill at any moment leaves one of the two in use. What a
    backup needs not hold may be missing: all but the log, the vault and keys.

    Raises:
        SettingsError: There is no such folder, or a newer program wrote it.
        CorruptionError: The log is damaged, the vault or its keys are missing,
            the vault followed another log, or the log gives other roots than
            those in use: nothing was switched.
        UnavailableError: It is open elsewhere, or cannot be written; nothing was
            switched.
    """
    folder = settings_module.load(data).data
    if not (folder / LOG).exists():
        raise SettingsError(f"{folder} is no data folder of memos-gov")
    with ExitStack() as stack:
        stack.enter_context(folder_held(folder, alone=True))
        if not (folder / VAULT).exists():
            raise CorruptionError(f"{VAULT} is missing", place=VAULT, remedy=RESTORE)
        log = SqliteEventLog(folder / LOG, SystemClock())
        stack.callback(log.close)
        vault = _vault_of(folder, control_record(log).instance, stack)
        if (folder / OPERATIONS).exists() and not any(damage(folder / OPERATIONS)):
            with suppress(CorruptionError):  # (what was never finished is made again below)
                migrate.bring_forward(folder / OPERATIONS, "operations")
        formers = _formers(folder)
        made = folder / _next_name(formers)
        _remove_database(made)
        unfinished = stack.enter_context(ExitStack())
        unfinished.callback(_remove_database, made)
        fresh = _fresh_tables(made, stack)
        replayed = replay(log, vault, fresh, progress)
        compared = [_compared(former, fresh) for former in formers]
        Destroyer(log, fresh, vault).settle()
        _sync(made)
        unfinished.pop_all()
        _switch(folder, made.name)
        for other in _tables_of(folder):
            if other != made:
                _remove_database(other)
        _retiled(folder / TILES, fresh)
        indexed = _refilled(folder / INDEX, log, fresh, vault, progress)
        return RebuildReport(
            tables=made.name,
            records=replayed.records,
            events=replayed.events,
            roots={tenant: root for tenant, (_, root) in roots(fresh).items()},
            compared=True if any(compared) else None,
            indexed=indexed,
        )


def _retiled(folder: Path, tables: SqliteTables) -> None:
    """Throw every tile away, and make those of the newest signed heads again."""
    tiles = TileFollower(tables, FileTileStore(folder))
    tiles.clear()
    with tables.snapshot() as snapshot:
        heads = {tenant: newest_head(snapshot, tenant) for tenant in snapshot.tenants()}
    for tenant, head in heads.items():
        if head is not None:
            tiles.remake(tenant, head.size, head.note)


def _vault_of(folder: Path, instance: str, stack: ExitStack) -> SqliteKeyStore:
    """Open the vault of a log, one of an older format once it was brought forward in place."""
    keyring = FileKeyring(folder / "keys")
    with closing(SqliteKeyStore(folder / VAULT, keyring.master)) as found:
        if found.instance != instance:
            raise CorruptionError("the vault belongs to another log", place=VAULT)
    migrate.bring_forward(folder / VAULT, "vault")
    vault = stack.enter_context(closing(SqliteKeyStore(folder / VAULT, keyring.master)))
    vault.check_epochs()
    return vault


def _formers(folder: Path) -> list[Path]:
    """Return the tables in use; where the pointer to them is lost, all that lie here."""
    if _has_pointers(folder / OPERATIONS):
        with closing(SqlitePointers(folder / OPERATIONS)) as pointers:
            return [folder / pointers.get(TABLES_POINTER, TABLES)]
    return _tables_of(folder)


def _tables_of(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if _TABLES_NAME.fullmatch(path.name)]


def _has_pointers(path: Path) -> bool:
    """
    Whether a file of pointers can be read, and not only be made again.

    Raises:
        SettingsError: A newer program wrote it.
    """
    if not path.exists() or any(damage(path)):
        return False
    try:
        migrate.check(path, "operations")
    except CorruptionError:
        return False
    return True


def _switch(folder: Path, name: str) -> None:
    """Point to other tables; a file of pointers that cannot be read is made again, whole."""
    path, aside = folder / OPERATIONS, folder / f".{OPERATIONS}.new"
    known = _has_pointers(path)
    if not known:
        _remove_database(aside)
        migrate.upgrade(aside, "operations")
    with closing(SqlitePointers(path if known else aside)) as pointers:
        pointers.set(TABLES_POINTER, name)
    if not known:
        _remove_database(path)
        aside.rename(path)
        _sync(path)


def _next_name(formers: Sequence[Path]) -> str:
    """Return the name after the last of `tables.db` and `tables.<n>.db`."""
    named = (_TABLES_NAME.fullmatch(path.name) for path in formers)
    last = max((int(found[1] or 0) for found in named if found), default=0)
    return f"tables.{last + 1}.db"


def _compared(former: Path, fresh: SqliteTables) -> bool:
    """Compare roots with the tables in use; return whether they could be read at all."""
    if not former.exists() or any(damage(former)):
        return False
    with ExitStack() as stack:
        live = SqliteTables(former)
        stack.callback(live.close)
        try:
            check_roots(live, fresh)
        except SettingsError:
            return False
    return True


def _sync(path: Path) -> None:
    """Bring a database that nobody writes to onto the disk, and its name."""
    for place in (path, path.with_name(f"{path.name}-wal"), path.parent):
        if place.exists():
            descriptor = os.open(place, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _remove_database(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)


def _refilled(
    path: Path,
    log: EventLog,
    tables: SqliteTables,
    vault: SqliteKeyStore,
    progress: Progress | None,
) -> int:
    """Empty the index, or throw away a damaged one, and fill it again; return its cubes."""
    if path.exists() and any(damage(path)):
        _remove_database(path)
    index = SqliteCubeIndex(path)
    try:
        index.clear()
        IndexFollower(log, tables, Sealer(vault), index).catch_up()
        count = sum(1 for _ in index.entries())
    finally:
        index.close()
    if progress is not None:
        progress("index", count, count)
    return count
