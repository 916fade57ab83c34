"""
A process that outlives its starter, known again without doubt.

A number alone may have passed to another process meanwhile. So the moment of the
start, in ticks of the kernel since this boot, and the boot itself are kept beside
it, and a signal goes through a handle that belongs to that process alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from scripts.services.failure import ServiceError

POLL_S = 0.02
# Fields of /proc/<pid>/stat after the name, see proc(5).
_STATE, _THREADS, _STARTED_TICKS = 0, 17, 19
_ENDED = {"Z", "X"}


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process started here, as its file keeps it."""

    pid: int
    started_ticks: int
    boot: str
    since: str
    version: str
    address: str

    def alive(self) -> bool:
        """Tell whether exactly this process still runs."""
        return boot_id() == self.boot and started_ticks(self.pid) == self.started_ticks

    def ends(self) -> bool:
        """
        Tell whether its end has begun and is not over.

        A thread that waits for the disk outlives a kill, and keeps ports and locks
        of files until then.
        """
        return self.alive() and stat_of(self.pid)[_STATE] in _ENDED

    def send(self, number: signal.Signals) -> None:
        """Send a signal to exactly this process; nothing happens where it has ended."""
        with contextlib.suppress(ProcessLookupError), handle(self.pid) as descriptor:
            if self.alive():
                signal.pidfd_send_signal(descriptor, number)

    def end(self, *, ask: signal.Signals, patience_s: float) -> None:
        """Ask the process to end, and kill it where it has not after `patience_s`."""
        self.send(ask)
        if not self.ended_within(patience_s):
            self.send(signal.SIGKILL)
            self.ended_within(patience_s)

    def ended_within(self, seconds: float) -> bool:
        """Wait for the end and tell whether it came."""
        deadline = time.monotonic() + seconds
        while self.alive() and time.monotonic() < deadline:
            time.sleep(POLL_S)
        return not self.alive()

    def write(self, path: Path) -> None:
        """Keep this process in a file, whole or not at all."""
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(asdict(self), indent=2) + "\n")
        draft.replace(path)

    @classmethod
    def read(cls, path: Path) -> Process | None:
        """Return the process that a file keeps; None where there is no such file."""
        try:
            return cls(**json.loads(path.read_text()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise ServiceError(f"{path} names no process; remove it: {error}") from error


@contextlib.contextmanager
def handle(pid: int) -> Iterator[int]:
    """Hold a handle of a process; it never comes to mean another one."""
    descriptor = os.pidfd_open(pid)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def start(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    folder: Path,
    log: Path,
    version: str,
    address: str,
) -> Process:
    """Start a command in a session of its own, with its words going to the end of a log."""
    with log.open("ab") as words:
        child = subprocess.Popen(
            [str(part) for part in command],
            env={**os.environ, **environment},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    child.returncode = 0  # it is meant to outlive this program: no warning about that
    return Process(
        pid=child.pid,
        started_ticks=started_ticks(child.pid) or 0,
        boot=boot_id(),
        since=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        version=version,
        address=address,
    )


def boot_id() -> str:
    """
    Return the name of this boot of the machine.

    Raises:
        ServiceError: This is no Linux.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError as error:
        raise ServiceError("this needs Linux; elsewhere use compose.yaml") from error


def started_ticks(pid: int) -> int | None:
    """Return when a process began, in ticks since the boot; None where all of it has ended."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # where it is our own child, let it go when it has ended
    fields = stat_of(pid)
    last = fields[_STATE] in _ENDED and int(fields[_THREADS]) <= 1
    return None if last else int(fields[_STARTED_TICKS])


def stat_of(pid: int) -> list[str]:
    """Return what the kernel says of a process after its name; as of an ended one where it is."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ["X", *["0"] * _STARTED_TICKS]
    return words.rpartition(")")[2].split()  # the name before it may hold anything
