"""How Postgres is opened, what its errors become, and which formats are refused."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import MetaData, inspect, text

from memos_gov.backends.postgres import migrate
from memos_gov.backends.postgres.connection import (
    PostgresPool,
    another_database,
    connect,
    drop_database,
    make_database,
    place_of,
    translated,
)
from memos_gov.errors import CorruptionError, SettingsError, UnavailableError
from memos_gov.projections.formats import HEADS
from memos_gov.projections.tables import OperationsModel, TablesModel, VaultModel
from tests.databases import fresh_database, unused_address
from tests.engines import POSTGRES

pytestmark = pytest.mark.connected

MODELS = {
    "vault": VaultModel.metadata,
    "operations": OperationsModel.metadata,
    "tables": TablesModel.metadata,
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Return the address of a database of this file's own."""
    with fresh_database() as made:
        yield made


@pytest.fixture
def pool(url: str) -> Iterator[PostgresPool]:
    """Return connections to it."""
    made = PostgresPool(url)
    yield made
    made.close()


def end(url: str, pid: int) -> None:
    """End a connection as an administrator or a restart does, and wait until it is over."""
    with connect(url) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))


def shape(url: str, schema: str) -> dict[str, object]:
    """Return tables, columns in order, keys and indexes of a schema, without alembic's table."""
    pool = PostgresPool(url, schema=schema)
    found = inspect(pool.engine())
    described = {
        name: (
            [(c["name"], str(c["type"]), c["nullable"]) for c in found.get_columns(name, schema)],
            found.get_pk_constraint(name, schema)["constrained_columns"],
            sorted(
                (i["name"], i["column_names"], i["unique"]) for i in found.get_indexes(name, schema)
            ),
        )
        for name in found.get_table_names(schema)
        if name != "alembic_version"
    }
    pool.close()
    return described


@pytest.mark.parametrize(("branch", "metadata"), MODELS.items(), ids=MODELS)
def test_branch_upgraded_from_nothing_equals_the_metadata(
    url: str, branch: str, metadata: MetaData
) -> None:
    """Table by table, column by column, in order; and a second time nothing is to be done."""
    created = f"created_{branch}"
    with connect(url) as connection:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(created)))
    pool = PostgresPool(url, schema=created)
    metadata.create_all(pool.engine())
    pool.close()

    for _ in range(2):
        migrate.upgrade(url, branch, schema=f"migrated_{branch}")
        assert shape(url, created) == shape(url, f"migrated_{branch}")
        migrate.check(url, branch, schema=f"migrated_{branch}")


def test_database_and_schema_that_are_absent_are_made_once_by_many() -> None:
    """Processes that start at the same time take turns."""
    address = unused_address()
    try:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda _: migrate.upgrade(address, "operations"), range(4)))
        migrate.check(address, "operations")
        assert not make_database(address)
    finally:
        drop_database(address)


def test_database_that_orders_by_language_is_refused(url: str) -> None:
    """Answers would come in another order than on SQLite."""
    address = unused_address()
    name = sql.Identifier(str(conninfo_to_dict(address)["dbname"]))
    statement = (
        "CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'"
        " LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'"
    )
    with connect(url) as connection:
        connection.execute(sql.SQL(statement).format(name))
    try:
        with pytest.raises(SettingsError, match=r"orders texts by C\.UTF-8"):
            migrate.upgrade(address, "vault")
    finally:
        drop_database(address)


@pytest.mark.parametrize(
    ("number", "remedy"), [("9999", "Upgrade memos-gov."), ("0000", "Run `memos-gov rebuild`: ")]
)
@pytest.mark.parametrize("branch", MODELS)
def test_schema_of_another_format_is_not_opened(
    url: str, branch: str, number: str, remedy: str
) -> None:
    """The operator is told what to do, whichever is older."""
    schema = f"of_{branch}_{number}"
    migrate.upgrade(url, branch, schema=schema)
    with connect(url, schema=schema) as connection:
        connection.execute("UPDATE alembic_version SET version_num = %s", (f"{branch}_{number}",))

    with pytest.raises(SettingsError, match=re.escape(place_of(url))) as caught:
        migrate.check(url, branch, schema=schema)

    assert caught.value.remedy.startswith(remedy)


def test_schema_without_a_format_is_corrupt(url: str) -> None:
    """Empty is not old; and what is of an older format is brought forward."""
    with pytest.raises(CorruptionError):
        migrate.check(url, "vault", schema="never_made")
    with pytest.raises(CorruptionError):
        migrate.bring_forward(url, "vault", schema="never_made")
    migrate.upgrade(url, "operations", schema="to_forward")

    assert not migrate.bring_forward(url, "operations", schema="to_forward")
    assert HEADS["operations"] == migrate.revision(url, schema="to_forward")


def test_schemas_are_found_by_their_beginning_and_removed(url: str) -> None:
    """As a rebuild does, which makes one beside another."""
    for schema in ("beside_1", "beside_2"):
        migrate.upgrade(url, "operations", schema=schema)
    assert ["beside_1", "beside_2"] == migrate.schemas(url, "beside_")

    migrate.drop_schema(url, "beside_1")

    assert ["beside_2"] == migrate.schemas(url, "beside_")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("postgresql://memos_gov@127.0.0.1:1/postgres", UnavailableError),
        (another_database(POSTGRES, "test_is_not_there"), SettingsError),
        (POSTGRES.replace("memos_gov@", "nobody_of_this_name@"), SettingsError),
        ("https://example.org/", SettingsError),
    ],
)
def test_address_where_nothing_fits_is_one_clear_error(
    address: str, expected: type[Exception]
) -> None:
    """Nobody there, no such database, no such account, and no address at all."""
    with pytest.raises(expected):
        connect(address)


def test_message_names_the_place_and_never_a_password_or_a_row(url: str) -> None:
    """The driver's own message would hold both."""
    with connect(url) as connection:
        connection.execute("CREATE TABLE keyed (name text PRIMARY KEY)")
        connection.execute("INSERT INTO keyed VALUES ('pssst')")
        with pytest.raises(UnavailableError) as twice, translated(place_of(url)):
            connection.execute("INSERT INTO keyed VALUES ('pssst')")
    with pytest.raises(UnavailableError) as away:
        connect("postgresql://me:hush@127.0.0.1:1/there")

    assert "pssst" not in str(twice.value)
    assert "127.0.0.1:1/there did not answer (OperationalError)" == str(away.value)


def test_transaction_that_raises_leaves_nothing(pool: PostgresPool) -> None:
    """Rolled back whole, and the connection serves the next one."""
    with pool.transaction() as connection:
        connection.execute("CREATE TABLE things (n integer)")

    def stop() -> None:
        with pool.transaction() as connection:
            connection.execute("INSERT INTO things VALUES (1)")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        stop()

    with pool.transaction() as connection:
        assert [] == connection.execute("SELECT n FROM things").fetchall()


def test_connection_ended_inside_a_transaction_is_unavailable_with_its_cause(
    pool: PostgresPool, url: str
) -> None:
    """And the next transaction has another connection."""

    def cut() -> None:
        with pool.transaction() as connection:
            end(url, connection.info.backend_pid)
            connection.execute("SELECT 1")

    with pytest.raises(UnavailableError) as caught:
        cut()

    assert caught.value.__cause__ is not None
    with pool.transaction() as connection:
        assert (1,) == connection.execute("SELECT 1").fetchone()


def test_connections_that_a_restart_ended_are_not_handed_out(pool: PostgresPool, url: str) -> None:
    """Nobody meets the end of what was only kept, in plain statements or in SQLAlchemy's."""
    for _ in range(2):
        with pool.transaction() as one, pool.transaction() as two:
            pids = [one.info.backend_pid, two.info.backend_pid]
        for pid in pids:
            end(url, pid)
        with pool.engine().connect() as connection:
            assert 1 == connection.execute(text("SELECT 1")).scalar()
        for _ in range(2):
            with pool.transaction() as connection:
                assert (1,) == connection.execute("SELECT 1").fetchone()


def test_row_that_is_held_for_long_is_unavailable(pool: PostgresPool, url: str) -> None:
    """No wait is endless."""
    with pool.transaction() as connection:
        connection.execute("CREATE TABLE held (n integer)")

    def wait() -> None:
        with pool.transaction("BEGIN; SET LOCAL lock_timeout = '10ms'") as connection:
            connection.execute("SELECT * FROM held")

    with connect(url) as other, other.transaction():
        other.execute("LOCK TABLE held")
        with pytest.raises(UnavailableError, match="somebody else holds it"):
            wait()


def test_threads_share_connections(pool: PostgresPool) -> None:
    """Each has one alone while it works."""

    def work(number: int) -> int:
        with pool.transaction() as connection:
            row = connection.execute("SELECT %s::int", (number,)).fetchone()
        return -1 if row is None else int(row[0])

    with ThreadPoolExecutor(12) as threads:
        assert list(range(100)) == list(threads.map(work, range(100)))
