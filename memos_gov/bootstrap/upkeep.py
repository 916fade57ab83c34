"""
Upkeep of a data folder that nobody has opened: its tables and its index made again.

It works on folders that `open_service` refuses. It holds the folder alone,
writes new files beside those in use and moves a pointer at the very end.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from memos_gov import settings as settings_module
from memos_gov.backends.clock import SystemClock
from memos_gov.backends.folder_lock import folder_held
from memos_gov.backends.keyfiles import FileKeyring
from memos_gov.backends.sqlite import migrate
from memos_gov.backends.sqlite.index import SqliteCubeIndex, lay_out
from memos_gov.backends.sqlite.log import SqliteEventLog
from memos_gov.backends.sqlite.operations import SqlitePointers
from memos_gov.backends.sqlite.soundness import damage, differences, schema_made_by
from memos_gov.backends.sqlite.tables import SqliteTables
from memos_gov.backends.sqlite.vault import SqliteKeyStore
from memos_gov.bootstrap.embedded import INDEX, LOG, OPERATIONS, TABLES, TABLES_POINTER, VAULT
from memos_gov.bootstrap.embedders import embedder_of
from memos_gov.bootstrap.examining import TABLES_NAME
from memos_gov.bootstrap.opening import TILES, control_record
from memos_gov.bootstrap.remaking import refilled, retiled
from memos_gov.destroyer import Destroyer
from memos_gov.errors import CorruptionError, GovernanceError, SettingsError
from memos_gov.fsck.report import RESTORE, Progress
from memos_gov.rebuild import RebuildReport, check_roots, replay, roots


def rebuild(
    data: Path | str | None = None,
    *,
    settles: bool = True,
    progress: Progress | None = None,
) -> RebuildReport:
    """
    Make the tables, the index, the tiles and the pointer to the tables again from the log.

    A vault or a file of pointers of an older format is brought forward in
    place first, each in one transaction, so that nothing in it is lost.

    The tables in use stay so until the new ones are whole, on the disk, and
    agree with them; a kill at any moment leaves one of the two in use. What a
    backup needs not hold may be missing: all but the log, the vault and keys.

    Args:
        settles: Whether what erasures ended is destroyed in the vault, too;
            False writes no byte of log and vault, and opening the folder does it.

    Raises:
        SettingsError: There is no such folder, or a newer program wrote it.
        CorruptionError: The log is damaged, the vault or its keys are missing,
            the vault followed another log, or the log gives other roots than
            those in use: nothing was switched.
        UnavailableError: It is open elsewhere, or cannot be written; nothing was
            switched.
    """
    folder = settings_module.folder_of(data)
    with ExitStack() as stack:
        if not (folder / LOG).exists():
            return _rebuild_connected(folder, settles=settles, progress=progress)
        embedder = embedder_of(settings_module.load(folder))
        stack.enter_context(folder_held(folder, alone=True))
        if not (folder / VAULT).exists():
            raise CorruptionError(f"{VAULT} is missing", place=VAULT, remedy=RESTORE)
        log = SqliteEventLog(folder / LOG, SystemClock(), read_only=not settles)
        stack.callback(log.close)
        vault = _vault_of(folder, control_record(log).instance, stack, read_only=not settles)
        if (folder / OPERATIONS).exists() and not any(damage(folder / OPERATIONS)):
            with suppress(CorruptionError):  # (what was never finished is made again below)
                migrate.bring_forward(folder / OPERATIONS, "operations")
        formers = _formers(folder)
        made = folder / _next_name(folder, formers)
        _remove_database(made)
        unfinished = stack.enter_context(ExitStack())
        unfinished.callback(_remove_database, made)
        fresh = _fresh_tables(made, stack)
        replayed = replay(log, vault, fresh, progress)
        compared = [_compared(former, fresh) for former in formers]
        if settles:
            Destroyer(log, fresh, vault).settle()
        _sync(made)
        unfinished.pop_all()
        _switch(folder, made.name)
        for other in _tables_of(folder):
            if other != made:
                _remove_database(other)
        retiled(folder / TILES, fresh)
        index = stack.enter_context(closing(_sound_index(folder / INDEX)))
        indexed = refilled(index, log, fresh, vault, progress, embedder=embedder)
        return RebuildReport(
            tables=made.name,
            records=replayed.records,
            events=replayed.events,
            roots={tenant: root for tenant, (_, root) in roots(fresh).items()},
            compared=True if any(compared) else None,
            indexed=indexed,
        )


def _rebuild_connected(folder: Path, *, settles: bool, progress: Progress | None) -> RebuildReport:
    engines = settings_module.load(folder).engines
    if engines is None:
        raise SettingsError(f"{folder} is no data folder of memos-gov")
    from memos_gov.bootstrap.connected_upkeep import rebuild_connected

    settings = settings_module.load(folder)
    with folder_held(folder, alone=True):
        return rebuild_connected(settings, engines, settles=settles, progress=progress)


def _fresh_tables(path: Path, stack: ExitStack) -> SqliteTables:
    migrate.upgrade(path, "tables")
    tables = SqliteTables(path)
    stack.callback(tables.close)
    return tables


def _vault_of(folder: Path, instance: str, stack: ExitStack, *, read_only: bool) -> SqliteKeyStore:
    """Open the vault of a log, one of an older format once it was brought forward in place."""
    master = FileKeyring(folder / "keys").master
    with closing(SqliteKeyStore(folder / VAULT, master, read_only=read_only)) as found:
        if found.instance != instance:
            raise CorruptionError("the vault belongs to another log", place=VAULT)
    if read_only:
        migrate.check(folder / VAULT, "vault")
    else:
        migrate.bring_forward(folder / VAULT, "vault")
    vault = SqliteKeyStore(folder / VAULT, master, read_only=read_only)
    stack.callback(vault.close)
    vault.check_epochs()
    return vault


def _formers(folder: Path) -> list[Path]:
    """Return the tables in use; where the pointer to them is lost, all that lie here."""
    if _has_pointers(folder / OPERATIONS):
        with closing(SqlitePointers(folder / OPERATIONS)) as pointers:
            return [folder / pointers.get(TABLES_POINTER, TABLES)]
    return _tables_of(folder)


def _tables_of(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if TABLES_NAME.fullmatch(path.name)]


def _has_pointers(path: Path) -> bool:
    """
    Whether a file of pointers is sound and points to tables, and need not be made again.

    Raises:
        SettingsError: A newer program wrote it.
    """
    if not path.exists() or any(damage(path)):
        return False
    try:
        migrate.check(path, "operations")
        if any(differences(path, migrate.made("operations").schema)):
            return False
        with closing(SqlitePointers(path, read_only=True)) as pointers:
            known = pointers.all()
    except CorruptionError:
        return False
    named = known.pop(TABLES_POINTER, TABLES)
    return not known and isinstance(named, str) and TABLES_NAME.fullmatch(named) is not None


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


def _next_name(folder: Path, formers: Sequence[Path]) -> str:
    """Return the name after the last of `tables.db` and `tables.<n>.db`, in use or lying here."""
    named = (TABLES_NAME.fullmatch(path.name) for path in (*formers, *_tables_of(folder)))
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
            roots(live)
        except (AttributeError, GovernanceError, TypeError, ValueError):
            return False
        check_roots(live, fresh)
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


def _unsound_index(path: Path) -> Iterator[str]:
    yield from damage(path)
    try:
        yield from differences(path, schema_made_by(lay_out))
    except CorruptionError as error:
        yield str(error)


def _sound_index(path: Path) -> SqliteCubeIndex:
    """Open the index, in place of an unsound one."""
    if path.exists() and any(_unsound_index(path)):
        _remove_database(path)
    return SqliteCubeIndex(path)
