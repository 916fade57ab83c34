"""What a process opened is kept for a minute and no longer."""

import time

from memos_gov.opened import OPENED_S_MAX, Opened


class Hands:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now_s


def test_value_opened_is_kept_for_its_lifetime_and_not_a_moment_longer() -> None:
    """Sixty seconds after it was opened, however often it was asked for since."""
    clock = Hands()
    opened = Opened(clock)
    opened.put("key", b"k")

    clock.now_s += OPENED_S_MAX - 0.01
    assert b"k" == opened.get("key")
    clock.now_s += 0.01
    assert opened.get("key") is None
    opened.clear()


def test_value_opened_that_nobody_asks_for_leaves_the_memory_by_itself() -> None:
    """A process that idles holds nothing."""
    opened = Opened(lifetime_s=0.03)
    for number in range(3):
        opened.put(number, b"k")
        time.sleep(0.01)

    deadline = time.monotonic() + 10
    while opened._kept and time.monotonic() < deadline:
        time.sleep(0.01)

    assert {} == opened._kept
    assert opened._timer is None


def test_value_opened_is_dropped_by_what_it_is_and_all_at_once() -> None:
    """A name that was forgotten goes at once; at the end everything does, the timer too."""
    opened = Opened()
    opened.put("ann", "s_one")
    opened.put("bob", "s_two")

    opened.drop(lambda value: value == "s_one")
    assert (None, "s_two") == (opened.get("ann"), opened.get("bob"))
    opened.clear()
    assert opened.get("bob") is None
    assert opened._timer is None
