"""
The table of bad input: one clear error each, the right exit code, nothing half-written.

Each row is a situation, the command typed in it, the exit code, and a word
that the one error line must hold. After commands that were refused for their
form, the log is exactly as long as before; after damage, the folder's other
files are byte for byte as they were left.
"""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner, Result

import memos_gov
from memos_gov import founding
from memos_gov.cli.program import command_line
from memos_gov.domain import events, ids
from memos_gov.domain.commands import CONTENT_BYTES_MAX
from memos_gov.founding import event_types

CARD = "4111 1111 1111 1111"
HEADER = "id,text,when\n"
MAP = """
map = "bad"
time_zone = "UTC"
row_key = ["id"]
[content]
template = "{text}"
[cube]
valid_from = { column = "when" }
"""


def run(folder: Path, *words: str, stdin: bytes | None = None) -> Result:
    """Type one command."""
    return CliRunner().invoke(command_line, ["--data", str(folder), *words], input=stdin)


def records(folder: Path) -> int:
    """Return how many records the log holds."""
    with sqlite3.connect(folder / "log.db") as connection:
        (count,) = connection.execute("SELECT count(*) FROM records").fetchone()
    connection.close()
    return int(count)


class Typed(NamedTuple):
    """A command that is not valid, and what its error must name."""

    words: tuple[str, ...]
    exit_code: int
    names: str
    stdin: bytes | None = None


FORMS = {
    "empty content": Typed(("remember", "  "), 2, "content"),
    "unknown label": Typed(("remember", "x", "--label", "secret-ish"), 2, "label"),
    "unknown purpose of a cube": Typed(("remember", "x", "--for", "spying"), 2, "purpose"),
    "unknown basis": Typed(("remember", "x", "--basis", "whim"), 2, "basis"),
    "unknown retention class": Typed(("remember", "x", "--class", "forever"), 2, "retention_class"),
    "future time": Typed(
        ("remember", "x", "--valid-from", "2999-01-01T00:00:00Z"), 2, "valid_from"
    ),
    "over-long content": Typed(
        ("remember", "-"), 2, "CONTENT_BYTES_MAX", b"x" * (CONTENT_BYTES_MAX + 1)
    ),
    "invalid UTF-8": Typed(("remember", "-"), 2, "UTF-8", b"\xff\xfe\xff"),
    "a NUL byte": Typed(("remember", "-"), 2, "NUL", b"a\0b"),
    "an id of nothing": Typed(("get", "c_nothing"), 3, "nothing here"),
    "an id that is none": Typed(("get", "no id at all"), 3, "nothing here"),
    "a verb that is none": Typed(("remembre", "x"), 2, "remembre"),
    "a missing file": Typed(("ingest", "no.csv", "--map", "no.toml"), 2, "no."),
}


@pytest.mark.parametrize("case", FORMS, ids=lambda name: name.replace(" ", "_"))
def test_command_with_bad_input_gets_one_error_and_its_exit_code(folder: Path, case: str) -> None:
    """The error names the field; a command that is not valid leaves no record."""
    typed, before = FORMS[case], records(folder)

    done = run(folder, *typed.words, stdin=typed.stdin)

    assert typed.exit_code == done.exit_code, done.stderr
    assert typed.names in done.stderr
    assert "Traceback" not in done.stderr
    assert before == records(folder) or typed.exit_code == 3  # a refusal is an event


def test_time_without_a_zone_is_refused_by_name(gov: memos_gov.Service) -> None:
    """Half of the world would read it wrong."""
    from datetime import datetime

    with pytest.raises(memos_gov.InvalidCommandError, match="valid_from"):
        gov.acting_as("owner").remember("x", valid_from=datetime(2020, 1, 1))  # noqa: DTZ001


def test_revision_that_moved_is_a_conflict(folder: Path) -> None:
    """The second writer with the same revision in mind is told."""
    with memos_gov.open(folder) as gov:
        cube = gov.acting_as("owner").remember("one").cube_id
    assert cube is not None

    first = run(folder, "revise", cube, "two", "--expect", "1")
    second = run(folder, "revise", cube, "three", "--expect", "1")

    assert (0, 5) == (first.exit_code, second.exit_code)


def test_cube_of_another_tenant_looks_like_none(folder: Path) -> None:
    """Foreign and unknown are the same to whoever asks."""
    with memos_gov.open(folder) as gov:
        gov.add_tenant("acme", principal="owner")
        cube = gov.acting_as("owner", tenant="acme").remember("theirs").cube_id
    assert cube is not None

    foreign, unknown = run(folder, "get", cube), run(folder, "get", "c_unknown")

    assert (3, 3) == (foreign.exit_code, unknown.exit_code)
    assert foreign.stderr == unknown.stderr


ROWS = {
    "a missing column": ("id,when\n1,2020-01-01\n", 2, "text"),
    "a broken row in the middle": (HEADER + "1,a,2020-01-01\n2,b\n3,c,2020-01-03\n", 1, "line 3"),
    "a bad date": (HEADER + "1,a,someday\n2,b,2020-01-01\n", 1, "valid_from"),
    "an empty text": (HEADER + "1,,2020-01-01\n2,b,2020-01-01\n", 1, "content"),
}


@pytest.mark.parametrize("case", ROWS, ids=lambda name: name.replace(" ", "_"))
def test_file_with_a_bad_row_names_it_and_keeps_the_rest(
    folder: Path, tmp_path: Path, case: str
) -> None:
    """The rest of the file goes on, unless the file as a whole cannot be right."""
    text, exit_code, names = ROWS[case]
    (tmp_path / "rows.csv").write_text(text)
    (tmp_path / "map.toml").write_text(MAP)

    done = run(folder, "ingest", str(tmp_path / "rows.csv"), "--map", str(tmp_path / "map.toml"))

    good = text.count("2020") if exit_code == 1 else 0
    good -= text.count("1,,2020")
    assert exit_code == done.exit_code, done.stderr
    assert names in done.stderr + done.stdout
    assert good == len(memos_gov_list(folder))


def memos_gov_list(folder: Path) -> tuple[memos_gov.Hit, ...]:
    """Return the cubes of a folder."""
    with memos_gov.open(folder) as gov:
        return gov.acting_as("owner").list().hits


def test_map_with_an_unknown_field_names_it(folder: Path, tmp_path: Path) -> None:
    """A misspelt field is never passed over in silence."""
    (tmp_path / "rows.csv").write_text(HEADER + "1,a,2020-01-01\n")
    (tmp_path / "map.toml").write_text(MAP + 'lable = { value = "internal" }\n')

    done = run(folder, "ingest", str(tmp_path / "rows.csv"), "--map", str(tmp_path / "map.toml"))

    assert 2 == done.exit_code
    assert "lable" in done.stderr


def alter(folder: Path, name: str, *statements: str) -> None:
    """Change a database file behind the program's back."""
    connection = sqlite3.connect(folder / name)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _forge(folder: Path, _: Path) -> None:
    alter(
        folder,
        "log.db",
        "INSERT INTO records SELECT max(log_offset) + 1, 'default',"
        " CAST(replace(CAST(body AS TEXT), 'default', 'default') AS BLOB) FROM records",
        "DROP TRIGGER records_stay",
        "UPDATE records SET body = CAST(replace(CAST(body AS TEXT), 'internal', 'public') AS BLOB)"
        " WHERE log_offset = (SELECT max(log_offset) FROM records)",
    )


def _tamper_log(folder: Path, _: Path) -> None:
    alter(
        folder,
        "log.db",
        "DROP TRIGGER records_stay",
        "UPDATE records SET body = CAST(replace(CAST(body AS TEXT), 'internal', 'public') AS BLOB)"
        " WHERE log_offset = 2",
    )


def _shorten_log(folder: Path, _: Path) -> None:
    alter(
        folder,
        "log.db",
        "DROP TRIGGER records_keep",
        "DELETE FROM records WHERE log_offset = (SELECT max(log_offset) FROM records)",
    )


def _tamper_tables(folder: Path, _: Path) -> None:
    alter(folder, "tables.db", "UPDATE events SET header = x'7b7d' WHERE idx = 1")


def _tamper_vault(folder: Path, _: Path) -> None:
    alter(folder, "vault.db", f"UPDATE content_keys SET wrapped = x'{'01' * 60}'")


def _lose_vault(folder: Path, _: Path) -> None:
    for file in folder.glob("vault.db*"):
        file.unlink()


def _swap_vault(folder: Path, other: Path) -> None:
    _lose_vault(folder, other)
    shutil.copy(other / "vault.db", folder / "vault.db")
    shutil.copy(other / "keys" / "kek", folder / "keys" / "kek")


def _newer_log(folder: Path, _: Path) -> None:
    alter(folder, "log.db", "PRAGMA user_version=99")


def _newer_tables(folder: Path, _: Path) -> None:
    alter(folder, "tables.db", "UPDATE alembic_version SET version_num = 'tables_9999'")


def _lose_key_file(folder: Path, _: Path) -> None:
    (folder / "keys" / "kek").unlink()


class Damage(NamedTuple):
    """What happened to a folder, the command typed then, and how that ends."""

    done: Callable[[Path, Path], None]
    words: tuple[str, ...]
    exit_code: int
    names: str


DAMAGES = {
    "a forged record": Damage(_forge, ("fsck",), 7, "offset 3"),
    "a tampered log": Damage(_tamper_log, ("fsck",), 7, "offset 2"),
    "a tampered table": Damage(_tamper_tables, ("fsck",), 7, "events"),
    "a tampered vault": Damage(_tamper_vault, ("fsck",), 7, "vault.db"),
    "a log shorter than its checkpoint": Damage(_shorten_log, ("list",), 7, "offset 2"),
    "the same by fsck": Damage(_shorten_log, ("fsck",), 7, "log"),
    "a lost vault": Damage(_lose_vault, ("list",), 7, "vault.db"),
    "a vault of another log": Damage(_swap_vault, ("list",), 7, "another log"),
    "a newer log": Damage(_newer_log, ("list",), 8, "newer"),
    "newer tables": Damage(_newer_tables, ("list",), 8, "newer"),
    "a lost key file": Damage(_lose_key_file, ("list",), 8, "keys/kek"),
}


@pytest.fixture
def lived(folder: Path) -> Path:
    """Return a closed folder with one memory, at offset 2."""
    with memos_gov.open(folder) as gov:
        gov.acting_as("owner").remember("something")
        gov.rooms.follower.catch_up()
    alter(folder, "log.db")
    alter(folder, "tables.db")
    return folder


@pytest.mark.parametrize("case", DAMAGES, ids=lambda name: name.replace(" ", "_"))
def test_folder_that_was_damaged_is_refused_with_the_place(
    lived: Path, tmp_path: Path, case: str
) -> None:
    """The error names the place, and nothing is served from what contradicts itself."""
    other = tmp_path / "other"
    if case == "a vault of another log":
        memos_gov.init(other).close()
    damage = DAMAGES[case]
    damage.done(lived, other)

    found = run(lived, *damage.words)

    assert damage.exit_code == found.exit_code, found.stdout + found.stderr
    assert damage.names in found.stdout + found.stderr
    assert "Traceback" not in found.stderr
    assert "something" not in found.stdout + found.stderr


def test_forged_record_changes_nothing_and_is_kept_as_evidence(lived: Path) -> None:
    """It gets an outcome in the tree of the instance, and no cube changes its label."""
    _forge(lived, lived)

    (hit,) = memos_gov_list(lived)

    assert "internal" == hit.label


def mount(*words: str) -> None:
    """Run mount, or skip where this account may not."""
    done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this account cannot mount: {done.stderr.strip()}")


@pytest.fixture
def disk(lived: Path, tmp_path: Path) -> Iterator[Path]:
    """Return the folder on a small file system of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mount("-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place))
    try:
        yield Path(shutil.copytree(lived, place / "data"))
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_folder_that_is_read_only_is_one_error(disk: Path) -> None:
    """Reads are recorded, so a folder that cannot be written serves nothing."""
    mount("-o", "remount,ro", str(disk.parent))

    done = run(disk, "list")

    assert 6 == done.exit_code, done.stderr
    assert "Traceback" not in done.stderr


def test_disk_that_is_full_loses_nothing_that_was_acknowledged(disk: Path) -> None:
    """With room again everything acknowledged is there, and at most the last one besides."""
    kept = ["something"]
    for number in range(1000):
        done = run(disk, "remember", f"{number} {'x' * 50_000}")
        if done.exit_code:
            break
        kept.append(str(number))
    assert 6 == done.exit_code, done.stderr
    assert "room" in done.stderr
    mount("-o", "remount,size=50m", str(disk.parent))

    with memos_gov.open(disk) as gov:
        owner = gov.acting_as("owner")
        found = {
            (owner.get(hit.cube_id).content or "").split()[0] for hit in owner.list(limit=200).hits
        }

    assert set(kept) <= found
    assert found - set(kept) <= {str(number)}  # appended, but its outcome was unknown
    done = run(disk, "fsck")
    assert 0 == done.exit_code, done.stderr


def test_init_over_an_existing_folder_is_refused(lived: Path) -> None:
    """Nothing of what is there is touched."""
    before = records(lived)

    done = run(lived, "init")

    assert 8 == done.exit_code
    assert before == records(lived)


def test_open_of_a_folder_that_is_none_names_init() -> None:
    """The remedy is the command to type."""
    done = CliRunner().invoke(command_line, ["--data", "/nonexistent/folder", "list"])

    assert 8 == done.exit_code
    assert "init" in done.stderr


def test_log_under_rules_of_a_newer_program_is_refused_before_anything_is_judged(
    folder: Path,
) -> None:
    """Two programs that judge by different rules would give two histories."""
    with memos_gov.open(folder) as gov:
        newer = events.LogExtended(event_types=event_types(), rules=2)
        found = (gov.rooms.governor, ids.control_of(0), "instance", newer)
        founding._found(*found)
    before = records(folder)

    done = run(folder, "remember", "by rules of before")

    assert 8 == done.exit_code, done.stderr
    assert "decided by rules 2" in done.stderr
    assert "Upgrade memos-gov" in done.stderr
    assert before == records(folder)
