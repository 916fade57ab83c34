"""
The decided history as data: records where they stand, outcomes, and what certification carries.

Shared by the certifier, which makes these, and the ports that load and write
them. A tree's frontier is that of `transparency.merkle`.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cache

import msgspec

from memos_gov.domain import codec, ids
from memos_gov.domain.events import (
    CubeDerived,
    CubeLinked,
    CubeRemembered,
    CubeRevised,
    Event,
    LogExtended,
    LogFounded,
    type_name,
)
from memos_gov.domain.facts import Facts, LogFacts
from memos_gov.domain.verdicts import INTEGER_MAX

ACCEPTED = "accepted"
REPEATED = "duplicate"
_DERIVED = type_name(CubeDerived)
_LINKED = type_name(CubeLinked)
_FOUNDED = type_name(LogFounded)
_EXTENDED = type_name(LogExtended)


class LogRecord(msgspec.Struct, frozen=True):
    """A record where it stands in the log; `tenant` is its key there."""

    partition: int
    offset: int
    tenant: str
    body: bytes

    @property
    def position(self) -> LogPosition:
        """Return where it stands."""
        return LogPosition(self.partition, self.offset)


class LogPosition(msgspec.Struct, frozen=True, order=True):
    """Where a record stands."""

    partition: int
    offset: int

    @property
    def place(self) -> str:
        """Return how messages name it; a log of one partition speaks of offsets alone."""
        before = f"partition {self.partition} " if self.partition else ""
        return f"log {before}offset {self.offset}"


class Parsed(msgspec.Struct, frozen=True):
    """A record and its events, or why it has none."""

    at: LogRecord
    record: codec.Record | None = None
    events: tuple[Event, ...] = ()
    problem: str = ""
    why: str = ""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a record; `index` is that of the first one for a duplicate."""

    tenant: str
    index: int
    code: str
    detail: dict[str, list[str]]
    command_id: str
    actor: str
    command: str
    leaf: bytes

    @property
    def final(self) -> bool:
        """Whether the command id is spent."""
        return self.code in {"accepted", "refused"}


class Decided(msgspec.Struct, frozen=True):
    """
    A decided record: outcome, record and events, in order of the log.

    A record that `repeats` an earlier one has its outcome; no view sees it.
    """

    position: LogPosition
    outcome: Outcome
    parsed: Parsed
    repeats: bool


class Tree(msgspec.Struct, frozen=True):
    """A tenant's tree: its size is the next index."""

    size: int = 0
    frontier: tuple[bytes, ...] = ()


class Told(msgspec.Struct, frozen=True):
    """What a signed checkpoint says became of a record; `apart`: in the tree of `_instance`."""

    code: str = ACCEPTED
    detail: dict[str, list[str]] = {}
    apart: bool = False


PLAIN = Told()


@dataclass(slots=True)
class Recorded:
    """
    What the signed checkpoints of one partition say, so that replay can obey.

    `spans` are the log offsets that a tenant's checkpoints cover, in order;
    `heads` the root at each size that was signed.
    """

    spans: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    told: dict[int, Told] = field(default_factory=dict)
    heads: dict[str, dict[int, bytes]] = field(default_factory=dict)

    def of(self, at: LogRecord) -> Told | None:
        """Return what became of a record; None where no checkpoint says so."""
        found = self.told.get(at.offset)
        if found is not None:
            return found
        spans = self.spans.get(at.tenant, [])
        place = bisect_right(spans, (at.offset, INTEGER_MAX)) - 1
        return PLAIN if place >= 0 and at.offset <= spans[place][1] else None


@dataclass(slots=True)
class Known:
    """
    What is known at the checkpoint, as far as a batch needs it (`needs`).

    `certify` carries it forward record by record; on abort it is thrown away.
    `children` are the cubes made directly of a cube, by its lineage stream.
    """

    facts: dict[str, Facts] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    children: dict[str, tuple[str, ...]] = field(default_factory=dict)
    outcomes: dict[tuple[str, str], Outcome] = field(default_factory=dict)
    trees: dict[str, Tree] = field(default_factory=dict)
    log_time_ms: int = 0
    recorded: Recorded = field(default_factory=Recorded)
    partition: int = 0
    _told: LogFacts | None = None
    _permitted: frozenset[str] = frozenset((_FOUNDED, _EXTENDED))

    @property
    def control(self) -> str:
        """Who the partition's own records, and those that are not trusted, belong to."""
        return ids.control_of(self.partition)

    def holds(self, tenant: str) -> bool:
        """Whether a tenant's records stand in this partition; nothing is known before control."""
        return self.log is None or ids.partition_of(tenant, self.log.partitions) == self.partition

    @property
    def log(self) -> LogFacts | None:
        """What the partition's control record says; None before it."""
        facts = self.facts.get(_log_stream(self.partition))
        return facts if isinstance(facts, LogFacts) else None

    @property
    def permitted(self) -> frozenset[str]:
        """The types of events that the log permits; made anew when the control records change."""
        log = self.log
        if log is not self._told:
            types = (_FOUNDED,) if log is None else log.event_types
            self._told, self._permitted = log, frozenset((*types, _EXTENDED))
        return self._permitted

    @property
    def derives(self) -> bool:
        """Whether the log knows what cubes are made of, so that records must say it."""
        return _DERIVED in self.permitted

    @property
    def links(self) -> bool:
        """Whether the log knows revisions that have sources, so that records must say them."""
        return _LINKED in self.permitted

    @property
    def says(self) -> tuple[type[Event], ...]:
        """The events of new content that has what was read in its session as sources."""
        new = (CubeRemembered,) if self.derives else ()
        return (*new, CubeRevised) if self.links else new


@cache
def _log_stream(partition: int) -> str:
    return ids.log_stream(ids.control_of(partition))


@dataclass(slots=True)
class Rows:
    """What to write, in the order of the tables' columns; versions and trees as they end."""

    outcomes: list[tuple[object, ...]] = field(default_factory=list)
    events: list[tuple[object, ...]] = field(default_factory=list)
    facts: list[tuple[object, ...]] = field(default_factory=list)
    lineage: list[tuple[object, ...]] = field(default_factory=list)
    versions: dict[str, int] = field(default_factory=dict)
    trees: dict[str, Tree] = field(default_factory=dict)
    by_offset: dict[int, Outcome] = field(default_factory=dict)
    repeats: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Needs:
    """
    What must be loaded before a batch of one partition can be certified.

    `narrowed` are (tenant, cube) whose live descendants must be known. What the
    partition's control record says, and its own tree, are always among it.
    """

    streams: set[str] = field(default_factory=set)
    narrowed: set[tuple[str, str]] = field(default_factory=set)
    commands: set[tuple[str, str]] = field(default_factory=set)
    tenants: set[str] = field(default_factory=set)
    partition: int = 0

    def __post_init__(self) -> None:
        """Add what every batch of the partition needs."""
        control = ids.control_of(self.partition)
        self.streams.add(ids.log_stream(control))
        self.tenants.add(control)
