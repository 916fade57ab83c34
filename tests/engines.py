"""Where the engines of a connected test answer; `MEMOS_GOV_TEST_*` names others."""

import os
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from scripts.services.network import http_answers, kafka_answers, postgres_answers
from scripts.services.places import HOST, ports_of_environment

_PORTS = ports_of_environment()

KAFKA = os.environ.get("MEMOS_GOV_TEST_KAFKA", f"{HOST}:{_PORTS['kafka']}")
POSTGRES = os.environ.get(
    "MEMOS_GOV_TEST_POSTGRES", f"postgresql://memos_gov@{HOST}:{_PORTS['postgres']}/postgres"
)
OPA = os.environ.get("MEMOS_GOV_TEST_OPA", f"http://{HOST}:{_PORTS['opa']}")
WEAVIATE = os.environ.get("MEMOS_GOV_TEST_WEAVIATE", f"http://{HOST}:{_PORTS['weaviate']}")
# The folder that Weaviate keeps its data in, where it can be read from here.
WEAVIATE_DATA = os.environ.get("MEMOS_GOV_TEST_WEAVIATE_DATA")
WEAVIATE_GRPC_PORT = int(
    os.environ.get("MEMOS_GOV_TEST_WEAVIATE_GRPC_PORT", _PORTS["weaviate_grpc"])
)

REMEDY = "start them with: make services-up"


def place(address: str) -> tuple[str, int]:
    """Return host and port of an address, with or without a scheme."""
    parts = urlsplit(address if "://" in address else f"//{address}")
    return parts.hostname or HOST, parts.port or 0


PROBES: dict[str, tuple[str, Callable[[str, int], bool]]] = {
    "Kafka": (KAFKA, kafka_answers),
    "Postgres": (POSTGRES, lambda host, port: postgres_answers(host, port, "memos_gov")),
    "OPA": (OPA, lambda host, port: http_answers(host, port, "/health")),
    "Weaviate": (WEAVIATE, lambda host, port: http_answers(host, port, "/v1/.well-known/ready")),
}


def silent() -> list[str]:
    """Return name and address of every engine that does not answer."""
    return [
        f"{name} does not answer at {address}"
        for name, (address, answers) in PROBES.items()
        if not answers(*place(address))
    ]


def require() -> None:
    """End the run of the tests, with the command to type, where an engine does not answer."""
    if missing := silent():
        pytest.exit(f"{'; '.join(missing)}: {REMEDY}", returncode=1)
