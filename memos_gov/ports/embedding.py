"""Meaning as numbers: what turns texts into vectors, and what a vector is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

BYTES_OF_A_NUMBER = 4


class Embedder(Protocol):
    """
    Texts into vectors, near each other where the texts are near in meaning.

    A vector is `dims` numbers of 32 bits, little endian, of length 1, so that
    the product of two is their cosine. A text has one vector, up to the last
    digits, whatever stands beside it. Only a text's beginning counts where it is long.
    """

    @property
    def name(self) -> str:
        """The model; vectors of two models are never compared, and equal names mean equal ones."""

    @property
    def dims(self) -> int:
        """How many numbers a vector has."""

    def embed(self, texts: Sequence[str]) -> list[bytes]:
        """
        Return the vector of each text, in order; the empty text has one too.

        Raises:
            SettingsError: What the model needs is not installed, or is not what it should be.
        """
