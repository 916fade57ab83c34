"""A connected data folder of a test's own on shared engines, and what may be wrong around it."""

from __future__ import annotations

import http.server
import json
import shutil
import socket
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from click.testing import CliRunner, Result
from kafka import KafkaAdminClient, KafkaProducer
from kafka import errors as ke
from kafka.admin import ConfigResource

import memos_gov
from memos_gov.backends.clock import SystemClock
from memos_gov.backends.kafka import KafkaConnection, KafkaEventLog
from memos_gov.backends.kafka.topic import REQUIRED
from memos_gov.backends.postgres.connection import another_database, connect, drop_database
from memos_gov.backends.weaviate.index import WeaviateCubeIndex, WeaviateServer
from memos_gov.cli.program import command_line
from tests import engines

PARTITIONS = 3
BRANCHES = ("vault", "operations", "tables")


class World(NamedTuple):
    """A data folder, and the names that it has on the engines."""

    folder: Path
    name: str

    @property
    def settings(self) -> dict[str, Any]:
        """Return the settings of its engines."""
        return {
            "kafka": {
                "brokers": [engines.KAFKA],
                "topic": f"bad-{self.name}",
                "dev": True,
                "partitions": PARTITIONS,
            },
            "postgres": {"url": engines.POSTGRES, "prefix": f"bad_{self.name}"},
            "opa": {"url": engines.OPA},
            "weaviate": {
                "url": engines.WEAVIATE,
                "grpc_port": engines.WEAVIATE_GRPC_PORT,
                "collection": f"Bad{self.name}",
            },
        }

    def database(self, branch: str) -> str:
        """Return the address of one of its databases."""
        return another_database(engines.POSTGRES, f"bad_{self.name}_{branch}")

    @property
    def instance(self) -> str:
        """Return whose its vault is."""
        with connect(self.database("vault")) as vault:
            row = vault.execute("SELECT value FROM meta WHERE name = 'instance'").fetchone()
        assert row is not None
        return str(row[0])

    def log(self) -> KafkaEventLog:
        """Open its log."""
        topic = self.settings["kafka"]["topic"]
        connection = KafkaConnection(
            brokers=(engines.KAFKA,), topic=topic, partitions=PARTITIONS, dev=True
        )
        return KafkaEventLog(connection, SystemClock())

    def opened_index(self, collection: str | None = None) -> WeaviateCubeIndex:
        """Open its index, or one of another name."""
        known = self.settings["weaviate"]
        server = WeaviateServer(
            url=known["url"],
            grpc_port=known["grpc_port"],
            collection=collection or known["collection"],
        )
        return WeaviateCubeIndex(server, owner=self.instance)

    def written(self) -> tuple[Any, ...]:
        """Return what would differ if anything had been written: log, tables, vault."""
        with closing(self.log()) as log:
            ends = tuple(log.end(each) for each in range(PARTITIONS))
        with connect(self.database("tables"), schema="tables") as tables:
            outcomes = tables.execute("SELECT count(*), max(log_time_ms) FROM outcomes").fetchone()
        with connect(self.database("vault")) as vault:
            keys = vault.execute("SELECT count(*) FROM content_keys").fetchone()
            names = vault.execute("SELECT count(*) FROM directory").fetchone()
        return ends, outcomes, keys, names

    def configured(self, **values: str) -> None:
        """Change settings of the topic, named with _ in place of dots."""
        topic = self.settings["kafka"]["topic"]
        changed = {name.replace("_", "."): value for name, value in values.items()}
        with closing(KafkaAdminClient(bootstrap_servers=[engines.KAFKA])) as admin:
            admin.alter_configs([ConfigResource("TOPIC", topic, changed)])

    def stranger(self, *bodies: bytes) -> None:
        """Put records of somebody else into the topic."""
        with closing(KafkaProducer(bootstrap_servers=[engines.KAFKA])) as producer:
            for body in bodies:
                producer.send(self.settings["kafka"]["topic"], body, partition=1).get(timeout=10)


def required(name: str) -> str:
    """Return what a topic's setting must be, named with _ in place of dots."""
    return REQUIRED[name.replace("_", ".")]


def typed(folder: Path, *words: str, env: Mapping[str, str] | None = None) -> Result:
    """Type a command, with a JSON answer."""
    return CliRunner().invoke(
        command_line, ["--data", str(folder), "--json", *words], env={**(env or {})}
    )


def doctor(folder: Path, env: Mapping[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    """Return the exit code of `doctor --json`, and its checks by name."""
    done = typed(folder, "doctor", env=env)
    return done.exit_code, {each["name"]: each for each in json.loads(done.stdout)}


@contextmanager
def world(place: Path) -> Iterator[World]:
    """Make a connected data folder with one memory, and remove what it has on the engines."""
    made = World(place / "data", uuid.uuid4().hex[:10])
    try:
        with memos_gov.init(made.folder, engines=made.settings) as service:
            service.acting_as("owner").remember("The card was charged twice.")
        yield made
    finally:
        removed(made)


def removed(made: World) -> None:
    """Remove topic, databases and collections."""
    admin = KafkaAdminClient(bootstrap_servers=[engines.KAFKA])
    with closing(admin), suppress(ke.UnknownTopicOrPartitionError):
        admin.delete_topics([made.settings["kafka"]["topic"]])
    for branch in BRANCHES:
        drop_database(made.database(branch))
    drop_collection(made.settings["weaviate"]["collection"])


def drop_collection(name: str) -> None:
    """Remove a collection, and that of its positions."""
    import httpx

    for each in (name, f"{name}Position"):
        httpx.delete(f"{engines.WEAVIATE}/v1/schema/{each}")


def copied(made: World, place: Path) -> Path:
    """Return a copy of the data folder."""
    return Path(shutil.copytree(made.folder, place / "copy"))


@contextmanager
def refusing_postgres() -> Iterator[int]:
    """Listen as a Postgres that finds every password wrong; yield its port."""
    fields = b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user\0\0"
    answer = b"E" + (len(fields) + 4).to_bytes(4, "big") + fields
    with socket.create_server((engines.place(engines.POSTGRES)[0], 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = server.accept()
                    with client:
                        asked = client.recv(1000)
                        if asked[4:8] in {b"\x04\xd2\x16\x2f", b"\x04\xd2\x16\x30"}:
                            client.sendall(b"N")  # no TLS, no GSS
                            client.recv(1000)
                        client.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)


@contextmanager
def older_opa() -> Iterator[str]:
    """Listen as an OPA of another version that keeps every bundle; yield its address."""

    class Answering(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            digest = self.path.partition("memos_gov_")[2].partition("/")[0]
            found = {"result": {"revision": digest}, "provenance": {"version": "0.1.0"}}
            body = json.dumps(found).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
