"""
Looking at each engine of the connected set-up by itself, whether or not the folder opens.

One engine that is away or wrong hides nothing of the others. Nothing is
written but what asking makes by itself: a bundle is uploaded to an OPA that
lacks it, and an index that is not there is laid out empty.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import NamedTuple

from memos_gov.backends.clock import SystemClock
from memos_gov.backends.files import FilePolicyBundles
from memos_gov.backends.postgres import migrate
from memos_gov.bootstrap.connected import DATABASES, Connected
from memos_gov.bootstrap.opening import control_record, known_proposer
from memos_gov.domain import ids
from memos_gov.domain.facts import PolicyFacts
from memos_gov.domain.verdicts import UNDEFINED
from memos_gov.engines import Engines
from memos_gov.errors import GovernanceError, PolicyUnavailableError
from memos_gov.ports import Snapshot
from memos_gov.settings import Settings

UNUSUAL_PAGE = 1000
_EVERY_INDEX = 2**62


class Look(NamedTuple):
    """What was found at one place: words for a reader, or the error that opening would meet."""

    name: str
    found: str
    error: GovernanceError | None = None


def looks(settings: Settings, engines: Engines) -> Iterator[Look]:
    """Look at log, databases, vault, policy engine, index and live processes, each by itself."""
    with ExitStack() as stack:
        doctor = _Looking(settings, engines, stack)
        topic = _look("kafka", doctor.topic)
        yield topic
        for branch in DATABASES:
            yield _look(f"postgres {branch}", partial(doctor.database, branch))
        if topic.error is None:
            yield _look("instance", doctor.instance)
        yield _look("strangers", doctor.strangers)
        yield _look("opa server", doctor.policy_engine)
        yield _look("weaviate", doctor.index)
        yield _look("processes", doctor.processes)


def _look(name: str, ask: Callable[[], str]) -> Look:
    try:
        return Look(name, ask())
    except GovernanceError as error:
        return Look(name, str(error), error)


class _Looking:
    def __init__(self, settings: Settings, engines: Engines, stack: ExitStack) -> None:
        self._settings = settings
        self._engines = engines
        self._setup = Connected(settings, engines, SystemClock(), stack)

    def topic(self) -> str:
        """Look at the topic's settings and at the control record of each partition."""
        self._setup.require_topic()
        log = self._setup.log()
        control = control_record(log)
        records = sum(log.end(partition) for partition in range(log.partitions))
        of = f"instance {control.instance[:8]}"
        topic = self._engines.kafka.topic
        return f"topic {topic}: {log.partitions} partitions, {records} offsets, {of}"

    def database(self, branch: str) -> str:
        """Look whether a database answers, orders texts by bytes and has this program's format."""
        if branch == "tables":
            self._setup.tables()
        else:
            migrate.check(self._setup.database(branch), branch)
        return "answers, in this program's format"

    def instance(self) -> str:
        """Look whether log, vault and keys/ are of one instance."""
        known_proposer(self._setup.log(), self._setup.vault())
        return "topic, vault and keys are of one instance"

    def strangers(self) -> str:
        """Count the records of somebody else, which do no harm."""
        partitions = range(self._engines.kafka.partitions)
        with self._setup.tables().snapshot() as snapshot:
            found = sum((_strangers(snapshot, each) for each in partitions), Counter[str]())
        if not found:
            return "no record of anybody else stands in the topic"
        codes = ", ".join(f"{count} {code}" for code, count in sorted(found.items()))
        return f"records of somebody else, kept out: {codes}"

    def policy_engine(self) -> str:
        """Ask OPA something of the active policy; a bundle that it lacks is uploaded by that."""
        with self._setup.tables().snapshot() as snapshot:
            stream = ids.guard_stream(self._settings.tenant, "policy")
            _, facts = snapshot.facts([stream]).get(stream, (0, None))
        bundles = FilePolicyBundles(self._settings.data / "policies")
        engine = self._setup.engine(bundles, self._settings.policy_deadline_s)
        if not isinstance(facts, PolicyFacts):
            return f"no policy of tenant {self._settings.tenant} is known to ask about"
        try:
            engine.ask(facts.active, bundles.get(facts.active).entrypoints[0], {})
        except PolicyUnavailableError as error:
            if error.reason != UNDEFINED:
                raise
        return "answers in the bundle's version, with the active bundle"

    def index(self) -> str:
        """Look whether the index answers, is laid out as ours, and is of this log."""
        index = self._setup.index(self._setup.instance())
        behind = [index.position(each) + 1 for each in range(self._engines.kafka.partitions)]
        parked = Counter(each.reason for each in index.parked())
        said = ", ".join(f"{count} {reason}" for reason, count in sorted(parked.items()))
        return f"answers; has followed {sum(behind)} offsets; cubes parked: {said or 'none'}"

    def processes(self) -> str:
        """Say which processes hold leases, and which names workers have taken."""
        leases, now_ms = self._setup.leases(), round(SystemClock().now().timestamp() * 1000)
        live = leases.waiting(ids.INSTANCE, _EVERY_INDEX, now_ms, besides="")
        workers = leases.names(now_ms)
        return f"live: {', '.join(live) or 'none'}; workers: {', '.join(workers) or 'none'}"


def _strangers(snapshot: Snapshot, partition: int) -> Counter[str]:
    """Count what stands in a partition's own tree under a code that no record of ours gets."""
    tree, start = ids.control_of(partition), 0
    found: Counter[str] = Counter()
    while page := snapshot.unusual(partition, tree, start, UNUSUAL_PAGE):
        found.update(each.code for each in page)
        start = page[-1].offset + 1
    return found
