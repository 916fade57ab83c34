"""Four engines in a folder of their own, on ports of their own: a test kills them at will."""

from __future__ import annotations

import random
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from scripts.services.__main__ import ENGINES
from scripts.services.engine import Engine
from scripts.services.failure import ServiceError
from scripts.services.network import is_free
from scripts.services.places import HOST, PORTS, Places

START_S_MAX = 60


class OwnEngines:
    """Kafka, Postgres, OPA and Weaviate of one test; `settings` is where they answer."""

    def __init__(self, folder: Path) -> None:
        places = Places(
            runs=folder, caches=Places.of_environment().caches, ports=dict(free_ports())
        )
        self._engines = {name: kind(places, _say) for name, kind in ENGINES.items()}

    def lacking(self) -> list[str]:
        """Return what this machine has not of them."""
        return [name for engine in self._engines.values() for name in engine.lacks()]

    def up(self) -> None:
        """Start all of them side by side."""
        with ThreadPoolExecutor(len(self._engines)) as threads:
            list(threads.map(lambda engine: engine.up(), self._engines.values()))

    def kill(self, name: str) -> None:
        """End one with SIGKILL, and return when it is gone."""
        running = self._engines[name].running()
        assert running is not None
        running.send(signal.SIGKILL)
        assert running.ended_within(START_S_MAX)

    def start(self, name: str) -> None:
        """Start one that was killed, as often as it takes until its own remains are gone."""
        deadline = time.monotonic() + START_S_MAX
        while True:
            try:
                self._engines[name].up()
            except ServiceError:  # (a child of what was killed may hold a port or a lock yet)
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            else:
                return

    def reset(self) -> None:
        """Kill all of them, and remove what they kept."""
        for engine in self._engines.values():
            if running := engine.running():
                running.send(signal.SIGKILL)
            engine.reset()

    def port(self, name: str) -> int:
        """Return a port of theirs, by its name among PORTS."""
        return self._engines[name.partition("_")[0]].port(name)

    def settings(self, name: str) -> dict[str, dict[str, object]]:
        """Return `engines=` of a set-up with names of its own."""
        kafka, weaviate = self._engines["kafka"], self._engines["weaviate"]
        return {
            "kafka": {"brokers": [_at(kafka)], "topic": name, "dev": True, "partitions": 2},
            "postgres": {"url": f"postgresql://memos_gov@{self._at_postgres}/postgres"}
            | {"prefix": name},
            "opa": {"url": f"http://{_at(self._engines['opa'])}"},
            "weaviate": {
                "url": f"http://{_at(weaviate)}",
                "grpc_port": weaviate.port("weaviate_grpc"),
                "collection": name.capitalize(),
            },
        }

    @property
    def _at_postgres(self) -> str:
        return _at(self._engines["postgres"])


def _at(engine: Engine) -> str:
    return f"{HOST}:{engine.port()}"


def _say(engine: str) -> None:
    sys.stderr.write(f"{engine}\n")


def free_ports() -> list[tuple[str, int]]:
    """Return ports in a row (an engine may count on from one it was given), none lent to others."""
    for base in random.Random().sample(range(20_000, 32_000), 200):
        row = [(name, base + place) for place, name in enumerate(PORTS)]
        if all(is_free(port) for _, port in row):
            return row
    raise AssertionError("no free ports")
