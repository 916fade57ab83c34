"""A broker of the test's own is killed under load: nothing acknowledged is lost, work resumes."""

import gc
import os
import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("kafka")

from memos_gov.backends.clock import SystemClock
from memos_gov.backends.kafka import KafkaConnection, KafkaEventLog, create_topic
from memos_gov.domain.history import LogRecord
from memos_gov.errors import UnavailableError
from memos_gov.ports import Proposal
from tests.contracts.event_log import TENANT, whole

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
LIBRARIES = CACHE / "memos-gov/services/kafka-4.3.1/libs"
pytestmark = [
    pytest.mark.connected,
    pytest.mark.slow,
    # A client of the driver that reaches nobody leaves its sockets to the collector.
    pytest.mark.filterwarnings("ignore:unclosed <s:ResourceWarning"),
]
START_S = 5.0
PROPERTIES = """
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{broker}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
log.dirs={data}
offsets.topic.replication.factor=1
auto.create.topics.enable=false
"""


class Broker:
    """A Kafka of one node in a folder, started and killed at will."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port, controller = _free_ports(2)
        self._properties = folder / "server.properties"
        self._properties.write_text(
            PROPERTIES.format(broker=self.port, controller=controller, data=folder / "data")
        )
        name = f"A{secrets.token_urlsafe(16)[1:]}"  # (an argument does not begin with a dash)
        self._run("kafka.tools.StorageTool", "format", "-t", name, "--standalone", "-c").wait(60)
        self._process: subprocess.Popen[bytes] | None = None

    def _run(self, main: str, *arguments: str) -> subprocess.Popen[bytes]:
        java = ["java", "-Xmx320m", "-cp", f"{LIBRARIES}/*", main, *arguments]
        with (self._folder / "broker.log").open("ab") as log:
            return subprocess.Popen(
                [*java, str(self._properties)], stdout=log, stderr=log, cwd=self._folder
            )

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = self._run("kafka.Kafka")
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        pytest.fail((self._folder / "broker.log").read_text()[-2000:])

    def kill(self, kind: int = signal.SIGKILL) -> None:
        """Kill it, as a crash does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(kind)
            self._process.wait(30)

    def pause(self) -> None:
        """Let it answer nothing while its connections stand."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """Return a running broker; skip where Kafka was never fetched to this machine."""
    if shutil.which("java") is None or not LIBRARIES.is_dir():
        pytest.skip(f"there is no Kafka in {LIBRARIES}")
    found = Broker(tmp_path)
    found.start()
    yield found
    found.kill()


@pytest.fixture
def log(broker: Broker) -> Iterator[KafkaEventLog]:
    """Return a log on that broker that waits no longer than four seconds."""
    connection = KafkaConnection(
        brokers=(f"127.0.0.1:{broker.port}",),
        topic="log",
        dev=True,
        start_timeout_s=START_S,
        timeout_s=4,
    )
    create_topic(connection)
    log = KafkaEventLog(connection, SystemClock())
    yield log
    log.close()


def a_record(body: str) -> Proposal:
    """Return a proposal of now."""
    return Proposal(TENANT, round(time.time() * 1000), body.encode())


class Writers:
    """Threads that append until they are told to stop, and append again what failed."""

    def __init__(self, log: KafkaEventLog, threads: int) -> None:
        self._log = log
        self._stop = threading.Event()
        self.acknowledged: dict[int, bytes] = {}
        self.failed = 0
        self._threads = [threading.Thread(target=self._write, args=(n,)) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    def _write(self, thread: int) -> None:
        n = 0
        while not self._stop.is_set():
            body = f"{thread}/{n}"
            try:
                (position,) = self._log.append([a_record(body)])
            except UnavailableError:
                self.failed += 1
                continue
            self.acknowledged[position.offset] = body.encode()
            n += 1

    def stop(self) -> None:
        """Let each thread end its call."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)


@pytest.mark.timeout(300)
def test_broker_that_is_killed_under_load_loses_nothing_acknowledged(
    broker: Broker, log: KafkaEventLog
) -> None:
    """Twice: each record acknowledged stands at its offset, and the writers go on by themselves."""
    log.append([a_record("first")])
    writers = Writers(log, 4)
    for _ in range(2):
        time.sleep(2)
        broker.kill()
        before = len(writers.acknowledged)
        time.sleep(6)
        broker.start()
        deadline = time.monotonic() + 60
        while len(writers.acknowledged) < before + 50 and time.monotonic() < deadline:
            time.sleep(0.1)
        count = len(writers.acknowledged)
        assert count >= before + 50
    writers.stop()

    stored = {record.offset: record.body for record in whole_log(log)}
    lost = [offset for offset, body in writers.acknowledged.items() if stored.get(offset) != body]
    assert [] == lost
    assert writers.failed > 0
    for thread in range(4):
        mine = [int(b.split(b"/")[1]) for b in stored.values() if b.startswith(b"%d/" % thread)]
        assert sorted(mine) == mine  # (what was appended again stands twice, never out of order)
        assert set(range(max(mine) + 1)) == set(mine)


@pytest.mark.timeout(300)
def test_threads_that_find_no_broker_fail_together(broker: Broker, log: KafkaEventLog) -> None:
    """Sixteen callers wait for one attempt, not for sixteen, one after another."""
    log.append([a_record("one")])
    broker.kill()
    with pytest.raises(UnavailableError):
        log.append([a_record("two")])

    def fails(_: int) -> float:
        began = time.monotonic()
        with pytest.raises(UnavailableError):
            log.append([a_record("two")])
        return time.monotonic() - began

    with ThreadPoolExecutor(16) as threads:
        waited = list(threads.map(fails, range(16)))

    assert max(waited) < 3 * START_S
    broker.start()


@pytest.mark.timeout(300)
def test_broker_that_hangs_is_unavailable_in_time(broker: Broker, log: KafkaEventLog) -> None:
    """Nobody waits for ever; what then stands twice has one command id."""
    log.append([a_record("one")])
    assert 1 == len(whole(log))
    broker.pause()
    for act in (lambda: log.append([a_record("two")]), lambda: whole(log)):
        began = time.monotonic()
        with pytest.raises(UnavailableError) as caught:
            act()
        assert time.monotonic() - began < 15
        assert caught.value.__cause__ is not None
    broker.resume()

    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            log.append([a_record("three")])
            break
        except UnavailableError:
            continue

    bodies = [record.body for record in whole(log)]
    assert (b"one", b"three") == (bodies[0], bodies[-1])
    assert set(bodies) <= {b"one", b"two", b"three"}


def whole_log(log: KafkaEventLog) -> Iterator[LogRecord]:
    """Yield every record, page by page."""
    start = 0
    while page := log.read(0, start, 5000):
        yield from page
        start = page[-1].offset + 1
