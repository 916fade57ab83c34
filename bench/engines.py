"""A service on the real engines, under names that nobody else uses, removed afterwards."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

import memos_gov
from bench import folders
from memos_gov.backends.postgres.connection import another_database, drop_database
from tests import engines

SILENT = "start them with: make services-up"


def answer(subject: str) -> bool:
    """Whether every engine answers; which ones do not is told on stderr."""
    silent = engines.silent()
    if silent:
        print(f"{subject}: skipped, {'; '.join(silent)}: {SILENT}", file=sys.stderr)
    return not silent


@contextmanager
def founded(folder: Path, **settings: str) -> Iterator[memos_gov.Service]:
    """Enter a new service on topic, databases and collection of its own."""
    name = uuid.uuid4().hex[:10]
    try:
        with memos_gov.init(
            folder,
            purpose=folders.PURPOSE,
            retention_class="complaint",
            engines=_engines(name),
            **settings,
        ) as service:
            yield service
    finally:
        _remove(name)


@contextmanager
def kept(folder: Path, name: str) -> Iterator[memos_gov.Service]:
    """Enter the service of a folder, made the first time, whose stores stay for the next run."""
    if (folder / "keys").exists():
        with memos_gov.open(folder) as service:
            yield service
        return
    settings = {"purpose": folders.PURPOSE, "retention_class": "complaint"}
    with memos_gov.init(folder, **settings, engines=_engines(name)) as service:
        yield service


def _engines(name: str) -> dict[str, dict[str, Any]]:
    weaviate = {"url": engines.WEAVIATE, "grpc_port": engines.WEAVIATE_GRPC_PORT}
    return {
        "kafka": {"brokers": [engines.KAFKA], "topic": _topic(name), "dev": True},
        "postgres": {"url": engines.POSTGRES, "prefix": f"bench_{name}"},
        "opa": {"url": engines.OPA},
        "weaviate": {**weaviate, "collection": f"Bench{name}"},
    }


def _topic(name: str) -> str:
    return f"bench-{name}"


def _remove(name: str) -> None:
    """Take away what a service left; an engine that went away meanwhile keeps its part."""
    from kafka import KafkaAdminClient  # (clients are slow to import)
    from kafka.errors import KafkaError

    from memos_gov.bootstrap.connected import DATABASES

    admin = KafkaAdminClient(bootstrap_servers=engines.KAFKA)
    with suppress(KafkaError):
        admin.delete_topics([_topic(name)])
    admin.close()
    for branch in DATABASES:
        drop_database(another_database(engines.POSTGRES, f"bench_{name}_{branch}"))
    for collection in httpx.get(f"{engines.WEAVIATE}/v1/schema").json()["classes"]:
        if collection["class"].startswith(f"Bench{name}"):
            httpx.delete(f"{engines.WEAVIATE}/v1/schema/{collection['class']}")
