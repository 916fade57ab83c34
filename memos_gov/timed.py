"""An engine whose questions are timed for whoever listens; nothing of a question is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter

from memos_gov.ports import PolicyEngine

Listener = Callable[[str, float], None]


class TimedEngine:
    """A `PolicyEngine` that tells entrypoint and seconds of each question, failed ones too."""

    def __init__(self, engine: PolicyEngine) -> None:
        self._engine = engine
        self.listener: Listener | None = None

    def ask(self, digest: str, entrypoint: str, question: Mapping[str, object]) -> bytes:
        """Ask the engine; see `PolicyEngine`."""
        if self.listener is None:
            return self._engine.ask(digest, entrypoint, question)
        begun = perf_counter()
        try:
            return self._engine.ask(digest, entrypoint, question)
        finally:
            self.listener(entrypoint, perf_counter() - begun)
