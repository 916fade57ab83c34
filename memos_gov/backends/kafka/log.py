"""
`KafkaEventLog`: any number of writers and readers on one topic.

The producer is idempotent and waits for all replicas in sync; a record is on
them when `append` returns. No transactions, no consumer group: readers are
assigned a partition and seek.

A topic is open to others: records without a key, without a value or of any
bytes are read as they are, and certification finds that they are none of ours.

Not here: who may write to the topic (the cluster's access lists).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka import errors as ke

from memos_gov.backends.kafka.connection import KafkaConnection, check_connection, translated
from memos_gov.backends.kafka.topic import (
    AHEAD_MAX_MS,
    BEHIND_MAX_MS,
    MESSAGE_BYTES_MAX,
    require_topic,
)
from memos_gov.domain import ids
from memos_gov.domain.codec import RECORD_BYTES_MAX
from memos_gov.domain.history import LogPosition, LogRecord
from memos_gov.errors import CorruptionError, InvalidCommandError, UnavailableError
from memos_gov.ports import Clock, Proposal

_BATCH_BYTES = 256 * 1024
_FETCH_BYTES = 4 * 1024 * 1024
_FETCH_WAIT_MS = 100
_POLL_MS = 100


class KafkaEventLog:
    """
    One topic; see `EventLog` for what it keeps.

    Nothing is contacted before the first use, which looks at the topic too:
    `require_topic` does that alone.
    """

    appends_together = False
    gapless = False

    def __init__(self, connection: KafkaConnection, clock: Clock) -> None:
        """Prepare the log; many threads may use it at once."""
        check_connection(connection)
        self._connection = connection
        self._clock = clock
        self._lock = threading.Lock()
        self._checked = False
        self._producer: KafkaProducer | None = None
        self._failure: tuple[float, str] | None = None
        self._closing: list[threading.Thread] = []
        self._idle: list[KafkaConsumer] = []

    @property
    def partitions(self) -> int:
        """See `EventLog.partitions`: a topic with another count is refused."""
        return self._connection.partitions

    def partition_of(self, tenant: str) -> int:
        """See `EventLog.partition_of`; the partition is given, never left to the driver."""
        return ids.partition_of(tenant, self.partitions)

    def append(self, proposals: Sequence[Proposal]) -> list[LogPosition]:
        """See `EventLog.append`; threads that append at once share batches."""
        self._check(proposals)
        if not proposals:
            return []
        producer = self._open_producer()
        try:
            with translated(self._connection, told="; the outcome is unknown"):
                return self._send(producer, proposals)
        except BaseException:
            # A producer that failed once may hold batches and numbers of its own.
            self._drop(producer)
            raise

    def _check(self, proposals: Sequence[Proposal]) -> None:
        now_ms = round(self._clock.now().timestamp() * 1000)
        for proposal in proposals:
            if len(proposal.body) > RECORD_BYTES_MAX:
                msg = f"the record is over {RECORD_BYTES_MAX} bytes (RECORD_BYTES_MAX)"
                raise InvalidCommandError(msg, field="content")
            if not -BEHIND_MAX_MS <= proposal.time_ms - now_ms <= AHEAD_MAX_MS:
                raise _out_of_time()

    def _send(self, producer: KafkaProducer, proposals: Sequence[Proposal]) -> list[LogPosition]:
        sent = [
            producer.send(
                self._connection.topic,
                value=proposal.body,
                key=proposal.tenant.encode(),
                partition=self.partition_of(proposal.tenant),
                timestamp_ms=proposal.time_ms,
            )
            for proposal in proposals
        ]
        try:
            found = [future.get(timeout=self._connection.timeout_s) for future in sent]
        except ke.InvalidTimestampError as error:
            if len(sent) == 1:
                raise _out_of_time() from error
            raise
        if any(each.offset < 0 for each in found):
            msg = "the records stand, and where is not told"
            raise ke.DuplicateSequenceNumberError(msg)
        return [LogPosition(each.partition, each.offset) for each in found]

    def _open_producer(self) -> KafkaProducer:
        """Return the producer that all threads share; who waited for one that failed fails too."""
        began = time.monotonic()
        with self._lock, translated(self._connection):
            if self._failure is not None and self._failure[0] > began:
                raise ke.KafkaConnectionError(self._failure[1])
            try:
                self._require_topic()
                self._producer = self._producer or self._make_producer()
            except (ke.KafkaError, UnavailableError) as error:
                self._failure = (time.monotonic(), str(error))
                raise
            return self._producer

    def _make_producer(self) -> KafkaProducer:
        timeout_ms = round(self._connection.timeout_s * 1000)
        return KafkaProducer(
            **self._connection.client(),
            enable_idempotence=True,
            acks="all",
            allow_auto_create_topics=False,
            batch_size=_BATCH_BYTES,
            delivery_timeout_ms=timeout_ms,
            max_block_ms=timeout_ms,
            max_request_size=MESSAGE_BYTES_MAX,
            metrics_enabled=False,
        )

    def _require_topic(self) -> None:
        if not self._checked:
            require_topic(self._connection)
            self._checked = True

    def _drop(self, producer: KafkaProducer) -> None:
        """
        Let go of a producer that failed; the next append makes another.

        It ends beside, since closing waits for what is still under way: others
        may have their answers yet.
        """
        with self._lock:
            if self._producer is not producer:
                return
            self._producer = None
            self._closing = [thread for thread in self._closing if thread.is_alive()]
            told = (producer, self._connection.timeout_s)
            self._closing.append(threading.Thread(target=_close, args=told, daemon=True))
            self._closing[-1].start()

    def read(self, partition: int, start: int, limit: int) -> list[LogRecord]:
        """
        See `EventLog.read`.

        Raises:
            CorruptionError: Records were removed from the topic, or changed in it.
        """
        with self._consumer(partition) as (consumer, place):
            start, end = max(start, 0), self._end_of(consumer, place)
            found: list[LogRecord] = []
            if limit <= 0 or start >= end:
                return found
            consumer.seek(place, start)
            patience = time.monotonic() + self._connection.timeout_s
            while len(found) < limit and (at := consumer.position(place)) < end:
                pages = consumer.poll(_POLL_MS, max_records=limit - len(found))
                found.extend(_record(each) for each in pages.get(place, []) if each.offset < end)
                # Only marks of transactions may stand there: the position moves over them.
                if consumer.position(place) > at:
                    patience = time.monotonic() + self._connection.timeout_s
                elif time.monotonic() > patience:
                    msg = f"no records within {self._connection.timeout_s:g} seconds"
                    raise ke.KafkaTimeoutError(msg)
            return found

    def end(self, partition: int) -> int:
        """See `EventLog.end`."""
        with self._consumer(partition) as (consumer, place):
            return self._end_of(consumer, place)

    def _end_of(self, consumer: KafkaConsumer, place: TopicPartition) -> int:
        timeout_ms = round(self._connection.timeout_s * 1000)
        return int(consumer.end_offsets([place], timeout_ms)[place])

    @contextmanager
    def _consumer(self, partition: int) -> Iterator[tuple[KafkaConsumer, TopicPartition]]:
        """Enter the use of a consumer that nobody else uses; one that failed is let go."""
        if not 0 <= partition < self.partitions:
            msg = f"the log has {self.partitions} partitions, none is {partition}"
            raise ValueError(msg)
        place = TopicPartition(self._connection.topic, partition)
        with translated(self._connection, f"log partition {partition}"):
            consumer = self._take_consumer()
            try:
                consumer.assign([place])
                yield consumer, place
            except BaseException:
                consumer.close()
                raise
        with self._lock:
            self._idle.append(consumer)

    def _take_consumer(self) -> KafkaConsumer:
        with self._lock:
            self._require_topic()
            if self._idle:
                return self._idle.pop()
        return KafkaConsumer(
            **self._connection.client(),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            allow_auto_create_topics=False,
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            max_partition_fetch_bytes=_FETCH_BYTES,
            metrics_enabled=False,
        )

    def damaged(self) -> Iterator[str]:
        """
        See `EventLog.damaged`: partitions whose beginning is gone, and records that do not add up.

        Records of somebody else are no damage: they stand there, and have an outcome.
        """
        for partition in range(self.partitions):
            yield from self._damaged_in(partition)

    def _damaged_in(self, partition: int) -> Iterator[str]:
        start = self._begin(partition)
        if start > 0:
            yield f"log partition {partition}, offsets below {start}"
        try:
            while page := self.read(partition, start, 1000):
                start = page[-1].offset + 1
        except CorruptionError:
            yield f"log partition {partition}, from offset {start} on"

    def _begin(self, partition: int) -> int:
        timeout_ms = round(self._connection.timeout_s * 1000)
        with self._consumer(partition) as (consumer, place):
            return int(consumer.beginning_offsets([place], timeout_ms)[place])

    def close(self) -> None:
        """See `EventLog.close`; what was sent and not confirmed may stand."""
        with self._lock:
            producer, self._producer = self._producer, None
            consumers, self._idle = self._idle, []
        if producer is not None:
            _close(producer, self._connection.timeout_s)
        for thread in self._closing:
            thread.join(2 * self._connection.timeout_s)
        for consumer in consumers:
            consumer.close()


def _close(producer: KafkaProducer, timeout_s: float) -> None:
    """Close a producer once what it holds was confirmed or is given up."""
    with suppress(ke.KafkaError):
        producer.close(timeout=timeout_s)
        return
    # close() only waits, and raises, for batches that the driver itself never ends.
    producer._sender.force_close()  # noqa: SLF001
    with suppress(ke.KafkaError):
        producer.close(timeout=timeout_s)


def _record(found: object) -> LogRecord:
    """Return a record of the topic, whoever wrote it; what is missing is empty."""
    key, value = found.key or b"", found.value or b""  # type: ignore[attr-defined]
    partition, offset = found.partition, found.offset  # type: ignore[attr-defined]
    return LogRecord(partition, offset, key.decode(errors="replace"), value)


def _out_of_time() -> InvalidCommandError:
    msg = "the record's time is outside the log's window of -60 to +5 seconds"
    return InvalidCommandError(msg, field="time", remedy="Set the writer's clock.")
