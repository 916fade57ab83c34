"""Reading decided history and moving checkpoints, for every view alike."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, select

from memos_gov.domain.facts import Facts, facts_type
from memos_gov.domain.history import REPEATED, Outcome
from memos_gov.ports import Checkpoint
from memos_gov.projections.tables import (
    CheckpointRow,
    FactsRow,
    OutcomeRow,
    StreamRow,
    table_of,
)
from memos_gov.projections.upsert import upsert


def outcomes_between(
    connection: Connection, partition: int, first: int, last: int
) -> dict[int, Outcome]:
    """Return offset -> outcome of the records certified from `first` to `last`."""
    table = table_of(OutcomeRow)
    rows = connection.execute(
        select(table).where(table.c.partition == partition, table.c.log_offset.between(first, last))
    )
    return {row.log_offset: _outcome(row) for row in rows}


def _outcome(row: Any) -> Outcome:
    return Outcome(
        tenant=row.tenant,
        index=-1 if row.idx is None else row.idx,
        code=row.code,
        detail={} if row.code == REPEATED else msgspec.json.decode(row.detail),
        command_id=row.command_id,
        actor=row.actor,
        command=row.command,
        leaf=row.leaf or b"",
    )


def checkpoint_of(connection: Connection, follower: str, partition: int) -> Checkpoint:
    """Return a follower's checkpoint; the beginning when it never ran."""
    table = table_of(CheckpointRow)
    row = connection.execute(
        select(table.c.next_offset, table.c.digest, table.c.log_time_ms).where(
            table.c.follower == follower, table.c.partition == partition
        )
    ).first()
    return Checkpoint() if row is None else Checkpoint(*row)


def advance(connection: Connection, follower: str, partition: int, checkpoint: Checkpoint) -> None:
    """Move a follower's checkpoint."""
    row = {
        "follower": follower,
        "partition": partition,
        "next_offset": checkpoint.next_offset,
        "digest": checkpoint.digest,
        "log_time_ms": checkpoint.log_time_ms,
    }
    upsert(connection, table_of(CheckpointRow), [row])


def newest_facts(connection: Connection, condition: ColumnElement[bool]) -> dict[str, Facts]:
    """Return stream -> facts at its current version; `condition` is on `StreamRow`."""
    facts, stream = table_of(FactsRow), table_of(StreamRow)
    current = (stream.c.stream == facts.c.stream) & (stream.c.version == facts.c.version)
    query = select(facts.c.stream, facts.c.doc).join(stream, current).where(condition)
    return {
        name: msgspec.json.decode(doc, type=facts_type(name))
        for name, doc in connection.execute(query.order_by(facts.c.stream))
    }
