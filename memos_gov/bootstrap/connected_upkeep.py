"""
Upkeep of the connected set-up: its tables made again.

It works beside the schema in use: the next one is filled, and the pointer moved
at the end. `connected_examining.py` compares everything with the log.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

from memos_gov.backends.clock import SystemClock
from memos_gov.backends.postgres import migrate
from memos_gov.backends.postgres.operations import PostgresPointers
from memos_gov.backends.postgres.tables import FIRST_SCHEMA, PostgresTables
from memos_gov.bootstrap.connected import Connected
from memos_gov.bootstrap.embedded import TABLES_POINTER
from memos_gov.bootstrap.embedders import embedder_of
from memos_gov.bootstrap.opening import TILES, known_proposer
from memos_gov.bootstrap.remaking import refilled, retiled
from memos_gov.destroyer import Destroyer
from memos_gov.domain import ids
from memos_gov.engines import Engines
from memos_gov.errors import CorruptionError, UnavailableError
from memos_gov.fsck.report import Progress
from memos_gov.leasing import LEASE_S
from memos_gov.ports import EventLog, Leases, Tables
from memos_gov.rebuild import RebuildReport, check_roots, replay, roots
from memos_gov.settings import Settings

_EVERY_INDEX = 2**62
SCHEMA = re.compile(rf"{FIRST_SCHEMA}(?:_([1-9][0-9]*))?")


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
        with _used_by_nobody(log, setup.leases()):
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
            indexed=refilled(
                setup.index(vault.instance),
                log,
                fresh,
                vault,
                progress,
                turns=setup.index_turns(),
                embedder=embedder,
            ),
        )


@contextmanager
def _used_by_nobody(log: EventLog, leases: Leases) -> Iterator[None]:
    """
    Enter with a log that nobody writes to, as far as leases and the log itself show.

    The lock of the folder is not seen by every host. Whoever is at work
    elsewhere would go on with tables that are about to go, and decides records that
    the new ones do not have yet, which looks like a log that lost them.

    Raises:
        UnavailableError: Somebody has it open, or the log grew meanwhile.
    """
    _require_no_leases(leases)
    ends = _ends(log)
    try:
        yield
    except CorruptionError as error:
        if ends != _ends(log):
            raise _in_use("the log grew meanwhile") from error
        raise
    if ends != _ends(log):
        raise _in_use("the log grew meanwhile")
    _require_no_leases(leases)


def _require_no_leases(leases: Leases) -> None:
    now_ms = round(SystemClock().now().timestamp() * 1000)
    if live := leases.waiting(ids.INSTANCE, _EVERY_INDEX, now_ms, besides=""):
        raise _in_use(f"{', '.join(live)} may have it open")


def _in_use(why: str) -> UnavailableError:
    remedy = (
        "Close what has it open, on every host, then type it again. What was killed is given up"
        f" {LEASE_S:.0f} seconds after it last said that it lives; `memos-gov doctor` shows it."
    )
    return UnavailableError(f"in use: {why}; nothing was switched", remedy=remedy)


def _ends(log: EventLog) -> list[int]:
    return [log.end(partition) for partition in range(log.partitions)]


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
