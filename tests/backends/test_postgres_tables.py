"""PostgresTables keeps the contract, and what only a server can get wrong."""

import itertools
import uuid
from collections.abc import Callable, Iterator
from contextlib import nullcontext

import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import text

from memos_gov.backends.postgres import migrate
from memos_gov.backends.postgres.connection import connect, drop_database
from memos_gov.backends.postgres.tables import PostgresTables
from memos_gov.backends.postgres.wall import condition_of
from memos_gov.errors import UnavailableError
from memos_gov.projections.tables import TablesModel
from tests.contracts.tables import TablesContract, a_history, put
from tests.databases import fresh_database, unused_address
from tests.engines import POSTGRES
from tests.records import TENANT

pytestmark = pytest.mark.connected

Open = Callable[[], PostgresTables]
_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Return the address of a database of this file's own."""
    with fresh_database() as made:
        yield made


@pytest.fixture
def schema(url: str) -> Iterator[str]:
    """Return the name of fresh tables, which go after the test."""
    name = f"tables_{next(_NUMBERS)}"
    migrate.upgrade(url, "tables", schema=name)
    yield name
    migrate.drop_schema(url, name)


@pytest.fixture
def open_tables(url: str, schema: str) -> Iterator[Open]:
    """Return a function that opens the tables; every opening is closed at the end."""
    opened: list[PostgresTables] = []

    def open_() -> PostgresTables:
        opened.append(PostgresTables(url, schema=schema))
        return opened[-1]

    yield open_
    for tables in opened:
        tables.close()


class TestPostgresTables(TablesContract):
    """The contract, on one schema."""

    @pytest.fixture
    def broken(self, url: str) -> Iterator[PostgresTables]:
        """Return tables whose server is not there."""
        tables = PostgresTables("postgresql://memos_gov@127.0.0.1:1/tables")
        yield tables
        tables.close()


def test_every_table_that_names_a_tenant_has_the_wall(url: str, schema: str) -> None:
    """Also one that comes later: the database says what is walled, the metadata what must be."""
    with connect(url, schema=schema) as connection:
        found = connection.execute(
            "SELECT tablename FROM pg_policies WHERE schemaname = %s AND policyname = 'of_tenant'",
            (schema,),
        ).fetchall()
    open_to_all = {"checkpoints"}

    assert TablesModel.metadata.tables.keys() - open_to_all == {name for (name,) in found}
    assert open_to_all == {
        table.name for table in TablesModel.metadata.sorted_tables if condition_of(table) is None
    }


def test_reader_without_a_tenant_sees_nothing_and_writes_nothing(
    open_tables: Open, url: str, schema: str
) -> None:
    """No setting is no tenant; and the role reads only."""
    put(open_tables(), a_history())
    with connect(url, schema=schema) as connection:
        connection.execute("SET ROLE memos_gov_reader")
        for table in TablesModel.metadata.sorted_tables:
            rows = connection.execute(f'SELECT * FROM "{table.name}"').fetchall()
            assert (table.name == "checkpoints") == bool(rows), table.name
        allowed = connection.execute("SELECT has_table_privilege('outcomes', 'DELETE')").fetchone()
    assert (False,) == allowed


def test_account_that_is_no_superuser_makes_tables_and_their_wall() -> None:
    """It may make databases and roles, and no more."""
    name, database = f"test_{uuid.uuid4().hex}", unused_address()
    mine = make_conninfo(**(conninfo_to_dict(database) | {"user": name}))
    account = sql.Identifier(name)
    with connect(POSTGRES) as server:
        server.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB CREATEROLE").format(account))
    try:
        migrate.upgrade(mine, "tables", schema="tables")
        tables = PostgresTables(mine)
        put(tables, a_history())
        with tables.connection(tenant=TENANT) as connection:
            rows = connection.execute(text("SELECT DISTINCT tenant FROM facts")).fetchall()
        tables.close()
        assert [(TENANT,)] == [tuple(row) for row in rows]
    finally:
        drop_database(database)
        with connect(POSTGRES) as server:
            server.execute(sql.SQL("DROP ROLE {}").format(account))


def test_watch_whose_connection_is_ended_says_so_and_the_next_one_hears(
    open_tables: Open, url: str
) -> None:
    """What was told meanwhile is not known, so whoever waits looks again."""
    tables = open_tables()
    with tables.watch() as watch:
        listening = tables._listener._connection
        assert listening is not None
        with connect(url) as other:
            pid = listening.info.backend_pid
            other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
        with pytest.raises(UnavailableError):
            watch.wait(10)

    with tables.watch() as watch:
        put(open_tables(), a_history())
        assert watch.wait(10)


@pytest.mark.parametrize("fails", [False, True])
def test_bulk_stretch_leaves_every_index_whether_it_ends_well_or_not(
    open_tables: Open, url: str, schema: str, *, fails: bool
) -> None:
    """Those that were put off are made at its end, the unique one too."""
    tables, history = open_tables(), a_history()

    def stretch() -> None:
        with tables.bulk():
            put(tables, history)
            if fails:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) if fails else nullcontext():
        stretch()

    with connect(url, schema=schema) as connection:
        rows = connection.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = %s", (schema,)
        ).fetchall()
    found = dict(rows)
    wanted = [index for t in TablesModel.metadata.sorted_tables for index in t.indexes]
    assert {index.name for index in wanted} <= found.keys()
    assert "UNIQUE" in found["outcomes_by_index"]
