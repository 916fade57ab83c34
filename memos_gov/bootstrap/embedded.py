"""
The embedded set-up: every store is a file of the data folder, policies run in process.

    log.db vault.db operations.db tables.db index.db
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from memos_gov.backends.keyfiles import FileKeyring
from memos_gov.backends.sqlite import migrate
from memos_gov.backends.sqlite.index import SqliteCubeIndex
from memos_gov.backends.sqlite.leases import SqliteLeases
from memos_gov.backends.sqlite.log import SqliteEventLog
from memos_gov.backends.sqlite.operations import SqlitePointers
from memos_gov.backends.sqlite.tables import SqliteTables
from memos_gov.backends.sqlite.vault import SqliteKeyStore
from memos_gov.backends.wasm import WasmPolicyEngine
from memos_gov.errors import CorruptionError
from memos_gov.fsck.report import REBUILD, RESTORE
from memos_gov.ports import Clock, PolicyBundles

LOG, VAULT, OPERATIONS, INDEX, TABLES = (
    "log.db",
    "vault.db",
    "operations.db",
    "index.db",
    "tables.db",
)
TABLES_POINTER = "tables"


class Embedded:
    """The stores of one data folder that are files of it; see `SetUp`."""

    def __init__(self, folder: Path, clock: Clock, stack: ExitStack) -> None:
        self._folder = folder
        self._clock = clock
        self._stack = stack

    @contextmanager
    def founded(self, instance: str) -> Iterator[Callable[[], None]]:
        """Make the databases that have migrations; the others make themselves."""
        for branch, name in (("vault", VAULT), ("operations", OPERATIONS), ("tables", TABLES)):
            migrate.upgrade(self._folder / name, branch)
        yield lambda: None

    def remove(self) -> None:
        """Nothing lies outside of the folder."""

    def require_whole(self) -> None:
        """Look for the vault and the operations."""
        for branch, name in (("vault", VAULT), ("operations", OPERATIONS)):
            if not (self._folder / name).exists():
                remedy = REBUILD if name == OPERATIONS else RESTORE
                raise CorruptionError(f"{name} is missing", place=name, remedy=remedy)
            migrate.check(self._folder / name, branch)

    def found_vault(self, instance: str, now_ms: int) -> None:
        """Write the vault's first rows."""
        with closing(SqliteKeyStore(self._folder / VAULT, self.keyring().master)) as vault:
            vault.found(instance, now_ms=now_ms)

    def log(self) -> SqliteEventLog:
        """Open `log.db`."""
        return self._stack.enter_context(closing(SqliteEventLog(self._folder / LOG, self._clock)))

    def keyring(self) -> FileKeyring:
        """Return the folder's key files."""
        return FileKeyring(self._folder / "keys")

    def vault(self) -> SqliteKeyStore:
        """Open `vault.db`."""
        vault = SqliteKeyStore(self._folder / VAULT, self.keyring().master)
        return self._stack.enter_context(closing(vault))

    def leases(self) -> SqliteLeases:
        """Open `operations.db`."""
        return self._stack.enter_context(closing(SqliteLeases(self._folder / OPERATIONS)))

    def tables(self) -> SqliteTables:
        """Open the tables that the pointer names."""
        return self._stack.enter_context(closing(SqliteTables(current_tables(self._folder))))

    def index(self, instance: str | None) -> SqliteCubeIndex:
        """Open `index.db`."""
        return self._stack.enter_context(closing(SqliteCubeIndex(self._folder / INDEX)))

    def index_turns(self) -> None:
        """Return nothing: each call of the index is one transaction."""

    def engine(self, bundles: PolicyBundles, deadline_s: float) -> WasmPolicyEngine:
        """Return the engine that runs compiled policies in process."""
        return WasmPolicyEngine(bundles, wasm_cache(), deadline_s)


def current_tables(folder: Path) -> Path:
    """
    Return the tables file in use.

    Raises:
        CorruptionError: It is gone; `rebuild` makes it again.
    """
    with closing(SqlitePointers(folder / OPERATIONS)) as pointers:
        name = pointers.get(TABLES_POINTER, TABLES)
    if not (folder / name).exists():
        raise CorruptionError(f"{name} is missing", place=name, remedy=REBUILD)
    migrate.check(folder / name, "tables")
    return folder / name


def wasm_cache() -> Path:
    """Return the folder of compiled modules, the user's own."""
    from platformdirs import user_cache_path

    return user_cache_path("memos-gov") / "wasm"
