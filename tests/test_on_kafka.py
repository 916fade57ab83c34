"""Life on a log that is a topic: the same history, proofs and rebuilt tables as on a file."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("kafka")

from kafka import KafkaAdminClient, KafkaProducer

import memos_gov
from memos_gov.backends.kafka import KafkaConnection, KafkaEventLog, create_topic
from memos_gov.backends.sqlite import log as log_module
from memos_gov.backends.sqlite.log import SqliteEventLog
from memos_gov.bootstrap import embedded, fsck, rebuild, upkeep
from memos_gov.domain import ids
from memos_gov.ports import Clock
from tests import engines
from tests.lives import PURPOSE, a_varied_life, an_end
from tests.test_partitions import ALL_BUT_THE_VAULT, HOMES, THIRD
from tests.test_rebuild import rows_of

pytestmark = pytest.mark.connected
PARTITIONS = 3


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> Iterator[KafkaConnection]:
    """Return a topic that data folders have as their log; their `log.db` stays empty."""
    connection = KafkaConnection(
        brokers=(engines.KAFKA,),
        topic=f"memos-gov-test-{uuid.uuid4().hex}",
        partitions=PARTITIONS,
        dev=True,
    )
    create_topic(connection)

    def opened(path: Path, clock: Clock, *, read_only: bool = False) -> KafkaEventLog:
        if not path.exists():
            SqliteEventLog(path, clock).close()
        return KafkaEventLog(connection, clock)

    for module in (log_module, embedded, upkeep):
        monkeypatch.setattr(module, "SqliteEventLog", opened)
    yield connection
    admin = KafkaAdminClient(bootstrap_servers=engines.KAFKA)
    admin.delete_topics([connection.topic])
    admin.close()


def a_life(folder: Path) -> None:
    """Live in three tenants, one in each partition, until a person is forgotten."""
    with memos_gov.init(folder) as gov:
        a_varied_life(gov)
        gov.add_tenant(THIRD, principal="kim")
        kim = gov.acting_as("kim", tenant=THIRD, purpose=PURPOSE)
        kim.remember("The parcel was lost.", subjects=["customer-1"])
        an_end(gov)
        for tenant in (*HOMES, *map(ids.control_of, range(PARTITIONS))):
            gov.rooms.notary.checkpoint(tenant)
        gov.rooms.follower.catch_up()
        gov.rooms.index_follower.catch_up()


def test_life_on_a_topic_is_proved_and_made_again(topic: KafkaConnection, tmp_path: Path) -> None:
    """Fsck is clean, rebuilt equals live, roots are the same, and recall goes on."""
    folder = tmp_path / "data"
    a_life(folder)
    live, report = rows_of(folder / "tables.db"), fsck(folder, parts=ALL_BUT_THE_VAULT)
    assert report.clean, report.findings
    assert len(live["outcomes"]) == report.counts["records"]

    made = rebuild(folder)

    assert live == rows_of(folder / made.tables)
    assert (True, report.roots) == (made.compared, made.roots)
    with memos_gov.open(folder) as gov:
        owner = gov.acting_as("owner", purpose=PURPOSE)
        assert owner.recall("charged card").hits
        assert gov.acting_as("kim", tenant=THIRD, purpose=PURPOSE).recall("parcel").hits


def test_strangers_in_the_topic_stop_nobody_and_are_evidence(
    topic: KafkaConnection, tmp_path: Path
) -> None:
    """Marks of transactions between our records, no key, no value: life goes on, fsck is clean."""
    folder = tmp_path / "data"
    with memos_gov.init(folder) as gov:
        owner = gov.acting_as("owner", purpose=PURPOSE)
        for n in range(3):
            _strange(topic, n)
            owner.remember(f"The letter {n} came late.", subjects=["customer-1"])
        assert 3 == len(owner.recall("letter late").hits)
        gov.rooms.notary.checkpoint("default")
        gov.rooms.governor.certifier.catch_up()
        gov.rooms.follower.catch_up()
    live = rows_of(folder / "tables.db")

    report = fsck(folder, parts=ALL_BUT_THE_VAULT)

    assert {"invalid"} == report.found.keys(), report.findings
    assert all("never applied" in finding.message for finding in report.findings)
    assert live == rows_of(folder / rebuild(folder).tables)


def _strange(topic: KafkaConnection, turn: int) -> None:
    other = KafkaProducer(bootstrap_servers=engines.KAFKA, transactional_id=uuid.uuid4().hex)
    other.init_transactions()
    for partition in range(PARTITIONS):
        other.begin_transaction()
        other.send(topic.topic, value=b"nonsense", partition=partition)
        other.send(topic.topic, key=b"default", partition=partition)
        (other.abort_transaction if turn else other.commit_transaction)()
    other.close()


def test_many_threads_on_a_topic_have_one_history(topic: KafkaConnection, tmp_path: Path) -> None:
    """Each command has its receipt, once, whoever certified it."""
    folder = tmp_path / "data"
    with memos_gov.init(folder) as gov:
        gov.add_tenant("other", principal="zoe")
        told: list[int] = []

        def write(thread: int) -> None:
            tenant, name = (("default", "owner"), ("other", "zoe"))[thread % 2]
            actor = gov.acting_as(name, tenant=tenant, purpose=PURPOSE)
            for n in range(5):
                receipt = actor.remember(f"Letter {n} of {thread}.", subjects=["customer-1"])
                told.append(receipt.index)

        with ThreadPoolExecutor(6) as threads:
            list(threads.map(write, range(6)))
        gov.rooms.follower.catch_up()

    assert 30 == len(told)
    assert fsck(folder, parts=("log", "tables")).clean
