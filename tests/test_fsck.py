"""Every kind of tampering is found by fsck, at its place; a sound folder is clean and untouched."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

import memos_gov
from memos_gov.bootstrap import fsck, verify_log
from memos_gov.errors import CorruptionError, SettingsError
from memos_gov.fsck import FsckReport
from memos_gov.projections.tables import TablesModel
from tests.lives import a_varied_life

Tamper = Callable[[Path], object]


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a closed folder with a varied life."""
    folder = tmp_path_factory.mktemp("fsck") / "data"
    with memos_gov.init(folder) as gov:
        a_varied_life(gov)
        gov.rooms.follower.catch_up()
        gov.rooms.index_follower.catch_up()
    return folder


@pytest.fixture
def folder(lived: Path, tmp_path: Path) -> Path:
    """Return a copy that a test may spoil."""
    return Path(shutil.copytree(lived, tmp_path / "data"))


def sql(path: Path, *statements: str) -> None:
    """Run statements behind every port's back; the log's triggers are dropped first."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        if path.name == "log.db":
            db.execute("DROP TRIGGER IF EXISTS records_keep")
            db.execute("DROP TRIGGER IF EXISTS records_stay")
        for statement in statements:
            db.execute(statement)


def found(report: FsckReport) -> set[tuple[str, str]]:
    """Return place and kind of everything found."""
    return {(finding.place, finding.kind) for finding in report.findings}


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_fsck_of_a_sound_folder_is_clean_and_changes_no_byte(folder: Path) -> None:
    """Everything is examined, nothing is found, nothing is written."""
    before = bytes_of(folder)

    report = fsck(folder)

    assert ((), ()) == (report.findings, report.skipped)
    assert before == bytes_of(folder)
    assert {"records", "payloads", "rows", "trees", "policies", "indexed"} == report.counts.keys()


def test_fsck_of_an_open_folder_is_clean(folder: Path) -> None:
    """It may run beside a process that serves the folder."""
    with memos_gov.open(folder) as gov:
        gov.acting_as("owner").remember("Written a moment ago.")

        assert fsck(folder).clean


def test_fsck_of_a_folder_whose_views_are_behind_is_clean(folder: Path) -> None:
    """A view that has yet to see the newest records is not wrong."""
    with memos_gov.open(folder) as gov:
        owner = gov.acting_as("owner", purpose="complaint-handling")
        cube = owner.remember("Something new.").cube_id
        owner.freeze(str(cube))

    assert fsck(folder).clean


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


def test_fsck_of_a_log_without_its_last_record_says_where_it_ends(folder: Path) -> None:
    """A folder that refuses to open is examined all the same."""
    with closing(sqlite3.connect(folder / "log.db")) as db:
        ((last,),) = db.execute("SELECT max(log_offset) FROM records")
    sql(folder / "log.db", f"DELETE FROM records WHERE log_offset = {last}")
    with pytest.raises(CorruptionError):
        memos_gov.open(folder)

    assert (f"log offset {last}", "damaged") in found(fsck(folder))


@pytest.mark.parametrize("table", sorted(TablesModel.metadata.tables))
def test_fsck_of_a_table_that_was_changed_finds_the_row(folder: Path, table: str) -> None:
    """Each table of the tables file is compared, row by row."""
    columns = TablesModel.metadata.tables[table].columns
    column = next((c.name for c in reversed(columns) if not c.primary_key), None)
    with closing(sqlite3.connect(folder / "tables.db")) as db:
        ((row,),) = db.execute(f"SELECT max(rowid) FROM {table}")
    if column is None:
        sql(folder / "tables.db", f"UPDATE {table} SET value = 'x' WHERE rowid = {row}")
    elif table == "checkpoints":
        sql(folder / "tables.db", "UPDATE checkpoints SET log_time_ms = 7")
    else:
        sql(folder / "tables.db", f"UPDATE {table} SET {column} = 7654321 WHERE rowid = {row}")

    report = fsck(folder)

    assert [] != [p for p, _ in found(report) if p.startswith((f"{table} (", "tables"))]


@pytest.mark.parametrize("table", sorted(set(TablesModel.metadata.tables) - {"checkpoints"}))
def test_fsck_of_a_table_that_lost_a_row_finds_it(folder: Path, table: str) -> None:
    """What the log gives must be there."""
    with closing(sqlite3.connect(folder / "tables.db")) as db:
        ((row,),) = db.execute(f"SELECT max(rowid) FROM {table}")
    sql(folder / "tables.db", f"DELETE FROM {table} WHERE rowid = {row}")

    assert {"row_missing", "root", "outcome"} & {kind for _, kind in found(fsck(folder))}


def test_fsck_of_a_table_with_a_row_too_many_finds_it(folder: Path) -> None:
    """A row that no record gave is named."""
    sql(folder / "tables.db", "INSERT INTO usage VALUES ('default', 'c_x', 1, 1)")

    assert {("usage (default, c_x)", "row_added")} == found(fsck(folder))


VAULT_TAMPERS = {
    "key deleted": ("DELETE FROM content_keys WHERE rowid = 1", "log offset", "key"),
    "key altered": (
        f"UPDATE content_keys SET wrapped = x'{'01' * 60}' WHERE rowid = 1",
        "vault.db key k_",
        "vault",
    ),
    "key of a living cube ended": (
        "UPDATE content_keys SET wrapped = zeroblob(60) WHERE rowid = 1",
        "log offset",
        "key",
    ),
    "secret altered": (
        "UPDATE secrets SET wrapped = zeroblob(60) WHERE name LIKE 'month:%'",
        "vault.db secret month:",
        "vault",
    ),
    "seal's key deleted": ("DELETE FROM secrets WHERE name LIKE 'mac:%'", "log offset", "forged"),
    "name altered": (
        "UPDATE directory SET sealed = zeroblob(40) WHERE rowid = 1",
        "vault.db name ",
        "vault",
    ),
    "names swapped": (
        "UPDATE directory SET lookup = zeroblob(32) WHERE rowid = 1",
        "vault.db name ",
        "vault",
    ),
}


@pytest.mark.parametrize("name", VAULT_TAMPERS)
def test_fsck_of_a_vault_that_was_changed_finds_the_key(folder: Path, name: str) -> None:
    """Every key, secret and name of the vault is opened, and every payload with its key."""
    statement, place, kind = VAULT_TAMPERS[name]
    with closing(sqlite3.connect(folder / "vault.db")) as db:
        ((changed,),) = db.execute("SELECT min(rowid) FROM content_keys")
    sql(folder / "vault.db", statement.replace("rowid = 1", f"rowid = {changed}"))

    report = fsck(folder)

    assert any(p.startswith(place) and k == kind for p, k in found(report)), found(report)


def test_fsck_of_a_vault_of_another_folder_says_so(folder: Path, tmp_path: Path) -> None:
    """A folder that refuses to open for it is examined as far as its own files go."""
    memos_gov.init(tmp_path / "another").close()
    shutil.copy(tmp_path / "another" / "vault.db", folder / "vault.db")

    report = fsck(folder)

    assert ("vault.db", "vault") in found(report)
    assert "seals and payloads: the vault is not this log's" in report.skipped


def test_fsck_of_a_changed_policy_names_its_digest(folder: Path) -> None:
    """A bundle that was active must be what its digest says."""
    bundle = next(p for p in (folder / "policies").iterdir() if p.is_dir())
    (bundle / "data.json").write_text("{}")

    assert {(str(bundle), "policy")} == found(fsck(folder))


INDEX_TAMPERS = (
    "DELETE FROM entry WHERE cube = (SELECT max(cube) FROM entry)",
    "UPDATE entry SET revision = 9 WHERE cube = (SELECT max(cube) FROM entry)",
    "UPDATE entry SET terms = NULL WHERE terms IS NOT NULL",
    "UPDATE entry SET terms = 'charged' WHERE terms IS NULL",
    "UPDATE state SET position = 100000",
)


@pytest.mark.parametrize("statement", INDEX_TAMPERS)
def test_fsck_of_an_index_that_was_changed_finds_the_cube(folder: Path, statement: str) -> None:
    """The index holds what the plan wants, no more and no less."""
    sql(folder / "index.db", statement)

    report = fsck(folder)

    assert {"index"} == {kind for _, kind in found(report)}
    assert all(place.startswith("index.db ") for place, _ in found(report))


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


def test_fsck_without_the_master_key_says_so(folder: Path) -> None:
    """Keys that are elsewhere are a finding, and the rest is examined."""
    (folder / "keys" / "kek").unlink()

    report = fsck(folder)

    assert any("keys/kek" in finding.message for finding in report.findings)


def test_findings_of_any_tampering_hold_no_content(folder: Path) -> None:
    """Places and kinds are enough for a human to look."""
    sql(folder / "vault.db", "UPDATE directory SET sealed = zeroblob(40)")
    sql(folder / "tables.db", "UPDATE cubes SET label = 'x'")

    report = repr(fsck(folder))

    assert [] == [word for word in ("charged", "customer-17", "letter") if word in report]
