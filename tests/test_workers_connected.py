"""Workers on the real engines: two certify one log, one is killed, writers wait and go on."""

from __future__ import annotations

import signal
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("kafka")

from kafka import KafkaAdminClient

import memos_gov
from memos_gov.backends.postgres.connection import another_database, drop_database
from memos_gov.bootstrap import fsck
from memos_gov.bootstrap.connected import DATABASES
from memos_gov.service import Service
from tests import engines
from tests.workers import Process

pytestmark = pytest.mark.connected
TAKEN_OVER_S = 2.0


@pytest.fixture
def connected(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on the engines, whose writers do not certify; taken away afterwards."""
    name = uuid.uuid4().hex[:12]
    topic, prefix = f"memos-gov-test-{name}", f"t_{name}"
    folder = tmp_path / "data"
    named = {
        "kafka": {"brokers": [engines.KAFKA], "topic": topic, "dev": True, "partitions": 3},
        "postgres": {"url": engines.POSTGRES, "prefix": prefix},
        "opa": {"url": engines.OPA},
        "weaviate": {
            "url": engines.WEAVIATE,
            "grpc_port": engines.WEAVIATE_GRPC_PORT,
            "collection": f"T{name}",
        },
    }
    with memos_gov.init(folder, engines=named):
        pass
    yield folder
    with memos_gov.open(folder) as gov:
        gov.rooms.index.clear()
    admin = KafkaAdminClient(bootstrap_servers=engines.KAFKA)
    admin.delete_topics([topic])
    admin.close()
    for branch in DATABASES:
        drop_database(another_database(engines.POSTGRES, f"{prefix}_{branch}"))


def write(gov: Service, count: int, threads: int = 8) -> list[float]:
    """Remember notes from many threads; return how long each took."""
    owner = gov.acting_as("owner")

    def one(number: int) -> float:
        begun = time.monotonic()
        owner.remember(f"note {number}")
        return time.monotonic() - begun

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, range(count)))


def test_two_certifiers_of_one_log_decide_each_record_once(connected: Path) -> None:
    """Under load both may take their turn; the history is one, and fsck finds it whole."""
    workers = [Process(connected, "certifier", "--name", f"c{n}") for n in range(2)]
    try:
        for worker in workers:
            worker.until("listens")
        with memos_gov.open(connected, certifies=False) as gov:
            took = write(gov, 60)
            size = gov.rooms.governor.log
            ends = sum(size.end(partition) for partition in range(size.partitions))
    finally:
        codes = [worker.end(signal.SIGTERM) for worker in workers]

    assert [0, 0] == codes
    assert max(took) < 10
    decided = sum(worker.count_of("done") for worker in workers)
    assert 60 <= decided <= ends
    report = fsck(connected)
    assert report.clean, report.findings


def test_standby_takes_over_within_two_seconds_after_a_kill(connected: Path) -> None:
    """Whoever waits for an outcome when the certifier is killed gets it from the other."""
    workers = [Process(connected, "certifier", "--name", f"c{n}") for n in range(2)]
    try:
        for worker in workers:
            worker.until("listens")
        with memos_gov.open(connected, certifies=False) as gov, ThreadPoolExecutor(1) as pool:
            write(gov, 8)
            writing = pool.submit(write, gov, 120, 4)
            time.sleep(0.5)
            workers.sort(key=lambda worker: worker.count_of("done"))
            assert -signal.SIGKILL == workers.pop().end(signal.SIGKILL)
            begun = time.monotonic()
            write(gov, 1)
            assert time.monotonic() - begun < TAKEN_OVER_S
            assert max(writing.result()) < TAKEN_OVER_S
    finally:
        codes = [worker.end(signal.SIGTERM) for worker in workers]

    assert [0] == codes
    report = fsck(connected)
    assert report.clean, report.findings


def test_lease_that_is_due_under_load_finds_a_connection(connected: Path) -> None:
    """More threads than connections do not all wait, with a snapshot each, for one that renews."""
    with memos_gov.open(connected) as gov:
        write(gov, 8)
        gov.rooms.governor.leasing._due = 0

        took = write(gov, 96, threads=48)

    assert max(took) < 10
