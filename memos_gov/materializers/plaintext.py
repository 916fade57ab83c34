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
from memos_gov.domain import ids
from memos_gov.domain.evolve import touched_cubes
from memos_gov.domain.facts import ContentFacts, GovernanceFacts
from memos_gov.domain.history import LogPosition, LogRecord
from memos_gov.errors import CorruptionError, NotFoundError
from memos_gov.materializers.plan import has_entry, index_entry, is_indexed
from memos_gov.ports import CubeIndex, EventLog, IndexEntry, Snapshot, Tables
from memos_gov.sealing import Sealer

BATCH_RECORDS_MAX = 500
_OLDER = (
    "Bring back the newest log, vault and tables together, or name this log's own collection"
    " (engines.weaviate.collection); `memos-gov rebuild` makes the index again where this log is"
    " the right one."
)


class IndexFollower:
    """Keeps a cube index where the certifier is."""

    def __init__(self, log: EventLog, tables: Tables, sealer: Sealer, index: CubeIndex) -> None:
        self._log = log
        self._tables = tables
        self._sealer = sealer
        self._index = index

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
            entries = list(self._entries(snapshot, _touched(decided)))
        put = [entry for entry in entries if isinstance(entry, IndexEntry)]
        remove = [entry for entry in entries if not isinstance(entry, IndexEntry)]
        self._index.apply(decided[-1].offset, put, remove, partition=partition)
        return len(decided)

    def _entries(
        self, snapshot: Snapshot, cubes: Iterable[tuple[str, str]]
    ) -> Iterator[IndexEntry | tuple[str, str]]:
        """Yield the entry of each cube, or its name when it has none."""
        wanted = sorted(cubes)
        streams = (
            s for t, x in wanted for s in (ids.content_stream(t, x), ids.governance_stream(t, x))
        )
        facts = {stream: found for stream, (_, found) in snapshot.facts(streams).items()}
        for tenant, cube in wanted:
            content = facts.get(ids.content_stream(tenant, cube))
            governance = facts.get(ids.governance_stream(tenant, cube))
            if (
                isinstance(content, ContentFacts)
                and isinstance(governance, GovernanceFacts)
                and has_entry(governance)
            ):
                yield self._entry(snapshot, tenant, cube, content, governance)
            else:
                yield tenant, cube

    def _entry(
        self,
        snapshot: Snapshot,
        tenant: str,
        cube: str,
        content: ContentFacts,
        governance: GovernanceFacts,
    ) -> IndexEntry | tuple[str, str]:
        try:
            text = self._text(snapshot, tenant, cube, content, governance)
        except NotFoundError:
            return tenant, cube
        return index_entry(tenant, cube, content, governance, text)

    def _text(
        self,
        snapshot: Snapshot,
        tenant: str,
        cube: str,
        content: ContentFacts,
        governance: GovernanceFacts,
    ) -> str | None:
        if not is_indexed(content, governance):
            return None
        stored = snapshot.content_event(tenant, cube, content.event_index)
        if stored is None or stored.sealed is None or stored.key_id is None:
            return None
        return self._sealer.open_content(stored, tenant).content


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
