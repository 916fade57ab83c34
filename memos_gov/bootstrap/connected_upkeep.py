"""
Upkeep of the connected set-up: its tables made again, and everything compared with the log.

Both work beside the schema in use: a rebuild fills the next one and moves the
pointer at the end, an examination fills one that it drops.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

from memos_gov.backends.clock import SystemClock
from memos_gov.backends.postgres import migrate
from memos_gov.backends.postgres.operations import PostgresPointers
from memos_gov.backends.postgres.tables import FIRST_SCHEMA, PostgresTables
from memos_gov.bootstrap.connected import Connected
from memos_gov.bootstrap.embedded import TABLES_POINTER
from memos_gov.bootstrap.embedders import embedder_of
from memos_gov.bootstrap.folder_opening import FolderOpening
from memos_gov.bootstrap.opening import TILES, control_record, known_proposer
from memos_gov.bootstrap.remaking import refilled, retiled
from memos_gov.destroyer import Destroyer
from memos_gov.engines import Engines
from memos_gov.errors import CorruptionError, UnavailableError
from memos_gov.fsck import Examined, Findings
from memos_gov.fsck.report import REBUILD, RESTORE, Progress
from memos_gov.ports import CubeIndex, EventLog, KeyStore, Tables
from memos_gov.rebuild import RebuildReport, check_roots, replay, roots
from memos_gov.settings import Settings

SCHEMA = re.compile(rf"{FIRST_SCHEMA}(?:_([1-9][0-9]*))?")
EXAMINED = f"examined_{FIRST_SCHEMA}"


def rebuild_connected(
    settings: Settings, engines: Engines, *, settles: bool, progress: Progress | None
) -> RebuildReport:
    """Make tables, index and tiles again from the topic; errors as `upkeep.rebuild`."""
    with ExitStack() as stack:
        setup = Connected(settings, engines, SystemClock(), stack)
        for branch in ("vault", "operations") if settles else ():
            migrate.bring_forward(setup.database(branch), branch)
        setup.require_whole()
        embedder = embedder_of(settings)
        log, vault = setup.log(), setup.vault()
        known_proposer(log, vault)
        url = setup.database("tables")
        pointers = PostgresPointers(setup.database("operations"))
        stack.callback(pointers.close)
        former = pointers.get(TABLES_POINTER, FIRST_SCHEMA)
        made = _next_schema(url, former)
        unfinished = stack.enter_context(ExitStack())
        unfinished.callback(migrate.drop_schema, url, made)
        fresh = stack.enter_context(_fresh(url, made))
        replayed = replay(log, vault, fresh, progress)
        compared = _compared(url, former, fresh)
        if settles:
            Destroyer(log, fresh, vault).settle()
        unfinished.pop_all()
        pointers.set(TABLES_POINTER, made)
        for schema in _schemas(url):
            if schema != made:
                migrate.drop_schema(url, schema)
        retiled(settings.data / TILES, fresh)
        return RebuildReport(
            tables=made,
            records=replayed.records,
            events=replayed.events,
            roots={tenant: root for tenant, (_, root) in roots(fresh).items()},
            compared=True if compared else None,
            indexed=refilled(setup.index(), log, fresh, vault, progress, embedder),
        )


def _schemas(url: str) -> list[str]:
    return [name for name in migrate.schemas(url, FIRST_SCHEMA) if SCHEMA.fullmatch(name)]


def _next_schema(url: str, former: str) -> str:
    """Return the name after the last of `tables` and `tables_<n>`, in use or lying there."""
    found = (SCHEMA.fullmatch(name) for name in (former, *_schemas(url)))
    return f"{FIRST_SCHEMA}_{max((int(one[1] or 0) for one in found if one), default=0) + 1}"


@contextmanager
def _fresh(url: str, schema: str) -> Iterator[PostgresTables]:
    """Enter empty tables in a schema of their own; what lay there under the name is gone."""
    migrate.drop_schema(url, schema)
    migrate.upgrade(url, "tables", schema=schema)
    with closing(PostgresTables(url, schema=schema)) as tables:
        yield tables


def _compared(url: str, schema: str, fresh: Tables) -> bool:
    """Compare roots with the tables in use; return whether they could be read at all."""
    try:
        migrate.check(url, "tables", schema=schema)
    except CorruptionError:
        return False
    with closing(PostgresTables(url, schema=schema)) as live:
        check_roots(live, fresh)
    return True


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
        return self._examined(self._log(), self._keys(), self._live(), self._fresh, self._index())

    def _log(self) -> EventLog | None:
        with self._findings.guarded("topic", "damaged", RESTORE):
            log = self._setup.log()
            control_record(log)
            return log
        return None

    def _keys(self) -> KeyStore | None:
        with self._findings.guarded("vault", "damaged", RESTORE):
            migrate.check(self._setup.database("vault"), "vault")
            vault = self._setup.vault()
            vault.check_epochs()
            return vault
        return None

    def _live(self) -> Tables | None:
        with self._findings.guarded("tables", "damaged", REBUILD):
            migrate.check(self._setup.database("operations"), "operations")
            return self._setup.tables()
        return None

    def _fresh(self) -> Tables:
        """Return empty tables, in a schema that nobody else uses and that is dropped at the end."""
        url = self._setup.database("tables")
        name = f"{EXAMINED}_{secrets.token_hex(4)}"
        self._stack.callback(migrate.drop_schema, url, name)
        return self._stack.enter_context(_fresh(url, name))

    def _index(self) -> CubeIndex | None:
        if "index" not in self._parts:
            return None
        with self._findings.guarded("index", "index", REBUILD):
            index = self._setup.index()
            index.position()
            return index
        return None

    def stamps(self) -> object:
        """Return what changes when something is written meanwhile: how long the log is."""
        try:
            log = self._setup.log()
            return [log.end(partition) for partition in range(log.partitions)]
        except UnavailableError:
            return None
