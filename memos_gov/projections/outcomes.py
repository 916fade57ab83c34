"""Reading decided history and moving checkpoints, for every view alike."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import msgspec
from sqlalchemy import ARRAY, ColumnElement, Connection, Text, any_, func, literal, select

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


def checkpoints_of(
    connection: Connection, followers: Collection[str], partition: int
) -> dict[str, Checkpoint]:
    """Return each follower's checkpoint; the beginning of one that never ran."""
    table = table_of(CheckpointRow)
    rows = connection.execute(
        select(table.c.follower, table.c.next_offset, table.c.digest, table.c.log_time_ms).where(
            table.c.follower.in_(followers), table.c.partition == partition
        )
    )
    return dict.fromkeys(followers, Checkpoint()) | {row[0]: Checkpoint(*row[1:]) for row in rows}


def advance(
    connection: Connection, followers: Iterable[str], partition: int, checkpoint: Checkpoint
) -> None:
    """Move the checkpoints of followers."""
    rows = [
        {
            "follower": follower,
            "partition": partition,
            "next_offset": checkpoint.next_offset,
            "digest": checkpoint.digest,
            "log_time_ms": checkpoint.log_time_ms,
        }
        for follower in followers
    ]
    upsert(connection, table_of(CheckpointRow), rows)


def among(
    connection: Connection, column: ColumnElement[str], values: Collection[str]
) -> ColumnElement[bool]:
    """Return that a column has one of many values, the shortest way that the database has."""
    if connection.dialect.name == "postgresql":
        return column == any_(literal(list(values), ARRAY(Text)))
    return column.in_(values)


def newest_facts(connection: Connection, condition: ColumnElement[bool]) -> dict[str, Facts]:
    """Return stream -> facts at its current version; `condition` is on `StreamRow`."""
    facts, stream = table_of(FactsRow), table_of(StreamRow)
    current = (stream.c.stream == facts.c.stream) & (stream.c.version == facts.c.version)
    query = select(facts.c.stream, facts.c.doc).join(stream, current).where(condition)
    return {
        name: msgspec.json.decode(doc, type=facts_type(name))
        for name, doc in connection.execute(query.order_by(facts.c.stream))
    }


def decided_since(connection: Connection, partition: int, offset: int) -> dict[str, int]:
    """Return tenant -> how many records of a partition above an offset are decided."""
    outcome = table_of(OutcomeRow)
    query = (
        select(outcome.c.tenant, func.count())
        .where(outcome.c.partition == partition, outcome.c.log_offset > offset)
        .group_by(outcome.c.tenant)
    )
    return {tenant: int(count) for tenant, count in connection.execute(query)}
