"""Which embedder stands behind the setting `embedder`."""

from __future__ import annotations

from memos_gov.backends.embedding.minilm import MiniLmEmbedder
from memos_gov.ports import Embedder
from memos_gov.settings import Settings


def embedder_of(settings: Settings) -> Embedder | None:
    """
    Return the embedder of a folder, or None where words alone are kept; nothing is loaded.

    Raises:
        SettingsError: What it needs is not installed.
    """
    if not settings.embedder:
        return None
    embedder = MiniLmEmbedder()
    embedder.require()
    return embedder


def model_of(settings: Settings) -> str:
    """Return the name under which an index keeps the vectors of a folder's embedder."""
    return MiniLmEmbedder.name if settings.embedder else ""
