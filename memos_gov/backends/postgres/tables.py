"""
`PostgresTables`: what followers make of the log, in one schema of a database.

Commits are not synchronous (`synchronous_commit=off`): these rows can be lost with
the machine, whole transactions at a time and the newest first, since the log
makes them again. A rebuild fills a schema beside the one in use.

Row-level security is a second wall: whoever reads for a tenant does so as
`memos_gov_reader`, who sees rows of that tenant only, also where a statement
forgot to say so.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import Index
from sqlalchemy.schema import CreateIndex

from memos_gov.backends.postgres.certification import PostgresCertification
from memos_gov.backends.postgres.connection import PostgresPool, translated, turn_of
from memos_gov.backends.postgres.reading import PostgresSnapshot
from memos_gov.backends.postgres.wall import behind_the_wall
from memos_gov.backends.postgres.watching import Listener, PostgresWatch
from memos_gov.projections.collection import PAUSE
from memos_gov.projections.tables import TablesModel

if TYPE_CHECKING:
    from sqlalchemy import Connection

FIRST_SCHEMA = "tables"
# A certifier that stopped inside its transaction loses its turn after this long.
CERTIFICATION_IDLE_S_MAX = 30
_CERTIFY = f"BEGIN; SET LOCAL idle_in_transaction_session_timeout = '{CERTIFICATION_IDLE_S_MAX}s'"
_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
# Views take turns: each reads a checkpoint, adds to rows and moves the checkpoint.
_FOLLOW = f"BEGIN; {turn_of(0)}"

_INDEXES_AT_ONCE = 2
_LOOKED_INTO = "outcomes_by_command"
_ANALYZE = f"ANALYZE {', '.join(TablesModel.metadata.tables)}"


class PostgresTables:
    """One schema of tables; see `Tables` for what it keeps."""

    supports_tenant_wall = True
    supports_watching = True
    supports_views_beside = True

    def __init__(self, url: str, *, schema: str = FIRST_SCHEMA) -> None:
        """
        Open tables that `migrate.upgrade` made.

        Args:
            url: The database of the tables.
            schema: Which of those that lie beside each other there.
        """
        self.url = url
        self.schema = schema
        self._pool = PostgresPool(url, schema=schema, durable=False)
        self._turn = threading.RLock()
        self._copies = False
        self._channel = f"certified_{schema}"
        self._listener = Listener(url, self._channel)

    @contextmanager
    def certification(self) -> Iterator[PostgresCertification]:
        """See `Tables.certification`; garbage collection pauses meanwhile."""
        with self._turn, PAUSE, self._pool.transaction(_CERTIFY) as connection:
            yield PostgresCertification(connection, self._channel, copies=self._copies)

    @contextmanager
    def snapshot(self, *, tenant: str | None = None) -> Iterator[PostgresSnapshot]:
        """See `Tables.snapshot`."""
        with self._pool.transaction(_reading(tenant)) as connection:
            yield PostgresSnapshot(connection)

    @contextmanager
    def connection(self, *, write: bool = False, tenant: str | None = None) -> Iterator[Connection]:
        """See `Tables.connection`."""
        with translated(self._pool.place), self._pool.engine().connect() as connection:
            connection.exec_driver_sql(_FOLLOW if write else _reading(tenant))
            try:
                yield connection
            except BaseException:
                if not connection.invalidated:
                    connection.exec_driver_sql("ROLLBACK")
                raise
            connection.exec_driver_sql("COMMIT")

    @contextmanager
    def bulk(self) -> Iterator[None]:
        """See `Tables.bulk`: rows go by COPY, and indexes that wait are made at the end."""
        self._copies = True
        with PAUSE:
            try:
                self._run(f"DROP INDEX IF EXISTS {', '.join(str(x.name) for x in _waiting())}")
                yield
            finally:
                self._copies = False
                self._settle()

    def _settle(self) -> None:
        """Make what waited, tell the planner, and let one more commit bring all onto the disk."""
        made = [str(CreateIndex(index, if_not_exists=True)) for index in _waiting()]
        with ThreadPoolExecutor(_INDEXES_AT_ONCE, "indexes") as threads:
            list(threads.map(self._run, made))
        with self._pool.transaction("BEGIN; SET LOCAL default_statistics_target = 10") as rough:
            rough.execute(_ANALYZE.encode())
        with self._pool.transaction("BEGIN; SET LOCAL synchronous_commit = on") as connection:
            connection.execute("SELECT txid_current()")

    def _run(self, statement: str) -> None:
        with self._pool.connection() as connection:
            connection.execute(statement.encode())

    @contextmanager
    def watch(self) -> Iterator[PostgresWatch]:
        """See `Tables.watch`."""
        yield PostgresWatch(self._listener)

    def close(self) -> None:
        """See `Tables.close`."""
        self._listener.close()
        self._pool.close()


def _waiting() -> list[Index]:
    """Return the indexes that no certification and no view looks into."""
    tables = TablesModel.metadata.sorted_tables
    return [index for table in tables for index in table.indexes if index.name != _LOOKED_INTO]


def _reading(tenant: str | None) -> str:
    """Return how a reading transaction begins."""
    return _READ if tenant is None else _READ + behind_the_wall(tenant)
