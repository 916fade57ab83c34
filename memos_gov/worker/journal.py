"""One JSON line an occurrence, on standard error: ids, counts and codes, never content."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TextIO

import msgspec


class Journal:
    """Writes what a worker does; safe to use from many threads at once."""

    def __init__(self, out: TextIO, worker: str) -> None:
        self._out = out
        self._worker = worker
        self._lock = threading.Lock()

    def note(self, happened: str, **more: str | float) -> None:
        """Write one line: when, which worker, what happened, and plain facts about it."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"at": at, "worker": self._worker, "happened": happened, **more}
        with self._lock:
            self._out.write(msgspec.json.encode(line).decode() + "\n")
            self._out.flush()
