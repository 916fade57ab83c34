"""PostgresPointers keeps the contract."""

from collections.abc import Callable, Iterator

import pytest

from memos_gov.backends.postgres.operations import PostgresPointers
from memos_gov.errors import SettingsError
from tests.contracts.pointers import PointersContract
from tests.databases import NOBODY, copy_of, fresh_database

pytestmark = pytest.mark.connected
Open = Callable[[], PostgresPointers]


@pytest.fixture
def open_pointers(operations_model: str) -> Iterator[Open]:
    """Return a function that opens the pointers; every opening is closed at the end."""
    opened: list[PostgresPointers] = []
    with copy_of(operations_model) as url:

        def open_() -> PostgresPointers:
            opened.append(PostgresPointers(url))
            return opened[-1]

        yield open_
        for pointers in opened:
            pointers.close()


class TestPostgresPointers(PointersContract):
    """The contract, on one database."""

    @pytest.fixture
    def broken(self) -> PostgresPointers:
        """Return pointers at an address where nobody listens."""
        return PostgresPointers(NOBODY)


def test_pointers_of_a_database_without_their_table_are_of_another_version() -> None:
    """The operator is told, and nothing is made."""
    with fresh_database() as url:
        pointers = PostgresPointers(url)
        with pytest.raises(SettingsError):
            pointers.get("tables", "tables")
        pointers.close()
