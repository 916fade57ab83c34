"""SqliteTables keeps the contract, and what only a file can get wrong."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from memos_gov.backends.sqlite import migrate
from memos_gov.backends.sqlite import tables as tables_module
from memos_gov.backends.sqlite.tables import SqliteTables
from memos_gov.errors import CorruptionError, SettingsError
from memos_gov.projections.tables import TablesModel
from tests.contracts.tables import GOVERNANCE, TablesContract, a_history, put
from tests.records import TENANT, History

Open = Callable[[], SqliteTables]


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the bytes of fresh tables."""
    path = tmp_path_factory.mktemp("tables") / "tables.db"
    migrate.upgrade(path, "tables")
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path, migrated: bytes) -> Path:
    """Return where the tables lie, empty."""
    place = tmp_path / "tables.db"
    place.write_bytes(migrated)
    return place


@pytest.fixture
def open_tables(path: Path) -> Iterator[Open]:
    """Return a function that opens the tables; every opening is closed at the end."""
    opened: list[SqliteTables] = []

    def open_() -> SqliteTables:
        opened.append(SqliteTables(path))
        return opened[-1]

    yield open_
    for tables in opened:
        tables.close()


class TestSqliteTables(TablesContract):
    """The contract, on one file."""

    @pytest.fixture
    def broken(self, open_tables: Open, path: Path) -> SqliteTables:
        """Return tables whose file was cut off under them."""
        before = open_tables()
        put(before, a_history())
        before._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        tables = open_tables()
        os.truncate(path, 4096)
        return tables


def test_insert_statements_name_every_column_in_the_order_of_the_metadata(path: Path) -> None:
    """A plain tuple stands where SQLModel would put its fields."""
    connection = sqlite3.connect(path)
    for name in tables_module._INSERT:
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({name})")]

        assert [column.name for column in TablesModel.metadata.tables[name].columns] == columns
        assert len(columns) == tables_module._INSERT[name].count("?")
    connection.close()


def test_row_of_an_outcome_holds_each_value_in_its_column(open_tables: Open, path: Path) -> None:
    """Two columns of one type could be exchanged unseen."""
    history = a_history()
    outcome = put(open_tables(), history)[2]
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    row = dict(connection.execute("SELECT * FROM outcomes WHERE log_offset = 2").fetchone())
    event = dict(connection.execute("SELECT * FROM events WHERE idx = 1").fetchone())
    facts = dict(
        connection.execute("SELECT * FROM facts WHERE stream = ?", (GOVERNANCE,)).fetchone()
    )
    connection.close()

    assert (0, 2, TENANT, 1, "accepted", "p_owner", outcome.leaf) == tuple(
        row[name] for name in ("partition", "log_offset", "tenant", "idx", "code", "actor", "leaf")
    )
    assert (outcome.command_id, outcome.command) == (row["command_id"], row["command"])
    assert ("CubeRemembered", 1, "acme/cube/c_cube", "k_one") == tuple(
        event[name] for name in ("type", "version", "stream", "key_id")
    )
    assert (1, TENANT, 1, 1_795_000_000) == tuple(
        facts[name] for name in ("version", "tenant", "idx", "time_s")
    )


def test_document_that_was_damaged_is_corrupt_at_its_stream(open_tables: Open, path: Path) -> None:
    """Facts that do not decode are no facts, and the stream is named."""
    tables = open_tables()
    put(tables, a_history())
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE facts SET doc = x'7b7d' WHERE stream = ?", (GOVERNANCE,))
    connection.close()

    with tables.snapshot() as snapshot, pytest.raises(CorruptionError, match=GOVERNANCE):
        snapshot.facts([GOVERNANCE])
    with tables.snapshot() as snapshot, pytest.raises(CorruptionError, match=GOVERNANCE):
        snapshot.facts_at(GOVERNANCE, 1)


def test_tables_that_are_no_database_are_corrupt(tmp_path: Path) -> None:
    """And a database without tables is of another version."""
    place = tmp_path / "tables.db"
    place.write_bytes(b"x" * 4096)
    with pytest.raises(CorruptionError):
        SqliteTables(place)

    empty = SqliteTables(tmp_path / "empty.db")
    with pytest.raises(SettingsError), empty.snapshot() as snapshot:
        snapshot.index(TENANT)
    empty.close()


def test_tables_file_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    """It holds facts about people."""
    SqliteTables(tmp_path / "tables.db").close()

    assert 0o600 == (tmp_path / "tables.db").stat().st_mode & 0o777


def test_certification_looks_nothing_up_by_reading_a_table_through(open_tables: Open) -> None:
    """What one record costs does not grow with the history under it."""
    tables, asked = open_tables(), list[str]()
    tables._writer.set_trace_callback(asked.append)
    put(tables, a_history())
    tables._writer.set_trace_callback(None)

    questions = [query for query in asked if query.startswith("SELECT")]
    plans = [tables._writer.execute(f"EXPLAIN QUERY PLAN {query}") for query in questions]
    assert any("FROM outcomes" in query for query in questions)
    assert [] == [row[3] for plan in plans for row in plan if row[3].startswith("SCAN")]


def test_history_of_nothing_is_written_too(open_tables: Open) -> None:
    """An empty batch advances nothing."""
    assert {} == put(open_tables(), History(founded=False))
