"""
What was fetched or built once, kept by version outside the repository.

A lock lets one process make it while others wait and then find it; it is made in a
folder beside its place and renamed, so that it is there whole or not at all.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from scripts.services.failure import ServiceError

Say = Callable[[str], None]
SPEAK_EVERY_S = 30
TAIL_LINES = 12


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file; whoever comes second waits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def cached(place: Path, make: Callable[[Path], Path]) -> Path:
    """Return `place`; where nothing is there, let `make` make it in a folder that it is given."""
    with locked(place.parent / ".lock"):
        if not place.exists():
            with tempfile.TemporaryDirectory(dir=place.parent) as draft:
                make(Path(draft)).replace(place)
    return place


def go_program(place: Path, module: str, *, takes: str, say: Say) -> Path:
    """Return a program of a Go module, built into the cache if need be."""

    def make(draft: Path) -> Path:
        say(f"building {module.rpartition('/')[2].replace('@v', ' ')}, takes {takes}")
        environment = {"CGO_ENABLED": "0", "GOBIN": str(draft)}
        work([tool("go"), "install", module], environment=environment, folder=draft, say=say)
        return draft / place.name

    return cached(place, make)


def tool(name: str) -> str:
    """Return the path of a program on PATH."""
    found = shutil.which(name)
    if found is None:
        raise ServiceError(f"this machine lacks {name}")
    return found


def work(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path,
    say: Say,
) -> None:
    """
    Run a command to its end, saying every half minute that it still runs.

    Raises:
        ServiceError: It failed; the message ends with its last lines.
    """
    began = time.monotonic()
    with tempfile.TemporaryFile() as words:
        child = subprocess.Popen(
            [str(part) for part in command],
            env={**os.environ, **(environment or {})},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=subprocess.STDOUT,
        )
        while status_after(child, SPEAK_EVERY_S) is None:
            say(f"still at it after {time.monotonic() - began:.0f} s")
        words.seek(0)
        if child.returncode:
            raise ServiceError(f"{command[0]} failed:\n{tail(words.read())}")


def status_after(child: subprocess.Popen[bytes], seconds: float) -> int | None:
    """Return the exit status of a child; None where it still runs after `seconds`."""
    try:
        return child.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    except BaseException:
        child.terminate()
        child.wait()
        raise


def tail(words: bytes) -> str:
    """Return the last lines of what a program wrote, indented."""
    lines = words.decode(errors="replace").splitlines()[-TAIL_LINES:]
    return "\n".join(f"    {line}" for line in lines)
