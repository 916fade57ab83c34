"""
Every port: what the core needs of the world, and the rules an implementation keeps.

One file in `backends/` implements each, one class in `tests/contracts/` proves
each. Backends translate every driver error into `errors.py`; nothing else
leaves them. Ports say what is durable when; a time-out never means that
nothing was written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

import msgspec

from memos_gov.domain.bundle import PolicyBundle
from memos_gov.domain.facts import Facts
from memos_gov.domain.history import Known, LogPosition, LogRecord, Needs, Outcome, Rows, Tree
from memos_gov.ports.embedding import Akin, Embedder, Meaning
from memos_gov.ports.follower import Checkpoint
from memos_gov.ports.index import PARKED, Candidate, CubeIndex, IndexedCube, IndexEntry, ParkedCube
from memos_gov.ports.language_model import BaseModelFiles, KvCache, LanguageModel
from memos_gov.ports.operations import Leases, Pointers
from memos_gov.ports.tensors import TensorStore
from memos_gov.ports.turns import IndexTurn, IndexTurns, Unfinished
from memos_gov.ports.vault import (
    ContentKey,
    Destroying,
    Epoch,
    Keyring,
    KeyStore,
    MasterKeys,
    Rotation,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = [
    "PARKED",
    "Akin",
    "BaseModelFiles",
    "Candidate",
    "Certification",
    "Checkpoint",
    "Clock",
    "ContentKey",
    "CubeIndex",
    "Destroying",
    "Embedder",
    "Epoch",
    "EventLog",
    "IndexEntry",
    "IndexTurn",
    "IndexTurns",
    "IndexedCube",
    "KeyStore",
    "Keyring",
    "KvCache",
    "LanguageModel",
    "Leases",
    "MasterKeys",
    "Meaning",
    "ParkedCube",
    "Pointers",
    "PolicyBundles",
    "PolicyEngine",
    "Proposal",
    "Rotation",
    "Snapshot",
    "StoredEvent",
    "Tables",
    "TensorStore",
    "TileStore",
    "Unfinished",
    "Unusual",
    "Watch",
    "Witness",
]


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> datetime:
        """Return the time, aware, in UTC."""


class Proposal(msgspec.Struct, frozen=True):
    """A record on its way into the log: its key there, its time, its canonical bytes."""

    tenant: str
    time_ms: int
    body: bytes


class EventLog(Protocol):
    """
    The log: any number of writers append, nobody changes what stands.

    Records of one partition have one order, that of their offsets, which grow
    from 0 and may have gaps. A record that `read` returned once is returned
    by every later `read`, at the same offset and with the same bytes.
    """

    @property
    def partitions(self) -> int:
        """How many partitions the log has; fixed at its founding."""

    @property
    def appends_together(self) -> bool:
        """
        Whether the proposals of one call stand all or none, and nobody's record between them.

        Where not, each of them stands or not by itself once a call failed as
        `UnavailableError`, and others' records may stand between.
        """

    @property
    def gapless(self) -> bool:
        """Whether offsets go up by one, so that where one is missing a record is missing."""

    def partition_of(self, tenant: str) -> int:
        """Return the partition that a tenant's records stand in (`domain.ids.partition_of`)."""

    def append(self, proposals: Sequence[Proposal]) -> list[LogPosition]:
        """
        Append proposals, each to its tenant's partition, durably and there in order.

        Appending the same command id twice gives two records and one outcome.

        Raises:
            InvalidCommandError: A record is over RECORD_BYTES_MAX, or its time
                is not within -60 to +5 seconds of the log's clock; nothing was
                written.
            UnavailableError: No confirmation; the outcome is unknown, so
                append the same records again.
        """

    def read(self, partition: int, start: int, limit: int) -> list[LogRecord]:
        """Return at most `limit` records from offset `start` on, in order; [] at the end."""

    def end(self, partition: int) -> int:
        """Return the offset that the next record would get at the least."""

    def damaged(self) -> Iterator[str]:
        """
        Yield the place of each record that is not stored as this log stores one.

        Nothing for a sound log; what a record says is not looked at.
        """

    def close(self) -> None:
        """Release the log; what was appended stays."""


class Certification(Protocol):
    """
    One transaction of the certifier; it commits at the end of the `with`.

    Nobody else certifies a partition from the moment its checkpoint was asked
    for, which comes first.
    """

    def checkpoint(self, partition: int) -> Checkpoint:
        """Return the certifier's checkpoint as of this transaction; waits for who has it."""

    def load(self, wanted: Needs) -> Known:
        """
        Return what is known of `wanted`, and of the subjects of the cubes named.

        Of every cube in `wanted.narrowed` that includes its descendants: who
        was made of whom, transitively, and their governed facts, as far as
        `domain.lineage.walk` over the live ones goes.
        """

    def write(self, partition: int, rows: Rows, checkpoint: Checkpoint) -> None:
        """Write everything that `certify` decided, and advance."""


class StoredEvent(msgspec.Struct, frozen=True):
    """An event as it stands in the tables, in the version in which it was written."""

    index: int
    type: str
    version: int
    stream: str
    header: bytes
    sealed: str | None
    key_id: str | None
    command_id: str


class Unusual(msgspec.Struct, frozen=True):
    """A record not plainly accepted; without an id, in its partition's tree, where not trusted."""

    offset: int
    tenant: str
    code: str
    detail: bytes
    command_id: str


class Snapshot(Protocol):
    """One consistent view of the decided history; nothing in it moves."""

    def tree(self, tenant: str) -> Tree:
        """Return the tree of a tenant, or of a partition (`ids.control_of`); empty before it."""

    def leaf_entries(self, tenant: str, start: int, limit: int) -> list[bytes]:
        """Return at most `limit` leaf entries of a tenant from index `start` on, in order."""

    def decided_at(self, tenant: str, index: int) -> int | None:
        """Return the time of a decided record in milliseconds; None where it tells none."""

    def decided(self, tenant: str, index: int) -> tuple[LogPosition, Outcome] | None:
        """Return where the decided record at an index stands, and its outcome."""

    def certified(self, partition: int) -> int:
        """Return the log offset below which every record is decided."""

    def unusual(self, partition: int, tenant: str, start: int, limit: int) -> list[Unusual]:
        """
        Return a tenant's records from offset `start` on that were not plainly accepted.

        In order of the log, duplicates and untrusted ones of any tenant too.
        """

    def index(self, tenant: str) -> int:
        """Return the newest index of a tenant; -1 for a tenant that was never founded."""

    def tenants(self) -> list[str]:
        """Return every tenant with a tree, a partition's own ones too, sorted."""

    def log_time_ms(self) -> int:
        """Return the highest time of any certified record; 0 before the first."""

    def newest_events(self, tenant: str, limit: int) -> list[StoredEvent]:
        """Return a tenant's newest events, newest first."""

    def facts(self, streams: Iterable[str]) -> dict[str, tuple[int, Facts]]:
        """Return stream -> (version, facts) of those that were ever written."""

    def facts_at(self, stream: str, version: int) -> Facts | None:
        """Return the facts of a stream at a version."""

    def children(self, tenant: str, cubes: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Return cube -> the cubes made directly of it, oldest first, of those that have any."""

    def facts_as_of(self, streams: Iterable[str], index: int) -> dict[str, tuple[int, Facts]]:
        """
        Return stream -> (version, facts) as they stood once `index` was decided.

        Streams first written later are missing; `index` is one of their own tenant.
        """

    def versions(self, stream: str, index: int) -> list[tuple[int, Facts]]:
        """Return every (version, facts) of a stream up to an index, newest first."""

    def index_at(self, tenant: str, time_ms: int) -> int:
        """
        Return the newest index of a tenant at or before a time of the log; -1 before the first.

        Measured by log time, so the answer for a time that has passed stays the same.
        """

    def time_ms_of(self, tenant: str, index: int) -> int:
        """Return the log time at an index; 0 for an index that is not there."""

    def outcome(self, position: LogPosition) -> Outcome | None:
        """Return the outcome of the record at `position`; of a duplicate the earlier one."""

    def outcome_of(self, tenant: str, command_id: str) -> tuple[LogPosition, Outcome] | None:
        """Return the final outcome of a command and where its record stands."""

    def content_event(self, tenant: str, cube: str, index: int) -> StoredEvent | None:
        """Return the content event of `cube` at `index`."""

    def content_keys(self, tenant: str, cube: str, index: int) -> set[str]:
        """Return the ids of the keys that accepted content of `cube` names, up to `index`."""


class Watch(Protocol):
    """Hears of certifications; without `supports_watching` of none."""

    def wait(self, timeout_s: float) -> bool:
        """
        Wait for a certification since the last wait, or since the watch began.

        True as soon as there was one, by whomever; it may be one that changed
        nothing. False after `timeout_s`, or at once without `supports_watching`.

        Raises:
            UnavailableError: It is not known whether there was one: look again.
        """


class Tables(Protocol):
    """
    The tables: what followers make of the log, and what everybody reads.

    Only certification and views write here. A transaction is all or nothing;
    it may be lost with the machine, since replay makes it again.
    """

    @property
    def supports_tenant_wall(self) -> bool:
        """Whether who reads for a `tenant` sees nothing of another, whatever is asked."""

    @property
    def supports_watching(self) -> bool:
        """Whether a watch hears what other processes certify."""

    @property
    def supports_views_beside(self) -> bool:
        """Whether views are written while a certification is open; otherwise they wait for it."""

    def certification(self) -> AbstractContextManager[Certification]:
        """Enter the certifier's transaction; waits while another holds it."""

    def snapshot(self, *, tenant: str | None = None) -> AbstractContextManager[Snapshot]:
        """Enter a consistent read, of one tenant where it is named (`supports_tenant_wall`)."""

    def connection(
        self, *, write: bool = False, tenant: str | None = None
    ) -> AbstractContextManager[Connection]:
        """
        Enter a SQLAlchemy transaction, for views (`write`) and questions.

        A question about one tenant names it (`supports_tenant_wall`).
        """

    def watch(self) -> AbstractContextManager[Watch]:
        """Enter a stretch in which no certification goes by unheard (`supports_watching`)."""

    def bulk(self) -> AbstractContextManager[None]:
        """
        Enter a stretch of many writes that nobody reads yet.

        Nothing written inside is durable before the end, which makes it so.
        """

    def close(self) -> None:
        """Release the tables."""


class TileStore(Protocol):
    """Files of each tenant's log by the paths of C2SP tlog-tiles, whole; made again at will."""

    def read(self, tenant: str, path: str) -> bytes | None:
        """Return a file; None where there is none."""

    def write(self, tenant: str, files: Iterable[tuple[str, bytes]]) -> None:
        """Put files in order, each whole or not at all; a full tile replaces its partial ones."""

    def paths(self, tenant: str) -> list[str]:
        """Return the paths of every file of a tenant, sorted."""

    def clear(self, tenant: str | None = None) -> None:
        """Remove every file of a tenant, or of all."""


class Witness(Protocol):
    """A place outside of the data folder that remembers the newest head of each log."""

    def keep(self, origin: str, note: str) -> None:
        """Remember a signed checkpoint in place of the one before, durably."""

    def newest(self, origin: str) -> str | None:
        """Return the checkpoint that was remembered last; None where none was."""


class PolicyBundles(Protocol):
    """Content-addressed bundles; what `get` returns always has the digest it was asked for."""

    def get(self, digest: str) -> PolicyBundle:
        """
        Return the bundle of `digest`.

        Raises:
            PolicyUnavailableError: No such bundle is kept here.
            CorruptionError: The kept files have another digest.
        """

    def put(self, bundle: PolicyBundle) -> str:
        """Keep the bundle, durably and whole or not at all, and return its digest."""

    def digests(self) -> list[str]:
        """Return the digests that bundles are kept under, sorted; none is read."""


class PolicyEngine(Protocol):
    """
    Something that evaluates a bundle's entrypoints; OPA's semantics are the only ones.

    Stateless between questions: the same digest, entrypoint and question give
    the same answer, whatever was asked before.
    """

    def ask(self, digest: str, entrypoint: str, question: Mapping[str, object]) -> bytes:
        """
        Return the JSON of the answer.

        Args:
            digest: The bundle that must answer; another one never does.
            entrypoint: One of the bundle's, e.g. `memos_gov/access/verdicts`.
            question: The `input` document.

        Raises:
            PolicyUnavailableError: No answer: `reason` is `policy_undefined`,
                `policy_timeout` or `policy_error`.
        """
