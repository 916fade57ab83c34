"""
Opening what `fsck` examines of the connected set-up, beside whoever has it open.

Nothing that is in use is written. The vault and the operations are read by
sessions that can do nothing else; the tables in use are looked at as a copy of
one moment, in a schema that nobody else uses, and it is the copy that is
brought forward. Certifying is left to those whose work it is.
"""

from __future__ import annotations

from contextlib import ExitStack

from memos_gov.backends.clock import SystemClock
from memos_gov.backends.postgres import migrate
from memos_gov.backends.postgres.connection import for_reading
from memos_gov.backends.postgres.scratch import copy_into, scratch_tables
from memos_gov.bootstrap.connected import Connected
from memos_gov.bootstrap.folder_opening import FolderOpening
from memos_gov.bootstrap.opening import control_record
from memos_gov.engines import Engines
from memos_gov.errors import GovernanceError
from memos_gov.fsck import Examined, Findings
from memos_gov.fsck.report import REBUILD, RESTORE
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
        live = self._live()
        return self._examined(
            self._log(), self._keys(), live, self._fresh, self._index(), at_work=True
        )

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
            vault.check_epochs()
            return vault
        return None

    def _live(self) -> Tables | None:
        """Copy the tables in use, as they stand at one moment."""
        with self._findings.guarded("tables", "damaged", REBUILD):
            migrate.check(for_reading(self._setup.database("operations")), "operations")
            schema = self._setup.schema_in_use()
            migrate.check(for_reading(self._setup.database("tables")), "tables", schema=schema)
            copy = self._stack.enter_context(scratch_tables(self._setup.database("tables")))
            with copy.bulk():
                copy_into(copy, schema)
            return copy
        return None

    def _fresh(self) -> Tables:
        return self._stack.enter_context(scratch_tables(self._setup.database("tables")))

    def _index(self) -> CubeIndex | None:
        if "index" not in self._parts:
            return None
        with self._findings.guarded("index", "index", REBUILD):
            index = self._setup.index()
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
