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
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from memos_gov.certify import certify, needs, parse
from memos_gov.domain import ids
from memos_gov.domain.history import (
    REPEATED,
    Decided,
    LogPosition,
    LogRecord,
    Parsed,
    Recorded,
)
from memos_gov.errors import CorruptionError
from memos_gov.ports import Certification, Checkpoint, EventLog, KeyStore, Tables
from memos_gov.recorded import recorded_outcomes

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from memos_gov.projections.view import View

BATCH_RECORDS_MAX = 500
BATCH_BYTES_MAX = 4_000_000


class Certifier:
    """
    Turns the records of a log into decided history, a batch a transaction.

    From offset 0 on it obeys what the log's signed checkpoints record, unless it
    is to judge everything itself (`obeys=False`); roots must be the signed ones
    either way. One that goes on from its own checkpoint judges what is new.
    A batch has at most BATCH_RECORDS_MAX records, where no other number is said.
    """

    def __init__(
        self,
        log: EventLog,
        tables: Tables,
        keys: KeyStore,
        *,
        obeys: bool = True,
        batch_records_max: int | None = None,
    ) -> None:
        self._obeys = obeys
        self._batch_records_max = batch_records_max
        self._log = log
        self._tables = tables
        self._keys = keys
        self._recorded: dict[int, Recorded] = {}

    def catch_up(self, through: LogPosition | None = None) -> None:
        """
        Certify to the end of the log, or until `through` is decided.

        Raises:
            CorruptionError: The log shrank or forked under the checkpoint.
            SettingsError: The log was written by a newer program.
        """
        for _ in self.batches(through):
            pass

    def batches(
        self, through: LogPosition | None = None, *, partition: int | None = None
    ) -> Iterator[list[Decided]]:
        """
        Certify like `catch_up`, and yield each batch once it is committed.

        A record that somebody else certified meanwhile is not among them.

        Args:
            partition: The one to certify; all of them when None.
        """
        if through is not None:
            partition = through.partition
        for each in range(self._log.partitions) if partition is None else [partition]:
            while batch := self._certify_batch(each, through):
                yield batch
                if through is not None and batch[-1].position >= through:
                    break

    def _certify_batch(self, partition: int, through: LogPosition | None) -> list[Decided]:
        with self._tables.certification() as transaction:
            checkpoint = transaction.checkpoint(partition)
            if through is not None and checkpoint.next_offset > through.offset:
                return []
            batch = read_after(self._log, partition, checkpoint, self._batch_records_max)
            parsed = [parse(record) for record in batch]
            return self._certify(partition, parsed, checkpoint, transaction) if parsed else []

    def decide(self, partition: int, parsed: Sequence[Parsed]) -> list[Decided]:
        """
        Certify records that the caller has read, the next ones after the checkpoint.

        That the log below them is the one that was certified is the caller's to know.

        Raises:
            CorruptionError, SettingsError: As `catch_up`; nothing was written.
        """
        with self._tables.certification() as transaction:
            checkpoint = transaction.checkpoint(partition)
            return self._certify(partition, parsed, checkpoint, transaction)

    def _certify(
        self,
        partition: int,
        parsed: Sequence[Parsed],
        checkpoint: Checkpoint,
        transaction: Certification,
    ) -> list[Decided]:
        known = transaction.load(needs(parsed))
        known.log_time_ms = checkpoint.log_time_ms
        known.recorded = self._told(partition, checkpoint)
        rows = certify(parsed, known, self._mac_keys(parsed))
        last = parsed[-1].at
        advanced = Checkpoint(last.offset + 1, digest(last), known.log_time_ms)
        transaction.write(partition, rows, advanced)
        return [
            Decided(
                LogPosition(partition, item.at.offset),
                rows.by_offset[item.at.offset],
                item,
                item.at.offset in rows.repeats,
            )
            for item in parsed
        ]

    def _told(self, partition: int, checkpoint: Checkpoint) -> Recorded:
        """Return what the log records of itself: nothing, unless this began at offset 0."""
        if partition not in self._recorded:
            recorded = Recorded()
            if checkpoint.next_offset == 0:
                recorded = recorded_outcomes(self._log, partition, self._mac_key)
            if not self._obeys:
                recorded = Recorded(heads=recorded.heads)
            self._recorded[partition] = recorded
        return self._recorded[partition]

    def require_signed(self, sizes: Mapping[str, int]) -> None:
        """
        Check that every head signed in the log was reached by what was made of it.

        Args:
            sizes: Tenant -> the size of its tree.

        Raises:
            CorruptionError: A tree has fewer leaves than were signed.
        """
        for recorded in self._recorded.values():
            for tenant, heads in recorded.heads.items():
                if max(heads) > sizes.get(tenant, 0):
                    msg = f"the log has fewer records of {tenant} than the {max(heads)} signed"
                    raise CorruptionError(msg, place=f"trees ({tenant})")

    def _mac_key(self, name: str) -> bytes | None:
        return self._keys.secret(ids.INSTANCE, mac_secret(name))

    def _mac_keys(self, parsed: Sequence[Parsed]) -> Mapping[str, bytes]:
        named = {item.record.data.mac_key for item in parsed if item.record}
        found = {name: self._mac_key(name) for name in named}
        return {name: key for name, key in found.items() if key is not None}


def mac_secret(key_id: str) -> str:
    """Return the vault's name for a proposer's MAC key."""
    return f"mac:{key_id}"


def digest(record: LogRecord) -> bytes:
    """Return what a checkpoint remembers of the last record it saw."""
    return hashlib.sha256(record.body).digest()


def read_after(
    log: EventLog,
    partition: int,
    checkpoint: Checkpoint,
    records_max: int | None = None,
) -> list[LogRecord]:
    """
    Return the next batch after a checkpoint, once the record below it is found unchanged.

    Raises:
        CorruptionError: The log is shorter than the checkpoint, or another one.
    """
    start = max(checkpoint.next_offset - 1, 0)
    records_max = records_max or BATCH_RECORDS_MAX
    found = log.read(partition, start, records_max + 1)
    if checkpoint.next_offset == 0:
        return within_bytes(found[:records_max])
    place = LogPosition(partition, start).place
    if not found or found[0].offset != start:
        msg = f"the log ends before offset {start}, which was certified"
        raise CorruptionError(msg, place=place)
    if digest(found[0]) != checkpoint.digest:
        msg = f"the log holds another record at offset {start} than the one certified"
        raise CorruptionError(msg, place=place)
    return within_bytes(found[1:])


def within_bytes(batch: list[LogRecord]) -> list[LogRecord]:
    """Return the first records that stay within BATCH_BYTES_MAX together, at least one."""
    total = 0
    for count, record in enumerate(batch):
        total += len(record.body)
        if total > BATCH_BYTES_MAX and count:
            return batch[:count]
    return batch


class Follower:
    """Runs views over the decided history, each with a checkpoint of its own."""

    def __init__(self, log: EventLog, tables: Tables) -> None:
        self._log = log
        self._tables = tables

    def catch_up(self, *names: str, batches_max: int | None = None) -> bool:
        """
        Bring the named views, or all, to where the certifier is; return whether they are there.

        Args:
            batches_max: How many batches of each partition to apply; all of them when None.
        """
        known, is_there = _views(), True
        chosen = [known[name] for name in names or known]
        for partition in range(self._log.partitions):
            turns = itertools.count() if batches_max is None else range(batches_max)
            is_there &= any(not self._apply_batch(chosen, partition) for _ in turns)
        return is_there

    def apply(self, batch: Sequence[Decided]) -> None:
        """Apply a batch of one partition to every view that has not seen it, in one transaction."""
        views = list(_views().values())
        with self._tables.connection(write=True) as connection:
            partition = batch[0].position.partition
            _apply(connection, views, partition, batch, _seen(connection, views, partition))

    def _apply_batch(self, views: Sequence[View], partition: int) -> bool:
        """Apply the next batch after the slowest view; return whether there was one."""
        with self._tables.connection(write=True) as connection:
            seen = _seen(connection, views, partition)
            slowest = min(seen.values(), key=lambda checkpoint: checkpoint.next_offset)
            batch = list(decided_after(connection, self._log, partition, slowest))
            if batch:
                _apply(connection, views, partition, batch, seen)
        return bool(batch)


def _views() -> dict[str, View]:
    from memos_gov.projections import views  # (SQLModel is slow to import)

    return views()


def _apply(
    connection: Connection,
    views: Sequence[View],
    partition: int,
    batch: Sequence[Decided],
    seen: Mapping[str, Checkpoint],
) -> None:
    """Show each view what it has not seen of a batch, and advance it."""
    last = batch[-1]
    behind = [view for view in views if seen[view.name].next_offset <= last.position.offset]
    for view in behind:
        start = seen[view.name].next_offset
        view.apply(connection, [x for x in batch if x.position.offset >= start and not x.repeats])
    advanced = Checkpoint(last.position.offset + 1, digest(last.parsed.at))
    write_checkpoints(connection, [view.name for view in behind], partition, advanced)


def decided_after(
    connection: Connection, log: EventLog, partition: int, checkpoint: Checkpoint
) -> Iterator[Decided]:
    """Yield the next decided records after a checkpoint."""
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
        position = LogPosition(partition, record.offset)
        yield Decided(position, outcome, parse(record), outcome.code == REPEATED)


def _seen(connection: Connection, views: Sequence[View], partition: int) -> dict[str, Checkpoint]:
    """Return the checkpoint of each view; the beginning when it never ran."""
    from memos_gov.projections.outcomes import checkpoints_of

    return checkpoints_of(connection, [view.name for view in views], partition)


def read_checkpoint(connection: Connection, follower: str, partition: int) -> Checkpoint:
    """Return a follower's checkpoint; the beginning when it never ran."""
    from memos_gov.projections.outcomes import checkpoints_of

    return checkpoints_of(connection, [follower], partition)[follower]


def write_checkpoints(
    connection: Connection, followers: Sequence[str], partition: int, checkpoint: Checkpoint
) -> None:
    """Advance views."""
    from memos_gov.projections.outcomes import advance

    advance(connection, followers, partition, checkpoint)
