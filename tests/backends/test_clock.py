"""SystemClock keeps the contract and tells the machine's time."""

import time

import pytest

from memos_gov.backends.clock import SystemClock
from memos_gov.ports import Clock
from tests.contracts.clock import ClockContract


class TestSystemClock(ClockContract):
    """The contract, on the machine's clock."""

    @pytest.fixture
    def clock(self) -> Clock:
        """Return the clock under test."""
        return SystemClock()


def test_system_clock_agrees_with_the_machine() -> None:
    """It is no clock of its own."""
    assert abs(SystemClock().now().timestamp() - time.time()) < 1
