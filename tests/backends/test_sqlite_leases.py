"""SqliteLeases keeps the contract."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from memos_gov.backends.sqlite import migrate
from memos_gov.backends.sqlite.leases import SqliteLeases
from tests.contracts.leases import LATER, NOW, LeasesContract

Open = Callable[[], SqliteLeases]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the leases lie, none held."""
    place = tmp_path / "operations.db"
    migrate.upgrade(place, "operations")
    return place


@pytest.fixture
def open_leases(path: Path) -> Iterator[Open]:
    """Return a function that opens the leases; every opening is closed at the end."""
    opened: list[SqliteLeases] = []

    def open_() -> SqliteLeases:
        opened.append(SqliteLeases(path))
        return opened[-1]

    yield open_
    for leases in opened:
        leases.close()


class TestSqliteLeases(LeasesContract):
    """The contract, on one file."""

    @pytest.fixture
    def broken(self, open_leases: Open) -> SqliteLeases:
        """Return leases whose file was closed under them."""
        leases = open_leases()
        leases._db.close()
        return leases


def test_lease_that_expired_leaves_its_row_to_the_next_renewal(open_leases: Open) -> None:
    """Killed holders do not pile up."""
    leases = open_leases()
    for number in range(5):
        leases.renew(f"h_{number}", {"acme": 1}, now_ms=NOW, expires_ms=LATER)

    leases.renew("h_next", {"acme": 1}, now_ms=LATER, expires_ms=LATER + 1)

    rows = leases._db.execute("SELECT DISTINCT holder FROM leases").fetchall()
    assert [("h_next",)] == rows
