"""Every key, secret and name is opened, and keys end when their cubes do, not before."""

import json
import shutil
from pathlib import Path

import pytest

import memos_gov
from memos_gov.bootstrap import fsck
from memos_gov.domain import codec
from memos_gov.domain import commands as c
from memos_gov.domain.ids import PREFIXES
from memos_gov.fsck import FsckReport
from memos_gov.fsck.report import DESTROY, RESTORE
from memos_gov.naming import Names
from memos_gov.proposer import new_command_id
from memos_gov.service import Service
from tests.erasing import erase
from tests.fsck.tampering import asked, found, sql
from tests.lives import PURPOSE

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
    "month's key deleted": ("DELETE FROM secrets WHERE name LIKE 'month:%'", "log offset", "key"),
    "seal's key deleted": (
        "DELETE FROM secrets WHERE name LIKE 'mac:%'",
        "vault.db secret mac:",
        "vault",
    ),
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
    "names deleted": (
        "DELETE FROM directory WHERE kind = 'subject'",
        "vault.db name s_",
        "vault",
    ),
    "instance renamed": (
        "UPDATE meta SET name = 'instances' WHERE name = 'instance'",
        "vault.db",
        "vault",
    ),
    "epoch begun earlier": (
        "UPDATE epochs SET began_ms = began_ms - 1",
        "vault.db epochs",
        "vault",
    ),
    "epoch ended": ("UPDATE epochs SET ended_ms = 7 WHERE epoch = 1", "vault.db epochs", "vault"),
    "epochs unsealed": ("DELETE FROM meta WHERE name = 'epochs'", "vault.db epochs", "vault"),
    "a mark of no sweep": ("INSERT INTO meta VALUES ('unswept', 'x')", "vault.db meta", "vault"),
    "a word that nobody has": ("INSERT INTO meta VALUES ('more', 'x')", "vault.db meta", "vault"),
    "checkpoint of another log": (
        "UPDATE destroyer SET digest = zeroblob(32)",
        "vault.db, log.db offset",
        "vault",
    ),
    "checkpoint of no partition": (
        "UPDATE destroyer SET partition = 7",
        "vault.db checkpoint 7",
        "vault",
    ),
    "checkpoint of nothing": (
        "UPDATE destroyer SET next_offset = 0",
        "vault.db checkpoint 0",
        "vault",
    ),
    "tenant changed": (
        "UPDATE content_keys SET tenant = 'other' WHERE rowid = 1",
        "vault.db key k_",
        "vault",
    ),
    "epoch changed": (
        "UPDATE content_keys SET epoch = 1 WHERE rowid = 1",
        "vault.db key k_",
        "vault",
    ),
}


@pytest.mark.parametrize("parts", [["vault"], None])
@pytest.mark.parametrize("name", VAULT_TAMPERS)
def test_fsck_of_a_vault_that_was_changed_finds_the_key(
    folder: Path, name: str, parts: list[str] | None
) -> None:
    """Every key, secret and name of the vault is opened, and every payload with its key."""
    statement, place, kind = VAULT_TAMPERS[name]
    changed = asked(folder / "vault.db", "SELECT min(rowid) FROM content_keys")
    sql(folder / "vault.db", statement.replace("rowid = 1", f"rowid = {changed}"))

    report = fsck(folder, parts=parts) if parts else fsck(folder)

    mine = [f for f in report.findings if f.place.startswith(place) and f.kind == kind]
    assert mine, found(report)
    assert all("back from" in finding.remedy for finding in mine)


def test_fsck_of_a_vault_of_another_folder_says_so(folder: Path, tmp_path: Path) -> None:
    """A folder that refuses to open for it is examined as far as its own files go."""
    with memos_gov.init(tmp_path / "another") as other:
        other.acting_as("owner").rotate_vault()  # so that both are of the same epoch
    shutil.copy(tmp_path / "another" / "vault.db", folder / "vault.db")

    report = fsck(folder)

    assert ("vault.db", "vault") in found(report)
    assert "seals, payloads and tables: the vault is not this log's" in report.skipped


def test_fsck_of_an_older_vault_names_what_it_lacks(folder: Path, tmp_path: Path) -> None:
    """Names as well as keys: what opening refuses, an examination finds."""
    for name, act in (
        ("a key", lambda gov: gov.acting_as("owner").remember("After the backup.")),
        ("a name", lambda gov: gov.acting_as("owner").hold(matter="M-9", subject="customer-99")),
    ):
        copy = Path(shutil.copytree(folder, tmp_path / name))
        with memos_gov.open(copy) as gov:
            act(gov)
        shutil.copy(folder / "vault.db", copy / "vault.db")
        with pytest.raises(memos_gov.CorruptionError):
            memos_gov.open(copy)

        report = fsck(copy, parts=["vault"])

        assert {"key"} == report.found.keys() or {"vault"} == report.found.keys(), name


def remembered(gov: Service) -> str:
    """Remember something of two revisions and return its cube."""
    owner = gov.acting_as("owner", purpose=PURPOSE)
    cube = owner.remember("Gone one day.", subjects=["customer-30"]).cube_id
    assert cube is not None
    owner.revise(cube, "Gone soon.")
    return cube


def rejected(gov: Service, cube: str) -> str:
    """Have a revision rejected because another came first; return the key it was sealed with."""
    governor, owner = gov.rooms.governor, gov.acting_as("owner", purpose=PURPOSE)
    command = c.make(c.ReviseCube, cube=cube, content="Too late.")
    names = Names(governor.keys, "default")
    with governor.tables.snapshot() as snapshot:
        prepared = governor.prepare(snapshot, owner.caller, command, new_command_id(), names)
    owner.revise(cube, "In time.")
    (outcome,) = governor.submit([prepared])
    assert "stale" == outcome.code
    (env,) = codec.decode(prepared.proposal.body).data.events
    assert env.key_id is not None
    return env.key_id


def keys_of(folder: Path, cube: str) -> list[str]:
    """Return the keys of all revisions of a cube."""
    query = f"SELECT group_concat(key_id) FROM events WHERE stream = 'default/cube/{cube}'"
    return str(asked(folder / "tables.db", query)).split(",")


def test_fsck_of_an_erased_cube_whose_keys_are_back_names_each(
    folder: Path, tmp_path: Path
) -> None:
    """An older vault opens what was erased; opening the folder destroys again, and it is clean."""
    with memos_gov.open(folder) as gov:
        cube = remembered(gov)
    keys = keys_of(folder, cube)
    shutil.copy(folder / "vault.db", tmp_path / "old.db")
    with memos_gov.open(folder) as gov:
        erase(gov.acting_as("owner", purpose=PURPOSE), cube)
    assert fsck(folder).clean
    shutil.copy(tmp_path / "old.db", folder / "vault.db")

    report = fsck(folder)

    assert 2 == len(keys)
    assert {(f"vault.db key {key}", "key_alive") for key in keys} == found(report)
    assert {DESTROY} == {finding.remedy for finding in report.findings}
    assert all(cube in finding.message for finding in report.findings)
    memos_gov.open(folder).close()
    assert fsck(folder).clean


def test_fsck_of_a_living_cube_beside_an_erased_one_finds_its_missing_key(folder: Path) -> None:
    """Only what was erased may lack its keys."""
    with memos_gov.open(folder) as gov:
        cube, living = remembered(gov), remembered(gov)
        erase(gov.acting_as("owner", purpose=PURPOSE), cube)
    key = keys_of(folder, living)[0]
    sql(folder / "vault.db", f"DELETE FROM content_keys WHERE key_id = '{key}'")

    report = fsck(folder, parts=["vault"])

    assert {"key": 1} == report.found
    assert key in report.findings[0].message


def test_fsck_of_an_erased_cube_finds_the_key_of_a_record_that_was_rejected(folder: Path) -> None:
    """The log keeps what a rejected attempt sealed, so its key must have ended as well."""
    with memos_gov.open(folder) as gov:
        cube = remembered(gov)
        late = rejected(gov, cube)
        row = asked(folder / "vault.db", f"SELECT hex(wrapped) FROM {key_row(late)}")
        assert 1 == fsck(folder, parts=["vault"]).counts["keys_of_rejected"]
        erase(gov.acting_as("owner", purpose=PURPOSE), cube)
    assert fsck(folder).clean
    values = f"('{late}', 'default', 2, x'{row}')"
    sql(folder / "vault.db", f"INSERT OR REPLACE INTO content_keys VALUES {values}")

    assert {(f"vault.db key {late}", "key_alive")} == found(fsck(folder, parts=["vault"]))


def test_fsck_of_an_erased_person_whose_name_is_back_finds_it(folder: Path, tmp_path: Path) -> None:
    """An older vault knows the name again; opening the folder forgets it, and it is clean."""
    with memos_gov.open(folder) as gov:
        remembered(gov)
    shutil.copy(folder / "vault.db", tmp_path / "old.db")
    with memos_gov.open(folder) as gov:
        owner = gov.acting_as("owner", purpose=PURPOSE)
        assert "completed" == owner.forget(subject="customer-30", reason="Asked.").state
    assert fsck(folder).clean
    shutil.copy(tmp_path / "old.db", folder / "vault.db")

    assert {"key_alive": 2, "name_alive": 1} == fsck(folder, parts=["vault"]).found
    memos_gov.open(folder).close()
    assert fsck(folder).clean


def with_every_kind_of_name(folder: Path) -> None:
    """Have the history name an author, a conversation, a matter, a person on hold and a refused."""
    with memos_gov.open(folder) as gov:
        owner = gov.acting_as("owner", purpose=PURPOSE)
        owner.remember("Said so.", subjects=["customer-50"], author="Anna", conversation="call-1")
        owner.hold(matter="M-9", subject="customer-51")
        with pytest.raises(memos_gov.DeniedError):
            gov.acting_as("aud", purpose=PURPOSE).remember("No.", subjects=["customer-52"])


def without(folder: Path, table: str, rowid: int) -> FsckReport:
    """Return what is found of the vault once a row of it is deleted; it is put back."""
    vault, kept = folder / "vault.db", (folder / "vault.db").read_bytes()
    sql(vault, f"DELETE FROM {table} WHERE rowid = {rowid}")
    report = fsck(folder, parts=["vault"])
    vault.write_bytes(kept)
    return report


def test_fsck_of_a_directory_without_any_one_name_finds_it(folder: Path) -> None:
    """The log says who and what must be there: people, principals, authors, talks, matters."""
    with_every_kind_of_name(folder)
    rows = "SELECT json_group_array(json_array(rowid, kind, opaque, tenant)) FROM directory"
    assert fsck(folder).clean
    kinds = set()

    for rowid, kind, opaque, tenant in json.loads(asked(folder / "vault.db", rows)):
        report = without(folder, "directory", rowid)

        assert {(f"vault.db name {opaque} of {tenant}", "vault")} == found(report)
        assert RESTORE == report.findings[0].remedy
        kinds.add(kind)

    assert PREFIXES.keys() == kinds


def test_fsck_of_a_vault_without_any_one_secret_finds_it(folder: Path) -> None:
    """Months, erasures, proposers, the operator, and what the directory is read with."""
    with_every_kind_of_name(folder)
    rows = "SELECT json_group_array(json_array(rowid, name)) FROM secrets"
    names = set()

    for rowid, name in json.loads(asked(folder / "vault.db", rows)):
        assert not without(folder, "secrets", rowid).clean, name
        names.add(name.partition(":")[0])

    assert {"mac", "operator", "month", "erasure", "directory", "names"} == names


def test_fsck_of_a_month_in_which_nothing_was_sealed_finds_its_deleted_key(tmp_path: Path) -> None:
    """Commands are recognised by a digest under it, so the log needs it without a payload."""
    with memos_gov.init(tmp_path / "data") as gov:
        owner = gov.acting_as("owner")
        owner.add_principal("ann", roles=["analyst"])
    month = asked(tmp_path / "data" / "vault.db", "SELECT name FROM secrets WHERE name LIKE 'mo%'")
    sql(tmp_path / "data" / "vault.db", f"DELETE FROM secrets WHERE name = '{month}'")

    assert {(f"vault.db secret {month} of default", "vault")} == found(fsck(tmp_path / "data"))


def test_fsck_of_a_deleted_name_finds_it_without_the_tables_too(folder: Path) -> None:
    """Who was erased is then known from what is made again of the log."""
    name = asked(folder / "vault.db", "SELECT min(opaque) FROM directory WHERE kind = 'subject'")
    sql(folder / "vault.db", f"DELETE FROM directory WHERE opaque = '{name}'")
    for path in folder.glob("tables*.db"):
        path.unlink()

    report = fsck(folder, parts=["vault"])

    assert (f"vault.db name {name} of default", "vault") in found(report)
    assert 1 == report.found["vault"]


def key_row(key: str) -> str:
    """Return the table and the condition of a key."""
    return f"content_keys WHERE key_id = '{key}'"


def test_key_that_nothing_names_is_counted_and_is_no_finding(folder: Path) -> None:
    """A pool that a killed process left behind hurts nobody."""
    with memos_gov.open(folder) as gov:
        gov.rooms.governor.keys.issue("default", 3)

    report = fsck(folder)

    assert ((), 3) == (report.findings, report.counts["spare_keys"])
