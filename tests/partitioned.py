"""
A log of several partitions on one machine, for tests of what must not assume one.

Each partition is a `SqliteEventLog` in a file of its own, the first where an
embedded folder has its log; it passes the contract of the port.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from memos_gov.backends.sqlite import log as log_module
from memos_gov.backends.sqlite.log import SqliteEventLog
from memos_gov.bootstrap import embedded, upkeep
from memos_gov.domain import ids
from memos_gov.domain.history import LogPosition, LogRecord
from memos_gov.ports import Clock, Proposal

PARTITIONS = 3


def files_of(path: Path) -> list[Path]:
    """Return the file of each partition, in order."""
    return [path, *(path.with_name(f"log-{n}.db") for n in range(1, PARTITIONS))]


class PartitionedEventLog:
    """See `EventLog`; three files, each of which keeps it for one partition."""

    partitions = PARTITIONS
    appends_together = False
    gapless = True

    def __init__(self, path: Path, clock: Clock, *, read_only: bool = False) -> None:
        self._logs = [SqliteEventLog(file, clock, read_only=read_only) for file in files_of(path)]

    def partition_of(self, tenant: str) -> int:
        """See `EventLog.partition_of`."""
        return ids.partition_of(tenant, self.partitions)

    def append(self, proposals: Sequence[Proposal]) -> list[LogPosition]:
        """See `EventLog.append`."""
        self._logs[0]._check(proposals)
        places: defaultdict[int, list[int]] = defaultdict(list)
        for place, proposal in enumerate(proposals):
            places[self.partition_of(proposal.tenant)].append(place)
        found: dict[int, LogPosition] = {}
        for partition, mine in places.items():
            positions = self._logs[partition].append([proposals[place] for place in mine])
            for place, position in zip(mine, positions, strict=True):
                found[place] = LogPosition(partition, position.offset)
        return [found[place] for place in range(len(proposals))]

    def put(self, partition: int, tenant: str, body: bytes) -> None:
        """Put a record where it does not belong, as whoever writes to a topic can."""
        self._logs[partition].append([Proposal(tenant, self.now_ms, body)])

    @property
    def now_ms(self) -> int:
        """Return the time of the log's clock."""
        return round(self._logs[0]._clock.now().timestamp() * 1000)

    def read(self, partition: int, start: int, limit: int) -> list[LogRecord]:
        """See `EventLog.read`."""
        found = self._logs[partition].read(0, start, limit)
        return [LogRecord(partition, each.offset, each.tenant, each.body) for each in found]

    def end(self, partition: int) -> int:
        """See `EventLog.end`."""
        return self._logs[partition].end(0)

    def damaged(self) -> Iterator[str]:
        """See `EventLog.damaged`."""
        for log in self._logs:
            yield from log.damaged()

    def close(self) -> None:
        """See `EventLog.close`."""
        for log in self._logs:
            log.close()


def put_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let data folders have this log where they have the embedded one."""
    for module in (log_module, embedded, upkeep):
        monkeypatch.setattr(module, "SqliteEventLog", PartitionedEventLog)
