"""Workers in processes of their own, for tests, and waiting until something is so."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

WAIT_S = 30.0
PROGRAM = (sys.executable, "-c", "from memos_gov.cli import main; main()")


def until(reached: Callable[[], object]) -> None:
    """Wait until something is so, and fail when it never is."""
    end = time.monotonic() + WAIT_S
    while not reached():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


class Process:
    """A worker in a process of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        command = [*PROGRAM, "--data", str(folder), "worker", *arguments]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.lines: list[dict[str, object]] = []
        self.other: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if line.startswith("{"):
                self.lines.append(json.loads(line))
            else:
                self.other.append(line)

    def until(self, happened: str) -> dict[str, object]:
        """Wait for a line and return it."""
        until(lambda: self._found(happened) or self.process.poll() is not None)
        found = self._found(happened)
        assert found is not None, (self.lines, self.other)
        return found

    def _found(self, happened: str) -> dict[str, object] | None:
        return next((line for line in list(self.lines) if line["happened"] == happened), None)

    def end(self, how: signal.Signals) -> int:
        """End the process and return its exit code."""
        self.process.send_signal(how)
        code = self.process.wait(WAIT_S)
        self._reader.join(WAIT_S)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code

    def count_of(self, happened: str) -> int:
        """Return the sum of the counts of its lines."""
        return sum(int(str(x["count"])) for x in list(self.lines) if x["happened"] == happened)
