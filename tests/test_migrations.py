"""Formats: alembic makes what SQLModel says, and a file of another format is not opened."""

import sqlite3
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, create_engine, inspect

from memos_gov.backends.sqlite import migrate, tables
from memos_gov.backends.sqlite.soundness import differences
from memos_gov.errors import CorruptionError, SettingsError
from memos_gov.projections.formats import HEADS, migrations_folder
from memos_gov.projections.tables import OperationsModel, TablesModel, VaultModel

MODELS = {
    "vault": VaultModel.metadata,
    "operations": OperationsModel.metadata,
    "tables": TablesModel.metadata,
}


def shape(path: Path) -> dict[str, object]:
    """Return tables, columns in order, keys and indexes of a file, without alembic's own table."""
    engine = create_engine(f"sqlite:///{path}")
    found = inspect(engine)
    described = {
        name: (
            [(c["name"], str(c["type"]), c["nullable"]) for c in found.get_columns(name)],
            found.get_pk_constraint(name)["constrained_columns"],
            sorted((i["name"], i["column_names"], i["unique"]) for i in found.get_indexes(name)),
        )
        for name in found.get_table_names()
        if name != "alembic_version"
    }
    engine.dispose()
    return described


@pytest.mark.parametrize(("branch", "metadata"), MODELS.items(), ids=MODELS)
def test_branch_upgraded_from_nothing_equals_the_metadata(
    tmp_path: Path, branch: str, metadata: MetaData
) -> None:
    """Table by table, column by column, in order."""
    migrated, created = tmp_path / "migrated.db", tmp_path / "created.db"
    engine = create_engine(f"sqlite:///{created}")
    metadata.create_all(engine)
    engine.dispose()

    migrate.upgrade(migrated, branch)

    assert shape(created) == shape(migrated)


@pytest.mark.parametrize("branch", MODELS)
def test_branch_upgraded_twice_stays(tmp_path: Path, branch: str) -> None:
    """Nothing is to be done the second time, and the file opens."""
    path = tmp_path / "file.db"
    migrate.upgrade(path, branch)
    before = shape(path)

    migrate.upgrade(path, branch)

    assert before == shape(path)
    migrate.check(path, branch)


def test_heads_in_the_program_are_alembics_heads() -> None:
    """Opening compares one word; the word must be the right one."""
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))

    assert sorted(HEADS.values()) == sorted(ScriptDirectory.from_config(config).get_heads())
    assert HEADS.keys() == MODELS.keys()


@pytest.mark.parametrize("branch", MODELS)
@pytest.mark.parametrize(
    ("number", "remedy"), [("9999", "Upgrade memos-gov."), ("0000", "Run `memos-gov rebuild`: ")]
)
def test_file_of_another_format_is_not_opened(
    tmp_path: Path, branch: str, number: str, remedy: str
) -> None:
    """The operator is told what to do, whichever is older."""
    path = tmp_path / "file.db"
    migrate.upgrade(path, branch)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE alembic_version SET version_num = ?", (f"{branch}_{number}",))
    connection.close()

    with pytest.raises(SettingsError) as caught:
        migrate.check(path, branch)

    assert caught.value.remedy.startswith(remedy)


def test_file_that_was_never_finished_is_corrupt(tmp_path: Path) -> None:
    """Empty is not old."""
    path = tmp_path / "file.db"
    path.touch()

    with pytest.raises(CorruptionError):
        migrate.check(path, "vault")


def test_insert_statements_hold_the_columns_of_the_metadata() -> None:
    """Hot paths write plain tuples, so their order is the tables' order."""
    for name, statement in tables._INSERT.items():
        assert len(TablesModel.metadata.tables[name].columns) == statement.count("?")


@pytest.mark.parametrize("branch", MODELS)
def test_schema_of_a_branch_is_that_of_a_file_just_made(tmp_path: Path, branch: str) -> None:
    """An examiner compares with what this program makes, column by column."""
    path = tmp_path / "file.db"
    migrate.upgrade(path, branch)

    assert [] == list(differences(path, migrate.made(branch).schema))
