"""
Opening what `fsck` examines of the connected set-up, beside whoever has it open.

Nothing that is in use is written. The vault and the operations are read by
sessions that can do nothing else; the tables in use are looked at as a copy of
one moment, in a schema that nobody else uses, and it is the copy that is
brought forward. Certifying is left to those whose work it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from memos_gov.backends.clock import SystemClock
from memos_gov.backends.postgres import migrate
from memos_gov.backends.postgres.connection import for_reading
from memos_gov.backends.postgres.layout import breaches, differences, made, schemas_beside
from memos_gov.backends.postgres.scratch import SCRATCH, copy_into, scratch_tables
from memos_gov.bootstrap.connected import Connected
from memos_gov.bootstrap.connected_upkeep import SCHEMA
from memos_gov.bootstrap.folder_opening import FolderOpening
from memos_gov.bootstrap.opening import control_record
from memos_gov.engines import Engines
from memos_gov.errors import GovernanceError
from memos_gov.fsck import Examined, Findings
from memos_gov.fsck.report import REBUILD, RESTORE, UNDO
from memos_gov.ports import CubeIndex, EventLog, KeyStore, Tables
from memos_gov.settings import Settings


class ConnectedOpening(FolderOpening):
    """Opens what can be opened of the connected set-up; each part that cannot is a finding."""

    def __init__(
        self,
        settings: Settings,
        engines: Engines,
        stack: ExitStack,
        findings: Findings,
        parts: frozenset[str],
    ) -> None:
        super().__init__(settings.data, stack, findings, parts)
        self._setup = Connected(settings, engines, SystemClock(), stack)

    def examined(self) -> Examined:
        """Return everything that the parts need."""
        live, log, keys = self._live(), self._log(), self._keys()
        index = self._index(keys)
        return self._examined(log, keys, live, self._fresh, index, at_work=True)

    def _log(self) -> EventLog | None:
        with self._findings.guarded("topic", "damaged", RESTORE):
            log = self._setup.log()
            control_record(log)
            return log
        return None

    def _keys(self) -> KeyStore | None:
        with self._findings.guarded("vault", "damaged", RESTORE):
            migrate.check(for_reading(self._setup.database("vault")), "vault")
            vault = self._setup.vault_to_read()
            self._compare_layout("vault", "vault")
            vault.check_epochs()
            return vault
        return None

    def _live(self) -> Tables | None:
        """Copy the tables in use, as they stand at one moment, where they can be read as ours."""
        with self._findings.guarded("tables", "damaged", REBUILD):
            migrate.check(for_reading(self._setup.database("operations")), "operations")
            self._compare_layout("operations", "tables")
            schema = self._setup.schema_in_use()
            migrate.check(for_reading(self._setup.database("tables")), "tables", schema=schema)
            if self._compare_layout("tables", "tables", schema=schema):
                return None
            copy = self._stack.enter_context(scratch_tables(self._setup.database("tables")))
            with copy.bulk():
                copy_into(copy, schema)
            return copy
        return None

    def _compare_layout(self, database: str, part: str, *, schema: str = "public") -> bool:
        """
        Compare a schema, where its part is examined, with the one that the migrations make.

        Returns:
            Whether its rows cannot be read as those of this program's tables.
        """
        url, remedy = for_reading(self._setup.database(database)), UNDO
        if database == "tables":
            remedy = REBUILD
        due, hinders = made(self._setup.database("tables"), database), False
        for found in differences(url, due, schema=schema):
            hinders |= found.hinders
            if part in self._parts or found.hinders:
                self._findings.add(f"{database} {found.name}", "schema", found.message, remedy)
        if part in self._parts:
            for place, message in _beside(database, url, schema):
                self._findings.add(place, "schema", message, UNDO)
        return hinders

    def _fresh(self) -> Tables:
        return self._stack.enter_context(scratch_tables(self._setup.database("tables")))

    def _index(self, keys: KeyStore | None) -> CubeIndex | None:
        if "index" not in self._parts:
            return None
        with self._findings.guarded("index", "index", REBUILD):
            index = self._setup.index(keys.instance if keys else None)
            index.position()
            return index
        return None

    def stamps(self) -> object:
        """Return what changes when somebody works here: the log, what is decided and destroyed."""
        try:
            log, keys = self._setup.log(), self._setup.vault_to_read()
            partitions = range(log.partitions)
            with self._setup.tables().snapshot() as snapshot:
                decided = [snapshot.certified(each) for each in partitions]
            destroyed = [keys.checkpoint(each).next_offset for each in partitions]
            return [log.end(each) for each in partitions], decided, destroyed
        except GovernanceError:
            return None


def _beside(database: str, url: str, schema: str) -> Iterator[tuple[str, str]]:
    """Yield what lies in a database beside the schema in use and should not, and why not."""
    for name in schemas_beside(url):
        if name not in {"public", schema} and not (database == "tables" and _is_ours(name)):
            yield f"{database} schema {name}", "is none of this program's"
    if database == "tables":
        for found in differences(url, {}):
            yield f"{database} public.{found.name}", found.message
        for breach in breaches(url):
            yield database, breach


def _is_ours(schema: str) -> bool:
    """Whether a schema beside the tables in use is one that a rebuild or an examination makes."""
    return SCHEMA.fullmatch(schema) is not None or schema.startswith(SCRATCH)
