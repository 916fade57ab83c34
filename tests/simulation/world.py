"""The world of one history: a virtual clock, and models of log, tables, vault and index."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from memos_gov.domain import events as e
from memos_gov.domain.history import Known, LogPosition, LogRecord, Outcome, Rows
from memos_gov.ports import Checkpoint
from tests.records import LOG_FOUNDED, a_record, tenant_founded

BEGINS_S = 1_795_000_000
BEFORE_MS, AFTER_MS = 60_000, 5_000
TENANTS = ("acme", "globex")


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """What whoever made a record meant by it; the oracle's only knowledge of bytes."""

    tenant: str
    command_id: str
    actor: str
    events: tuple[e.Event, ...]
    relied_on: dict[str, int]
    valid_until: int
    time_ms: int
    forgot: bool = False
    genesis: bool = False


class Log:
    """A log of one partition that may answer late, twice, or not at all."""

    partitions = 1

    def __init__(self) -> None:
        self.records: list[LogRecord] = []
        self.under_way: list[tuple[str, int, bytes]] = []

    def partition_of(self, tenant: str) -> int:
        """Return the one there is."""
        del tenant
        return 0

    def put(self, tenant: str, time_ms: int, body: bytes, now_ms: int) -> LogPosition | None:
        """Store a record, unless its time is out of bounds by the log's own clock."""
        if not now_ms - BEFORE_MS <= time_ms <= now_ms + AFTER_MS:
            return None
        self.records.append(LogRecord(0, len(self.records), tenant, body))
        return LogPosition(0, len(self.records) - 1)

    def read(self, partition: int, start: int, limit: int) -> list[LogRecord]:
        """Return records in order; see `EventLog`."""
        del partition
        return self.records[start : start + limit]

    def end(self, partition: int) -> int:
        """Return the next offset."""
        del partition
        return len(self.records)


@dataclass(frozen=True, slots=True)
class Committed:
    """The tables after a transaction; never changed, so that stale facts stay as they were."""

    known: Known
    checkpoint: Checkpoint
    outcomes: dict[int, Outcome]
    repeats: frozenset[int]
    rows: tuple[Rows, ...] = ()


class Tables:
    """Tables whose transactions are fenced by the checkpoint alone."""

    def __init__(self) -> None:
        self.states = [Committed(Known(), Checkpoint(0, b"", 0), {}, frozenset())]

    @property
    def state(self) -> Committed:
        """The newest."""
        return self.states[-1]

    def commit(self, before: Committed, known: Known, rows: Rows, after: Checkpoint) -> bool:
        """Write what was certified on `before`; False, and nothing, where somebody was first."""
        if self.state is not before:
            return False
        outcomes = {**before.outcomes, **rows.by_offset}
        repeats = before.repeats | rows.repeats
        self.states.append(Committed(known, after, outcomes, repeats, (*before.rows, rows)))
        return True

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Enter the newest state."""
        yield Snapshot(self.state)


class Snapshot:
    """As much of the port `Snapshot` as the destroyer asks."""

    def __init__(self, state: Committed) -> None:
        self._state = state

    def outcome(self, position: LogPosition) -> Outcome | None:
        """Return what became of a record."""
        return self._state.outcomes.get(position.offset)

    def outcome_of(self, tenant: str, command_id: str) -> tuple[LogPosition, Outcome] | None:
        """Return the final outcome of a command and where its first record stands."""
        for offset, outcome in self._state.outcomes.items():
            if (outcome.tenant, outcome.command_id) == (tenant, command_id) and outcome.final:
                return LogPosition(0, offset), outcome
        return None

    def content_keys(self, tenant: str, cube: str, index: int) -> set[str]:
        """Return the keys that accepted content of a cube names, up to an index."""
        stream = f"{tenant}/cube/{cube}"
        return {
            row[8]  # type: ignore[misc]
            for rows in self._state.rows
            for row in rows.events
            if row[5] == stream and row[8] and row[1] <= index  # type: ignore[operator]
        }

    def index(self, tenant: str) -> int:
        """Return the newest index of a tenant."""
        tree = self._state.known.trees.get(tenant)
        return -1 if tree is None else tree.size - 1


class Vault:
    """Content keys by name, and the destroyer's checkpoint, which move together or not at all."""

    def __init__(self) -> None:
        self.keys: set[tuple[str, str]] = set()
        self.at = Checkpoint(0, b"", 0)

    def copy(self) -> tuple[set[tuple[str, str]], Checkpoint]:
        """Return a backup."""
        return set(self.keys), self.at

    def checkpoint(self, partition: int) -> Checkpoint:
        """Return how far the destroyer has come with this vault."""
        del partition
        return self.at

    @contextmanager
    def destroying(self) -> Iterator[Ending]:
        """Enter one transaction."""
        ending = Ending(self.at)
        yield ending
        self.keys -= ending.gone
        self.at = ending.at

    def sweep(self) -> None:
        """Nothing is left of what was destroyed here."""


@dataclass(slots=True)
class Ending:
    """What one transaction of the destroyer ends."""

    at: Checkpoint
    gone: set[tuple[str, str]] = field(default_factory=set)

    def destroy(self, tenant: str, key_ids: Iterable[str]) -> None:
        """End keys."""
        self.gone |= {(tenant, key_id) for key_id in key_ids}

    def forget_names(self, tenant: str, opaque: Iterable[str]) -> None:
        """There are no names here."""

    def advance(self, partition: int, checkpoint: Checkpoint) -> None:
        """Move the checkpoint on."""
        del partition
        if checkpoint.next_offset > self.at.next_offset:
            self.at = checkpoint


@dataclass(slots=True)
class Index:
    """The cubes that are found, by tenant; moves with its position."""

    found: set[tuple[str, str]] = field(default_factory=set)
    position: int = -1

    def apply(
        self, position: int, put: Sequence[tuple[str, str]], remove: Iterable[tuple[str, str]]
    ) -> None:
        """Replace and remove; what was applied before is skipped, as the port says."""
        if position > self.position:
            self.found = (self.found - set(remove)) | set(put)
            self.position = position


@dataclass(slots=True)
class Returned:
    """Content that a caller got: which cube, accepted at which index, as of which snapshot."""

    tenant: str
    cube: str
    index: int
    snapshot: int


class World:
    """Everything of one history."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.now_ms = BEGINS_S * 1000
        self.log, self.tables, self.vault, self.index = Log(), Tables(), Vault(), Index()
        self.meant: dict[bytes, Meant] = {}
        self.acknowledged: dict[tuple[str, str], Outcome] = {}
        self.returned: list[Returned] = []
        self.happened: Counter[str] = Counter()
        self.noticed = False
        self._ids = 0
        self._found()

    def _found(self) -> None:
        for tenant, event in (
            ("_instance", LOG_FOUNDED),
            *((t, tenant_founded()) for t in TENANTS),
        ):
            meant = Meant(
                tenant=tenant,
                command_id=self.an_id(),
                actor="",
                events=(event,),
                relied_on={},
                valid_until=0,
                time_ms=self.now_ms,
                genesis=True,
            )
            body = self.record(meant, verdict=None)
            self.log.put(tenant, self.now_ms, body, self.now_ms)

    @property
    def now(self) -> int:
        """The virtual second."""
        return self.now_ms // 1000

    def an_id(self) -> str:
        """Return a fresh command id of this history."""
        self._ids += 1
        return f"00000000-0000-7000-8000-{self._ids:012d}"

    def record(self, meant: Meant, **changes: object) -> bytes:
        """Return a record's bytes, and remember what they mean."""
        body = a_record(
            *meant.events,
            tenant=meant.tenant,
            actor=meant.actor,
            command_id=meant.command_id,
            command=f"month/{meant.command_id}",
            relied_on=meant.relied_on,
            time_s=meant.time_ms / 1000,
            correlation=meant.command_id,
            **changes,  # type: ignore[arg-type]
        )
        self.meant[body] = meant
        return body

    def turn(self) -> None:
        """Let time pass, and records arrive that were under way."""
        self.now_ms += self.chance.choice((1, 5, 40, 700, 3_000))
        while self.log.under_way and self.chance.random() < 0.3:
            place = self.chance.randrange(len(self.log.under_way))
            tenant, time_ms, body = self.log.under_way.pop(place)
            stored = self.log.put(tenant, time_ms, body, self.now_ms)
            self.happened["arrived late" if stored else "too old to be stored"] += 1

    def send(self, tenant: str, time_ms: int, body: bytes) -> LogPosition | None:
        """Append as a client does; None where no confirmation came, whatever happened."""
        fate = self.chance.random()
        if fate < 0.06:
            self.happened["request lost"] += 1
            return None
        if fate < 0.14:
            self.log.under_way.append((tenant, time_ms, body))
            return None
        position = self.log.put(tenant, time_ms, body, self.now_ms)
        if fate < 0.20:
            self.log.put(tenant, time_ms, body, self.now_ms)
            self.happened["stored twice"] += 1
        if fate < 0.28:
            self.happened["answer lost"] += 1
            return None
        return position

    def facts(self) -> Committed:
        """Return the tables as a writer sees them: mostly the newest, sometimes long past."""
        founded = [s for s in self.tables.states[-6:] if set(TENANTS) <= s.known.trees.keys()]
        if not founded:
            return self.tables.state
        stale = self.chance.random() < 0.2
        self.happened["stale facts"] += stale
        return self.chance.choice(founded) if stale else founded[-1]


def copied(known: Known) -> Known:
    """Return what is known so that it can be carried forward apart."""
    return replace(
        known,
        facts=dict(known.facts),
        versions=dict(known.versions),
        children=dict(known.children),
        outcomes=dict(known.outcomes),
        trees=dict(known.trees),
    )
