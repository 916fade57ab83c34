"""A process is known by number, moment of start and boot; a signal reaches no other one."""

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.services.process import Process, boot_id, start, started_ticks

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Process]:
    """Return a process that does nothing, and end it afterwards."""
    log = tmp_path / "log.txt"
    made = start(
        SLEEP, environment={}, folder=tmp_path, log=log, version="1", address="127.0.0.1:1"
    )
    yield made
    made.end(ask=signal.SIGKILL, patience_s=5)


def test_process_that_runs_is_alive_until_it_is_ended(sleeper: Process) -> None:
    """The end is over when `end` returns."""
    assert sleeper.alive()

    sleeper.end(ask=signal.SIGTERM, patience_s=5)

    assert not sleeper.alive()


def test_process_is_in_a_session_of_its_own(sleeper: Process) -> None:
    """A closed terminal or an interrupted make does not end it."""
    assert sleeper.pid == os.getsid(sleeper.pid)


@pytest.mark.parametrize("change", [{"started_ticks": 1}, {"boot": "another"}])
def test_process_with_the_same_number_only_is_another_one(
    sleeper: Process, change: dict[str, str | int]
) -> None:
    """Neither a signal nor an end reaches it."""
    confused = dataclasses.replace(sleeper, **change)
    confused.end(ask=signal.SIGKILL, patience_s=0.1)

    assert not confused.alive()
    assert sleeper.alive()


def test_process_that_has_ended_and_was_not_waited_for_is_not_alive() -> None:
    """A zombie serves nobody, though its number is still taken."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

    assert started_ticks(child.pid) is None

    child.returncode = 0  # the question let it go


def test_process_in_its_file_is_the_same_after_reading(sleeper: Process, tmp_path: Path) -> None:
    """The next program knows it again."""
    sleeper.write(tmp_path / "process.json")

    assert sleeper == Process.read(tmp_path / "process.json")
    assert sleeper.boot == boot_id()


def test_process_without_a_file_is_none(tmp_path: Path) -> None:
    """Nothing was started here, or it was stopped."""
    assert Process.read(tmp_path / "process.json") is None
