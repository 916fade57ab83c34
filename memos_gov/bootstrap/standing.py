"""
How the engines of the connected set-up stand, each by itself, whether or not the folder opens.

What one of them knows is told while another is away: the ends of the log by
Kafka, what is decided by Postgres, what is indexed by Weaviate. Addresses hold
no secret. Whether each is as this program needs it is what `doctor` looks at.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import msgspec

from memos_gov.backends.clock import SystemClock
from memos_gov.backends.files import FilePolicyBundles
from memos_gov.backends.postgres.connection import place_of, server_version
from memos_gov.bootstrap.connected import DATABASES, Connected
from memos_gov.domain import ids
from memos_gov.engines import Engines
from memos_gov.errors import GovernanceError, UnavailableError
from memos_gov.ports import ParkedCube
from memos_gov.queries.waiting import Waiting, waiting
from memos_gov.settings import Settings


class EngineStanding(msgspec.Struct, frozen=True, kw_only=True):
    """
    One engine: where it is, what of it is ours, and whether it answers.

    `version` is empty where it does not answer; `problem` and `remedy` say why it
    does not, or what is wrong with what it answers.
    """

    engine: str
    address: str
    holds: str
    reachable: bool
    version: str = ""
    problem: str = ""
    remedy: str = ""


class PartitionStanding(msgspec.Struct, frozen=True, kw_only=True):
    """
    One partition of the log: offsets in it, how many are not decided, how many not indexed.

    None is what nobody could tell, because an engine is away.
    """

    partition: int
    end: int | None
    undecided: int | None
    unindexed: int | None


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """
    How the engines stand, how far each partition came, and what waits in each tenant.

    `log_bytes` is what the topic takes on all brokers together, copies too.
    """

    engines: tuple[EngineStanding, ...]
    log_bytes: int | None
    partitions: tuple[PartitionStanding, ...]
    waiting: tuple[Waiting, ...]

    @property
    def well(self) -> bool:
        """Whether nothing is the matter with any of them."""
        return not any(each.problem for each in self.engines)

    @property
    def opens(self) -> bool:
        """Whether a folder on them can be opened: OPA is asked only when something is."""
        return all(each.reachable for each in self.engines if each.engine != "opa")


def standing(settings: Settings, engines: Engines) -> Standing:
    """Return how the engines of a folder stand; nothing is recorded."""
    with ExitStack() as stack:
        return _Looking(settings, engines, stack).standing()


class _Looking:
    def __init__(self, settings: Settings, engines: Engines, stack: ExitStack) -> None:
        self._settings = settings
        self._engines = engines
        self._setup = Connected(settings, engines, SystemClock(), stack)
        self._partitions = range(engines.kafka.partitions)
        self._log_bytes: int | None = None
        self._ends: dict[int, int] = {}
        self._decided: dict[int, int] = {}
        self._seen: dict[int, int] = {}
        self._parked: list[ParkedCube] = []
        self._waiting: tuple[Waiting, ...] = ()

    def standing(self) -> Standing:
        """Look at all of them; the index before the tables, which tell what it has not seen."""
        kafka = self._look("kafka", self._kafka)
        opa, weaviate = self._look("opa", self._opa), self._look("weaviate", self._weaviate)
        postgres = self._look("postgres", self._postgres)
        return Standing(
            engines=(kafka, postgres, opa, weaviate),
            log_bytes=self._log_bytes,
            partitions=tuple(map(self._partition, self._partitions)),
            waiting=self._waiting,
        )

    def _look(self, name: str, ask: Callable[[], str]) -> EngineStanding:
        address, holds = self._places[name]
        try:
            return EngineStanding(
                engine=name, address=address, holds=holds, reachable=True, version=ask()
            )
        except GovernanceError as error:
            return EngineStanding(
                engine=name,
                address=address,
                holds=holds,
                reachable=not isinstance(error, UnavailableError),
                problem=str(error),
                remedy=error.remedy,
            )

    @property
    def _places(self) -> dict[str, tuple[str, str]]:
        """Return engine -> where it is, and what of it is ours."""
        kafka, weaviate = self._engines.kafka, self._engines.weaviate
        postgres = place_of(self._engines.postgres.url.get_secret_value()).partition("/")[0]
        prefix = self._engines.postgres.prefix
        return {
            "kafka": (",".join(kafka.brokers), f"topic {kafka.topic}"),
            "postgres": (postgres, ", ".join(f"{prefix}_{branch}" for branch in DATABASES)),
            "opa": (self._engines.opa.url, ""),
            "weaviate": (weaviate.url, f"collection {weaviate.collection}"),
        }

    def _kafka(self) -> str:
        version, self._log_bytes = self._setup.topic_standing()
        log = self._setup.log()
        self._ends = {partition: log.end(partition) for partition in self._partitions}
        return version

    def _postgres(self) -> str:
        version = server_version(self._engines.postgres.url.get_secret_value())
        tables = self._setup.tables()
        with tables.snapshot() as snapshot:
            self._decided = {each: snapshot.certified(each) for each in self._partitions}
        found = waiting(tables, self._seen or None, self._parked)
        self._waiting = tuple(each for each in found if not ids.is_control(each.tenant))
        return version

    def _opa(self) -> str:
        bundles = FilePolicyBundles(self._settings.data / "policies")
        return self._setup.engine(bundles, self._settings.policy_deadline_s).version()

    def _weaviate(self) -> str:
        index = self._setup.index(self._setup.instance())
        version = index.version()
        self._seen = {each: index.position(each) for each in self._partitions}
        self._parked = index.parked()
        return version

    def _partition(self, partition: int) -> PartitionStanding:
        end, decided = self._ends.get(partition), self._decided.get(partition)
        seen = self._seen.get(partition)
        return PartitionStanding(
            partition=partition,
            end=end,
            undecided=None if end is None or decided is None else max(end - decided, 0),
            unindexed=None if end is None or seen is None else max(end - seen - 1, 0),
        )
