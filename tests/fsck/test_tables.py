"""Each table of the tables file is compared, row by row and type by type."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from memos_gov.bootstrap import fsck
from memos_gov.projections.tables import TablesModel
from tests.fsck.tampering import found, sql


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


@pytest.mark.parametrize(
    ("table", "column", "stored"),
    [
        ("cubes", "frozen", "CASE frozen WHEN 0 THEN x'' ELSE 3 END"),
        ("cubes", "label", "CAST(label AS BLOB)"),
        ("events", "header", "CAST(header AS TEXT)"),
    ],
)
def test_fsck_of_a_value_of_another_type_finds_the_row(
    folder: Path, table: str, column: str, stored: str
) -> None:
    """What a program would read as equal, or not at all, is not what the log gives."""
    sql(folder / "tables.db", f"UPDATE {table} SET {column} = {stored}")

    assert [] != [p for p, k in found(fsck(folder)) if p.startswith(table) and k == "row_changed"]


@pytest.mark.parametrize("pointers", ["('tables', 'log.db')", "('tables', x'00')", "('more', 'x')"])
def test_fsck_of_a_pointer_to_no_tables_finds_it(folder: Path, pointers: str) -> None:
    """It leads nowhere else, and no other pointer is known."""
    sql(folder / "operations.db", f"INSERT OR REPLACE INTO pointers VALUES {pointers}")

    assert {("operations.db", "pointer")} == found(fsck(folder))
