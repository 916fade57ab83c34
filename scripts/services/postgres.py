"""
Postgres: tables, operations and vault, each a database. Taken from this machine's packages.

The server does not run as root. Root starts it as the user `postgres`, which the
package makes. That user owns the folder of data and socket, and not the one above
it, where root writes the log and reads whom to stop.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from scripts.services.cache import Say, locked, tool, work
from scripts.services.engine import Engine
from scripts.services.failure import ServiceError
from scripts.services.network import postgres_answers
from scripts.services.places import HOST, Places

MAJOR_MIN = 15
USER = "memos_gov"
SYSTEM_USER = "postgres"
PACKAGES = Path("/usr/lib/postgresql")
SOCKET_PATH_MAX = 107  # unix(7), without the closing zero


class Postgres(Engine):
    """The newest Postgres of this machine, from 15 on; user memos_gov needs no password."""

    name = "postgres"
    ports = ("postgres",)
    ask_to_end = signal.SIGINT  # ends sessions and writes everything: "fast shutdown"

    def __init__(self, places: Places, say: Say) -> None:
        super().__init__(places, say)
        self.home = self.folder / "home"
        self.data = self.home / "data"

    @property
    def address(self) -> str:
        """The URL of the database that is always there."""
        return f"postgresql://{USER}@{HOST}:{self.port()}/postgres"

    def version(self) -> str:
        """Return the version of the binaries, or what is needed where there are none."""
        programs = installed()
        return version_of(programs) if programs else f"{MAJOR_MIN} or newer"

    def lacks(self) -> list[str]:
        """Return what is missing; where root can install the package, nothing is."""
        missing = [] if installed() or can_install() else [f"postgres (from {MAJOR_MIN} on)"]
        needs_setpriv = is_root() and shutil.which("setpriv") is None
        return [*missing, "setpriv"] if needs_setpriv else missing

    def obtain(self) -> None:
        """Install the package, where there is none and root may."""
        with locked(self.places.caches / f"postgres-{MAJOR_MIN}+" / ".lock"):
            if installed() is None:
                self._install()

    def _install(self) -> None:
        self.say("installing the package postgresql, takes about a minute")
        environment = {"DEBIAN_FRONTEND": "noninteractive"}
        for step in (["update"], ["install", "-y", "--no-install-recommends", "postgresql"]):
            command = [tool("apt-get"), *step]
            work(command, environment=environment, folder=self.folder, say=self.say)
        if installed() is None:
            raise ServiceError(f"the package has brought no Postgres from {MAJOR_MIN} on")

    def lay_out(self) -> None:
        """Make the cluster of databases once, whole or not at all."""
        self._refuse_unusable_folder()
        if self.data.exists():
            self._refuse_other_version()
            return
        draft = self.home / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        options = ["-A", "trust", "-U", USER, "--locale=C", "-E", "UTF8"]
        work([*self._program("initdb"), "-D", draft, *options], folder=self.folder, say=self.say)
        draft.replace(self.data)

    def _refuse_unusable_folder(self) -> None:
        socket = self.home / f".s.PGSQL.{self.port()}"
        if len(os.fsencode(socket)) > SOCKET_PATH_MAX:
            raise ServiceError(f"the path of its socket is too long, set TMPDIR: {socket}")
        self.home.mkdir(exist_ok=True)
        if is_root():
            closed = [str(path) for path in self.folder.parents if not path.stat().st_mode & 0o001]
            if closed:
                raise ServiceError(f"user {SYSTEM_USER} cannot enter {closed[-1]}: set TMPDIR")
            shutil.chown(self.home, SYSTEM_USER)

    def _refuse_other_version(self) -> None:
        made_by = (self.data / "PG_VERSION").read_text().strip()
        if made_by != self.version().split(".")[0]:
            remedy = "remove it with: python -m scripts.services reset postgres"
            raise ServiceError(f"{self.data} was made by Postgres {made_by}; {remedy}")

    def _program(self, name: str) -> list[str | Path]:
        programs = installed()
        if programs is None:
            raise ServiceError(f"this machine has no Postgres from {MAJOR_MIN} on")
        return [*as_system_user(), programs / name]

    def command(self) -> Sequence[str | Path]:
        """Serve on the loopback, with the socket in the run folder."""
        folders: list[str | Path] = ["-D", self.data, "-k", self.home]
        address = ["-h", HOST, "-p", str(self.port())]
        return [*self._program("postgres"), *folders, *address, "-c", "max_connections=200"]

    def answers(self) -> bool:
        """Tell whether it takes connections."""
        return postgres_answers(HOST, self.port(), USER)


def is_root() -> bool:
    """Tell whether this program runs as root."""
    return os.geteuid() == 0


def can_install() -> bool:
    """Tell whether this program may install packages of Debian."""
    return is_root() and shutil.which("apt-get") is not None


def installed() -> Path | None:
    """Return the folder of the newest Postgres here that is new enough."""
    folders = [*PACKAGES.glob("*/bin"), *on_path()]
    usable = [(major(folder), folder) for folder in folders if major(folder) >= MAJOR_MIN]
    return max(usable)[1] if usable else None


def on_path() -> list[Path]:
    """Return the folder of the Postgres on PATH, where initdb lies beside the server."""
    found = shutil.which("postgres")
    return [Path(found).resolve().parent] if found else []


def major(folder: Path) -> int:
    """Return the major version of the Postgres in a folder; 0 where it is none or incomplete."""
    complete = (folder / "initdb").exists() and (folder / "postgres").exists()
    return int(version_of(folder).split(".")[0]) if complete else 0


def version_of(folder: Path) -> str:
    """Return what the server says of its version."""
    answer = subprocess.run([folder / "postgres", "--version"], capture_output=True, check=False)
    found = re.search(rb"\d+(\.\d+)?", answer.stdout)
    return found[0].decode() if found else "0"


def as_system_user() -> list[str | Path]:
    """Return what stands before a command, so that root runs it as the user postgres."""
    if not is_root():
        return []
    try:
        pwd.getpwnam(SYSTEM_USER)
    except KeyError as error:
        raise ServiceError(f"there is no user {SYSTEM_USER} to run Postgres as") from error
    user = [f"--reuid={SYSTEM_USER}", f"--regid={SYSTEM_USER}", "--clear-groups"]
    return [tool("setpriv"), *user]
