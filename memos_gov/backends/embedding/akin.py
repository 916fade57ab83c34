"""
Which stems mean something alike, by all-MiniLM-L6-v2: a table that comes with the package.

The words are those of the model's own vocabulary, so the table says nothing of
what anybody remembers, and is the same everywhere. It was made once, by
`scripts/akin.py`, which also checks it; a line is a stem, and stems akin to it
with the cosine in hundredths.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib import resources

from memos_gov.ports import Akin
from memos_gov.ports.embedding import AKIN_COSINE_MIN, AKIN_MAX
from memos_gov.relevance import stems

FILE = "akin.txt.gz"
_HUNDREDTHS = 100
_WORD_LENGTH_MIN = 3
_ROWS = 512  # of a product at once


class Table(Mapping[str, Sequence[Akin]]):
    """The table as text, of which a line is read when it is asked for."""

    def __init__(self, text: str) -> None:
        self._lines = dict(line.split(" ", 1) for line in text.splitlines())

    def __getitem__(self, stem: str) -> Sequence[Akin]:
        pairs = (pair.rsplit(":", 1) for pair in self._lines[stem].split(" "))
        return tuple(Akin(name, int(number) / _HUNDREDTHS) for name, number in pairs)

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)


@cache
def table() -> Table:
    """Return the packaged table, read once."""
    packed = resources.files(__package__).joinpath(FILE).read_bytes()
    return Table(gzip.decompress(packed).decode())


def made(vocabulary: Iterable[str], embed: Callable[[Sequence[str]], list[bytes]]) -> str:
    """Make the table of a vocabulary: each stem stands for its first word."""
    import numpy as np

    words: dict[str, str] = {}
    for word in vocabulary:
        known = stems(word) if word.isascii() and word.isalpha() else []
        if len(known) == 1 and len(word) >= _WORD_LENGTH_MIN:
            words.setdefault(known[0], word)
    names = [*words]
    vectors = np.frombuffer(b"".join(embed([*words.values()])), "<f4").reshape(len(names), -1)
    lines = []
    for start in range(0, len(names), _ROWS):
        cosines = np.rint(vectors[start : start + _ROWS] @ vectors.T * _HUNDREDTHS)
        for row, name in zip(cosines, names[start : start + _ROWS], strict=True):
            order = np.argsort(-row, kind="stable")[: AKIN_MAX + 1].tolist()
            akin = [
                n for n in order if names[n] != name and row[n] >= AKIN_COSINE_MIN * _HUNDREDTHS
            ]
            if akin:
                pairs = (f"{names[n]}:{int(row[n])}" for n in akin[:AKIN_MAX])
                lines.append(f"{name} {' '.join(pairs)}")
    return "\n".join(sorted(lines)) + "\n"
