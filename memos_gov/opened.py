"""
What a process has opened, and for how long it may keep it.

A key, a secret or a name that was opened is kept for OPENED_S_MAX and no
longer, whether anybody asks again or not: a timer drops what nobody asks for.
So a key that another process destroyed outlives it here by that much at most,
and whoever waits for that (`leasing.py`) knows how long.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any

OPENED_S_MAX = 60.0
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def elapsed_s() -> float:
    """Return seconds of a clock that nobody sets, and that goes on while the machine sleeps."""
    return time.clock_gettime(_CLOCK)


class Opened:
    """Values by name, each for a time after it was opened; safe to use from many threads."""

    def __init__(
        self, now: Callable[[], float] = elapsed_s, lifetime_s: float = OPENED_S_MAX
    ) -> None:
        self._now = now
        self._lifetime_s = lifetime_s
        self._kept: dict[Hashable, tuple[float, Any]] = {}
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def get(self, name: Hashable) -> Any:
        """Return what was opened under a name, None when that is too long ago."""
        found = self._kept.get(name)
        return None if found is None or found[0] <= self._now() else found[1]

    def put(self, name: Hashable, value: Any) -> None:
        """Keep what was opened just now."""
        with self._lock:
            self._kept[name] = (self._now() + self._lifetime_s, value)
            if self._timer is None:
                self._start()

    def drop(self, which: Callable[[Any], bool]) -> None:
        """Drop every value that `which` is true of."""
        with self._lock:
            self._kept = {n: kept for n, kept in self._kept.items() if not which(kept[1])}

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._kept = {}
            self._stop()

    def _start(self) -> None:
        self._timer = threading.Timer(self._lifetime_s, self._expire)
        self._timer.daemon = True
        self._timer.start()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        """Drop what is too old, and look again as long as something is left."""
        now = self._now()
        with self._lock:
            self._kept = {n: kept for n, kept in self._kept.items() if kept[0] > now}
            self._timer = None
            if self._kept:
                self._start()
