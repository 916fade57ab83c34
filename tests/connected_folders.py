"""Data folders on the engines of `tests/engines.py`, under names of their own, gone at the end."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from memos_gov.bootstrap import remove_stores
from tests import engines


def own_engines(*, partitions: int = 1) -> dict[str, Any]:
    """Return settings of engines under names that nobody else uses."""
    name = f"t{uuid.uuid4().hex[:12]}"
    return {
        "kafka": {
            "brokers": [engines.KAFKA],
            "topic": name,
            "partitions": partitions,
            "dev": True,
        },
        "postgres": {"url": engines.POSTGRES, "prefix": name},
        "opa": {"url": engines.OPA},
        "weaviate": {
            "url": engines.WEAVIATE,
            "grpc_port": engines.WEAVIATE_GRPC_PORT,
            "collection": name.capitalize(),
        },
    }


@contextmanager
def removed_afterwards(folder: Path) -> Iterator[Path]:
    """Enter with a place for a folder; what it has on engines is removed at the end."""
    try:
        yield folder
    finally:
        if folder.exists():
            remove_stores(folder)
