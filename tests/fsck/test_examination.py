"""An examination is whole or in parts, changes nothing, and names what it cannot read."""

import shutil
from pathlib import Path

import pytest

import memos_gov
from memos_gov.bootstrap import fsck, verify_log
from memos_gov.errors import SettingsError
from memos_gov.fsck import PARTS
from tests.fsck.tampering import bytes_of, found, sql

COUNTED = {
    "log": {"records", "trees"},
    "vault": {"payloads", "erased_payloads", "spare_keys"},
    "tables": {"rows"},
    "index": {"indexed"},
    "tiles": {"tiles"},
    "erasures": {"certificates", "certificate_files"},
    "policies": {"policies"},
    "folder": {"key_files", "defaults"},
}


def test_fsck_of_a_sound_folder_is_clean_and_changes_no_byte(folder: Path) -> None:
    """Everything is examined, nothing is found, nothing is written."""
    before = bytes_of(folder)

    report = fsck(folder)

    assert ((), ()) == (report.findings, report.skipped)
    assert before == bytes_of(folder)
    assert set().union(*COUNTED.values()) == report.counts.keys()


@pytest.mark.parametrize("part", PARTS)
def test_fsck_of_one_part_looks_at_that_alone(folder: Path, part: str) -> None:
    """Each part can be examined by itself; together they are the whole."""
    report = fsck(folder, parts=[part])

    assert report.clean
    assert COUNTED[part] == report.counts.keys()


def test_fsck_of_a_part_that_there_is_not_names_the_parts(folder: Path) -> None:
    """A slip examines nothing silently."""
    with pytest.raises(SettingsError, match="no part logs") as refused:
        fsck(folder, parts=["logs"])

    assert all(part in refused.value.remedy for part in PARTS)


def test_fsck_of_an_open_folder_is_clean(folder: Path) -> None:
    """It may run beside a process that serves the folder."""
    with memos_gov.open(folder) as gov:
        gov.acting_as("owner").remember("Written a moment ago.")

        assert fsck(folder).clean


def test_fsck_of_a_folder_whose_views_are_behind_is_clean(folder: Path) -> None:
    """A view, or an index, that has yet to see the newest records is not wrong."""
    with memos_gov.open(folder) as gov:
        owner = gov.acting_as("owner", purpose="complaint-handling")
        cube = owner.remember("Something new.").cube_id
        owner.freeze(str(cube))

    report = fsck(folder)

    assert report.clean
    assert 1 == report.counts["index_waits"]


def test_verify_log_of_a_sound_folder_is_clean(folder: Path) -> None:
    """The log alone is read, and its roots are those of the whole examination."""
    report = verify_log(folder)

    assert report.clean
    assert fsck(folder).roots == report.roots


def test_fsck_tells_how_far_it_has_come(folder: Path) -> None:
    """Whoever watches sees each stage."""
    seen: list[str] = []

    fsck(folder, progress=lambda stage, *_: seen.append(stage))

    assert {"records", "certify", "log.db"} <= set(seen)


def test_fsck_of_no_folder_is_a_settings_error(tmp_path: Path) -> None:
    """There is nothing to examine."""
    with pytest.raises(SettingsError):
        fsck(tmp_path / "nothing")


DATABASES = ["log.db", "tables.db", "vault.db", "operations.db", "index.db"]
HARMS = ["missing", "no database", "a bad page", "empty"]


def test_fsck_without_an_index_finds_nothing(folder: Path) -> None:
    """The first recall makes it, so its absence is no damage."""
    for path in folder.glob("index.db*"):
        path.unlink()

    assert fsck(folder).clean


@pytest.mark.parametrize(
    ("name", "how"),
    [(n, h) for n in DATABASES for h in HARMS if (n, h) != ("index.db", "missing")],
)
def test_fsck_of_a_file_that_is_damaged_is_a_finding(folder: Path, name: str, how: str) -> None:
    """What cannot be read is named, without a traceback, and the rest is examined."""
    path = folder / name
    body = path.read_bytes()
    spoiled = {
        "no database": b"not a database " * 500,
        "a bad page": body[:4096] + b"\xff" * 4096 + body[8192:],
        "empty": b"",
    }
    path.unlink() if how == "missing" else path.write_bytes(spoiled[how])

    report = fsck(folder)

    assert not report.clean
    assert any(name in p or "control" in k for p, k in found(report)), found(report)


SCHEMA_CHANGES = {
    "log.db": "DROP TRIGGER records_keep",
    "vault.db": "CREATE TABLE more (x)",
    "tables.db": "DROP INDEX cubes_by_owner",
    "operations.db": "ALTER TABLE pointers ADD COLUMN more",
    "index.db": "PRAGMA application_id = 7",
}


@pytest.mark.parametrize("name", DATABASES)
def test_fsck_of_a_changed_schema_finds_the_file(folder: Path, name: str) -> None:
    """A file may be sound in SQLite's eyes and lack what keeps the log append-only."""
    sql(folder / "copy", "")
    shutil.move(folder / name, folder / "copy")
    sql(folder / "copy", SCHEMA_CHANGES[name])
    shutil.move(folder / "copy", folder / name)

    assert {(name, "schema")} == found(fsck(folder))


def test_findings_of_any_tampering_hold_no_content(folder: Path) -> None:
    """Places and kinds are enough for a human to look."""
    sql(folder / "vault.db", "UPDATE directory SET sealed = zeroblob(40)")
    sql(folder / "tables.db", "UPDATE cubes SET label = 'x'")
    sql(folder / "index.db", "UPDATE entry SET terms = 'letter'")

    report = repr(fsck(folder))

    assert [] == [word for word in ("charged", "customer-17", "letter") if word in report]
