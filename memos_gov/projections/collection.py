"""Garbage collection held off while many rows are made, whatever the technology of the tables."""

from __future__ import annotations

import gc
import threading


class PausedCollection:
    """Garbage collection is off while anybody is inside, and as it was once all have left."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._was_on = False

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._was_on = gc.isenabled()
                gc.disable()

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._was_on:
                gc.enable()


PAUSE = PausedCollection()
