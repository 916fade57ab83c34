"""
What every EventLog promises, proved against any backend.

A subclass gives the fixtures `open_log` (opens the one log of the test, again
and again, with `clock`; the fixture closes them), `broken` (a log whose store
does not answer), and the probe `raw_records()` that reads behind the port.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from memos_gov.domain import ids
from memos_gov.domain.codec import RECORD_BYTES_MAX
from memos_gov.domain.history import LogPosition, LogRecord
from memos_gov.errors import CorruptionError, InvalidCommandError, UnavailableError
from memos_gov.ports import EventLog, Proposal

TENANT = "acme"
NOW_MS = 1_795_000_000_000
OpenLog = Callable[[], EventLog]


class FixedClock:
    """A clock that stands."""

    def __init__(self, now_ms: int = NOW_MS) -> None:
        self.now_ms = now_ms

    def now(self) -> datetime:
        """Return the time it stands at."""
        return datetime.fromtimestamp(self.now_ms / 1000, UTC)


def a_proposal(body: bytes = b"{}", tenant: str = TENANT, time_ms: int = NOW_MS) -> Proposal:
    """Return a proposal; a log does not look into bodies."""
    return Proposal(tenant, time_ms, body)


def whole(log: EventLog, tenant: str = TENANT) -> list[LogRecord]:
    """Return every record of a tenant's partition."""
    return log.read(log.partition_of(tenant), 0, 10_000)


class EventLogContract:
    """The rules of the port `EventLog`, as tests."""

    now_ms = NOW_MS

    @pytest.fixture
    def clock(self) -> FixedClock:
        """Return the clock of the log under test."""
        return FixedClock()

    @pytest.fixture(autouse=True)
    def _time(self, clock: FixedClock) -> None:
        self.now_ms = clock.now_ms

    def proposal(self, body: bytes = b"{}", tenant: str = TENANT, off_ms: int = 0) -> Proposal:
        """Return a proposal of the time that the log's clock shows, or of one beside it."""
        return a_proposal(body, tenant, self.now_ms + off_ms)

    @pytest.fixture
    def log(self, open_log: OpenLog) -> EventLog:
        """Return the log under test, empty."""
        return open_log()

    def raw_records(self) -> list[tuple[str, bytes]]:
        """Return (tenant, body) of what is stored, in order, read behind the port's back."""
        raise AssertionError

    def test_log_without_records_reads_as_nothing(self, log: EventLog) -> None:
        """The first record gets offset 0."""
        assert [] == whole(log)
        assert [0] * log.partitions == [log.end(p) for p in range(log.partitions)]

    def test_record_appended_is_read_as_it_was(self, log: EventLog) -> None:
        """Bytes and key come back unchanged, whatever they are."""
        body = bytes(range(256))

        (position,) = log.append([self.proposal(body)])

        assert LogPosition(log.partition_of(TENANT), 0) == position
        assert [LogRecord(position.partition, 0, TENANT, body)] == whole(log)

    def test_record_appended_is_stored_when_append_returns(self, log: EventLog) -> None:
        """No buffer of the process lies between."""
        log.append([self.proposal(b"one"), self.proposal(b"two")])

        assert [(TENANT, b"one"), (TENANT, b"two")] == self.raw_records()

    def test_records_of_one_call_stand_in_its_order(self, log: EventLog) -> None:
        """Positions come back in the order of the proposals, offsets grow."""
        bodies = [str(n).encode() for n in range(50)]

        positions = log.append([self.proposal(body) for body in bodies])

        assert positions == sorted(set(positions))
        assert bodies == [record.body for record in whole(log)]

    def test_offsets_grow_and_by_one_where_the_log_says_so(self, log: EventLog) -> None:
        """Where they do, an offset that is missing is a record that is missing."""
        log.append([self.proposal()] * 5)
        log.append([self.proposal()] * 5)

        offsets = [record.offset for record in whole(log)]

        assert sorted(set(offsets)) == offsets
        if log.gapless:
            assert list(range(10)) == offsets

    def test_record_appended_again_is_a_second_record(self, log: EventLog) -> None:
        """A log does not look for what repeats; certification does."""
        proposal = self.proposal(b"same")

        positions = [log.append([proposal])[0] for _ in range(2)]

        assert positions[0] < positions[1]
        assert [b"same", b"same"] == [record.body for record in whole(log)]

    def test_damaged_of_a_sound_log_yields_nothing(self, log: EventLog) -> None:
        """Whatever the records say: they are stored as records are."""
        log.append([self.proposal(bytes(range(256))), self.proposal(b"")])

        assert [] == list(log.damaged())

    def test_append_of_nothing_writes_nothing(self, log: EventLog) -> None:
        """No proposal, no position."""
        assert [] == log.append([])
        assert [] == whole(log)

    def test_end_is_after_the_last_record(self, log: EventLog) -> None:
        """What is appended next stands there at the least."""
        log.append([self.proposal()] * 3)
        partition = log.partition_of(TENANT)
        end = log.end(partition)

        (position,) = log.append([self.proposal()])

        assert whole(log)[-2].offset < end <= position.offset

    @pytest.mark.parametrize(
        ("start", "limit", "expected"),
        [(0, 2, [0, 1]), (3, 5, [3, 4]), (4, 1, [4]), (5, 9, []), (99, 9, []), (0, 0, [])],
    )
    def test_read_of_a_range_begins_at_its_start(
        self, log: EventLog, start: int, limit: int, expected: list[int]
    ) -> None:
        """From `start` on, at most `limit`, nothing at the end."""
        log.append([self.proposal(str(n).encode()) for n in range(5)])

        found = log.read(log.partition_of(TENANT), start, limit)

        assert [str(n).encode() for n in expected] == [record.body for record in found]

    @pytest.mark.parametrize("off_ms", [-50_000, -1, 0, 5_000])
    def test_time_within_the_window_is_taken(self, log: EventLog, off_ms: int) -> None:
        """From -60 to +5 seconds of the log's clock; a broker's own may have gone on a little."""
        assert 1 == len(log.append([self.proposal(off_ms=off_ms)]))

    @pytest.mark.parametrize("off_ms", [-60_001, 5_001, 10**12])
    def test_time_outside_the_window_is_refused(self, log: EventLog, off_ms: int) -> None:
        """And nothing of the call is written, the good proposals neither."""
        with pytest.raises(InvalidCommandError) as caught:
            log.append([self.proposal(), self.proposal(off_ms=off_ms)])

        assert "time" == caught.value.field
        assert [] == self.raw_records()

    def test_record_of_the_largest_size_is_taken_and_a_larger_one_refused(
        self, log: EventLog
    ) -> None:
        """The limit is named, and nothing of the call is written."""
        log.append([self.proposal(b"x" * RECORD_BYTES_MAX)])

        with pytest.raises(InvalidCommandError, match="RECORD_BYTES_MAX"):
            log.append([self.proposal(), self.proposal(b"x" * (RECORD_BYTES_MAX + 1))])

        assert 1 == len(self.raw_records())

    def test_proposals_of_many_tenants_stand_in_each_ones_partition(self, log: EventLog) -> None:
        """One call may go to many; positions come back in the order of the proposals."""
        tenants = [f"tenant-{n}" for n in range(20)]

        positions = log.append([self.proposal(name.encode(), name) for name in tenants])

        for name, position in zip(tenants, positions, strict=True):
            (record,) = log.read(position.partition, position.offset, 1)
            assert log.partition_of(name) == position.partition
            assert (name, name.encode()) == (record.tenant, record.body)

    def test_what_belongs_to_a_partition_stands_in_it(self, log: EventLog) -> None:
        """So every partition can begin with a control record of its own."""
        for partition in range(log.partitions):
            name = ids.control_of(partition)

            (position,) = log.append([self.proposal(b"control", name)])

            assert LogPosition(partition, 0) == position
            assert [name] == [record.tenant for record in log.read(partition, 0, 9)]

    def test_partition_of_a_tenant_is_fixed_and_exists(self, log: EventLog) -> None:
        """A tenant's records have one order."""
        partitions = [log.partition_of(f"tenant-{n}") for n in range(50)]

        assert partitions == [log.partition_of(f"tenant-{n}") for n in range(50)]
        assert set(partitions) <= set(range(log.partitions))

    def test_record_stays_when_the_log_is_opened_again(self, open_log: OpenLog) -> None:
        """Acknowledged means durable."""
        first = open_log()
        first.append([self.proposal(b"one")])
        first.close()

        again = open_log()
        again.append([self.proposal(b"two")])

        assert [b"one", b"two"] == [record.body for record in whole(again)]

    def test_record_of_another_opener_is_read_at_once(self, open_log: OpenLog) -> None:
        """Two openings of one log see one order."""
        one, two = open_log(), open_log()

        for log in (one, two, one):
            log.append([self.proposal()])

        assert whole(one) == whole(two)
        assert 3 == len(whole(one))

    def test_threads_that_append_at_once_lose_and_repeat_nothing(self, log: EventLog) -> None:
        """Each proposal has one place of its own, in the order its thread appended."""

        def append(thread: int) -> list[tuple[LogPosition, bytes]]:
            bodies = [f"{thread}/{n}".encode() for n in range(20)]
            return [(log.append([self.proposal(body)])[0], body) for body in bodies]

        with ThreadPoolExecutor(16) as threads:
            acknowledged = [pair for pairs in threads.map(append, range(16)) for pair in pairs]

        stored = {LogPosition(r.partition, r.offset): r.body for r in whole(log)}
        assert dict(acknowledged) == stored
        assert 320 == len(stored)
        order = [body.decode() for body in stored.values()]
        mine = [int(text.split("/")[1]) for text in order if text.startswith("3/")]
        assert mine == sorted(mine)

    def test_proposals_of_one_call_stand_together_where_the_log_says_so(
        self, log: EventLog
    ) -> None:
        """Nobody's record is between them then; in their own order they stand in any log."""

        def append(thread: int) -> None:
            for call in range(10):
                log.append([self.proposal(f"{thread}/{call}/{n}".encode()) for n in range(3)])

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(append, range(8)))

        told = [record.body.decode().split("/") for record in whole(log)]
        assert 240 == len(told)
        for thread in range(8):
            mine = [(int(call), int(n)) for of, call, n in told if of == str(thread)]
            assert sorted(mine) == mine
        if log.appends_together:
            calls = [[each[:2] for each in told[at : at + 3]] for at in range(0, 240, 3)]
            assert all(one == two == three for one, two, three in calls)

    def test_reader_beside_writers_sees_a_growing_prefix(self, log: EventLog) -> None:
        """What was read once is read again, at the same offset, with the same bytes."""
        seen: list[list[LogRecord]] = []
        with ThreadPoolExecutor(5) as threads:
            writers = [
                threads.submit(lambda: [log.append([self.proposal()]) for _ in range(25)])
                for _ in range(4)
            ]
            while not all(writer.done() for writer in writers):
                seen.append(whole(log))
        seen.append(whole(log))

        assert all(one == two[: len(one)] for one, two in pairwise(seen))
        assert 100 == len(seen[-1])

    def test_store_that_does_not_answer_is_unavailable_or_corrupt(self, broken: EventLog) -> None:
        """Every driver error is translated, with its cause."""
        for act in (lambda: broken.append([self.proposal()]), lambda: whole(broken)):
            with pytest.raises((UnavailableError, CorruptionError)) as caught:
                act()

            assert caught.value.__cause__ is not None
