"""
The certifier's transaction on Postgres: one statement with binary arrays a table.

The checkpoint row is taken first (`FOR UPDATE`), so a second certifier of the
partition waits; the compare-and-set on it stays as a fence. Rows and checkpoint
are one transaction, so neither is ever ahead of the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from psycopg import Cursor
from sqlalchemy import Table

from memos_gov.backends.postgres.connection import turn_of
from memos_gov.backends.postgres.reading import CERTIFIER, Reading
from memos_gov.domain.history import Known, Needs, Outcome, Rows, Tree
from memos_gov.errors import UnavailableError
from memos_gov.ports import Checkpoint
from memos_gov.projections.arrays import copied, packed
from memos_gov.projections.known import OUTCOME, known_of, outcome_of
from memos_gov.projections.tables import (
    EventRow,
    FactsRow,
    LineageRow,
    OutcomeRow,
    StreamRow,
    TreeRow,
    table_of,
)
from memos_gov.projections.upsert import insert_of_arrays
from memos_gov.transparency import merkle

if TYPE_CHECKING:
    from memos_gov.backends.postgres.connection import Connection

_CHECKPOINT = (
    "SELECT next_offset, digest, log_time_ms FROM checkpoints"
    " WHERE follower = %s AND partition = %s FOR UPDATE"
)
_BEGIN = "INSERT INTO checkpoints VALUES (%s, %s, %s, %s, %s)"
_ADVANCE = (
    "UPDATE checkpoints SET next_offset = %s, digest = %s, log_time_ms = %s"
    " WHERE follower = %s AND partition = %s AND next_offset = %s AND digest = %s"
)


class PostgresCertification(Reading):
    """See `Certification`; `copies` where nobody else writes, and rows go by COPY."""

    def __init__(self, connection: Connection, channel: str, *, copies: bool) -> None:
        super().__init__(connection)
        self._channel = channel
        self._copies = copies
        self._taken: dict[int, Checkpoint | None] = {}
        self._trees: dict[str, Tree] = {}

    def checkpoint(self, partition: int) -> Checkpoint:
        """See `Certification.checkpoint`; waits while another certifier has it."""
        row = self._one(_CHECKPOINT, CERTIFIER, partition)
        if row is None:  # There is no row to wait for yet, so whoever makes it first has its turn.
            self._connection.execute(turn_of(1 + partition))
            row = self._one(_CHECKPOINT, CERTIFIER, partition)
        self._taken[partition] = None if row is None else Checkpoint(*row)
        return self._taken[partition] or Checkpoint()

    def load(self, wanted: Needs) -> Known:
        """See `Certification.load`."""
        known = known_of(self, wanted)
        self._trees |= known.trees
        return known

    def trees(self, tenants: Iterable[str]) -> dict[str, Tree]:
        """See `Lookups.trees`."""
        query = "SELECT tenant, size, frontier FROM trees WHERE tenant = ANY(%b)"
        found = self._among(query, tenants)
        return {tenant: Tree(size, merkle.unpack(raw)) for tenant, size, raw in found}

    def finals(self, tenant: str, commands: Iterable[str]) -> list[Outcome]:
        """See `Lookups.finals`."""
        query = (
            f"SELECT {OUTCOME} FROM outcomes WHERE tenant = %s AND command_id = ANY(%b)"
            " AND code IN ('accepted', 'refused')"
        )
        return [outcome_of(row) for row in self._among(query, commands, tenant)]

    def write(self, partition: int, rows: Rows, checkpoint: Checkpoint) -> None:
        """See `Certification.write`; whoever waits for it is told once it is committed."""
        if partition not in self._taken:
            self.checkpoint(partition)
        grown = [
            (tenant, tree.size, merkle.pack(tree.frontier))
            for tenant, tree in rows.trees.items()
            if tree != self._trees.get(tenant)
        ]
        added = {
            table_of(OutcomeRow): rows.outcomes,
            table_of(EventRow): rows.events,
            table_of(FactsRow): rows.facts,
            table_of(LineageRow): rows.lineage,
        }
        if self._copies:
            for table, plain in added.items():
                self._copy(table, plain)
            added = {}
        with self._connection.pipeline():
            for table, plain in added.items():
                self._insert(table, plain)
            self._replace(table_of(StreamRow), list(rows.versions.items()))
            self._replace(table_of(TreeRow), grown)
            self._connection.execute("SELECT pg_notify(%s, '')", (self._channel,))
            advanced = self._advance(partition, checkpoint)
        if advanced.rowcount != 1:
            msg = "somebody else certified meanwhile; nothing of this was written"
            raise UnavailableError(msg, backend="postgres")
        self._taken[partition] = checkpoint

    def _insert(self, table: Table, rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            statement = insert_of_arrays(table, replaces=False)
            self._connection.execute(statement, packed(table, rows), prepare=True)

    def _copy(self, table: Table, rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            statement = f'COPY "{table.name}" FROM STDIN (FORMAT BINARY)'
            with self._connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
                copy.write(copied(table, rows))

    def _replace(self, table: Table, rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            statement = insert_of_arrays(table, replaces=True)
            self._connection.execute(statement, packed(table, rows), prepare=True)

    def _advance(self, partition: int, checkpoint: Checkpoint) -> Cursor[Any]:
        """Move the checkpoint from where it was taken, and from nowhere else."""
        to = (checkpoint.next_offset, checkpoint.digest, checkpoint.log_time_ms)
        before = self._taken[partition]
        if before is None:
            return self._connection.execute(_BEGIN, (CERTIFIER, partition, *to))
        place = (CERTIFIER, partition, before.next_offset, before.digest)
        return self._connection.execute(_ADVANCE, (*to, *place))
