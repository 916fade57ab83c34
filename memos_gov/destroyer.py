"""
The destroyer: what an accepted erasure ends, ends in the vault, and stays ended.

It follows the decided history. Where a cube was erased it destroys every
content key that the cube's content ever named; where a person was erased it
takes the name out of the directory; and it destroys keys of content that a
record brought and no outcome accepted, since the record stays in the log.

Its checkpoint lies in the vault and moves in the transaction that destroys.
So an older vault that was put back destroys again before anything is served,
and a log that is older than the vault is noticed. The checkpoint moves when
something is destroyed, every STEP_RECORDS, and at the end, so that a record
that ends nothing costs no write; what lies between is looked at again, which
changes nothing.

Never before acceptance: nothing here asks policy or proposes.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence

from memos_gov.certify import parse
from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.history import Decided, LogPosition, LogRecord
from memos_gov.errors import CorruptionError
from memos_gov.follow import digest, read_after
from memos_gov.ports import Checkpoint, EventLog, KeyStore, Snapshot, Tables

STEP_RECORDS = 500
_REMEDY = "Bring log.db and vault.db back from one backup, the newest; nothing is served before."


class Destroyer:
    """Keeps a vault where the decided history is; safe to use from many threads at once."""

    def __init__(self, log: EventLog, tables: Tables, keys: KeyStore) -> None:
        self._log = log
        self._tables = tables
        self._keys = keys
        self._lock = threading.Lock()
        self._seen: dict[int, Checkpoint] = {}
        self._written: dict[int, int] = {}
        self._keys_ended: defaultdict[str, set[str]] = defaultdict(set)
        self._names_ended: defaultdict[str, set[str]] = defaultdict(set)
        self._urgent = False

    def catch_up(self) -> None:
        """
        Destroy what the decided history ended up to here, durably.

        Raises:
            CorruptionError: The log is not the one that this vault followed.
            UnavailableError: The vault did not answer; catch up again.
        """
        with self._lock:
            for partition in range(self._log.partitions):
                self._skip(partition)
                self._catch_up(partition)

    def follow(self, batch: Sequence[Decided]) -> None:
        """
        Take note of a batch that was just certified, and destroy at once what it ended.

        Raises:
            UnavailableError: The vault did not answer. The records stand; what
                they ended is destroyed with the next batch, or at the next opening.
        """
        with self._lock:
            try:
                self._follow(batch)
            except BaseException:
                self._urgent = True
                raise

    def _follow(self, batch: Sequence[Decided]) -> None:
        partition = batch[0].position.partition
        seen = self._at(partition).next_offset
        news = [item for item in batch if item.position.offset >= seen]
        if news and news[0].position.offset == seen:
            self._note(partition, news)
            self._write_due(partition)
        elif any(_ends(item) for item in news) or self._is_far(partition, batch):
            self._urgent = True
        if self._urgent:
            self._catch_up(partition)

    def reach(self, position: LogPosition) -> None:
        """
        Return once what a decided record ended is destroyed, by whichever process.

        Raises:
            CorruptionError, UnavailableError: As `catch_up`.
        """
        with self._lock:
            self._skip(position.partition)
            if self._urgent or self._at(position.partition).next_offset <= position.offset:
                self._catch_up(position.partition)

    def settle(self) -> None:
        """
        Catch up, let no copy of anything destroyed remain in a file, and move the checkpoint.

        Raises:
            CorruptionError, UnavailableError: As `catch_up`.
        """
        self.catch_up()
        with self._lock:
            for partition in range(self._log.partitions):
                self._write(partition)
        self._keys.sweep()

    def _at(self, partition: int) -> Checkpoint:
        """Return what this destroyer saw last; the vault's own checkpoint at first."""
        if partition not in self._seen:
            found = self._keys.checkpoint(partition)
            self._seen[partition], self._written[partition] = found, found.next_offset
        return self._seen[partition]

    def _skip(self, partition: int) -> None:
        """Go on from where others have brought the vault, if that is further."""
        reached = self._keys.checkpoint(partition)
        if reached.next_offset > self._at(partition).next_offset:
            self._seen[partition], self._written[partition] = reached, reached.next_offset

    def _is_far(self, partition: int, batch: Sequence[Decided]) -> bool:
        return batch[-1].position.offset - self._seen[partition].next_offset >= STEP_RECORDS

    def _catch_up(self, partition: int) -> None:
        """Follow to the end of the decided history, a batch at a time."""
        while batch := self._next(partition):
            self._note(partition, batch)
            self._write_due(partition)
        self._write_due(partition)

    def _next(self, partition: int) -> list[Decided]:
        """Return the next decided records, once the record below them is found unchanged."""
        records = read_followed(self._log, partition, self._at(partition))
        found: list[Decided] = []
        with self._tables.snapshot() as snapshot:
            for record in records:
                item = _decided(snapshot, record)
                if item is None:
                    break
                found.append(item)
        return found

    def _note(self, partition: int, batch: Sequence[Decided]) -> None:
        """Remember what a batch ended, and that it was seen."""
        matters = [item for item in batch if _ends(item) or any(_loose_keys(item))]
        if matters:
            with self._tables.snapshot() as snapshot:
                for item in matters:
                    self._note_one(snapshot, item)
        last = batch[-1]
        self._seen[partition] = Checkpoint(last.position.offset + 1, digest(last.parsed.at))

    def _note_one(self, snapshot: Snapshot, item: Decided) -> None:
        tenant, index = item.outcome.tenant, item.outcome.index
        for event in item.parsed.events if _ends(item) else ():
            if isinstance(event, e.CubeErased):
                self._keys_ended[tenant] |= snapshot.content_keys(tenant, event.cube, index)
            elif isinstance(event, e.SubjectErased):
                self._names_ended[tenant].add(event.subject)
            self._urgent = True
        for cube, key_id in _loose_keys(item):
            if key_id not in snapshot.content_keys(tenant, cube, snapshot.index(tenant)):
                self._keys_ended[tenant].add(key_id)

    def _write_due(self, partition: int) -> None:
        """Write when something accepted ended, or many records were seen."""
        if (
            self._urgent
            or self._at(partition).next_offset >= self._written[partition] + STEP_RECORDS
        ):
            self._write(partition)

    def _write(self, partition: int) -> None:
        """Destroy what ended, in one transaction with the checkpoint."""
        seen = self._at(partition)
        if not self._urgent and seen.next_offset == self._written[partition]:
            return
        with self._keys.destroying() as vault:
            for tenant, key_ids in self._keys_ended.items():
                vault.destroy(tenant, key_ids)
            for tenant, subjects in self._names_ended.items():
                vault.forget_names(tenant, subjects)
            vault.advance(partition, seen)
        self._written[partition] = seen.next_offset
        self._keys_ended.clear()
        self._names_ended.clear()
        self._urgent = False


def read_followed(log: EventLog, partition: int, checkpoint: Checkpoint) -> list[LogRecord]:
    """
    Return the next records after a vault's checkpoint, once the one below it is found unchanged.

    Raises:
        CorruptionError: The log is shorter than the vault's checkpoint, or another one.
    """
    try:
        return read_after(log, partition, checkpoint)
    except CorruptionError as error:
        at = checkpoint.next_offset - 1
        msg = f"vault.db has followed the log to offset {at}, where this log.db holds another"
        place = f"vault.db, log.db offset {at}"
        raise CorruptionError(f"{msg} record or none", place=place, remedy=_REMEDY) from error


def _decided(snapshot: Snapshot, record: LogRecord) -> Decided | None:
    """Return a record with its outcome; None before it has one."""
    position = LogPosition(record.partition, record.offset)
    outcome = snapshot.outcome(position)
    if outcome is None:
        return None
    first = snapshot.outcome_of(outcome.tenant, outcome.command_id) if outcome.final else None
    repeats = first is not None and first[0] != position
    return Decided(position, outcome, parse(record), repeats)


def _is_accepted(item: Decided) -> bool:
    """Whether this very record was accepted: a repeat may hold other events than the first."""
    return item.outcome.code == "accepted" and not item.repeats


def _ends(item: Decided) -> bool:
    """Whether a record ended a cube or a person."""
    ending = (e.CubeErased, e.SubjectErased)
    return _is_accepted(item) and any(isinstance(event, ending) for event in item.parsed.events)


def _loose_keys(item: Decided) -> Iterator[tuple[str, str]]:
    """Yield cube and key of content in a record of ours that was not accepted."""
    record, tenant = item.parsed.record, item.outcome.tenant
    # (what nobody vouches for has its outcome in the tree of the instance)
    if record is None or _is_accepted(item) or not ids.is_tenant(tenant):
        return
    for envelope in record.data.events:
        match envelope.stream.split("/"):
            case [owner, "cube", cube] if owner == tenant and envelope.key_id:
                yield cube, envelope.key_id
