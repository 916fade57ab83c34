"""PostgresLeases keeps the contract, for hosts that do not fall with their database."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from memos_gov.backends.postgres.connection import connect
from memos_gov.backends.postgres.leases import PostgresLeases
from tests.contracts.leases import LATER, NOW, LeasesContract
from tests.databases import NOBODY, copy_of

pytestmark = pytest.mark.connected
Open = Callable[[], PostgresLeases]


@pytest.fixture
def url(operations_model: str) -> Iterator[str]:
    """Return where the leases lie, none held."""
    with copy_of(operations_model) as copy:
        yield copy


@pytest.fixture
def open_leases(url: str) -> Iterator[Open]:
    """Return a function that opens the leases; every opening is closed at the end."""
    opened: list[PostgresLeases] = []

    def open_() -> PostgresLeases:
        opened.append(PostgresLeases(url))
        return opened[-1]

    yield open_
    for leases in opened:
        leases.close()


class TestPostgresLeases(LeasesContract):
    """The contract, on one database."""

    @pytest.fixture
    def broken(self) -> PostgresLeases:
        """Return leases at an address where nobody listens."""
        return PostgresLeases(NOBODY)


def holders(url: str) -> list[str]:
    """Return who has a row, read behind the port's back."""
    with connect(url) as connection:
        rows = connection.execute("SELECT DISTINCT holder FROM leases ORDER BY holder").fetchall()
    return [holder for (holder,) in rows]


def test_lease_that_expired_leaves_its_row_to_the_next_renewal(open_leases: Open, url: str) -> None:
    """Killed holders do not pile up."""
    leases = open_leases()
    for number in range(5):
        leases.renew(f"h_{number}", {"acme": 1}, now_ms=NOW, expires_ms=LATER)

    leases.renew("h_next", {"acme": 1}, now_ms=LATER, expires_ms=LATER + 1)

    assert ["h_next"] == holders(url)


def test_renewal_of_many_at_once_whose_leases_all_expired_waits_for_nobody(
    open_leases: Open, url: str
) -> None:
    """Each takes out what expired of the others, and none of them is in another's way."""
    openings = [open_leases() for _ in range(4)]

    def renew(number: int) -> None:
        for turn in range(1, 30):
            moment = NOW + turn * 1000
            openings[number % 4].renew(
                f"h_{number}", {"acme": turn, "other": turn}, now_ms=moment, expires_ms=moment + 1
            )

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(renew, range(8)))

    assert set(holders(url)) <= {f"h_{number}" for number in range(8)}
    last = NOW + 29 * 1000
    assert [] == openings[0].waiting("acme", 29, last, besides="h_me")


def test_lease_is_kept_by_a_table_that_outlives_a_crash_of_the_server(url: str) -> None:
    """Its holder on another host has open what it opened, whatever the server went through."""
    with connect(url) as connection:
        found = connection.execute("SELECT relpersistence FROM pg_class WHERE relname = 'leases'")
        assert ("p",) == found.fetchone()


def test_lease_renewed_by_sessions_that_wait_for_the_disk(open_leases: Open) -> None:
    """What is said to be renewed is."""
    with open_leases()._pool.connection() as connection:
        assert ("on",) == connection.execute("SHOW synchronous_commit").fetchone()
