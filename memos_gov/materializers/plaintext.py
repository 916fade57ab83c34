"""
Plaintext into the index: what the plan wants found by its words, and nothing else.

Follows the decided history with the index's own positions, so the index can be
thrown away and made again. Content is opened here only for cubes whose plan
says `full`; a cube that was erased, or whose key is gone, is removed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from memos_gov.certify import parse
from memos_gov.domain.evolve import touched_cubes
from memos_gov.domain.history import LogPosition, LogRecord
from memos_gov.errors import CorruptionError
from memos_gov.materializers.entries import Entries
from memos_gov.ports import CubeIndex, Embedder, EventLog, IndexEntry, Snapshot, Tables
from memos_gov.sealing import Sealer

BATCH_RECORDS_MAX = 500
_OLDER = (
    "Bring back the newest log, vault and tables together, or name this log's own collection"
    " (engines.weaviate.collection); `memos-gov rebuild` makes the index again where this log is"
    " the right one."
)


class IndexFollower:
    """Keeps a cube index where the certifier is."""

    def __init__(
        self,
        log: EventLog,
        tables: Tables,
        sealer: Sealer,
        index: CubeIndex,
        embedder: Embedder | None = None,
    ) -> None:
        self._log = log
        self._tables = tables
        self._sealer = sealer
        self._index = index
        self._embedder = embedder

    def check_age(self) -> None:
        """
        Refuse a log that is older than this index.

        Raises:
            CorruptionError: The index has followed the log beyond its end.
        """
        for partition in range(self._log.partitions):
            seen, end = self._index.position(partition), self._log.end(partition)
            if seen >= end:
                place = LogPosition(partition, seen).place
                msg = f"the index has followed the {place}, where this log holds none"
                raise CorruptionError(msg, place="index, log", remedy=_OLDER)

    def catch_up(self, *, batches_max: int | None = None) -> int:
        """
        Bring the index to the end of the decided history; return how many records that took.

        Args:
            batches_max: How many batches of each partition to apply; all of them when None.
        """
        total = 0
        for partition in range(self._log.partitions):
            for _ in itertools.count() if batches_max is None else range(batches_max):
                applied = self._apply_batch(partition)
                total += applied
                if not applied:
                    break
        return total

    def _apply_batch(self, partition: int) -> int:
        start = self._index.position(partition) + 1
        records = self._log.read(partition, start, BATCH_RECORDS_MAX)
        if not records:
            return 0
        with self._tables.snapshot() as snapshot:
            decided = list(_decided(snapshot, records))
            if not decided:
                return 0
            made = Entries(snapshot, self._sealer, self._embedder)
            plain = [*made.of(_touched(decided))]
        entries = made.embedded(plain)
        put = [entry for entry in entries if isinstance(entry, IndexEntry)]
        remove = [entry for entry in entries if not isinstance(entry, IndexEntry)]
        self._index.apply(decided[-1].offset, put, remove, partition=partition)
        return len(decided)


def _decided(snapshot: Snapshot, records: Iterable[LogRecord]) -> Iterator[LogRecord]:
    """Yield the records up to the first one that the snapshot has no outcome of."""
    for record in records:
        if snapshot.outcome(LogPosition(record.partition, record.offset)) is None:
            return
        yield record


def _touched(records: Iterable[LogRecord]) -> set[tuple[str, str]]:
    return {
        (record.tenant, cube)
        for record in records
        for cube in touched_cubes(parse(record).events, record.tenant)
    }
