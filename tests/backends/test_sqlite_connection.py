"""What the system refuses keeps its class and says what to do, wherever it is met."""

import os
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import memos_gov
from memos_gov.backends.files import FilePolicyBundles, shipped_bundle
from memos_gov.backends.keyfiles import KeyFiles
from memos_gov.backends.sqlite import connection as connection_file
from memos_gov.backends.sqlite.connection import open_file, transaction, translated
from memos_gov.backends.sqlite.soundness import damage
from memos_gov.bootstrap import rebuild
from memos_gov.errors import CorruptionError, UnavailableError

NOBODY = 65534
TURNS_S_MAX = 20.0
GIVE_ACCESS = (
    "Give the account that runs this the right to read and write the data folder, "
    "then type it again."
)
MAKE_ROOM = "Make room on the disk, then type it again."


@pytest.fixture
def theirs(founded: Path) -> Iterator[Path]:
    """Return a folder that may be read and not written, also where root runs the tests."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(shutil.copytree(founded, Path(place) / "data"))
        for path in [*folder.rglob("*"), folder, Path(place)]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        user = os.geteuid()
        if user == 0:
            os.seteuid(NOBODY)
        try:
            yield folder
        finally:
            os.seteuid(user)
            for path in [Path(place), folder, *folder.rglob("*")]:
                path.chmod(0o700)


def test_folder_that_may_not_be_written_says_who_needs_which_right(theirs: Path) -> None:
    """Opening, rebuilding and making a folder beside it."""
    for attempt in (
        lambda: memos_gov.open(theirs),
        lambda: rebuild(theirs),
        lambda: memos_gov.init(theirs.parent / "another"),
        lambda: FilePolicyBundles(theirs / "policies" / "new").put(shipped_bundle()),
    ):
        with pytest.raises(UnavailableError) as caught:
            attempt()
        assert GIVE_ACCESS == caught.value.remedy, caught.value


def test_key_that_may_not_be_read_says_who_needs_which_right(tmp_path: Path) -> None:
    """A key of another account."""
    keys = KeyFiles(tmp_path / "keys")
    keys.make()
    keys.keep_operator(b"o" * 32)
    user = os.geteuid()
    (tmp_path / "keys" / "operator").chmod(0)
    if user == 0:
        os.seteuid(NOBODY)
    try:
        with pytest.raises(UnavailableError, match="keys/operator cannot be read") as caught:
            keys.require_operator()
    finally:
        os.seteuid(user)

    assert GIVE_ACCESS == caught.value.remedy


def test_file_that_may_not_be_written_says_who_needs_which_right(tmp_path: Path) -> None:
    """SQLite found a file that is read-only."""
    path = tmp_path / "a.db"
    open_file(path).close()
    with (
        closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)) as db,
        pytest.raises(UnavailableError, match="cannot be written") as caught,
        transaction(db, path, write=True),
    ):
        db.execute("CREATE TABLE x (y)")

    assert GIVE_ACCESS == caught.value.remedy


def test_file_on_a_full_disk_says_to_make_room(tmp_path: Path) -> None:
    """SQLite found no room for another page."""
    path = tmp_path / "a.db"
    with closing(open_file(path)) as db:
        db.execute("CREATE TABLE x (y)")
        db.execute("PRAGMA max_page_count=2")
        with (
            pytest.raises(UnavailableError, match="no room left") as caught,
            transaction(db, path, write=True),
        ):
            db.execute("INSERT INTO x VALUES (zeroblob(99999))")

    assert MAKE_ROOM == caught.value.remedy


def test_text_that_is_no_utf8_is_damage_of_the_file(tmp_path: Path) -> None:
    """The driver has no code for it."""
    path = tmp_path / "a.db"
    with closing(open_file(path)) as db:
        db.execute("CREATE TABLE names AS SELECT CAST(x'ff' AS TEXT) AS a")
        with pytest.raises(CorruptionError, match="is damaged"), translated(path):
            db.execute("SELECT a FROM names").fetchall()


def test_damage_that_names_no_utf8_is_found(tmp_path: Path) -> None:
    """The driver fails where SQLite's own message about a table cannot be read."""
    path = tmp_path / "a.db"
    with closing(open_file(path)) as db:
        db.execute("CREATE TABLE names (a TEXT)")
        db.execute("CREATE INDEX by_name ON names (a)")
        db.execute("INSERT INTO names VALUES ('big')")
    assert [] == list(damage(path))
    body = path.read_bytes()

    path.write_bytes(body.replace(b"big", b"bad", 1).replace(b"by_name", b"by_na\xffe"))
    assert 1 == len(list(damage(path)))
    path.write_bytes(body.replace(b"names (a)", b"names (\xff)"))
    assert ["UnicodeDecodeError"] == list(damage(path))


def test_writers_of_one_file_that_make_no_pause_all_get_their_turn(tmp_path: Path) -> None:
    """Each wrote ten times soon, though the others leave a file hardly ever free."""
    path = tmp_path / "shared.db"
    with closing(open_file(path)) as db:
        db.execute("CREATE TABLE turns (writer INTEGER)")
    turns, stop = [0] * 5, threading.Event()

    def write(writer: int) -> None:
        with closing(open_file(path)) as db:
            while not stop.is_set():
                with transaction(db, path, write=True):
                    db.execute("INSERT INTO turns VALUES (?)", (writer,))
                    time.sleep(0.004)
                turns[writer] += 1

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(len(turns))]
    for thread in writers:
        thread.start()
    deadline = time.monotonic() + TURNS_S_MAX
    while min(turns) < 10 and time.monotonic() < deadline:
        time.sleep(0.01)
    stop.set()
    for thread in writers:
        thread.join()

    assert min(turns) >= 10, turns


def test_writer_that_finds_the_file_taken_for_too_long_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was written by it, and it can write as soon as the other has ended."""
    monkeypatch.setattr(connection_file, "BUSY_TIMEOUT_S", 0.2)
    path = tmp_path / "shared.db"
    with closing(open_file(path)) as one, closing(open_file(path)) as two:
        one.execute("CREATE TABLE turns (writer INTEGER)")
        with transaction(one, path, write=True):
            began = time.monotonic()
            with pytest.raises(UnavailableError), transaction(two, path, write=True):
                two.execute("INSERT INTO turns VALUES (2)")
            assert time.monotonic() - began >= 0.2
        with transaction(two, path, write=True):
            assert [] == two.execute("SELECT * FROM turns").fetchall()
