"""SqliteCubeIndex keeps the contract, and what only a file can get wrong."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from stat import S_IMODE
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from memos_gov.backends.sqlite.index import FORMAT, SqliteCubeIndex, in_memory
from memos_gov.errors import CorruptionError, UnavailableError
from tests.contracts.cube_index import (
    ALL,
    NOW,
    CubeIndexContract,
    CubeIndexMachine,
    an_entry,
    ids_of,
)


class TestSqliteCubeIndex(CubeIndexContract):
    """The contract, on a file of its own for each test."""

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        """Remember where the probe must look."""
        self.path = tmp_path / "index.db"

    @pytest.fixture
    def index(self) -> Iterator[SqliteCubeIndex]:
        """Return an empty index."""
        index = SqliteCubeIndex(self.path)
        yield index
        index.close()

    @pytest.fixture
    def another(self, tmp_path: Path) -> Iterator[SqliteCubeIndex]:
        """Return a second empty index."""
        another = SqliteCubeIndex(tmp_path / "another.db")
        yield another
        another.close()

    @pytest.fixture
    def broken(self, tmp_path: Path) -> SqliteCubeIndex:
        """Return an index whose file is a folder."""
        return SqliteCubeIndex(tmp_path)

    def raw_bytes(self) -> bytes:
        """Return the bytes of the database, its write-ahead log and its shared memory."""
        return b"".join(p.read_bytes() for p in self.path.parent.glob("index.db*"))


class TestInMemoryCubeIndex(CubeIndexContract):
    """The contract once more, for an index that has no file."""

    @pytest.fixture
    def index(self) -> Iterator[SqliteCubeIndex]:
        """Return an empty index, and remember it for the probe."""
        with in_memory() as self.kept:
            yield self.kept

    @pytest.fixture
    def another(self) -> Iterator[SqliteCubeIndex]:
        """Return a second empty index."""
        with in_memory() as another:
            yield another

    @pytest.fixture
    def broken(self) -> SqliteCubeIndex:
        """Return an index whose connection was closed under it."""
        broken = SqliteCubeIndex(None)
        broken.position()
        assert broken._open is not None
        broken._open.close()
        return broken

    def raw_bytes(self) -> bytes:
        """Return the bytes of the database as they lie in memory."""
        assert self.kept._open is not None
        return self.kept._open.serialize()


def test_index_without_a_path_writes_no_file_and_ends_with_its_closing(tmp_path: Path) -> None:
    """Nothing of it is on a disk, before or after."""
    with pytest.MonkeyPatch.context() as here:
        here.chdir(tmp_path)
        here.setenv("SQLITE_TMPDIR", str(tmp_path))
        with in_memory() as index:
            index.apply(0, [an_entry(f"c{n}", "heron " * 50) for n in range(500)])
            index.apply(1, [], [("acme", "c1")])
            found = len(ids_of(index.search("acme", "heron", ALL, NOW)))
            assert [] == list(tmp_path.iterdir())

        assert 499 == found
        assert index._open is None
        assert [] == list(tmp_path.iterdir())


def test_index_step_by_step_equals_the_brute_force() -> None:
    """Whatever is applied, cleared and asked for, the order is that of the model."""
    with TemporaryDirectory() as folder:

        class Machine(CubeIndexMachine):
            make = staticmethod(lambda: SqliteCubeIndex(Path(folder) / "index.db"))

        checks = settings(stateful_step_count=15, suppress_health_check=list(HealthCheck))
        run_state_machine_as_test(Machine, settings=checks)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the index is."""
    return tmp_path / "index.db"


@pytest.fixture
def index(path: Path) -> Iterator[SqliteCubeIndex]:
    """Return an index that does not wait long."""
    index = SqliteCubeIndex(path, busy_timeout_s=0.05)
    yield index
    index.close()


def test_file_when_created_is_private(index: SqliteCubeIndex, path: Path) -> None:
    """The database and its write-ahead log are readable by their owner alone."""
    index.apply(0, [an_entry("a")])
    modes = {p.name: S_IMODE(p.stat().st_mode) for p in path.parent.iterdir()}
    assert {"index.db": 0o600, "index.db-wal": 0o600, "index.db-shm": 0o600} == modes


def test_file_of_another_format_is_emptied(index: SqliteCubeIndex, path: Path) -> None:
    """Nothing is migrated: the index starts at -1 and the old rows leave no byte."""
    old = sqlite3.connect(path)
    old.executescript(f"PRAGMA user_version = {FORMAT + 1}; CREATE TABLE entry (old TEXT)")
    old.execute("INSERT INTO entry VALUES ('secretword')")
    old.commit()
    old.close()
    assert -1 == index.position()
    assert b"secretword" not in path.read_bytes()
    index.apply(0, [an_entry("a")])
    assert ["a"] == ids_of(index.search("acme", "cat", ALL, NOW))


def test_file_that_is_no_database_is_corruption(index: SqliteCubeIndex, path: Path) -> None:
    """Garbage is reported with its place and never overwritten."""
    path.write_bytes(b"no database" * 100)
    with pytest.raises(CorruptionError) as caught:
        index.position()
    assert str(path) == caught.value.place
    assert isinstance(caught.value.__cause__, sqlite3.DatabaseError)
    assert path.read_bytes().startswith(b"no database")


def test_apply_while_another_writes_is_unavailable(index: SqliteCubeIndex, path: Path) -> None:
    """A lock held too long ends in a retry, and the retry succeeds."""
    index.apply(0, [])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(UnavailableError) as caught:
        index.apply(1, [an_entry("a")])
    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
    other.close()
    index.apply(1, [an_entry("a")])
    assert ["a"] == ids_of(index.search("acme", "cat", ALL, NOW))


def test_apply_on_a_full_disk_changes_nothing(index: SqliteCubeIndex) -> None:
    """A batch that does not fit is undone whole, its position too."""
    index.apply(0, [an_entry("a")])
    with index._database() as db:
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(UnavailableError):
        index.apply(1, [an_entry(f"b{n}", f"cat word{n}") for n in range(500)])
    assert 0 == index.position()
    assert ["a"] == ids_of(index.search("acme", "cat", ALL, NOW))


def test_removal_beside_a_long_reader_is_swept_by_the_retry(
    index: SqliteCubeIndex, path: Path
) -> None:
    """A reader that pins the log delays the sweep; applying again does it."""
    index.apply(0, [an_entry("a", "secretword")])
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM entry").fetchall()
    with pytest.raises(UnavailableError, match="not yet swept"):
        index.apply(1, [], [("acme", "a")])
    assert 1 == index.position()
    reader.close()
    index.apply(1, [])
    assert b"secretword" not in b"".join(p.read_bytes() for p in path.parent.iterdir())


def test_removal_before_a_crash_is_swept_at_the_next_start(
    index: SqliteCubeIndex, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was removed but not swept when the process died is swept when it opens."""
    index.apply(0, [an_entry("a", "secretword")])
    with monkeypatch.context() as crash:
        crash.setattr("memos_gov.backends.sqlite.index._sweep", lambda _: None)
        index.apply(1, [], [("acme", "a")])
        index.close()
    with index._database() as db:
        assert [(1, 1)] == db.execute("SELECT removals, swept FROM state").fetchall()
    assert b"secretword" not in path.read_bytes()


def test_processes_opening_one_new_file_share_it(path: Path) -> None:
    """Of several processes that start at once each can write, none destroys the other's."""
    program = (
        "import sys; from pathlib import Path\n"
        "from memos_gov.backends.sqlite.index import SqliteCubeIndex\n"
        "from tests.contracts.cube_index import an_entry\n"
        "index = SqliteCubeIndex(Path(sys.argv[1]))\n"
        "for n in range(5): index.apply(index.position() + 1, [an_entry(f'{sys.argv[2]}-{n}')])\n"
    )
    runs = [subprocess.Popen([sys.executable, "-c", program, path, str(n)]) for n in range(3)]
    assert [0, 0, 0] == [run.wait() for run in runs]
    index = SqliteCubeIndex(path)
    assert 4 <= index.position() <= 14
    index.close()
