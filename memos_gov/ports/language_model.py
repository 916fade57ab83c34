"""The base model: what it is, its being on this machine at all, and the tensors it computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec

from memos_gov.domain.fingerprint import Fingerprint

Progress = Callable[[str, int, int], None]
BETWEEN = "\n\n"  # texts in a prefix


class BaseModelFiles(msgspec.Struct, frozen=True, kw_only=True):
    """Where the base model's files lie; `made` where they were not there, or not whole, before."""

    folder: Path
    made: bool


class KvCache(NamedTuple):
    """
    What a base model keeps of tokens that it has read: the keys and values of each layer.

    `tensors` is a safetensors file of `keys` and `values`, each of the shape
    [layers, heads, tokens, size of a head], keys after their rotation.
    """

    tokens: tuple[int, ...]
    tensors: bytes


class LanguageModel(Protocol):
    """
    The one base model that a data folder uses, on this machine.

    It is loaded when it is first needed, from files alone, and never changes
    them. What is not installed, not prepared, or of a kind whose tensors cannot be
    kept is a `SettingsError` that says what to do.
    """

    def prepare(self, progress: Progress | None = None) -> BaseModelFiles:
        """
        Bring the base model onto this machine, once; a second time finds that it is there.

        Whole or not at all, however it ends; processes that prepare at the same
        time wait for the one that came first.

        Raises:
            SettingsError: Something is not installed, or the setting names no base model.
            UnavailableError: It cannot be fetched or written; nothing is left behind.
        """

    def fingerprint(self) -> Fingerprint:
        """
        Return what the base model is, its files read as they lie now.

        Raises:
            SettingsError: It is not installed or not prepared, or cannot be used.
        """

    def prefix(self, texts: Sequence[str]) -> tuple[int, ...]:
        """
        Return the tokens of texts as the beginning of a conversation, in this order.

        They are one system turn, closed, so that a next turn leaves them as they
        are. Nothing in a text counts as a mark of turns.

        Raises:
            SettingsError: The base model knows no system turn that stays as it is.
        """

    def prefill(
        self, tokens: Sequence[int], begun: KvCache | None = None, *, exact: bool = False
    ) -> KvCache:
        """
        Return what the base model keeps of tokens, from the first on.

        What `begun` has in common with them from its beginning is taken from there,
        as exact as it is, and only the rest is computed. Numbers are stored in
        16 bits, as `float16` where all of them fit, or (`exact`) as they were computed.

        Raises:
            InvalidCommandError: More tokens than the base model can read, or none.
            CorruptionError: `begun` is not of this base model.
        """

    def restored(self, kv_cache: KvCache) -> Any:
        """
        Return it as the library takes it (`past_key_values`), good for one use: that makes it grow.

        Raises:
            CorruptionError: Its tensors are not of this base model, or not of its tokens.
        """
