"""KafkaEventLog keeps the contract, and what only a topic that many share can get wrong."""

import gc
import hashlib
import multiprocessing
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("kafka")

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka import errors as ke

from memos_gov.backends.clock import SystemClock
from memos_gov.backends.kafka import KafkaConnection, KafkaEventLog, create_topic, require_topic
from memos_gov.backends.kafka import topic as topic_module
from memos_gov.backends.kafka.topic import REQUIRED
from memos_gov.certify import parse
from memos_gov.domain.codec import RECORD_BYTES_MAX
from memos_gov.errors import (
    CorruptionError,
    InvalidCommandError,
    SettingsError,
    UnavailableError,
)
from memos_gov.follow import digest, read_after
from memos_gov.ports import Checkpoint, EventLog, Proposal
from tests import engines
from tests.contracts.event_log import TENANT, EventLogContract, FixedClock, a_proposal, whole

pytestmark = [
    pytest.mark.connected,
    # A client of the driver that reaches nobody leaves its socket to the collector.
    pytest.mark.filterwarnings("ignore:unclosed <s:ResourceWarning"),
]

PARTITIONS = 3
Open = Callable[[], KafkaEventLog]


def now_ms() -> int:
    """Return the time, which a broker looks at too."""
    return round(time.time() * 1000)


def a_record(body: bytes = b"{}", tenant: str = TENANT) -> Proposal:
    """Return a proposal of now."""
    return a_proposal(body, tenant, now_ms())


@pytest.fixture(scope="module")
def admin() -> Iterator[KafkaAdminClient]:
    """Return a client that makes and removes topics."""
    client = KafkaAdminClient(bootstrap_servers=engines.KAFKA)
    yield client
    client.close()


@pytest.fixture
def connection(admin: KafkaAdminClient) -> Iterator[KafkaConnection]:
    """Return a connection to a topic of the test's own, which is not there yet."""
    topic = f"memos-gov-test-{uuid.uuid4().hex}"
    yield KafkaConnection(
        brokers=(engines.KAFKA,),
        topic=topic,
        partitions=PARTITIONS,
        dev=True,
        start_timeout_s=5,
        timeout_s=5,
    )
    if topic in admin.list_topics():
        admin.delete_topics([topic])


@pytest.fixture
def topic(connection: KafkaConnection) -> KafkaConnection:
    """Return a connection to a topic that is made as a log needs it."""
    create_topic(connection)
    return connection


@pytest.fixture
def clock() -> FixedClock:
    """Return a clock that stands where the broker's does."""
    return FixedClock(now_ms())


@pytest.fixture
def open_log(topic: KafkaConnection, clock: FixedClock) -> Iterator[Open]:
    """Return a function that opens the log; every opening is closed at the end."""
    opened: list[KafkaEventLog] = []

    def put() -> KafkaEventLog:
        opened.append(KafkaEventLog(topic, clock))
        return opened[-1]

    yield put
    for log in opened:
        log.close()


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    yield
    gc.collect()


def put(producer: KafkaProducer, topic: KafkaConnection, **record: object) -> None:
    """Write a record to a partition behind the log's back."""
    producer.send(topic.topic, **record).get(10)


class TestKafkaEventLog(EventLogContract):
    """The contract, on one topic of three partitions."""

    @pytest.fixture
    def clock(self) -> FixedClock:
        """Return a clock that stands where the broker's does."""
        return FixedClock(now_ms())

    @pytest.fixture(autouse=True)
    def _topic(self, topic: KafkaConnection) -> None:
        self._connection = topic

    @pytest.fixture
    def broken(self, clock: FixedClock) -> Iterator[EventLog]:
        """Return a log at an address where nobody listens."""
        nowhere = KafkaConnection(
            brokers=("127.0.0.1:1",), topic="none", start_timeout_s=0.3, timeout_s=0.5
        )
        log = KafkaEventLog(nowhere, clock)
        yield log
        log.close()

    def raw_records(self) -> list[tuple[str, bytes]]:
        """Return what the topic holds, by a consumer of the test's own."""
        consumer = KafkaConsumer(bootstrap_servers=engines.KAFKA, fetch_max_wait_ms=100)
        places = [TopicPartition(self._connection.topic, n) for n in range(PARTITIONS)]
        consumer.assign(places)
        consumer.seek_to_beginning()
        found: list[tuple[str, bytes]] = []
        left = sum(consumer.end_offsets(places).values())
        while len(found) < left:
            for page in consumer.poll(5000).values():
                found.extend((each.key.decode(), each.value) for each in page)
        consumer.close()
        return found


# --- The topic ---------------------------------------------------------------

WRONG = {
    "cleanup.policy": "compact",
    "compression.type": "producer",
    "max.message.bytes": "2000000",
    "message.timestamp.after.max.ms": "3600000",
    "message.timestamp.before.max.ms": "9223372036854775807",
    "message.timestamp.type": "LogAppendTime",
    "retention.bytes": "1000000000",
    "retention.ms": "604800000",
    "unclean.leader.election.enable": "true",
}


def make(
    admin: KafkaAdminClient, connection: KafkaConnection, partitions: int, **wrong: str
) -> None:
    """Make a topic as a log needs it, but for what is `wrong`."""
    configs = {**REQUIRED, **{name.replace("_", "."): value for name, value in wrong.items()}}
    layout = {"num_partitions": partitions, "replication_factor": 1, "configs": configs}
    admin.create_topics({connection.topic: layout}, wait_for_metadata=True)


def refusal(connection: KafkaConnection) -> SettingsError:
    """Return how a topic is refused; whoever opens the log is told the same before anything."""
    with pytest.raises(SettingsError) as caught:
        require_topic(connection)
    log = KafkaEventLog(connection, SystemClock())
    for act in (lambda: log.append([a_record()]), lambda: log.read(0, 0, 1)):
        with pytest.raises(SettingsError) as again:
            act()
        assert str(caught.value) == str(again.value)
    log.close()
    return caught.value


@pytest.mark.parametrize("setting", sorted(REQUIRED))
def test_topic_with_one_wrong_setting_is_refused_by_its_name(
    admin: KafkaAdminClient, connection: KafkaConnection, setting: str
) -> None:
    """It would lose, reorder or rewrite records; the command that mends it is told."""
    make(admin, connection, PARTITIONS, **{setting: WRONG[setting]})

    error = refusal(connection)

    told = f"{setting} is {WRONG[setting]} and must be {REQUIRED[setting]}"
    assert f"topic {connection.topic}: {told}" == str(error)
    assert error.remedy.endswith(f"--add-config {setting}={REQUIRED[setting]}")


def test_topic_of_defaults_is_refused_with_all_that_is_wrong(
    admin: KafkaAdminClient, connection: KafkaConnection
) -> None:
    """One look tells everything."""
    layout = {"num_partitions": PARTITIONS, "replication_factor": 1}
    admin.create_topics({connection.topic: layout}, wait_for_metadata=True)

    message = str(refusal(connection))

    for name in ("retention.ms", "compression.type", "message.timestamp.before.max.ms"):
        assert f"{name} is " in message
    assert "cleanup.policy" not in message


def test_topic_that_is_not_there_is_refused(connection: KafkaConnection) -> None:
    """And not made by looking at it."""
    assert f"there is no topic {connection.topic}" == str(refusal(connection))
    assert "there is no topic" in str(refusal(connection))


@pytest.mark.parametrize("partitions", [PARTITIONS - 1, PARTITIONS + 1])
def test_topic_with_another_count_of_partitions_is_refused(
    admin: KafkaAdminClient, connection: KafkaConnection, partitions: int
) -> None:
    """Tenants would change their partition, and their order with it."""
    make(admin, connection, partitions)

    assert f"has {partitions} partitions and the log {PARTITIONS}" in str(refusal(connection))


def test_topic_on_one_disk_is_refused_unless_dev(topic: KafkaConnection) -> None:
    """What is acknowledged survives the loss of a machine."""
    error = refusal(msgspec.structs.replace(topic, dev=False))

    assert "has 1 replicas and needs 3" in str(error)
    assert "dev" in error.remedy


def test_topic_is_not_made_where_the_cluster_is_too_small(connection: KafkaConnection) -> None:
    """Nothing is left behind."""
    with pytest.raises(SettingsError, match="fewer than 3 brokers"):
        create_topic(msgspec.structs.replace(connection, dev=False))

    assert "there is no topic" in str(refusal(connection))


def test_minimum_in_sync_of_one_is_refused_unless_dev() -> None:
    """A record that one replica holds is no record yet."""
    connection = KafkaConnection(brokers=("a:1",), topic="t")

    with pytest.raises(SettingsError, match=r"min\.insync\.replicas is 1 and must be 2"):
        topic_module._refuse_config(connection, {**REQUIRED, "min.insync.replicas": "1"})
    topic_module._refuse_config(connection, {**REQUIRED, "min.insync.replicas": "2"})


def test_topic_that_is_made_again_stays(topic: KafkaConnection, open_log: Open) -> None:
    """A founding that was interrupted is begun again."""
    open_log().append([a_record(b"kept")])

    create_topic(topic)

    assert [b"kept"] == [record.body for record in whole(open_log())]


def test_topic_of_another_kind_is_not_taken_over(
    admin: KafkaAdminClient, connection: KafkaConnection
) -> None:
    """Making says so like opening does."""
    make(admin, connection, PARTITIONS, cleanup_policy="compact")

    with pytest.raises(SettingsError, match=r"cleanup\.policy is compact"):
        create_topic(connection)


# --- What is told to the driver ----------------------------------------------


def test_secrets_of_a_connection_show_nowhere() -> None:
    """Neither in its own text nor in what goes wrong with it."""
    connection = KafkaConnection(
        brokers=("127.0.0.1:1",),
        topic="none",
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="PLAIN",
        user="u",
        password="very-secret",
        key_password="more-secret",
        start_timeout_s=0.2,
    )
    with pytest.raises(UnavailableError) as caught:
        require_topic(connection)

    shown = [repr(connection), str(connection), str(caught.value), caught.value.remedy]
    shown += [repr(list(connection.__rich_repr__())), repr(caught.value.__cause__)]
    assert "secret" not in "".join(shown)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"ca_file": Path("/nowhere/ca.pem")}, "ca_file: there is no file /nowhere/ca.pem"),
        ({"key_file": Path("/nowhere/key.pem")}, "key_file"),
        ({"brokers": ()}, "brokers: '' is no host:port"),
        ({"brokers": ("host:",)}, "brokers: 'host:' is no host:port"),
        ({"partitions": 0}, "partitions: 0 is no count"),
        ({"sasl_mechanism": "PLAIN", "user": "u"}, "user, password: SASL needs both"),
        ({"security_protocol": "TLS"}, "security_protocol: 'TLS'"),
    ],
)
def test_connection_that_cannot_be_names_its_field(wrong: dict[str, object], named: str) -> None:
    """Before anybody is contacted."""
    sound = KafkaConnection(brokers=("127.0.0.1:1",), topic="none")

    with pytest.raises(SettingsError) as caught:
        KafkaEventLog(msgspec.structs.replace(sound, **wrong), SystemClock())

    assert named in str(caught.value)


def test_broker_that_speaks_no_tls_is_unavailable(topic: KafkaConnection) -> None:
    """Nothing goes to it in the clear instead."""
    with pytest.raises(UnavailableError) as caught:
        require_topic(msgspec.structs.replace(topic, security_protocol="SSL", start_timeout_s=0.5))

    assert "security protocol" in caught.value.remedy


# --- Appending ---------------------------------------------------------------


def test_tenant_stands_in_the_partition_of_its_sha_256(open_log: Open) -> None:
    """Whatever the driver would do with the key."""
    log = open_log()
    for name in ("acme", "other", "tenant-7"):
        expected = int(hashlib.sha256(name.encode()).hexdigest(), 16) % PARTITIONS

        (position,) = log.append([a_record(b"{}", name)])

        assert expected == position.partition == log.partition_of(name)


def test_writer_whose_clock_stands_wrong_is_refused_by_the_broker(
    topic: KafkaConnection, open_log: Open
) -> None:
    """Its own clock cannot excuse it; nothing is written, and others go on."""
    wrong_ms = now_ms() - 120_000
    wrong = KafkaEventLog(topic, FixedClock(wrong_ms))

    with pytest.raises(InvalidCommandError) as caught:
        wrong.append([a_proposal(b"old", time_ms=wrong_ms)])

    assert "time" == caught.value.field
    assert [] == whole(wrong)
    wrong.close()
    open_log().append([a_record(b"good")])
    assert [b"good"] == [record.body for record in whole(open_log())]


def test_log_goes_on_after_a_record_that_the_broker_refused(
    topic: KafkaConnection, clock: FixedClock
) -> None:
    """The producer that failed is replaced, so its numbers hold up nobody."""
    log = KafkaEventLog(topic, clock)
    clock.now_ms -= 120_000
    with pytest.raises(InvalidCommandError):
        log.append([a_proposal(b"old", time_ms=clock.now_ms)])
    clock.now_ms += 120_000

    log.append([a_record(b"one"), a_record(b"two")])

    assert [b"one", b"two"] == [record.body for record in whole(log)]
    log.close()


def test_append_after_close_of_the_producer_makes_another(open_log: Open) -> None:
    """A failure of one call is not the end of the log's other threads."""
    log = open_log()
    log.append([a_record(b"one")])
    assert log._producer is not None
    log._producer.close()

    with pytest.raises(UnavailableError, match="the outcome is unknown"):
        log.append([a_record(b"lost")])

    log.append([a_record(b"two")])
    assert [b"one", b"two"] == [record.body for record in whole(log)]


def _append_many(connection: KafkaConnection, process: int, told: Connection) -> None:
    log = KafkaEventLog(connection, SystemClock())
    for n in range(100_000):
        body = f"{process}/{n}".encode()
        (position,) = log.append([a_record(body)])
        told.send((position.offset, body))


def test_processes_that_are_killed_lose_nothing_acknowledged(
    topic: KafkaConnection, open_log: Open
) -> None:
    """Each record that a process was told of stands at its offset, once, in its order."""
    spawn = multiprocessing.get_context("spawn")
    ends = [spawn.Pipe(duplex=False) for _ in range(2)]
    processes = [
        spawn.Process(target=_append_many, args=(topic, n, end[1])) for n, end in enumerate(ends)
    ]
    for process in processes:
        process.start()
    acknowledged: dict[int, bytes] = {}
    for _ in range(100):
        for reading, _writing in ends:
            offset, body = reading.recv()
            acknowledged[offset] = body
    for process in processes:
        process.kill()
        process.join(10)
    for reading, _writing in ends:
        while reading.poll():
            with suppress(EOFError, OSError):
                offset, body = reading.recv()
                acknowledged[offset] = body
                continue
            break

    stored = {record.offset: record.body for record in whole(open_log())}
    assert acknowledged.items() <= stored.items()
    assert len(acknowledged) >= 200
    assert len(stored) == len(set(stored.values())) <= len(acknowledged) + 2
    for n in range(2):
        mine = [int(body[2:]) for body in stored.values() if body.startswith(f"{n}/".encode())]
        assert list(range(len(mine))) == mine


# --- Somebody else's records -------------------------------------------------


@pytest.mark.parametrize(
    "record",
    [
        {"value": b"no key"},
        {"key": b"acme"},
        {"key": b"acme", "value": b""},
        {"key": b"\xff\xfe", "value": b"\x00\x80"},
        {"key": b"acme", "value": b"[1, 2, {}]"},
        {"key": b"acme", "value": b"{}", "headers": [("h", b"v"), ("none", b"")]},
        {"key": b"x" * 1000, "value": b"y" * (RECORD_BYTES_MAX + 20_000)},
    ],
    ids=["no-key", "no-value", "empty", "not-utf-8", "json", "headers", "over-the-limit"],
)
def test_record_of_somebody_else_is_read_and_is_invalid(
    topic: KafkaConnection, open_log: Open, record: dict[str, object]
) -> None:
    """It stops nobody: certification finds that it is no record."""
    log = open_log()
    log.append([a_record(b"before")])
    partition = log.partition_of(TENANT)
    with closing(KafkaProducer(bootstrap_servers=engines.KAFKA, max_request_size=2**21)) as other:
        put(other, topic, partition=partition, **record)
    log.append([a_record(b"after")])

    found = whole(log)

    assert [0, 1, 2] == [each.offset for each in found]
    assert [b"before", b"after"] == [found[0].body, found[2].body]
    assert "invalid" == parse(found[1]).problem
    assert [] == list(log.damaged())


def test_compressed_records_of_somebody_else_need_no_codec_here(
    topic: KafkaConnection, open_log: Open
) -> None:
    """The broker stores them uncompressed, or a certifier without that codec would stop."""
    other = KafkaProducer(bootstrap_servers=engines.KAFKA, compression_type="gzip", linger_ms=50)
    for n in range(20):
        other.send(topic.topic, key=b"acme", value=b"z" * 1000 + bytes([n]), partition=1)
    other.close()
    consumer = KafkaConsumer(bootstrap_servers=engines.KAFKA, group_id=None)

    found = open_log().read(1, 0, 100)

    consumer.close()
    assert [bytes([n]) for n in range(20)] == [record.body[-1:] for record in found]


def test_marks_of_somebodys_transactions_are_gaps(topic: KafkaConnection, open_log: Open) -> None:
    """Offsets jump over them, followers go on, and the end comes at once."""
    log = open_log()
    (first,) = log.append([a_record(b"one")])
    other = KafkaProducer(bootstrap_servers=engines.KAFKA, transactional_id=uuid.uuid4().hex)
    other.init_transactions()
    for end in (other.commit_transaction, other.abort_transaction):
        other.begin_transaction()
        put(other, topic, partition=first.partition, key=b"x", value=b"foreign")
        end()

    found = whole(log)
    began = time.monotonic()
    assert [] == log.read(first.partition, found[-1].offset + 1, 10)
    assert time.monotonic() - began < 1
    assert [0, 1, 3] == [record.offset for record in found]
    assert 5 == log.end(first.partition)
    seen = Checkpoint(found[-1].offset + 1, digest(found[-1]))
    assert [] == read_after(log, first.partition, seen)

    (last,) = log.append([a_record(b"two")])
    assert 5 == last.offset
    assert [b"two"] == [r.body for r in read_after(log, first.partition, seen)]
    assert [b"two"] == [r.body for r in log.read(first.partition, 2, 9) if r.offset > 3]
    other.close()


# --- Damage ------------------------------------------------------------------


def test_end_of_the_log_is_read_at_once(open_log: Open) -> None:
    """Nobody waits for records that are not there."""
    log = open_log()
    log.append([a_record()])
    whole(log)
    began = time.monotonic()

    for _ in range(20):
        assert [] == log.read(log.partition_of(TENANT), 1, 500)

    assert time.monotonic() - began < 2


def test_records_that_were_removed_are_missed(
    admin: KafkaAdminClient, topic: KafkaConnection, open_log: Open
) -> None:
    """Reading over them is corruption, never a shorter history."""
    log = open_log()
    partition = log.partition_of(TENANT)
    log.append([a_record(str(n).encode()) for n in range(5)])
    admin.delete_records({TopicPartition(topic.topic, partition): 2})

    with pytest.raises(CorruptionError) as caught:
        log.read(partition, 0, 10)

    assert isinstance(caught.value.__cause__, ke.OffsetOutOfRangeError)
    assert [b"2", b"3", b"4"] == [record.body for record in log.read(partition, 2, 10)]
    assert [f"log partition {partition}, offsets below 2"] == list(log.damaged())


def test_topic_that_was_made_anew_under_a_follower_is_corrupt(
    admin: KafkaAdminClient, topic: KafkaConnection, open_log: Open
) -> None:
    """A shorter log, or another record at the checkpoint, is served to nobody."""
    log = open_log()
    log.append([a_record(b"one"), a_record(b"two")])
    partition, (_, last) = log.partition_of(TENANT), whole(log)
    seen = Checkpoint(last.offset + 1, digest(last))
    admin.delete_topics([topic.topic])
    while topic.topic in admin.list_topics():
        time.sleep(0.05)
    create_topic(topic)
    again = open_log()

    with pytest.raises(CorruptionError, match="ends before offset 1"):
        read_after(again, partition, seen)
    again.append([a_record(b"one"), a_record(b"other")])
    with pytest.raises(CorruptionError, match="holds another record at offset 1"):
        read_after(again, partition, seen)
