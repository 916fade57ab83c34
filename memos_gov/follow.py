"""
The one loop: read after the checkpoint, apply, advance.

The certifier follows the log and makes the decided history; every view
follows the decided history. A follower's rows and its checkpoint are written
in one transaction, so a kill at any point repeats work and never halves it.
A log that is shorter than a checkpoint, or holds another record there, stops
everything before anything is served.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from memos_gov.certify import Parsed, certify, needs, parse
from memos_gov.domain import ids
from memos_gov.domain.history import LogRecord, Outcome
from memos_gov.errors import CorruptionError
from memos_gov.ports import Certification, Checkpoint, EventLog, KeyStore, LogPosition, Tables

if TYPE_CHECKING:
    from sqlalchemy import Connection

BATCH_RECORDS_MAX = 500
BATCH_BYTES_MAX = 4_000_000


class Certifier:
    """Turns the records of a log into decided history, a batch a transaction."""

    def __init__(self, log: EventLog, tables: Tables, keys: KeyStore) -> None:
        self._log = log
        self._tables = tables
        self._keys = keys

    def catch_up(self, through: LogPosition | None = None) -> dict[int, Outcome]:
        """
        Certify to the end of the log, or until `through` is decided.

        Returns:
            Offset -> outcome of the records certified by this call. A record
            that somebody else certified is not among them.

        Raises:
            CorruptionError: The log shrank or forked under the checkpoint.
            SettingsError: The log was written by a newer program.
        """
        partitions = [through.partition] if through else range(self._log.partitions)
        decided: dict[int, Outcome] = {}
        for partition in partitions:
            while self._certify_batch(partition, through, decided):
                pass
        return decided

    def _certify_batch(
        self, partition: int, through: LogPosition | None, decided: dict[int, Outcome]
    ) -> bool:
        """Certify one batch; return whether more may wait."""
        with self._tables.certification() as transaction:
            checkpoint = transaction.checkpoint(partition)
            if through is not None and checkpoint.next_offset > through.offset:
                return False
            batch = read_after(self._log, partition, checkpoint)
            if batch:
                decided |= self._certify(partition, batch, checkpoint, transaction)
        return len(batch) == BATCH_RECORDS_MAX

    def _certify(
        self,
        partition: int,
        batch: Sequence[LogRecord],
        checkpoint: Checkpoint,
        transaction: Certification,
    ) -> dict[int, Outcome]:
        parsed = [parse(record) for record in batch]
        known = transaction.load(needs(parsed))
        known.log_time_ms = checkpoint.log_time_ms
        rows = certify(parsed, known, self._mac_keys(parsed))
        last = batch[-1]
        advanced = Checkpoint(last.offset + 1, digest(last), known.log_time_ms)
        transaction.write(partition, rows, advanced)
        return rows.by_offset

    def _mac_keys(self, parsed: Sequence[Parsed]) -> Mapping[str, bytes]:
        named = {item.record.data.mac_key for item in parsed if item.record}
        found = {name: self._keys.secret(ids.INSTANCE, mac_secret(name)) for name in named}
        return {name: key for name, key in found.items() if key is not None}


def mac_secret(key_id: str) -> str:
    """Return the vault's name for a proposer's MAC key."""
    return f"mac:{key_id}"


def digest(record: LogRecord) -> bytes:
    """Return what a checkpoint remembers of the last record it saw."""
    return hashlib.sha256(record.body).digest()


def read_after(log: EventLog, partition: int, checkpoint: Checkpoint) -> list[LogRecord]:
    """
    Return the next batch after a checkpoint, once the record below it is found unchanged.

    Raises:
        CorruptionError: The log is shorter than the checkpoint, or another one.
    """
    start = max(checkpoint.next_offset - 1, 0)
    found = log.read(partition, start, BATCH_RECORDS_MAX + 1)
    if checkpoint.next_offset == 0:
        return within_bytes(found[:BATCH_RECORDS_MAX])
    if not found or found[0].offset != start:
        msg = f"the log ends before offset {start}, which was certified"
        raise CorruptionError(msg, place=f"log offset {start}")
    if digest(found[0]) != checkpoint.digest:
        msg = f"the log holds another record at offset {start} than the one certified"
        raise CorruptionError(msg, place=f"log offset {start}")
    return within_bytes(found[1:])


def within_bytes(batch: list[LogRecord]) -> list[LogRecord]:
    """Return the first records that stay within BATCH_BYTES_MAX together, at least one."""
    total = 0
    for count, record in enumerate(batch):
        total += len(record.body)
        if total > BATCH_BYTES_MAX and count:
            return batch[:count]
    return batch


class Decided(msgspec.Struct, frozen=True):
    """A decided record as a view sees it: outcome, record and events, in order of the log."""

    position: LogPosition
    outcome: Outcome
    parsed: Parsed


class View(Protocol):
    """One view: events into rows of its own tables, the same rows at every replay."""

    name: str

    def apply(self, connection: Connection, batch: Sequence[Decided]) -> None:
        """Write what follows from `batch`; each record comes once, in order."""


class Follower:
    """Runs views over the decided history, each with a checkpoint of its own."""

    def __init__(self, log: EventLog, tables: Tables) -> None:
        self._log = log
        self._tables = tables

    def catch_up(self, *names: str) -> None:
        """Bring the named views, or all, to where the certifier is."""
        from memos_gov.projections import views

        known = views()
        for name in names or known:
            for partition in range(self._log.partitions):
                while self._apply_batch(known[name], partition):
                    pass

    def _apply_batch(self, view: View, partition: int) -> bool:
        with self._tables.connection(write=True) as connection:
            checkpoint = read_checkpoint(connection, view.name, partition)
            batch = list(decided_after(connection, self._log, partition, checkpoint))
            if not batch:
                return False
            view.apply(connection, batch)
            last = batch[-1]
            advanced = Checkpoint(
                last.position.offset + 1, digest(last.parsed.at), checkpoint.log_time_ms
            )
            write_checkpoint(connection, view.name, partition, advanced)
        return True


def decided_after(
    connection: Connection, log: EventLog, partition: int, checkpoint: Checkpoint
) -> Iterator[Decided]:
    """Yield the next decided records after a checkpoint; duplicates are passed over by views."""
    from memos_gov.projections.outcomes import outcomes_between

    records = read_after(log, partition, checkpoint)
    if not records:
        return
    first, last = records[0].offset, records[-1].offset
    outcomes = outcomes_between(connection, partition, first, last)
    for record in records:
        outcome = outcomes.get(record.offset)
        if outcome is None:
            return
        yield Decided(LogPosition(partition, record.offset), outcome, parse(record))


def read_checkpoint(connection: Connection, follower: str, partition: int) -> Checkpoint:
    """Return a view's checkpoint; the beginning when it never ran."""
    from memos_gov.projections.outcomes import checkpoint_of

    return checkpoint_of(connection, follower, partition)


def write_checkpoint(
    connection: Connection, follower: str, partition: int, checkpoint: Checkpoint
) -> None:
    """Advance a view."""
    from memos_gov.projections.outcomes import advance

    advance(connection, follower, partition, checkpoint)
