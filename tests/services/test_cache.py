"""What is fetched or built is made once, and is there whole or not at all."""

import sys
import threading
import time
from pathlib import Path

import pytest

from scripts.services import cache
from scripts.services.cache import cached, work
from scripts.services.failure import ServiceError


def test_place_that_two_ask_for_is_made_once(tmp_path: Path) -> None:
    """The second waits and finds it."""
    made: list[Path] = []

    def make(draft: Path) -> Path:
        made.append(draft)
        time.sleep(0.1)
        (draft / "program").write_text("whole")
        return draft / "program"

    place = tmp_path / "engine-1" / "program"
    threads = [threading.Thread(target=cached, args=(place, make)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 1 == len(made)
    assert "whole" == place.read_text()


def test_place_whose_making_fails_stays_empty(tmp_path: Path) -> None:
    """The next attempt begins anew, and no half of it is taken for the whole."""

    def make(draft: Path) -> Path:
        (draft / "program").write_text("ha")
        raise ServiceError("the network is away")

    with pytest.raises(ServiceError, match="the network is away"):
        cached(tmp_path / "engine-1" / "program", make)

    assert [".lock"] == [path.name for path in (tmp_path / "engine-1").iterdir()]


def test_work_that_fails_says_its_last_lines(tmp_path: Path) -> None:
    """The cause stands in the error, not in a file."""
    command = [sys.executable, "-c", "print('no space left'); raise SystemExit(1)"]

    with pytest.raises(ServiceError, match="failed:\n    no space left"):
        work(command, folder=tmp_path, say=print)


def test_work_that_takes_long_says_that_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody takes a build of minutes for a hang."""
    monkeypatch.setattr(cache, "SPEAK_EVERY_S", 0.1)
    said: list[str] = []

    work([sys.executable, "-c", "import time; time.sleep(0.3)"], folder=tmp_path, say=said.append)

    assert "still at it after 0 s" in said
