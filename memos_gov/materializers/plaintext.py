"""
Plaintext into the index: what the plan wants found by its words, and nothing else.

Follows the decided history with the index's own positions, so the index can be
thrown away and made again. Content is opened here only for cubes whose plan
says `full`; a cube that was erased, or whose key is gone, is removed.

An index without transactions is written in turns (`IndexTurns`), from facts
that were read within the turn. What an unfinished turn may have written late is
written over, with the facts of then, once it settled; nothing of a cube is
said to be gone from the index while somebody may still write it.

An entry that cannot be made is parked, so that it stops no other: the index has
a place of it that nothing finds and that says why (decision 0030). It is made
again from time to time, by whatever touches the cube, and by `rebuild`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from time import monotonic
from typing import TypeVar

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from memos_gov.certify import parse
from memos_gov.domain.evolve import touched_cubes
from memos_gov.domain.history import LogPosition, LogRecord
from memos_gov.errors import CorruptionError, EntriesRefusedError, UnavailableError
from memos_gov.materializers.entries import REFUSED, Entries, parked
from memos_gov.ports import (
    CubeIndex,
    Embedder,
    EventLog,
    IndexEntry,
    IndexTurn,
    IndexTurns,
    Snapshot,
    Tables,
    Unfinished,
)
from memos_gov.ports.turns import Name
from memos_gov.sealing import Sealer

BATCH_RECORDS_MAX = 500
T = TypeVar("T")
Made = tuple[list[IndexEntry], list[Name]]
SETTLE_EVERY_S = 5.0
ATTEMPTS = 3  # before an entry is parked
RETRY_S, RETRY_MAX_S = 60.0, 3_600.0  # how long what is parked rests, twice as long each time
_OLDER = (
    "Bring back the newest log, vault and tables together, or name this log's own collection"
    " (engines.weaviate.collection); `memos-gov rebuild` makes the index again where this log is"
    " the right one."
)
_STOPPED = "Let that process go on, or end it; then what waits here goes on by itself."


class IndexFollower:
    """Keeps a cube index where the certifier is; safe to use from many threads and processes."""

    def __init__(
        self,
        log: EventLog,
        tables: Tables,
        sealer: Sealer,
        index: CubeIndex,
        turns: IndexTurns | None = None,
        embedder: Embedder | None = None,
    ) -> None:
        """
        Take the rooms.

        Args:
            turns: Where the index has no transactions.
            embedder: What makes vectors of contents; None for words alone.
        """
        self._log = log
        self._tables = tables
        self._sealer = sealer
        self._index = index
        self._turns = turns
        self._embedder = embedder
        self._settle_at = 0.0
        self._retry_s = RETRY_S
        self._retry_at = monotonic() + RETRY_S

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
        if monotonic() >= self._settle_at:
            self.settle()
        if monotonic() >= self._retry_at:
            self.retry_parked()
        total = 0
        for partition in range(self._log.partitions):
            for _ in itertools.count() if batches_max is None else range(batches_max):
                applied = self._apply_batch(partition)
                total += applied
                if applied < BATCH_RECORDS_MAX:  # these were the last
                    break
        return total

    def _turn(self, partition: int | None) -> AbstractContextManager[IndexTurn]:
        return nullcontext(_Alone()) if self._turns is None else self._turns.turn(partition)

    def _apply_batch(self, partition: int) -> int:
        while True:
            start = self._index.position(partition) + 1
            records = self._log.read(partition, start, BATCH_RECORDS_MAX)
            if not records:
                return 0
            with self._turn(partition) as turn:
                if self._index.position(partition) + 1 == start:
                    return self._apply(turn, partition, records)

    def _apply(self, turn: IndexTurn, partition: int, records: Sequence[LogRecord]) -> int:
        with self._tables.snapshot() as snapshot:
            decided = list(_decided(snapshot, records))
            if not decided:
                return 0
            touched = _touched(decided)
            made = self._made(turn, snapshot, touched)
        _sent(partial(self._index.apply, decided[-1].offset), turn, partition, touched, made)
        return len(decided)

    def _made(
        self, turn: IndexTurn, snapshot: Snapshot, cubes: Iterable[Name]
    ) -> Callable[[], Made]:
        """Return what makes entries of some cubes, and names those that have none, later."""
        entries = Entries(snapshot, self._sealer, self._embedder)
        plain = [*entries.of(cubes)]

        def made() -> Made:  # vectors take long and need no snapshot
            found = entries.embedded(plain, turn.check)
            put = [entry for entry in found if isinstance(entry, IndexEntry)]
            return put, [entry for entry in found if not isinstance(entry, IndexEntry)]

        return made

    def settle(self) -> None:
        """Write over what turns that did not end may have left, where they settled."""
        for partition in sorted(self._turns.troubled()) if self._turns is not None else ():
            if partition < self._log.partitions:
                self._settle(partition)
        self._settle_at = monotonic() + SETTLE_EVERY_S

    def _settle(self, partition: int) -> None:
        with self._turn(partition) as turn:
            settled = [each for each in turn.unfinished() if each.settles_s == 0]
            cubes = {cube for each in settled for cube in each.cubes}
            if cubes and not self._mend(turn, partition, cubes):
                return
            for each in settled:
                turn.forget(each.number)

    def _mend(self, turn: IndexTurn, partition: int, cubes: Iterable[Name]) -> bool:
        """Write entries of some cubes again; return False where the index moved meanwhile."""
        position = self._index.position(partition)
        with self._tables.snapshot() as snapshot:
            made = self._made(turn, snapshot, cubes)
        return _sent(partial(self._index.mend, position), turn, partition, cubes, made)

    def retry_parked(self) -> None:
        """Make the entries that are parked again; those that fail again stay parked."""
        partitions: dict[int, set[Name]] = {}
        for tenant, cube, _ in self._index.parked():
            partitions.setdefault(self._log.partition_of(tenant), set()).add((tenant, cube))
        for partition, cubes in partitions.items():
            with self._turn(partition) as turn:
                self._mend(turn, partition, cubes)
        self._retry_s = min(2 * self._retry_s, RETRY_MAX_S) if partitions else RETRY_S
        self._retry_at = monotonic() + self._retry_s

    @contextmanager
    def emptied(self, tenant: str, cubes: Sequence[str]) -> Iterator[None]:
        """
        Enter with no entry of these cubes in the index, and while nobody can write one.

        The facts must say already that they have none.

        Raises:
            UnavailableError: Somebody who was stopped may still write one: names the process.
        """
        partition, named = self._log.partition_of(tenant), {(tenant, cube) for cube in cubes}
        self.settle()
        with self._turn(partition) as turn:
            for each in turn.unfinished():
                if named & each.cubes:
                    raise _may_write(each)
            self._index.remove(tenant, cubes)
            yield

    def refill(self) -> None:
        """
        Empty the index and fill it again.

        Raises:
            UnavailableError: Somebody who was stopped may still write to it: names the process.
        """
        with self._turn(None) as turn:
            for each in turn.unfinished():
                if each.settles_s is None:
                    raise _may_write(each)
            self._index.clear()
        self.catch_up()


class _Alone:
    """The turn at an index whose every call is one transaction: nothing is ever unfinished."""

    def begin(self, cubes: Iterable[Name]) -> None:
        """See `IndexTurn.begin`."""

    def check(self) -> None:
        """See `IndexTurn.check`."""

    def unfinished(self) -> list[Unfinished]:
        """See `IndexTurn.unfinished`."""
        return []

    def forget(self, number: int) -> None:
        """See `IndexTurn.forget`."""


def _sent(
    write: Callable[..., T],
    turn: IndexTurn,
    partition: int,
    cubes: Iterable[Name],
    made: Callable[[], Made],
) -> T:
    """
    Write what is made of some cubes in one's turn; what is refused time and again is parked.

    Raises:
        EntriesRefusedError: The index takes them without their words neither.
    """
    put, remove = made()
    turn.begin(cubes)
    patient = Retrying(
        retry=retry_if_exception_type(EntriesRefusedError),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential(multiplier=0.1),
        reraise=True,
    )
    aside: frozenset[Name] = frozenset()
    while True:
        try:
            return patient(write, put, remove, partition=partition, still=turn.check)
        except EntriesRefusedError as error:
            if error.cubes <= aside:
                raise
            aside |= error.cubes
            put = [parked(e, REFUSED) if (e.tenant, e.cube_id) in aside else e for e in put]


def _may_write(turn: Unfinished) -> UnavailableError:
    if turn.settles_s is not None:
        msg = f"{turn.holder} stopped while it wrote to the index; what it sent may still arrive"
        return UnavailableError(msg, backend="index", retry_after_s=turn.settles_s + 1)
    msg = (
        f"{turn.holder} began to write to the index {turn.since_s} seconds ago and hangs:"
        " it may still write what is to be gone"
    )
    return UnavailableError(msg, backend="index", remedy=_STOPPED)


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
