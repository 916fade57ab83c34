"""A repair makes right what the log gives back, touches nothing else, and says what it leaves."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import memos_gov
from memos_gov.bootstrap import fsck, rebuild, repair
from memos_gov.errors import UnavailableError
from memos_gov.ports import Proposal
from tests.erasing import erase
from tests.fsck.tampering import bytes_of, sql
from tests.lives import PURPOSE
from tests.test_rebuild import rows_of

OF_ERASED = "stream LIKE '%/governance' AND CAST(doc AS TEXT) LIKE '%erased%'"
REBUILDABLE = {
    "a row": ("tables.db", "UPDATE cubes SET label = 'x'"),
    "an outcome": ("tables.db", "UPDATE outcomes SET leaf = zeroblob(32) WHERE log_offset = 9"),
    "an outcome that is gone": ("tables.db", "DELETE FROM outcomes WHERE log_offset = 9"),
    "a tree": ("tables.db", "UPDATE trees SET frontier = zeroblob(32)"),
    "the size of a tree": ("tables.db", "UPDATE trees SET size = size + 1"),
    "a tree of another type": ("tables.db", "UPDATE trees SET frontier = 'x'"),
    "a tenant of another type": (
        "tables.db",
        "UPDATE trees SET tenant = x'ff' WHERE tenant = 'other'",
    ),
    "text that is no UTF-8": (
        "tables.db",
        "UPDATE usage SET cube = CAST(x'ff' AS TEXT) WHERE rowid = 1",
    ),
    "a checkpoint": ("tables.db", "UPDATE checkpoints SET next_offset = 99"),
    "facts of an erased cube": ("tables.db", f"UPDATE facts SET doc = x'00' WHERE {OF_ERASED}"),
    "another state of an erased cube": (
        "tables.db",
        f"UPDATE facts SET doc = CAST(replace(doc, 'erased', 'frozen') AS BLOB) WHERE {OF_ERASED}",
    ),
    "a schema": ("tables.db", "DROP INDEX cubes_by_owner"),
    "a format": ("tables.db", "UPDATE alembic_version SET version_num = 'tables_0000'"),
    "a table": ("tables.db", "DROP TABLE trees"),
    "an index entry": ("index.db", "UPDATE posting SET tf = tf + 1"),
    "an index schema": ("index.db", "ALTER TABLE posting RENAME COLUMN tf TO ft"),
    "an index format": ("index.db", "PRAGMA user_version = 7"),
    "an index that was not swept": ("index.db", "UPDATE state SET swept = swept - 1"),
    "a pointer": ("operations.db", "INSERT OR REPLACE INTO pointers VALUES ('tables', '../x')"),
    "a pointer that nobody has": ("operations.db", "INSERT INTO pointers VALUES ('more', 'x')"),
    "a schema of pointers": ("operations.db", "ALTER TABLE pointers ADD COLUMN more"),
    "a format of pointers": ("operations.db", "DELETE FROM alembic_version"),
}
NOT_OURS = ("log.db", "vault.db", "keys/", "policies/", "memos-gov.toml")


def untouched(folder: Path) -> dict[str, bytes]:
    """Return every file that no repair may write."""
    return {name: body for name, body in bytes_of(folder).items() if name.startswith(NOT_OURS)}


@pytest.mark.parametrize("name", REBUILDABLE)
def test_repair_of_what_the_log_gives_back_leaves_nothing_to_find(folder: Path, name: str) -> None:
    """Every finding whose remedy is a rebuild is made right by one, whatever was changed."""
    file, statement = REBUILDABLE[name]
    sql(folder / file, statement)
    before = untouched(folder)

    report = repair(folder)

    assert report.plan.rebuilds
    assert (False, (), True) == (report.before.clean, report.plan.kept, report.clean)
    assert before == untouched(folder)


@pytest.mark.parametrize("name", ["tables.db", "index.db", "operations.db"])
@pytest.mark.parametrize("how", ["no database", "a bad page", "empty"])
def test_repair_of_a_damaged_file_makes_it_again(folder: Path, name: str, how: str) -> None:
    """Also what SQLite itself cannot read."""
    path = folder / name
    body = path.read_bytes()
    spoiled = {"no database": b"x" * 9000, "a bad page": body[:4096] + b"\xff" * 8192, "empty": b""}
    path.write_bytes(spoiled[how])

    assert repair(folder).clean


def test_repair_of_a_sound_folder_rebuilds_nothing(folder: Path) -> None:
    """There is nothing to do, so not a byte is written."""
    before = bytes_of(folder)

    report = repair(folder)

    assert (True, False, None) == (report.clean, report.plan.rebuilds, report.after)
    assert before == bytes_of(folder)


def test_repair_as_a_dry_run_says_what_it_would_do(folder: Path) -> None:
    """And writes nothing."""
    sql(folder / "tables.db", "UPDATE cubes SET label = 'x'")
    before = bytes_of(folder)

    report = repair(folder, dry_run=True)

    assert report.plan.rebuilds
    assert {"row_changed"} == {finding.kind for finding in report.plan.rebuilt}
    assert (None, None, False) == (report.rebuilt, report.after, report.clean)
    assert before == bytes_of(folder)


SOURCES = {
    "a record": ("log.db", "DELETE FROM records WHERE log_offset = 7"),
    "a trigger": ("log.db", "CREATE TABLE more (x)"),
    "a key": ("vault.db", "DELETE FROM content_keys"),
    "the proposer's key": ("vault.db", "DELETE FROM secrets WHERE name LIKE 'mac:%'"),
    "a name": ("vault.db", "UPDATE directory SET sealed = zeroblob(40)"),
}


@pytest.mark.parametrize("name", SOURCES)
def test_repair_with_a_source_in_doubt_rebuilds_nothing(folder: Path, name: str) -> None:
    """Tables made from a log or a vault that lost something would make the loss look right."""
    file, statement = SOURCES[name]
    sql(folder / file, statement)
    sql(folder / "operations.db", "INSERT INTO pointers VALUES ('more', 'x')")
    before = bytes_of(folder)

    report = repair(folder)

    assert "source in doubt" in report.plan.refused
    assert (None, False) == (report.after, report.clean)
    assert report.plan.kept
    assert before == bytes_of(folder)


def test_repair_leaves_policies_keys_and_defaults_and_says_so(folder: Path) -> None:
    """What the log does not hold stays as it is, with its remedy, and the rest is made right."""
    (bundle,) = (p for p in (folder / "policies").iterdir() if p.is_dir())
    (bundle / "data.json").write_text("{}")
    (folder / "keys" / "operator").write_text("00\n")
    (folder / "memos-gov.toml").write_text("lapel = 1\n")
    sql(folder / "tables.db", "UPDATE cubes SET label = 'x'")
    before = untouched(folder)

    report = repair(folder)

    assert {"policy", "key_file", "settings"} == {finding.kind for finding in report.plan.kept}
    assert report.after is not None
    assert {"policy": 1, "key_file": 1, "settings": 1} == report.after.found
    assert before == untouched(folder)


def test_repair_beside_keys_that_should_have_ended_leaves_them_to_the_next_opening(
    folder: Path, tmp_path: Path
) -> None:
    """A repair writes no byte of the vault, not even where it should hold less."""
    with memos_gov.open(folder) as gov:
        owner = gov.acting_as("owner", purpose=PURPOSE)
        cube = str(owner.remember("Gone soon.").cube_id)
    shutil.copy(folder / "vault.db", tmp_path / "old.db")
    with memos_gov.open(folder) as gov:
        erase(gov.acting_as("owner", purpose=PURPOSE), cube)
    shutil.copy(tmp_path / "old.db", folder / "vault.db")
    sql(folder / "tables.db", "UPDATE cubes SET label = 'x'")
    before = untouched(folder)

    report = repair(folder)

    assert report.after is not None
    assert {"key_alive": 1} == report.after.found
    assert before == untouched(folder)
    memos_gov.open(folder).close()
    assert fsck(folder).clean


def test_repair_beside_evidence_in_the_log_goes_on(folder: Path) -> None:
    """A forged record that was decided as such is part of history and no doubt."""
    with memos_gov.open(folder) as gov:
        governor = gov.rooms.governor
        record = governor.log.read(0, 5, 1)[0]
        now_ms = round(governor.clock.now().timestamp() * 1000)
        body = record.body.replace(b'"internal"', b'"publican"')
        governor.proposer.submit([Proposal(record.tenant, now_ms, body)])
    sql(folder / "tables.db", "UPDATE cubes SET label = 'x'")

    report = repair(folder)

    assert report.after is not None
    assert {"forged": 1} == report.after.found


def test_repair_of_a_forged_record_without_tables_to_tell_is_refused(folder: Path) -> None:
    """Nobody knows whether it counted before it was altered."""
    altered = "CAST(replace(CAST(body AS TEXT), 'internal', 'publican') AS BLOB)"
    sql(folder / "log.db", f"UPDATE records SET body = {altered} WHERE log_offset = 5")
    (folder / "tables.db").unlink()

    report = repair(folder)

    assert "log offset 5" in report.plan.refused
    assert not (folder / "tables.1.db").exists()


def test_repair_beside_an_open_service_is_refused(folder: Path) -> None:
    """The service would go on writing into tables that are no longer in use."""
    sql(folder / "tables.db", "UPDATE cubes SET label = 'x'")
    with memos_gov.open(folder), pytest.raises(UnavailableError, match="has it open"):
        repair(folder)


def test_rebuild_with_a_pointer_to_nowhere_keeps_the_tables_in_use_to_the_end(
    folder: Path,
) -> None:
    """A name that is made anew is never that of tables that lie here."""
    rebuild(folder)
    live = rows_of(folder / "tables.1.db")
    sql(folder / "operations.db", "UPDATE pointers SET value = 'tables.1.dc'")

    report = rebuild(folder)

    assert ("tables.2.db", True) == (report.tables, report.compared)
    assert live == rows_of(folder / "tables.2.db")


def test_repaired_folder_serves_as_before(folder: Path) -> None:
    """Same lists, same finds, and the next command."""
    with closing(sqlite3.connect(folder / "tables.db")) as db:
        db.execute("UPDATE trees SET frontier = zeroblob(32)")
        db.commit()

    assert repair(folder).clean

    with memos_gov.open(folder) as gov:
        owner = gov.acting_as("owner", purpose=PURPOSE)
        assert owner.recall("charged card").hits
        assert owner.remember("After the repair.").cube_id
    assert fsck(folder).clean
