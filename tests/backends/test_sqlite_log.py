"""SqliteEventLog keeps the contract, and what only a file can get wrong."""

import multiprocessing
import os
import resource
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from memos_gov.backends.sqlite import log as log_module
from memos_gov.backends.sqlite.log import SqliteEventLog
from memos_gov.errors import CorruptionError, SettingsError, UnavailableError
from memos_gov.ports import EventLog
from tests.contracts.event_log import NOW_MS, EventLogContract, FixedClock, a_proposal, whole

Open = Callable[[], SqliteEventLog]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the log lies."""
    return tmp_path / "log.db"


@pytest.fixture
def open_log(path: Path) -> Iterator[Open]:
    """Return a function that opens the log; every opening is closed at the end."""
    opened: list[SqliteEventLog] = []

    def put() -> SqliteEventLog:
        opened.append(SqliteEventLog(path, FixedClock()))
        return opened[-1]

    yield put
    for log in opened:
        log.close()


def raw(path: Path) -> list[tuple[str, bytes]]:
    """Return what the file holds."""
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT tenant, body FROM records ORDER BY log_offset").fetchall()
    connection.close()
    return rows


class TestSqliteEventLog(EventLogContract):
    """The contract, on one file."""

    @pytest.fixture(autouse=True)
    def _found(self, path: Path) -> None:
        self._path = path

    @pytest.fixture
    def broken(self, open_log: Open, path: Path) -> EventLog:
        """Return a log whose files were cut off under it."""
        open_log().append([a_proposal()])
        log = open_log()
        os.truncate(path.with_name("log.db-wal"), 0)
        os.truncate(path, 0)
        return log

    def raw_records(self) -> list[tuple[str, bytes]]:
        """Return what the file holds."""
        return raw(self._path)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM records",
        "DELETE FROM records WHERE log_offset = 1",
        "UPDATE records SET body = x'00'",
        "UPDATE records SET log_offset = log_offset + 10",
    ],
)
def test_log_that_somebody_would_change_refuses(open_log: Open, path: Path, statement: str) -> None:
    """Append-only is a rule of the file, not a habit of this program."""
    open_log().append([a_proposal(b"one"), a_proposal(b"two")])
    connection = sqlite3.connect(path)

    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)

    connection.close()
    assert ["one", "two"] == [body.decode() for _, body in raw(path)]


@pytest.mark.parametrize("off_ms", [-60_000, 5_000])
def test_time_at_the_very_edge_of_the_window_is_taken(open_log: Open, off_ms: int) -> None:
    """Log and writer share one clock, so both ends are included."""
    assert 1 == len(open_log().append([a_proposal(time_ms=NOW_MS + off_ms)]))


def test_log_file_is_readable_by_its_owner_alone(open_log: Open, path: Path) -> None:
    """So are the files that SQLite puts beside it."""
    open_log().append([a_proposal()])

    modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert {0o600} == set(modes.values())
    assert "log.db-wal" in modes


def test_log_waits_for_the_disk_at_every_commit(open_log: Open) -> None:
    """WAL with synchronous=FULL (2): a record survives the power."""
    log = open_log()

    (level,) = log._writer.execute("PRAGMA synchronous").fetchone()
    assert 2 == level


def test_threads_that_wait_together_share_a_transaction(open_log: Open) -> None:
    """Group commit: whoever comes first writes for all who wait."""
    log = open_log()
    commits: list[str] = []
    log._writer.set_trace_callback(lambda text: commits.append(text) if text == "COMMIT" else None)

    with ThreadPoolExecutor(16) as threads, log._write_lock:
        waiting = [threads.submit(log.append, [a_proposal()]) for _ in range(16)]
        while len(log._queue) < len(waiting):
            time.sleep(0.001)

    log._writer.set_trace_callback(None)
    assert set(range(16)) == {w.result()[0].offset for w in waiting}
    assert ["COMMIT"] == commits


def _append_many(path: Path, process: int) -> None:
    log = SqliteEventLog(path, FixedClock())
    for n in range(20):
        log.append([a_proposal(f"{process}/{n}".encode())])
    log.close()


def test_processes_that_append_at_once_take_turns(path: Path, open_log: Open) -> None:
    """Every process finds its records, in its order, and offsets without gaps."""
    log = open_log()
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_append_many, args=(path, n)) for n in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)

    records = whole(log)
    assert [0, 0, 0] == [process.exitcode for process in processes]
    assert list(range(60)) == [record.offset for record in records]
    for n in range(3):
        mine = [r.body.decode() for r in records if r.body.startswith(f"{n}/".encode())]
        assert [f"{n}/{k}" for k in range(20)] == mine


@pytest.mark.parametrize("kind", [KeyboardInterrupt, MemoryError])
def test_writer_that_is_interrupted_acknowledges_nothing(
    open_log: Open, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]
) -> None:
    """Positions are given out only for what stands in the file."""
    log = open_log()
    real = log_module._end

    def interrupt(connection: sqlite3.Connection) -> int:
        real(connection)
        raise kind

    monkeypatch.setattr(log_module, "_end", interrupt)
    with pytest.raises(kind):
        log.append([a_proposal()])
    monkeypatch.setattr(log_module, "_end", real)

    assert [] == whole(log)
    assert 0 == log.append([a_proposal()])[0].offset


def test_file_that_is_no_database_is_corrupt(path: Path) -> None:
    """Nothing is served from it, and the driver's error is the cause."""
    path.write_bytes(b"this was a log once " * 500)

    with pytest.raises(CorruptionError) as caught:
        SqliteEventLog(path, FixedClock())

    assert "log.db" == caught.value.place
    assert caught.value.__cause__ is not None


def test_log_of_a_newer_format_is_left_alone(open_log: Open, path: Path) -> None:
    """The operator upgrades; the file is not touched."""
    open_log().close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=2")
    connection.close()

    with pytest.raises(SettingsError) as caught:
        SqliteEventLog(path, FixedClock())

    assert "Upgrade memos-gov." == caught.value.remedy


def test_folder_that_does_not_exist_is_unavailable(tmp_path: Path) -> None:
    """The driver's error is translated."""
    with pytest.raises(UnavailableError) as caught:
        SqliteEventLog(tmp_path / "nowhere" / "log.db", FixedClock())

    assert caught.value.__cause__ is not None


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a disk of one megabyte; skip where none can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs to be root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_disk_that_is_full_leaves_the_log_whole(small_disk: Path) -> None:
    """Nothing is half-written, what was acknowledged stays, and with room it goes on."""
    ballast = small_disk / "ballast"
    log = SqliteEventLog(small_disk / "log.db", FixedClock())
    log.append([a_proposal(b"kept")])
    with pytest.raises(OSError, match="No space"):
        ballast.write_bytes(b"x" * 2_000_000)

    with pytest.raises(UnavailableError) as caught:
        log.append([a_proposal(b"y" * 100_000), a_proposal(b"lost")])

    assert caught.value.__cause__ is not None
    assert [b"kept"] == [record.body for record in whole(log)]
    ballast.unlink()
    log.append([a_proposal(b"after")])
    assert [b"kept", b"after"] == [record.body for record in whole(log)]
    log.close()


def test_folder_that_cannot_be_written_is_unavailable(small_disk: Path) -> None:
    """Reading on is no help: an append says that it did not happen."""
    log = SqliteEventLog(small_disk / "log.db", FixedClock())
    log.append([a_proposal(b"kept")])
    log.close()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)

    with pytest.raises(UnavailableError) as caught:
        SqliteEventLog(small_disk / "log.db", FixedClock()).append([a_proposal()])

    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert caught.value.__cause__ is not None
    assert [(b"kept")] == [body for _, body in raw(small_disk / "log.db")]


def test_file_that_may_not_grow_is_unavailable_and_whole(path: Path) -> None:
    """A limit of the process acts like a full disk."""
    log = SqliteEventLog(path, FixedClock())
    log.append([a_proposal(b"kept")])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = path.with_name("log.db-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 1000, hard))
    try:
        with pytest.raises(UnavailableError):
            log.append([a_proposal(b"y" * 100_000)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    log.append([a_proposal(b"after")])
    assert [b"kept", b"after"] == [record.body for record in whole(log)]
    log.close()
