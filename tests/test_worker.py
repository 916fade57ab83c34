"""Workers: they go on with the log, say how they stand, back off, and end gently."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import memos_gov
from memos_gov import follow
from memos_gov.errors import (
    CorruptionError,
    InvalidCommandError,
    SettingsError,
    UnavailableError,
)
from memos_gov.ports import Proposal
from memos_gov.service import Service
from memos_gov.worker import Journal, Telemetry, Worker, duties_of
from memos_gov.worker import telemetry as telemetry_module
from tests.workers import PROGRAM, WAIT_S, Process, until

CANARY = "Ann's card is blue"


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

    assert ["certifier", "schedule", "presence"] == [duty.name for duty in named]


def test_metrics_tell_lags_and_latency_and_name_nobody(gov: Service) -> None:
    """A scrape reads log and tables, and holds no word of a memory."""
    telemetry = Telemetry(gov.rooms, ["certifier"])
    gov.acting_as("owner").remember("Ann's card is blue", subjects=["customer-17"])

    page = telemetry.page("/metrics")[2].decode()

    assert 'memos_gov_certifier_lag_records{partition="0"} 0.0' in page
    assert 'memos_gov_decided_records{tenant="default"} 2.0' in page
    assert 'memos_gov_verdict_seconds_count{entrypoint="memos_gov/admission/verdict"}' in page
    assert not [word for word in ("blue", "Ann", "customer-17", "owner") if word in page]


def test_index_that_lags_shows_as_effects_waiting(gov: Service) -> None:
    """Until the duty of the index has stepped."""
    telemetry = Telemetry(gov.rooms, ["plaintext"])
    gov.acting_as("owner").remember("a note")

    assert (
        'memos_gov_effects_waiting{tenant="default"} 2.0' in telemetry.page("/metrics")[2].decode()
    )
    duty, _ = duties_of(gov, ["plaintext"], schedule_s=1)

    assert duty.step() > 0
    assert (
        'memos_gov_effects_waiting{tenant="default"} 0.0' in telemetry.page("/metrics")[2].decode()
    )


def test_address_that_is_taken_is_said(gov: Service) -> None:
    """With what to type instead."""
    telemetry = Telemetry(gov.rooms, ["certifier"])

    with telemetry.served("127.0.0.1", 0) as address:
        port = int(address.rpartition(":")[2])
        with pytest.raises(UnavailableError, match=str(port)), telemetry.served("127.0.0.1", port):
            pass


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


def test_lines_hold_no_word_of_an_error(
    running: Callable[..., tuple[Worker, Telemetry, io.StringIO]],
) -> None:
    """What a driver says may quote what it was given; a line has the code alone."""
    _, telemetry, out = running(Duty(UnavailableError(CANARY, backend="tables"), 1))

    until(lambda: "done" in out.getvalue())

    assert "unavailable" in out.getvalue()
    assert CANARY not in out.getvalue() + telemetry.page("/metrics")[2].decode()


def test_certifier_before_which_records_stand_is_unwell(
    gov: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps that succeed and decide nothing are no health; deciding makes it well."""
    telemetry = Telemetry(gov.rooms, ["certifier"])
    monkeypatch.setattr(telemetry_module, "STALE_S", 0.1)
    append_a_stranger(gov)

    assert telemetry.health()[0]
    time.sleep(0.2)
    telemetry.stepped("certifier", 0)
    assert "behind" == telemetry.health()[1]["certifier"]["state"]

    duties_of(gov, ["certifier"], schedule_s=1)[0].step()
    telemetry.stepped("certifier", 1)
    assert telemetry.health()[0]


def append_a_stranger(gov: Service, times: int = 1) -> None:
    """Put records into the log that no certifier has seen."""
    log = gov.rooms.governor.log
    now_ms = round(gov.rooms.governor.clock.now().timestamp() * 1000)
    log.append([Proposal("default", now_ms, b"not a record")] * times)


def test_step_of_a_certifier_is_bounded(gov: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever stops a worker waits for a few batches, not for the backlog."""
    monkeypatch.setattr(follow, "BATCH_RECORDS_MAX", 5)
    append_a_stranger(gov, 100)
    duty, _ = duties_of(gov, ["certifier"], schedule_s=1)

    assert [20, 20, 20, 20, 20, 0] == [duty.step() for _ in range(6)]


def test_partition_that_there_is_not_is_refused(gov: Service) -> None:
    """A worker that certifies nothing would look well for ever."""
    with pytest.raises(InvalidCommandError, match="partitions"):
        duties_of(gov, ["certifier"], schedule_s=1, partitions=[1])


def test_schedule_writes_nothing_while_nothing_is_due(gov: Service) -> None:
    """It looks first; a run is a record."""
    gov.acting_as("owner").remember("a note")
    end = gov.rooms.governor.log.end(0)
    duty, _ = duties_of(gov, ["schedule"], schedule_s=0.001)

    for _ in range(3):
        assert 0 == duty.step()
        time.sleep(0.01)

    assert end == gov.rooms.governor.log.end(0)


def test_second_worker_of_a_name_is_refused_as_long_as_the_first_lives(folder: Path) -> None:
    """With one clear error; the first goes on, and ends as usual."""
    first = Process(folder, "plaintext", "--name", "w1")
    try:
        first.until("listens")
        second = Process(folder, "schedule", "--name", "w1")
        assert 8 == second.process.wait(WAIT_S)
        assert -1 != " ".join(second.other).find("another worker of this instance is named w1")
        second.end(signal.SIGTERM)
    finally:
        code = first.end(signal.SIGTERM)

    assert 0 == code
    again = Process(folder, "schedule", "--name", "w1")
    again.until("listens")
    assert 0 == again.end(signal.SIGTERM)


def test_name_of_a_killed_worker_is_free_when_its_claim_ended(
    gov: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one that was away so long that another has its name stops, rather than be a second."""
    monkeypatch.setattr("memos_gov.leasing.NAME_S", 0.3)
    monkeypatch.setattr("memos_gov.worker.duties.PRESENCE_S", 0)
    (away,) = duties_of(gov, [], schedule_s=1, worker="w1")
    with memos_gov.open(gov.rooms.settings.data) as elsewhere:
        with pytest.raises(SettingsError, match="named w1") as told:
            duties_of(elsewhere, [], schedule_s=1, worker="w1")
        assert "--name" in told.value.remedy
        time.sleep(0.4)
        duties_of(elsewhere, [], schedule_s=1, worker="w1")

        with pytest.raises(SettingsError, match="named w1"):
            away.step()
