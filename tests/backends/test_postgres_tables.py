"""PostgresTables keeps the contract, and what only a server can get wrong."""

import itertools
from collections.abc import Callable, Iterator

import pytest

from memos_gov.backends.postgres import migrate
from memos_gov.backends.postgres.tables import PostgresTables
from tests.contracts.tables import TablesContract
from tests.databases import fresh_database

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
