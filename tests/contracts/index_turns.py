"""
What every IndexTurns promises, proved against any backend.

A subclass gives the fixture `open_turns`: it opens the one store of the test
again and again, each time as a process of its own would, and closes all at the
end. A turn is lost after HANGS_S there, and settles within SETTLES_S.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event

import pytest

from memos_gov.errors import UnavailableError
from memos_gov.ports import IndexTurns, Unfinished

OpenTurns = Callable[[], IndexTurns]
HANGS_S, SETTLES_S, SOON_S = 1.0, 1.0, 20.0
CUBES = [("acme", "c_1"), ("acme", "c_2")]


class TurnFailedError(Exception):
    """What ends a turn in its midst."""


def failed(turns: IndexTurns) -> None:
    """Begin to write and fail."""
    with suppress(TurnFailedError), turns.turn(0) as turn:
        turn.begin(CUBES)
        raise TurnFailedError


def left(turns: IndexTurns) -> list[Unfinished]:
    """Return what is unfinished in the first partition."""
    with turns.turn(0) as turn:
        return turn.unfinished()


class IndexTurnsContract:
    """The rules of the port `IndexTurns`, as tests."""

    @pytest.fixture
    def turns(self, open_turns: OpenTurns) -> IndexTurns:
        """Return the turns under test, none taken."""
        return open_turns()

    def test_turn_is_one_processes_at_a_time(
        self, turns: IndexTurns, open_turns: OpenTurns
    ) -> None:
        """Somebody else waits until it ends; another partition has turns of its own."""
        elsewhere, order = open_turns(), list[str]()

        def second() -> None:
            with elsewhere.turn(0):
                order.append("second")

        with ThreadPoolExecutor(1) as pool:
            with turns.turn(0) as turn:
                waiting = pool.submit(second)
                with elsewhere.turn(1):
                    order.append("beside")
                time.sleep(HANGS_S / 4)
                turn.check()
                order.append("first")
            waiting.result(SOON_S)

        assert ["beside", "first", "second"] == order

    def test_turn_of_all_partitions_keeps_out_that_of_any(
        self, turns: IndexTurns, open_turns: OpenTurns
    ) -> None:
        """And sees what is unfinished in each."""
        failed(turns)
        elsewhere, order = open_turns(), list[str]()

        def second() -> None:
            with elsewhere.turn(1):
                order.append("one")

        with ThreadPoolExecutor(1) as pool:
            with turns.turn(None) as turn:
                waiting = pool.submit(second)
                time.sleep(HANGS_S / 4)
                assert [frozenset(CUBES)] == [each.cubes for each in turn.unfinished()]
                order.append("all")
            waiting.result(SOON_S)

        assert ["all", "one"] == order

    def test_turns_of_many_threads_of_one_process_follow_each_other(
        self, turns: IndexTurns
    ) -> None:
        """A thread waits for the thread before it, and for nobody twice."""
        inside, most = list[int](), list[int]()

        def one(number: int) -> None:
            with turns.turn(0) as turn:
                inside.append(number)
                turn.begin(CUBES)
                most.append(len(inside))
                inside.remove(number)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(one, range(24)))

        assert [1] * 24 == most
        assert set() == turns.troubled()

    def test_turn_that_ended_leaves_nothing(self, turns: IndexTurns, open_turns: OpenTurns) -> None:
        """What it noted is taken back with it."""
        with turns.turn(0) as turn:
            turn.begin(CUBES)
            assert {0} == open_turns().troubled()
            assert [] == turn.unfinished()

        assert set() == turns.troubled()
        assert [] == left(open_turns())

    def test_turn_that_only_looked_leaves_nothing(self, turns: IndexTurns) -> None:
        """Nothing was to be written, so nothing may have been."""
        with suppress(TurnFailedError), turns.turn(0):
            raise TurnFailedError

        assert set() == turns.troubled()

    def test_turn_that_failed_says_what_it_may_have_written_until_it_settled(
        self, turns: IndexTurns, open_turns: OpenTurns
    ) -> None:
        """Whoever comes next sees it, waits, writes it over and takes it back."""
        failed(turns)

        (found,) = left(open_turns())
        assert frozenset(CUBES) == found.cubes
        assert found.settles_s is not None
        assert 0 < found.settles_s <= SETTLES_S

        time.sleep(found.settles_s)
        with turns.turn(0) as turn:
            (settled,) = turn.unfinished()
            assert 0 == settled.settles_s
            turn.forget(settled.number)
        assert set() == turns.troubled()

    def test_turn_of_a_holder_that_is_gone_settles(
        self, turns: IndexTurns, open_turns: OpenTurns
    ) -> None:
        """A process that was killed does not come back to write."""
        gone = open_turns()
        with suppress(UnavailableError), gone.turn(0) as turn:
            turn.begin(CUBES)
            gone.close()
            time.sleep(HANGS_S + 0.5)
            turn.check()

        (found,) = left(turns)
        assert found.settles_s is not None

    def test_turn_of_a_holder_that_hangs_goes_to_the_next_and_says_who_may_still_write(
        self, turns: IndexTurns, open_turns: OpenTurns
    ) -> None:
        """The holder is told before it writes again, and by then others know to wait."""
        hung, woken = open_turns(), Event()

        def hang() -> None:
            with hung.turn(0) as turn:
                turn.begin(CUBES)
                woken.wait(SOON_S)
                turn.check()

        with ThreadPoolExecutor(1) as pool:
            hanging = pool.submit(hang)
            while not turns.troubled():
                time.sleep(0.02)
            begun = time.monotonic()
            (found,) = left(turns)
            took = time.monotonic() - begun
            assert found.settles_s is None
            assert found.holder
            woken.set()
            with pytest.raises(UnavailableError):
                hanging.result(SOON_S)

        assert took < HANGS_S + 2
        (over,) = left(turns)
        assert over.number == found.number
        assert over.settles_s is not None

    def test_turn_whose_holder_asks_whether_it_is_still_its_own_does_not_hang(
        self, turns: IndexTurns
    ) -> None:
        """Who writes many pieces asks before each, and keeps the turn."""
        with turns.turn(0) as turn:
            turn.begin(CUBES)
            for _ in range(8):
                time.sleep(HANGS_S / 4)
                turn.check()

        assert set() == turns.troubled()

    def test_store_that_does_not_answer_is_unavailable(self, broken: IndexTurns) -> None:
        """Every driver error is translated."""
        with pytest.raises(UnavailableError), broken.turn(0):
            pass
        with pytest.raises(UnavailableError):
            broken.troubled()
