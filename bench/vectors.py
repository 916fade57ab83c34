"""
Vectors of texts that were embedded before, so that a benchmark need not wait for the model again.

Kept in the user's cache by model and digest of the text. Only benchmarks of what
is found use this; where time is told, the queries' part was remembered too.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from platformdirs import user_cache_path

from memos_gov.backends.embedding.minilm import PACKAGE, MiniLmEmbedder


def installed() -> bool:
    """Whether the extra `models` is there."""
    return all(importlib.util.find_spec(name) for name in ("torch", "transformers", PACKAGE))


@contextmanager
def remembered() -> Iterator[None]:
    """Embed every text once in the life of this machine."""
    plain, folder = MiniLmEmbedder.embed, user_cache_path("memos-gov") / "bench"
    folder.mkdir(parents=True, exist_ok=True)

    def embed(self: MiniLmEmbedder, texts: Sequence[str]) -> list[bytes]:
        return _embedded(folder / "vectors.db", self, plain, texts)

    MiniLmEmbedder.embed = embed  # type: ignore[method-assign]
    try:
        yield
    finally:
        MiniLmEmbedder.embed = plain  # type: ignore[method-assign]


Embed = Callable[[MiniLmEmbedder, Sequence[str]], list[bytes]]


def _embedded(
    path: Path, embedder: MiniLmEmbedder, plain: Embed, texts: Sequence[str]
) -> list[bytes]:
    keys = [hashlib.sha256(f"{embedder.name}\0{text}".encode()).digest() for text in texts]
    with closing(sqlite3.connect(path, timeout=60)) as db, db:
        db.execute("CREATE TABLE IF NOT EXISTS vector (key BLOB PRIMARY KEY, numbers BLOB)")
        known: dict[bytes, bytes] = {}
        for key in keys:
            if row := db.execute("SELECT numbers FROM vector WHERE key = ?", (key,)).fetchone():
                (known[key],) = row
        new = {k: text for k, text in zip(keys, texts, strict=True) if k not in known}
        made = dict(zip(new, plain(embedder, [*new.values()]), strict=True))
        db.executemany("INSERT OR IGNORE INTO vector VALUES (?, ?)", made.items())
    return [(known | made)[key] for key in keys]
