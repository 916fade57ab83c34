"""No record can be altered, removed or added unseen, and fault lies where it belongs."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import memos_gov
from memos_gov.bootstrap import fsck, verify_log
from memos_gov.errors import CorruptionError
from memos_gov.fsck import FsckReport
from memos_gov.fsck.report import REBUILD, RESTORE, WATCH
from memos_gov.ports import Proposal
from tests.fsck.tampering import asked, found, sql

ALTERED = "CAST(replace(CAST(body AS TEXT), 'internal', 'publican') AS BLOB)"
LOG_TAMPERS: dict[str, tuple[str, tuple[str, str]]] = {
    "altered": (
        f"UPDATE records SET body = {ALTERED} WHERE log_offset = 5",
        ("log offset 5", "forged"),
    ),
    "not json": ("UPDATE records SET body = x'00' WHERE log_offset = 5", ("log offset 5", "leaf")),
    "other tenant": (
        "UPDATE records SET tenant = 'other' WHERE log_offset = 5",
        ("log offset 5", "tenant"),
    ),
    "put before the beginning": (
        "INSERT INTO records VALUES (-3, 'default', x'00')",
        ("log offset -3", "before"),
    ),
    "middle deleted": ("DELETE FROM records WHERE log_offset = 7", ("log offset 7", "gap")),
    "repeated": (
        "INSERT INTO records SELECT 1000, tenant, body FROM records WHERE log_offset = 5",
        ("log offset", "gap"),
    ),
    "forged": (
        f"INSERT INTO records SELECT 1000, tenant, {ALTERED} FROM records WHERE log_offset = 5",
        ("log offset", "forged"),
    ),
}


@pytest.mark.parametrize("examine", [fsck, verify_log])
@pytest.mark.parametrize("name", LOG_TAMPERS)
def test_fsck_of_a_log_that_was_changed_finds_the_offset(
    folder: Path, name: str, examine: Callable[[Path], FsckReport]
) -> None:
    """No record can be altered, removed or added unseen."""
    statement, (place, kind) = LOG_TAMPERS[name]
    sql(folder / "log.db", statement)

    report = examine(folder)

    assert not report.clean
    assert any(p.startswith(place) and k == kind for p, k in found(report)), found(report)


@pytest.mark.parametrize("examine", [fsck, verify_log])
def test_fsck_of_a_log_without_its_last_record_says_where_it_ends(
    folder: Path, examine: Callable[[Path], FsckReport]
) -> None:
    """A folder that refuses to open is examined all the same; its tables are not to blame."""
    last = asked(folder / "log.db", "SELECT max(log_offset) FROM records")
    sql(folder / "log.db", f"DELETE FROM records WHERE log_offset = {last}")
    with pytest.raises(CorruptionError):
        memos_gov.open(folder)

    report = examine(folder)

    gap = {f.place: f.remedy for f in report.findings if f.kind == "gap"}
    assert {f"log offset {last}": RESTORE} == gap
    assert {"gap", "vault"} >= report.found.keys()


def test_fsck_of_an_older_log_says_where_it_ends(folder: Path, tmp_path: Path) -> None:
    """A log put back from a backup lacks what the tables have decided since."""
    shutil.copy(folder / "log.db", tmp_path / "old.db")
    end = asked(folder / "log.db", "SELECT max(log_offset) + 1 FROM records")
    with memos_gov.open(folder) as gov:
        gov.acting_as("owner").remember("Written after the backup.")
    shutil.copy(tmp_path / "old.db", folder / "log.db")

    (followed,) = {place for place, kind in found(fsck(folder)) if kind == "vault"}
    assert followed.startswith("vault.db, log.db offset")
    assert {(f"log offset {end}", "gap")} == found(fsck(folder, parts=["log"]))


@pytest.mark.parametrize("change", ["next_offset = 9", "next_offset = 99", "digest = zeroblob(32)"])
@pytest.mark.parametrize("follower", ["certifier", "cubes"])
def test_fsck_of_a_changed_checkpoint_blames_the_tables(
    folder: Path, follower: str, change: str
) -> None:
    """Every record agrees with its outcome, so the log is whole and the tables are made again."""
    sql(folder / "tables.db", f"UPDATE checkpoints SET {change} WHERE follower = '{follower}'")

    report = fsck(folder)

    assert all("checkpoints" in finding.place for finding in report.findings)
    assert {REBUILD} == {finding.remedy for finding in report.findings}


def test_fsck_of_a_forged_record_that_was_decided_calls_it_evidence(folder: Path) -> None:
    """It never applied; a record that nobody decided as forged is another matter."""
    with memos_gov.open(folder) as gov:
        governor = gov.rooms.governor
        record = governor.log.read(0, 5, 1)[0]
        now_ms = round(governor.clock.now().timestamp() * 1000)
        body = record.body.replace(b'"internal"', b'"publican"')
        governor.proposer.submit([Proposal(record.tenant, now_ms, body)])
    end = asked(folder / "log.db", "SELECT max(log_offset) FROM records")

    (finding,) = fsck(folder).findings

    assert (f"log offset {end}", "forged") == (finding.place, finding.kind)
    assert WATCH == finding.remedy


@pytest.mark.parametrize(
    "change", ["detail = x'7b'", "detail = '{}'", "idx = NULL", "code = x'61'"]
)
def test_fsck_of_an_outcome_that_cannot_be_read_blames_its_row(folder: Path, change: str) -> None:
    """Neither the log nor the walk over it suffers."""
    sql(folder / "tables.db", f"UPDATE outcomes SET {change} WHERE log_offset = 9")

    report = fsck(folder, parts=["log"])

    assert ("outcomes (0, 9)", "outcome") in found(report)
    assert {REBUILD} == {finding.remedy for finding in report.findings}


@pytest.mark.parametrize("column", ["tenant = CAST(tenant AS BLOB)", "body = CAST(body AS TEXT)"])
def test_fsck_of_a_record_stored_as_another_type_finds_the_offset(
    folder: Path, column: str
) -> None:
    """It reads as before, yet no append wrote it, since the table's CHECK forbids it."""
    sql(
        folder / "log.db",
        "PRAGMA ignore_check_constraints = ON",
        f"UPDATE records SET {column} WHERE log_offset IN (5, 7)",
    )

    report = fsck(folder, parts=["log"])

    assert {("log offset 5", "damaged"), ("log offset 7", "damaged")} == found(report)
