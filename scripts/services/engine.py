"""
What all engines share: up, down, status, reset.

Each is safe to repeat and to interrupt. A lock per engine makes two callers take
turns. `up` returns when the engine answers in its own protocol, and leaves no
process behind where it fails.
"""

from __future__ import annotations

import shutil
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

from scripts.services import process
from scripts.services.cache import Say, locked, tail
from scripts.services.failure import ServiceError
from scripts.services.network import holder, is_free
from scripts.services.places import HOST, Places
from scripts.services.process import Process

READY_S_MAX = 120
POLL_S = 0.1
PATIENCE_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Status:
    """
    How one engine stands.

    `state` is `ready`, `starting` (runs and does not answer yet), `stopped`, `foreign`
    (something answers that was not started here), or `elsewhere` (it runs, at another
    address than the environment names now).
    """

    engine: str
    state: str
    address: str
    version: str
    pid: int | None
    since: str | None
    log: str

    def fields(self) -> dict[str, str | int | None]:
        """Return what a machine reads."""
        return asdict(self)


class Engine(ABC):
    """One engine on this machine; a subclass says how to get it and how to start it."""

    name: ClassVar[str]
    ports: ClassVar[tuple[str, ...]]  # the first is where callers speak to it
    scheme: ClassVar[str] = ""
    ask_to_end: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, places: Places, say: Say) -> None:
        self.places = places
        self.say = say
        self.folder = places.run_folder(self.name)
        self.log = self.folder / "log.txt"
        self.data = self.folder / "data"

    # --- what an engine says of itself ---

    @abstractmethod
    def version(self) -> str:
        """Return the version that `up` starts."""

    @abstractmethod
    def lacks(self) -> list[str]:
        """Return the programs that getting and running it need and this machine has not."""

    @abstractmethod
    def obtain(self) -> None:
        """Bring its programs into the cache; done before, it does nothing."""

    @abstractmethod
    def lay_out(self) -> None:
        """Write its configuration, and its data where there is none yet."""

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """Return the command that runs it in the foreground."""

    @abstractmethod
    def answers(self) -> bool:
        """Tell whether it does its work at its address now."""

    def environment(self) -> Mapping[str, str]:
        """Return what its command needs in the environment."""
        return {}

    # --- what is the same for all ---

    def port(self, name: str | None = None) -> int:
        """Return one of its ports; that for callers by default."""
        return self.places.ports[name or self.ports[0]]

    @property
    def address(self) -> str:
        """Where callers find it."""
        return f"{self.scheme}{HOST}:{self.port()}"

    @property
    def record(self) -> Path:
        """The file that keeps its process."""
        return self.folder / "process.json"

    def lock(self) -> Path:
        """Return the lock that callers take turns with; reset does not remove it."""
        self.places.made_run_folder(self.name)
        return self.places.runs / f".{self.name}.lock"

    def running(self) -> Process | None:
        """Return the process started here, if it still runs."""
        found = Process.read(self.record)
        return found if found is not None and found.alive() else None

    def status(self) -> Status:
        """Return how it stands."""
        known = self.running()
        return Status(
            engine=self.name,
            state=self._state(known, answers=self.answers()),
            address=known.address if known else self.address,
            version=known.version if known else self.version(),
            pid=known.pid if known else None,
            since=known.since if known else None,
            log=str(self.log),
        )

    def _state(self, known: Process | None, *, answers: bool) -> str:
        if known is None:
            return "foreign" if answers else "stopped"
        if known.address != self.address:
            return "elsewhere"
        return "ready" if answers else "starting"

    def up(self, *, use_existing: bool = False) -> None:
        """
        Start it where it does not run, and return when it answers.

        Args:
            use_existing: What answers at the address is taken as it is, whoever started it.

        Raises:
            ServiceError: It cannot run; nothing of it runs now.
        """
        began = time.monotonic()
        with locked(self.lock()):
            self._let_go()
            state = self.status().state
            if use_existing and state == "foreign":
                self.say(f"answers at {self.address}, and was not started here")
                return
            self._bring_up(state)
        self.say(f"ready at {self.address} after {time.monotonic() - began:.1f} s")

    def down(self) -> None:
        """Stop it, gently if it can be; data and log stay."""
        began = time.monotonic()
        with locked(self.lock()):
            stopped = self._stop()
        self.say(f"stopped in {time.monotonic() - began:.1f} s" if stopped else "does not run")

    def reset(self) -> None:
        """Stop it and remove its data and log; what was fetched or built stays."""
        with locked(self.lock()):
            self._stop()
            shutil.rmtree(self.folder)
        self.say(f"{self.folder} is removed")

    def _let_go(self) -> None:
        """Let what somebody killed end whole, so that its ports and locks are free again."""
        known = self.running()
        if known is not None and known.ends():
            known.ended_within(READY_S_MAX)

    def _bring_up(self, state: str) -> None:
        if state == "elsewhere":
            raise ServiceError("runs at another address: stop it, or see MEMOS_GOV_SERVICES_*_PORT")
        if state in {"stopped", "foreign"}:
            self._start()
        self._await()

    def _start(self) -> None:
        self._refuse_taken_ports()
        self.obtain()
        self.lay_out()
        process.start(
            self.command(),
            environment=self.environment(),
            folder=self.folder,
            log=self.log,
            version=self.version(),
            address=self.address,
        ).write(self.record)

    def _refuse_taken_ports(self) -> None:
        for name in self.ports:
            port = self.port(name)
            if not is_free(port):
                variable = f"MEMOS_GOV_SERVICES_{name.upper()}_PORT"
                remedy = f"stop that, or set {variable} or MEMOS_GOV_SERVICES_PORT"
                raise ServiceError(f"port {port} is taken ({holder(port)}): {remedy}")

    def _await(self) -> None:
        deadline = time.monotonic() + READY_S_MAX
        while not self.answers():
            if self.running() is None:
                self._give_up("ended by itself")
            if time.monotonic() > deadline:
                self._give_up(f"does not answer after {READY_S_MAX} s")
            time.sleep(POLL_S)

    def _give_up(self, what: str) -> None:
        self._stop()
        words = tail(self.log.read_bytes()) if self.log.exists() else ""
        raise ServiceError(f"{what}; {self.log} ends with:\n{words}")

    def _stop(self) -> bool:
        known = self.running()
        if known is not None:
            known.end(ask=self.ask_to_end, patience_s=PATIENCE_S)
        self.record.unlink(missing_ok=True)
        return known is not None
