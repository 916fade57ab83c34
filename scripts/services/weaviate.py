"""Weaviate: the index of cubes, one node, with vectors of our own and no module that calls out."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.services.cache import go_program
from scripts.services.engine import Engine
from scripts.services.network import http_answers
from scripts.services.places import HOST

VERSION = "1.39.0"
MODULE = f"github.com/weaviate/weaviate/cmd/weaviate-server@v{VERSION}"


class Weaviate(Engine):
    """The pinned Weaviate; whoever is on this machine may use it."""

    name = "weaviate"
    ports = (
        "weaviate",
        "weaviate_grpc",
        "weaviate_gossip",
        "weaviate_gossip_data",
        "weaviate_raft",
        "weaviate_raft_rpc",
    )
    scheme = "http://"

    def version(self) -> str:
        """Return the pinned version."""
        return VERSION

    @property
    def program(self) -> Path:
        """Where the binary lies once it is built."""
        return self.places.caches / f"weaviate-{VERSION}" / "weaviate-server"

    def lacks(self) -> list[str]:
        """Return Go, where it is needed and missing."""
        return [] if self.program.exists() or shutil.which("go") else ["go"]

    def obtain(self) -> None:
        """Build it, where it is not in the cache."""
        go_program(self.program, MODULE, takes="about 4 minutes", say=self.say)

    def lay_out(self) -> None:
        """Make the folder; it lays out the rest itself."""
        self.data.mkdir(exist_ok=True)

    def environment(self) -> Mapping[str, str]:
        """Return its settings: alone, closed to the outside, and no schema by guessing."""
        return {
            "PERSISTENCE_DATA_PATH": str(self.data),
            "DEFAULT_VECTORIZER_MODULE": "none",
            "API_BASED_MODULES_DISABLED": "true",
            "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "true",
            "AUTOSCHEMA_ENABLED": "false",
            "CLUSTER_HOSTNAME": "node1",
            "CLUSTER_IN_LOCALHOST": "true",
            # Else it takes whichever address of this machine it finds at each start.
            "CLUSTER_BIND_ADDR": HOST,
            "CLUSTER_ADVERTISE_ADDR": HOST,
            "CLUSTER_GOSSIP_BIND_PORT": str(self.port("weaviate_gossip")),
            "CLUSTER_DATA_BIND_PORT": str(self.port("weaviate_gossip_data")),
            "RAFT_BOOTSTRAP_EXPECT": "1",
            "RAFT_PORT": str(self.port("weaviate_raft")),
            "RAFT_INTERNAL_RPC_PORT": str(self.port("weaviate_raft_rpc")),
            "GRPC_PORT": str(self.port("weaviate_grpc")),
            "GO_PROFILING_DISABLE": "true",
            "DISABLE_TELEMETRY": "true",
        }

    def command(self) -> Sequence[str | Path]:
        """Serve on the loopback."""
        return [self.program, "--scheme", "http", "--host", HOST, "--port", str(self.port())]

    def answers(self) -> bool:
        """Tell whether it is ready for requests."""
        return http_answers(HOST, self.port(), "/v1/.well-known/ready")
