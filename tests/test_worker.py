"""Workers: they go on with the log, say how they stand, back off, and end gently."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import memos_gov
from memos_gov.errors import CorruptionError, UnavailableError
from memos_gov.service import Service
from memos_gov.worker import Journal, Telemetry, Worker, duties_of

WAIT_S = 30.0
PROGRAM = (sys.executable, "-c", "from memos_gov.cli import main; main()")


class Duty:
    """A duty that does what a test says, step by step, and nothing afterwards."""

    name = "certifier"

    def __init__(self, *steps: int | Exception) -> None:
        self.left = list(steps)

    def step(self) -> int:
        """Return or raise the next."""
        found = self.left.pop(0) if self.left else 0
        if isinstance(found, Exception):
            raise found
        return found


def until(reached: Callable[[], object]) -> None:
    """Wait until something is so, and fail when it never is."""
    end = time.monotonic() + WAIT_S
    while not reached():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


def lines(text: str) -> list[dict[str, object]]:
    """Return the lines of a journal."""
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def running(gov: Service) -> Iterator[Callable[..., tuple[Worker, Telemetry, io.StringIO]]]:
    """Start a worker of the given duties; the fixture stops it."""
    started: list[tuple[Worker, threading.Thread]] = []

    def start(*duties: Duty) -> tuple[Worker, Telemetry, io.StringIO]:
        telemetry = Telemetry(gov.rooms, [duty.name for duty in duties])
        out = io.StringIO()
        worker = Worker(duties, telemetry, Journal(out, "w1"))
        thread = threading.Thread(target=worker.run)
        thread.start()
        started.append((worker, thread))
        return worker, telemetry, out

    yield start
    for worker, thread in started:
        worker.stop()
        thread.join(WAIT_S)
        assert not thread.is_alive()


def test_duty_whose_backend_is_away_waits_and_goes_on_by_itself(
    running: Callable[..., tuple[Worker, Telemetry, io.StringIO]],
) -> None:
    """It says so meanwhile, in its lines and to whoever asks for its health."""
    away = [UnavailableError("the log does not answer", backend="log") for _ in range(3)]
    duty = Duty(*away, 7)

    _, telemetry, out = running(duty)

    until(lambda: "done" in out.getvalue())
    told = [line["happened"] for line in lines(out.getvalue())]
    assert ["started", "waits", "waits", "waits", "done"] == told[:5]
    assert telemetry.health()[0]


def test_duty_that_fails_is_unwell_until_it_succeeds(gov: Service) -> None:
    """Whoever restarts workers sees it, with the code of what is wrong."""
    telemetry = Telemetry(gov.rooms, ["certifier"])
    telemetry.failed("certifier", "unavailable")

    assert 503 == telemetry.page("/healthz")[0]
    assert "unavailable" == telemetry.health()[1]["certifier"]["state"]

    telemetry.stepped("certifier", 1)

    assert 200 == telemetry.page("/healthz")[0]


def test_worker_that_needs_a_person_ends_with_that_error(gov: Service) -> None:
    """Every other duty ends too, after its step."""
    telemetry = Telemetry(gov.rooms, ["certifier"])
    duty = Duty(CorruptionError("the log shrank", place="log"))

    with pytest.raises(CorruptionError, match="shrank"):
        Worker([duty], telemetry, Journal(io.StringIO(), "w1")).run()


def test_duties_of_names_each_once(gov: Service) -> None:
    """In the order of the log's way: decided, found, due."""
    named = duties_of(gov, ["schedule", "certifier", "certifier"], schedule_s=1)

    assert ["certifier", "schedule"] == [duty.name for duty in named]


def test_metrics_tell_lags_and_latency_and_name_nobody(gov: Service) -> None:
    """A scrape reads log and tables, and holds no word of a memory."""
    telemetry = Telemetry(gov.rooms, ["certifier"])
    gov.acting_as("owner").remember("Ann's card is blue", subjects=["customer-17"])

    page = telemetry.page("/metrics")[2].decode()

    assert 'memos_gov_certifier_lag{partition="0"} 0.0' in page
    assert 'memos_gov_decided{tenant="default"} 2.0' in page
    assert 'memos_gov_verdict_seconds_count{entrypoint="memos_gov/admission/verdict"}' in page
    assert not [word for word in ("blue", "Ann", "customer-17", "owner") if word in page]


def test_index_that_lags_shows_as_effects_waiting(gov: Service) -> None:
    """Until the duty of the index has stepped."""
    telemetry = Telemetry(gov.rooms, ["plaintext"])
    gov.acting_as("owner").remember("a note")

    assert (
        'memos_gov_effects_waiting{partition="0"} 0.0' not in telemetry.page("/metrics")[2].decode()
    )
    (duty,) = duties_of(gov, ["plaintext"], schedule_s=1)

    assert duty.step() > 0
    assert 'memos_gov_effects_waiting{partition="0"} 0.0' in telemetry.page("/metrics")[2].decode()


def test_address_that_is_taken_is_said(gov: Service) -> None:
    """With what to type instead."""
    telemetry = Telemetry(gov.rooms, ["certifier"])

    with telemetry.served("127.0.0.1", 0) as address:
        port = int(address.rpartition(":")[2])
        with pytest.raises(UnavailableError, match=str(port)), telemetry.served("127.0.0.1", port):
            pass


class Process:
    """A worker in a process of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        command = [*PROGRAM, "--data", str(folder), "worker", *arguments]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.lines: list[dict[str, object]] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.lines.extend(json.loads(line) for line in self.process.stderr)

    def until(self, happened: str) -> dict[str, object]:
        """Wait for a line and return it."""
        until(lambda: self._found(happened) or self.process.poll() is not None)
        found = self._found(happened)
        assert found is not None, self.lines
        return found

    def _found(self, happened: str) -> dict[str, object] | None:
        return next((line for line in list(self.lines) if line["happened"] == happened), None)

    def end(self, how: signal.Signals) -> int:
        """End the process and return its exit code."""
        self.process.send_signal(how)
        code = self.process.wait(WAIT_S)
        self._reader.join(WAIT_S)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code


def test_worker_process_keeps_the_index_up_and_ends_gently(folder: Path) -> None:
    """Whoever writes beside it finds its words without waiting for an index; SIGTERM ends it."""
    worker = Process(folder, "all", "--every", "1")
    try:
        address = str(worker.until("listens")["address"])
        with memos_gov.open(folder) as gov:
            gov.acting_as("owner").remember("the card was charged twice")
            until(lambda: gov.rooms.index.position() + 1 >= gov.rooms.governor.log.end(0))
        with urllib.request.urlopen(f"{address}/healthz", timeout=5) as answer:  # noqa: S310
            assert 200 == answer.status
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"{address}/etc/passwd", timeout=5)  # noqa: S310
    finally:
        code = worker.end(signal.SIGTERM)

    assert 0 == code
    assert "stopped" == worker.lines[-1]["happened"]


def test_worker_that_is_killed_is_replaced_by_another(folder: Path) -> None:
    """Two do the work once; what the killed one left is gone on with."""
    first, second = Process(folder, "plaintext"), Process(folder, "plaintext")
    try:
        first.until("started")
        second.until("started")
        assert -signal.SIGKILL == first.end(signal.SIGKILL)
        with memos_gov.open(folder) as gov:
            owner = gov.acting_as("owner")
            for number in range(20):
                owner.remember(f"note {number}")
            until(lambda: gov.rooms.index.position() + 1 >= gov.rooms.governor.log.end(0))
            assert 20 == len(owner.recall("note", k=30).hits)
    finally:
        second.end(signal.SIGTERM)


@pytest.mark.parametrize("at", ["9464", "localhost", ":1", "localhost:x", "h:-1"])
def test_address_that_is_none_is_refused(folder: Path, at: str) -> None:
    """Nothing is opened for it."""
    command = [*PROGRAM, "--data", str(folder), "worker", "all"]
    done = subprocess.run(
        [*command, "--listen", at], capture_output=True, text=True, timeout=60, check=False
    )

    assert 2 == done.returncode
    assert "HOST:PORT" in done.stderr
