"""
What every Embedder promises, proved against any backend.

A subclass gives the fixtures `embedder` and `broken` (one whose model is not there).
"""

import struct
from threading import Thread

import pytest

from memos_gov.errors import SettingsError
from memos_gov.ports import Embedder

TEXTS = ("a kestrel on the roof", "", "what did Anna say about her car?", "\ud800", "x" * 100_000)


def cosine(one: bytes, other: bytes) -> float:
    """Return the product of two vectors."""
    return sum(a * b for a, b in zip(numbers(one), numbers(other), strict=True))


def numbers(vector: bytes) -> tuple[float, ...]:
    """Return what a vector is made of."""
    return struct.unpack(f"<{len(vector) // 4}f", vector)


class EmbedderContract:
    """The rules of the port `Embedder`, as tests."""

    def test_vectors_have_the_dimensions_told_and_length_one(self, embedder: Embedder) -> None:
        """Of every text: none, one that is no text, one that is far too long."""
        vectors = embedder.embed(TEXTS)

        assert [embedder.dims * 4] * len(TEXTS) == [len(vector) for vector in vectors]
        assert [1.0] * len(TEXTS) == [pytest.approx(cosine(v, v), abs=1e-5) for v in vectors]

    def test_vector_of_a_text_does_not_depend_on_its_neighbours(self, embedder: Embedder) -> None:
        """Alone or among others, early or late: the same up to the last digits."""
        together = embedder.embed(TEXTS[::-1])[::-1]

        for text, vector in zip(TEXTS, together, strict=True):
            (alone,) = embedder.embed([text])
            assert cosine(alone, vector) > 1 - 1e-5

    def test_no_text_has_no_vector(self, embedder: Embedder) -> None:
        """Nothing in, nothing out."""
        assert [] == embedder.embed([])

    def test_texts_of_one_meaning_are_nearer_than_others(self, embedder: Embedder) -> None:
        """Without a word in common."""
        car, auto, cake = embedder.embed(
            ["She bought a new car", "Anna purchased an automobile", "We baked a cake of apples"]
        )

        assert cosine(car, auto) > cosine(car, cake) + 0.2

    def test_threads_may_embed_at_once(self, embedder: Embedder) -> None:
        """Each gets the vectors of its own texts."""
        (expected,) = embedder.embed(["a kestrel"])
        found: list[bytes] = []
        threads = [
            Thread(target=lambda: found.extend(embedder.embed(["a kestrel"]))) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert 4 == len(found)
        assert all(cosine(expected, each) > 1 - 1e-5 for each in found)

    def test_model_that_is_not_there_is_a_setting_to_mend(self, broken: Embedder) -> None:
        """The setting is named, and what to do."""
        with pytest.raises(SettingsError, match="setting embedder") as caught:
            broken.embed(["x"])

        assert caught.value.remedy
