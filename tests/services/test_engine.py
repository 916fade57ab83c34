"""Up, down, status and reset are safe to repeat, and touch nothing that was not started here."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.services import engine as engine_file
from scripts.services.failure import ServiceError
from scripts.services.places import Places
from scripts.services.process import started_ticks
from tests.services.web import BrokenWeb, LingeringWeb, StubbornWeb, Web, places


@pytest.fixture
def said() -> list[str]:
    """Return the lines that the engine said."""
    return []


@pytest.fixture
def web(tmp_path: Path, said: list[str]) -> Iterator[Web]:
    """Return an engine that is stopped, and stop it afterwards."""
    made = Web(places(tmp_path), said.append)
    yield made
    made.down()


def pid_of(web: Web) -> int:
    """Return the pid of an engine that runs."""
    running = web.running()
    assert running is not None
    return running.pid


def test_up_of_a_stopped_engine_returns_when_it_answers(web: Web, said: list[str]) -> None:
    """Its status names address, process, version and since when."""
    web.up()

    status = web.status()
    assert ("ready", web.address, pid_of(web)) == (status.state, status.address, status.pid)
    assert status.since is not None
    assert said[-1].startswith(f"ready at {web.address} after ")


def test_up_of_a_running_engine_leaves_it_as_it_is(web: Web) -> None:
    """Whoever is unsure may ask again."""
    web.up()
    before = pid_of(web)
    web.up()

    assert before == pid_of(web)


def test_up_by_two_at_once_starts_one_process(web: Web) -> None:
    """The second waits for the lock and finds the work done."""
    errors: list[ServiceError] = []

    def attempt() -> None:
        try:
            Web(web.places, web.say).up()
        except ServiceError as error:
            errors.append(error)

    threads = [threading.Thread(target=attempt) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [] == errors
    assert "ready" == web.status().state


def test_up_on_a_port_that_another_process_has_names_it_and_stops_nothing(
    web: Web, tmp_path: Path
) -> None:
    """A user's own server is left alone."""
    web.up()
    other = Web(Places(runs=tmp_path / "other", caches=tmp_path, ports=web.places.ports), web.say)

    with pytest.raises(ServiceError, match=rf"port {web.port()} is taken \(pid {pid_of(web)}, "):
        other.up()

    assert "foreign" == other.status().state
    assert other.running() is None
    assert "ready" == web.status().state


def test_up_that_may_use_what_exists_takes_a_foreign_engine_as_it_is(
    web: Web, tmp_path: Path
) -> None:
    """Tests may run against engines that somebody started by hand; down does not stop those."""
    web.up()
    other = Web(Places(runs=tmp_path / "other", caches=tmp_path, ports=web.places.ports), web.say)

    other.up(use_existing=True)
    other.down()

    assert "ready" == web.status().state


def test_up_of_an_engine_that_was_killed_waits_for_all_of_it_to_end(
    tmp_path: Path, said: list[str]
) -> None:
    """A thread that the disk keeps holds the port, and would keep the next one from it."""
    web = LingeringWeb(places(tmp_path), said.append)
    web.up()
    before = web.running()
    assert before is not None
    before.send(signal.SIGTERM)
    while not before.ends():
        assert before.alive()
    web.up()

    assert not before.alive()
    assert web.status().state == "ready"
    web.down()


def test_up_at_another_address_than_it_runs_at_is_refused(web: Web) -> None:
    """Nobody is told that an engine is ready where it is not."""
    web.up()
    moved = Web(places(web.places.runs.parent), web.say)

    assert "elsewhere" == moved.status().state
    with pytest.raises(ServiceError, match="another address"):
        moved.up()


def test_engine_that_ends_by_itself_is_an_error_with_its_last_words(
    tmp_path: Path, said: list[str]
) -> None:
    """The reader need not look for the log."""
    web = BrokenWeb(places(tmp_path), said.append)

    with pytest.raises(ServiceError, match=r"ended by itself[\s\S]*made of cheese"):
        web.up()

    assert "stopped" == web.status().state


def test_engine_that_does_not_answer_in_time_is_stopped(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed start leaves no process behind."""
    monkeypatch.setattr(Web, "answers", lambda _: False)
    monkeypatch.setattr(engine_file, "READY_S_MAX", 0.3)

    with pytest.raises(ServiceError, match=r"does not answer after 0\.3 s"):
        web.up()

    assert web.running() is None


def test_down_ends_the_process_and_keeps_its_data(web: Web, said: list[str]) -> None:
    """What was written is there after the next start; a second down does nothing."""
    web.up()
    pid = pid_of(web)
    (web.data / "row").write_text("kept")
    web.down()
    web.down()

    assert started_ticks(pid) is None
    assert "kept" == (web.data / "row").read_text()
    assert "does not run" == said[-1]


def test_down_of_an_engine_that_ignores_it_kills_it(
    tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patience ends."""
    monkeypatch.setattr(engine_file, "PATIENCE_S", 0.2)
    web = StubbornWeb(places(tmp_path), said.append)
    web.up()
    pid = pid_of(web)
    web.down()

    assert started_ticks(pid) is None


def test_down_after_the_number_passed_to_another_process_leaves_that_alone(web: Web) -> None:
    """A file from before a crash may name a pid that is somebody else's now."""
    web.up()
    running = web.running()
    assert running is not None
    record = web.record.read_text()
    web.down()
    web.record.write_text(record.replace(f'"pid": {running.pid}', f'"pid": {os.getpid()}'))

    assert "stopped" == web.status().state
    web.down()  # this very process would be gone otherwise

    assert not web.record.exists()


def test_reset_removes_the_data_and_keeps_what_was_fetched(web: Web, said: list[str]) -> None:
    """The next start is fresh and quick."""
    fetched = web.places.caches / "web-1"
    fetched.mkdir(parents=True)
    web.up()
    (web.data / "row").write_text("gone")
    web.reset()

    assert not web.folder.exists()
    assert fetched.exists()
    assert web.running() is None
    assert f"{web.folder} is removed" == said[-1]


def test_process_file_that_holds_nonsense_is_an_error_naming_it(web: Web) -> None:
    """Nothing is guessed about what may still run."""
    web.places.made_run_folder("web")
    web.record.write_text("{}")

    with pytest.raises(ServiceError, match=r"process\.json names no process"):
        web.down()

    web.record.unlink()
