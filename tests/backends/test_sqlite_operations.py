"""SqlitePointers keeps the contract."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from memos_gov.backends.sqlite import migrate
from memos_gov.backends.sqlite.operations import SqlitePointers
from memos_gov.errors import CorruptionError
from tests.contracts.pointers import PointersContract

Open = Callable[[], SqlitePointers]


@pytest.fixture
def open_pointers(tmp_path: Path) -> Iterator[Open]:
    """Return a function that opens the pointers; every opening is closed at the end."""
    path = tmp_path / "operations.db"
    migrate.upgrade(path, "operations")
    opened: list[SqlitePointers] = []

    def open_() -> SqlitePointers:
        opened.append(SqlitePointers(path))
        return opened[-1]

    yield open_
    for pointers in opened:
        pointers.close()


class TestSqlitePointers(PointersContract):
    """The contract, on one file."""

    @pytest.fixture
    def broken(self, open_pointers: Open) -> SqlitePointers:
        """Return pointers whose file was closed under them."""
        pointers = open_pointers()
        pointers.close()
        return pointers


def test_pointers_whose_file_is_missing_are_corrupt(tmp_path: Path) -> None:
    """It is never made by who looks for it."""
    with pytest.raises(CorruptionError):
        SqlitePointers(tmp_path / "operations.db")

    assert [] == list(tmp_path.iterdir())
