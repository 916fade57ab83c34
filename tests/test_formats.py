"""A vault and operations of an older format are brought forward whole, or left as they were."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

import memos_gov
from memos_gov.bootstrap import fsck, rebuild
from memos_gov.errors import GovernanceError, SettingsError
from memos_gov.ports import Epoch
from memos_gov.projections.formats import migrations_folder
from tests.erasing import copied, erase, keys_of
from tests.lives import PURPOSE, a_varied_life

FIRST = {
    "vault": {
        "content_keys": "SELECT key_id, tenant, epoch, wrapped FROM new.content_keys"
        " WHERE wrapped != zeroblob(60)",
        "secrets": "SELECT tenant, name, epoch, wrapped FROM new.secrets",
        "directory": "SELECT tenant, kind, lookup, opaque, sealed FROM new.directory",
        "meta": "SELECT name, value FROM new.meta WHERE name = 'instance'",
    },
    "operations": {"pointers": "SELECT name, value FROM new.pointers"},
}


def put_back(folder: Path, branch: str) -> None:
    """Make a file of a closed folder again as the first program wrote it."""
    path, older = folder / f"{branch}.db", folder / "older.db"
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    engine = create_engine(f"sqlite:///{older}")
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, f"{branch}_0001")
        connection.commit()
    engine.dispose()
    with closing(sqlite3.connect(older, isolation_level=None)) as db:
        db.execute("ATTACH ? AS new", (str(path),))
        for table, rows in FIRST[branch].items():
            db.execute(f"INSERT INTO main.{table} {rows}")
    older.chmod(0o600)
    older.replace(path)


def format_of(path: Path) -> str:
    """Return the format of a file."""
    with closing(sqlite3.connect(path)) as db:
        (found,) = db.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(found)


@pytest.fixture
def lived(folder: Path) -> Path:
    """Return a closed folder with a varied life."""
    with memos_gov.open(folder) as gov:
        a_varied_life(gov)
    return folder


@pytest.mark.parametrize("branches", [("vault",), ("operations",), ("vault", "operations")])
def test_files_of_the_first_format_are_brought_forward_by_a_rebuild(
    lived: Path, branches: tuple[str, ...]
) -> None:
    """The folder names the verb, which loses nothing; then everything of today works."""
    with memos_gov.open(lived) as gov:
        before = gov.acting_as("owner", purpose=PURPOSE).list().hits
    for branch in branches:
        put_back(lived, branch)

    with pytest.raises(SettingsError, match=f"{branches[0]}_0001, older than") as caught:
        memos_gov.open(lived)
    assert "memos-gov rebuild" in caught.value.remedy
    found = fsck(lived).findings
    assert set(branches) <= {f.place.removesuffix(".db") for f in found if f.kind == "format"}
    assert all("memos-gov rebuild" in f.remedy for f in found if f.kind == "format")
    rebuild(lived)

    assert fsck(lived).clean
    with memos_gov.open(lived) as gov:
        owner = gov.acting_as("owner", purpose=PURPOSE)
        assert before == owner.list().hits
        cube = before[-1].cube_id
        assert owner.get(cube).content
        assert (Epoch(1, 0, None),) == gov.rooms.governor.keys.epochs() or "vault" not in branches
        named = keys_of(owner, cube)
        owner.rotate_vault()
        erase(owner, cube)
        assert {} == gov.rooms.governor.keys.open("default", named)
    assert fsck(lived).clean


def test_vault_that_cannot_be_brought_forward_stays_as_it_was(lived: Path) -> None:
    """In one transaction: what fails in its midst leaves the older format, whole."""
    put_back(lived, "vault")
    with closing(sqlite3.connect(lived / "vault.db", isolation_level=None)) as db:
        db.execute("CREATE TABLE entries (in_the_way)")
        before = list(db.iterdump())

    with pytest.raises(GovernanceError):
        rebuild(lived)
    with closing(sqlite3.connect(lived / "vault.db", isolation_level=None)) as db:
        assert before == list(db.iterdump())
        db.execute("DROP TABLE entries")

    rebuild(lived)
    assert fsck(lived).clean


def test_vault_of_another_log_is_not_brought_forward(lived: Path, tmp_path: Path) -> None:
    """What is refused is not changed."""
    memos_gov.init(tmp_path / "another").close()
    put_back(tmp_path / "another", "vault")
    copied(tmp_path / "another", lived, "vault.db")

    with pytest.raises(GovernanceError, match="another log"):
        rebuild(lived)

    assert "vault_0001" == format_of(lived / "vault.db")
