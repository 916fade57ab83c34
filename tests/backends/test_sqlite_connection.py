"""What the system refuses keeps its class and says what to do, wherever it is met."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import memos_gov
from memos_gov.backends.files import FilePolicyBundles, shipped_bundle
from memos_gov.backends.keyfiles import KeyFiles
from memos_gov.backends.sqlite.connection import open_file, transaction, translated
from memos_gov.backends.sqlite.soundness import damage
from memos_gov.bootstrap import rebuild
from memos_gov.errors import CorruptionError, UnavailableError

NOBODY = 65534
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
