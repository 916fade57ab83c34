"""
Stores on engines for a new data folder: made whole or not at all, and nobody else's touched.

An `init` holds locks on its names while it works (`postgres/claiming.py`), and
whatever it makes says for which instance. So what an `init` that was killed
left behind is known by the databases it was making, is made anew by the next
one, and is told from what is somebody's: a log, a database, a collection.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

from memos_gov.backends.kafka import (
    KafkaConnection,
    KafkaEventLog,
    create_topic,
    delete_topic,
    has_topic,
)
from memos_gov.backends.postgres import migrate
from memos_gov.backends.postgres.claiming import Claim
from memos_gov.backends.weaviate.index import WeaviateCubeIndex
from memos_gov.certify import parse
from memos_gov.domain.events import LogFounded
from memos_gov.errors import CorruptionError, GovernanceError, SettingsError
from memos_gov.ports import Clock, EventLog


class Founding:
    """
    The making of all stores of one instance, by whoever has the claim to their names.

    Args:
        databases: Address and schema by branch; the first is made first and removed last.
        index: Of that instance.
    """

    def __init__(
        self,
        instance: str,
        claim: Claim,
        topic: KafkaConnection,
        clock: Clock,
        databases: dict[str, tuple[str, str]],
        index: WeaviateCubeIndex,
    ) -> None:
        self._instance = instance
        self._claim = claim
        self._topic = topic
        self._clock = clock
        self._databases = databases
        self._index = index
        self._made_topic = False

    @contextmanager
    def laid_out(self) -> Iterator[None]:
        """
        Enter with all stores empty; those of the instance are removed if anything is raised.

        Raises:
            SettingsError: One of them is somebody's; nothing of it was touched.
        """
        remains = self._remains()
        self._refuse_collection(remains)
        try:
            self._make_topic(remains)
            self._clear_index(remains)
            self._make_databases()
            self._index.position()
            yield
        except BaseException:
            # (what cannot be removed now still says that it was being made: the next one clears it)
            with suppress(GovernanceError):
                self._remove()
            raise

    def settle(self) -> None:
        """Say for good whose the databases are: from here on nobody takes them for remains."""
        self._claim.settle([url for url, _ in self._databases.values()], self._instance)

    def _remains(self) -> set[str]:
        """Return the instances whose making ended half way here."""
        found = (
            self._claim.remains(url, branch, schema)
            for branch, (url, schema) in self._databases.items()
        )
        return {instance for instance in found if instance is not None}

    def _refuse_collection(self, remains: set[str]) -> None:
        if self._index.owners() <= remains:
            return
        msg = f"the collection {self._index.collection} is in use by another data folder"
        remedy = (
            "Name another collection (engines.weaviate.collection), or delete this one and its"
            " positions where that folder is gone."
        )
        raise SettingsError(msg, remedy=remedy)

    def _make_topic(self, remains: set[str]) -> None:
        self._made_topic = not has_topic(self._topic)
        if not create_topic(self._topic):
            self._made_topic = False
        founders = self._founders()
        if not founders <= remains:
            msg = f"topic {self._topic.topic} holds a log already"
            remedy = (
                "Name another topic (engines.kafka.topic), or use the data folder that"
                " belongs to this log."
            )
            raise SettingsError(msg, remedy=remedy)
        if founders:
            delete_topic(self._topic)
            self._made_topic = True
            create_topic(self._topic)

    def _clear_index(self, remains: set[str]) -> None:
        if self._index.owners() & remains:
            self._index.drop()

    def _make_databases(self) -> None:
        """Drop what was left of databases, and make them."""
        for branch, (url, schema) in reversed([*self._databases.items()]):
            left = self._claim.remains(url, branch, schema)
            if left is not None:
                self._claim.drop(url, left)
        for branch, (url, schema) in self._databases.items():
            self._claim.take(url, self._instance)
            migrate.upgrade(url, branch, schema=schema)

    def _remove(self) -> None:
        """Remove what is this instance's, and nothing else; the databases say so to the end."""
        self._claim.unsettle([url for url, _ in self._databases.values()], self._instance)
        self._remove_topic()
        if self._index.owners() == {self._instance}:
            self._index.drop()
        for url, _ in reversed([*self._databases.values()]):
            self._claim.drop(url, self._instance)

    def _remove_topic(self) -> None:
        """Remove a topic whose log is this instance's, or one that was made here and has none."""
        if not has_topic(self._topic):
            return
        founders = self._founders()
        if founders == {self._instance} or (self._made_topic and not founders):
            delete_topic(self._topic)

    def _founders(self) -> set[str]:
        """Return which instances the partitions begin with; "" for a beginning of another kind."""
        with closing(KafkaEventLog(self._topic, self._clock)) as log:
            filled = [partition for partition in range(log.partitions) if log.end(partition)]
            return {_founder(log, partition) for partition in filled}


def _founder(log: EventLog, partition: int) -> str:
    try:
        found = log.read(partition, 0, 1)
    except CorruptionError:  # (its beginning is gone)
        return ""
    events = parse(found[0]).events if found else ()
    first = events[0] if events else None
    return first.instance if isinstance(first, LogFounded) else ""
