"""The base model: what it is, and its being on this machine at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from memos_gov.domain.fingerprint import Fingerprint

Progress = Callable[[str, int, int], None]


class BaseModelFiles(msgspec.Struct, frozen=True, kw_only=True):
    """Where the base model's files lie; `made` where they were not there, or not whole, before."""

    folder: Path
    made: bool


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
