"""
Where everything lies: the run folder, the cache, and the ports.

The environment moves each of them: `TMPDIR` the run folder, `XDG_CACHE_HOME` the
cache, `MEMOS_GOV_SERVICES_PORT` all ports (it is the first of ten in a row), and
`MEMOS_GOV_SERVICES_<NAME>_PORT` one of them.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.services.failure import ServiceError

HOST = "127.0.0.1"
PORT_MAX = 65535
BASE_VARIABLE = "MEMOS_GOV_SERVICES_PORT"

# In the order in which one base numbers them; none is an engine's own default.
PORTS = {
    "kafka": 19092,
    "kafka_controller": 19093,
    "postgres": 15432,
    "opa": 18181,
    "weaviate": 18080,
    "weaviate_grpc": 15051,
    "weaviate_gossip": 17946,
    "weaviate_gossip_data": 17947,
    "weaviate_raft": 18300,
    "weaviate_raft_rpc": 18301,
}


@dataclass(frozen=True)
class Places:
    """Folders and ports of one set of engines."""

    runs: Path
    caches: Path
    ports: Mapping[str, int]

    @classmethod
    def of_environment(cls) -> Places:
        """
        Return the places that the environment names.

        Raises:
            ServiceError: A port is no number from 1 to 65535.
        """
        caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return cls(
            runs=Path(tempfile.gettempdir()) / f"memos-gov-services-{os.getuid()}",
            caches=Path(caches) / "memos-gov" / "services",
            ports=ports_of_environment(),
        )

    def run_folder(self, engine: str) -> Path:
        """Return the folder of one engine's data, log and process; it may not exist yet."""
        return self.runs / engine

    def made_run_folder(self, engine: str) -> Path:
        """
        Return the folder of one engine, made if need be.

        Raises:
            ServiceError: The run folder is somebody else's, or others may write into it.
        """
        make_own_folder(self.runs)
        folder = self.run_folder(engine)
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)  # the user postgres has to enter, whatever the umask is
        return folder


def make_own_folder(folder: Path) -> None:
    """Make a folder whose name others can guess, and refuse one that they made before."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o755, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise ServiceError(f"{folder} is not a folder of yours: remove it, or set TMPDIR")
    folder.chmod(0o755)


def ports_of_environment() -> dict[str, int]:
    """Return every port by name: the project's own, moved by the base, moved one by one."""
    base = os.environ.get(BASE_VARIABLE)
    start = None if base is None else port_of(BASE_VARIABLE, base)
    moved = {
        name: port if start is None else start + place
        for place, (name, port) in enumerate(PORTS.items())
    }
    return {name: named_port(name, port) for name, port in moved.items()}


def named_port(name: str, otherwise: int) -> int:
    """Return the port that the environment names for this one, or `otherwise`."""
    variable = f"MEMOS_GOV_SERVICES_{name.upper()}_PORT"
    return port_of(variable, os.environ.get(variable, str(otherwise)))


def port_of(variable: str, value: str) -> int:
    """Read a port, or name the variable that holds none."""
    if not value.isdecimal() or not 0 < int(value) <= PORT_MAX:
        raise ServiceError(f"{variable} is no port from 1 to {PORT_MAX}: {value!r}")
    return int(value)
