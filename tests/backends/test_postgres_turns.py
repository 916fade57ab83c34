"""PostgresIndexTurns keeps the contract."""

from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from memos_gov.backends.postgres.connection import LOCK_TIMEOUT_S, connect
from memos_gov.backends.postgres.turns import TURN_IDLE_S_MAX, PostgresIndexTurns
from memos_gov.errors import UnavailableError
from tests.contracts.index_turns import CUBES, HANGS_S, SETTLES_S, IndexTurnsContract, failed
from tests.databases import NOBODY, copy_of

pytestmark = pytest.mark.connected
Open = Callable[[], PostgresIndexTurns]


@pytest.fixture
def url(operations_model: str) -> Iterator[str]:
    """Return where the turns lie, none taken."""
    with copy_of(operations_model) as copy:
        yield copy


@pytest.fixture
def open_turns(url: str) -> Iterator[Open]:
    """Return a function that opens the turns; every opening is closed at the end."""
    opened: list[PostgresIndexTurns] = []

    def open_() -> PostgresIndexTurns:
        opened.append(PostgresIndexTurns(url, idle_s=HANGS_S, settle_s=SETTLES_S))
        return opened[-1]

    yield open_
    for turns in opened:
        turns.close()


class TestPostgresIndexTurns(IndexTurnsContract):
    """The contract, on one database."""

    @pytest.fixture
    def broken(self) -> PostgresIndexTurns:
        """Return turns at an address where nobody listens."""
        return PostgresIndexTurns(NOBODY)


def test_turn_of_who_hangs_is_free_before_who_waits_gives_up() -> None:
    """Else the first to come after it would be refused."""
    assert TURN_IDLE_S_MAX < LOCK_TIMEOUT_S


def test_connection_that_says_who_lives_is_made_again_when_the_server_ended_it(
    open_turns: Open, url: str
) -> None:
    """A restart of the server does not make a living process count as gone for ever."""
    turns = open_turns()
    with turns.turn(0) as turn:
        turn.begin(CUBES)
    with connect(url) as server:
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid != pg_backend_pid()"
        )

    with suppress(UnavailableError), turns.turn(0):  # (the end of a connection may be heard late)
        pass
    with turns.turn(0) as turn:
        turn.begin(CUBES)
        with open_turns().turn(1), connect(url) as other:
            held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s"
            low = turns._life & 0xFFFFFFFF
            assert (1,) == other.execute(held, (low,)).fetchone()


def test_note_of_a_turn_holds_ids_alone(open_turns: Open, url: str) -> None:
    """Whoever reads the database of operations learns no word of a memory."""
    failed(open_turns())

    with connect(url) as server:
        rows = server.execute("SELECT cubes FROM index_turns").fetchall()
    assert [('[["acme","c_1"],["acme","c_2"]]',)] == rows
