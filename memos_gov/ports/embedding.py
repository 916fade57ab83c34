"""Meaning as numbers: what turns texts into vectors, and which words it holds for akin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

AKIN_MAX = 20
AKIN_COSINE_MIN = 0.5


class Akin(NamedTuple):
    """A stem that means something like another one, and the cosine of their vectors."""

    stem: str
    cosine: float


class Meaning(NamedTuple):
    """What a query means beyond its words: a model's vector of it, and stems akin to its own."""

    model: str
    vector: bytes
    akin: Mapping[str, Sequence[Akin]]


class Embedder(Protocol):
    """
    Texts into vectors, near each other where the texts are near in meaning.

    A vector is `dims` numbers of 32 bits, little endian, of length 1, so that
    the product of two is their cosine. A text has one vector, up to the last
    digits, whatever stands beside it. Only a text's beginning counts where it is long.
    """

    @property
    def name(self) -> str:
        """The model: vectors of two models are never compared."""

    @property
    def dims(self) -> int:
        """How many numbers a vector has."""

    def embed(self, texts: Sequence[str]) -> list[bytes]:
        """
        Return the vector of each text, in order; the empty text has one too.

        Raises:
            SettingsError: What the model needs is not installed, or is not what it should be.
        """

    def akin(self, stem: str) -> Sequence[Akin]:
        """
        Return the stems nearest in meaning, at most AKIN_MAX of cosine AKIN_COSINE_MIN or more.

        They are of a vocabulary that comes with the model, never of what is remembered:
        the same for every tenant, whatever they keep. A stem that is not in it has none.
        """
