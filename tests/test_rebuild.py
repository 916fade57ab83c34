"""A rebuild equals what was live, row by row, and a kill leaves one of the two in use."""

import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

import memos_gov
from memos_gov.bootstrap import current_tables, fsck, rebuild
from memos_gov.errors import CorruptionError, SettingsError, UnavailableError
from memos_gov.projections.tables import TablesModel
from tests.lives import PURPOSE, a_varied_life


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a closed folder with a varied life, its views caught up."""
    folder = tmp_path_factory.mktemp("rebuild") / "data"
    with memos_gov.init(folder) as gov:
        a_varied_life(gov)
        gov.rooms.follower.catch_up()
    return folder


@pytest.fixture
def folder(lived: Path, tmp_path: Path) -> Path:
    """Return a copy that a test may change."""
    return Path(shutil.copytree(lived, tmp_path / "data"))


def rows_of(path: Path) -> dict[str, list[Any]]:
    """Return every row of every table."""
    with closing(sqlite3.connect(path)) as db:
        return {
            name: sorted(db.execute(f"SELECT * FROM {name}"), key=repr)
            for name in TablesModel.metadata.tables
        }


def database_names(folder: Path) -> list[str]:
    """Return the names of the tables files that lie in a folder."""
    return sorted(path.name for path in folder.glob("tables*"))


def test_rebuild_of_a_varied_life_equals_the_live_tables(folder: Path) -> None:
    """Every row of every table comes out of the log again."""
    live = rows_of(folder / "tables.db")

    report = rebuild(folder)

    assert live == rows_of(folder / "tables.1.db")
    assert all(live[name] for name in live)
    assert (True, len(live["outcomes"])) == (report.compared, report.records)


def test_rebuild_of_a_folder_leaves_one_tables_file_and_serves_it(folder: Path) -> None:
    """The pointer moves, the former file goes, and nothing else changes."""
    rebuild(folder)
    rebuild(folder)

    assert ["tables.2.db"] == database_names(folder)
    assert fsck(folder).clean
    with memos_gov.open(folder) as gov:
        assert gov.acting_as("owner", purpose=PURPOSE).recall("charged card").hits


@pytest.mark.parametrize("how", ["missing", "no database", "a bad page"])
def test_rebuild_of_damaged_tables_makes_the_folder_whole(folder: Path, how: str) -> None:
    """The log is enough."""
    live, path = rows_of(folder / "tables.db"), folder / "tables.db"
    body = path.read_bytes()
    spoiled = {"no database": b"x" * 9000, "a bad page": body[:4096] + b"\xff" * 4096 + body[8192:]}
    path.unlink() if how == "missing" else path.write_bytes(spoiled[how])

    report = rebuild(folder)

    assert (None, live) == (report.compared, rows_of(current_tables(folder)))
    assert fsck(folder).clean


def test_rebuild_of_a_damaged_index_fills_a_new_one(folder: Path) -> None:
    """The index is made again as well."""
    (folder / "index.db").write_bytes(b"x" * 5000)

    assert rebuild(folder).indexed > 0
    assert fsck(folder).clean


def test_rebuild_whose_root_differs_never_goes_live(folder: Path) -> None:
    """A log that no longer gives the tree in use is not believed."""
    before = rows_of(folder / "tables.db")
    with closing(sqlite3.connect(folder / "log.db", isolation_level=None)) as db:
        db.execute("DROP TRIGGER records_keep")
        db.execute("DELETE FROM records WHERE log_offset = (SELECT max(log_offset) FROM records)")

    with pytest.raises(CorruptionError, match="no longer gives the tree"):
        rebuild(folder)

    assert "tables.db" == current_tables(folder).name
    assert ["tables.db"] == database_names(folder)
    assert before == rows_of(folder / "tables.db")


def test_rebuild_with_a_foreign_vault_is_refused(folder: Path, tmp_path: Path) -> None:
    """Another vault would make every record look forged."""
    memos_gov.init(tmp_path / "another").close()
    shutil.copy(tmp_path / "another" / "vault.db", folder / "vault.db")

    with pytest.raises(CorruptionError, match="another log"):
        rebuild(folder)

    assert "tables.db" == current_tables(folder).name


def test_rebuild_leaves_files_of_other_names(folder: Path) -> None:
    """What somebody keeps beside the tables is not ours to remove or to count."""
    (folder / "tables-kept.db").write_bytes(b"mine")
    (folder / "operations.db").unlink()

    rebuild(folder)

    assert ["tables-kept.db", "tables.1.db"] == database_names(folder)


@pytest.mark.parametrize("how", ["missing", "no database", "empty", "a bad page"])
def test_rebuild_without_pointers_compares_with_the_tables_that_lie_there(
    folder: Path, how: str
) -> None:
    """Which tables were in use is lost, but not the tables."""
    rebuild(folder)
    path, live = folder / "operations.db", rows_of(folder / "tables.1.db")
    body = path.read_bytes()
    spoiled = {"no database": b"x" * 9000, "empty": b"", "a bad page": body[:4096] + b"\xff" * 8192}
    path.unlink() if how == "missing" else path.write_bytes(spoiled[how])

    report = rebuild(folder)

    assert (True, "tables.2.db") == (report.compared, report.tables)
    assert live == rows_of(current_tables(folder))
    assert fsck(folder).clean


def test_rebuild_without_pointers_refuses_a_log_that_lost_records(folder: Path) -> None:
    """A lost pointer is no way around the comparison, and nothing is left behind."""
    (folder / "operations.db").unlink()
    with closing(sqlite3.connect(folder / "log.db", isolation_level=None)) as db:
        db.execute("DROP TRIGGER records_keep")
        db.execute("DELETE FROM records WHERE log_offset = (SELECT max(log_offset) FROM records)")
    before = sorted(path.name for path in folder.iterdir())

    with pytest.raises(CorruptionError, match="no longer gives the tree"):
        rebuild(folder)

    assert before == sorted(path.name for path in folder.iterdir())


HOLDER = """
import sys
import memos_gov
with memos_gov.open(sys.argv[1]) as gov:
    print("open", flush=True)
    sys.stdin.readline()
    owner = gov.acting_as("owner", purpose="complaint-handling")
    print(owner.remember("Written beside a rebuild.", subjects=[]).cube_id, flush=True)
"""
REBUILDER = """
import sys
from memos_gov.bootstrap import rebuild
def wait(stage, done, total):
    if stage == "replay":
        print("rebuilding", flush=True)
        sys.stdin.readline()
rebuild(sys.argv[1], progress=wait)
"""


@contextmanager
def another_process(program: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Enter with a process that has said its first line and waits for one."""
    with subprocess.Popen(
        [sys.executable, "-c", program, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield process


def test_rebuild_beside_an_open_service_is_refused_and_loses_nothing(folder: Path) -> None:
    """The service would go on writing into tables that are no longer in use."""
    with another_process(HOLDER, folder) as holder:
        with pytest.raises(UnavailableError, match="has it open") as refused:
            rebuild(folder)
        written, _ = holder.communicate("go on\n")

    assert "Close what has the folder open, then type it again." == refused.value.remedy
    assert ["tables.db"] == [n for n in database_names(folder) if n.endswith(".db")]
    assert rebuild(folder).compared
    with memos_gov.open(folder) as gov:
        hit = gov.acting_as("owner", purpose=PURPOSE).get(written.strip())
    assert "Written beside a rebuild." == hit.content


def test_rebuild_beside_a_rebuild_is_refused_and_so_is_opening(folder: Path) -> None:
    """One at a time; the first is whole."""
    with another_process(REBUILDER, folder) as first:
        with pytest.raises(UnavailableError, match="has it open"):
            rebuild(folder)
        with pytest.raises(UnavailableError, match="is being rebuilt"):
            memos_gov.open(folder)
        first.communicate("go on\n")

    assert 0 == first.returncode
    assert "tables.1.db" == current_tables(folder).name
    assert fsck(folder).clean


def test_rebuild_waits_for_a_verb_that_is_nearly_done(folder: Path) -> None:
    """Short commands of others are no reason to refuse."""
    with memos_gov.open(folder) as gov:
        closing_soon = threading.Timer(0.2, gov.close)
        closing_soon.start()
        report = rebuild(folder)
        closing_soon.join()

    assert report.compared


def test_rebuild_of_no_folder_is_a_settings_error(tmp_path: Path) -> None:
    """There is nothing to rebuild."""
    with pytest.raises(SettingsError):
        rebuild(tmp_path)


PROGRAM = """
import os, signal, sys
from memos_gov.bootstrap import upkeep

def kill(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

point = sys.argv[2]
if point == "while replaying":
    progress = lambda stage, done, total: kill() if stage == "replay" else None
elif point == "before the switch":
    progress, upkeep._sync = None, kill
elif point == "in the switch":
    progress, upkeep.SqlitePointers.set = None, kill
elif point == "after the switch":
    progress, upkeep._remove_database = None, lambda path: (
        kill() if path.name == "tables.db" else None)
else:
    progress, upkeep.refilled = None, kill
upkeep.rebuild(sys.argv[1], progress=progress)
"""


@pytest.mark.parametrize(
    ("point", "in_use"),
    [
        ("while replaying", "tables.db"),
        ("before the switch", "tables.db"),
        ("in the switch", "tables.db"),
        ("after the switch", "tables.1.db"),
        ("before the index", "tables.1.db"),
    ],
)
def test_rebuild_killed_at_any_moment_leaves_whole_tables_in_use(
    folder: Path, point: str, in_use: str
) -> None:
    """Either the former tables serve, or the new ones do; and it can be done again."""
    live = rows_of(folder / "tables.db")

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder), point], check=False, capture_output=True
    )

    assert -signal.SIGKILL == done.returncode, done.stderr
    assert (in_use, live) == (current_tables(folder).name, rows_of(folder / in_use))
    assert fsck(folder).clean
    assert rebuild(folder).compared
    assert 1 == len([name for name in database_names(folder) if name.endswith(".db")])
