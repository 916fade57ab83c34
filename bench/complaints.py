"""
Generated complaints: the same ones at every run, with words as uneven as in real text.

A few dozen words of the trade come in nearly every complaint; some thousand
made-up ones come ever more rarely (Zipf), as names and places do.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

_TRADE = """
    the my was and to a of in account card bank charge payment credit report loan mortgage debt
    fee balance dispute refund transfer fraud statement interest late called told letter branch
    customer service company number received closed twice never still again after before because
    money month days error wrong identity score inquiry collection agency escrow deposit check
"""
_SYLLABLES = "ba ko ri tel mun sar vi do len pra qui fos ga hul ne zor wit cam jol thi"
_RARE_WORDS = 4000


def _vocabulary() -> tuple[list[str], list[float]]:
    chance = random.Random(11)
    syllables = _SYLLABLES.split()
    made = ("".join(chance.choices(syllables, k=3)) for _ in range(_RARE_WORDS))
    words = [*_TRADE.split(), *dict.fromkeys(made)]
    return words, [1 / (rank + 3) for rank in range(len(words))]


_WORDS, _WEIGHTS = _vocabulary()


def complaints(count: int, *, words: int = 60, seed: int = 1) -> Iterator[str]:
    """Yield `count` complaints of about `words` words."""
    chance = random.Random(seed)
    for _ in range(count):
        length = chance.randint(words * 2 // 3, words * 4 // 3)
        yield " ".join(chance.choices(_WORDS, _WEIGHTS, k=length)).capitalize() + "."


def queries(count: int, *, seed: int = 2) -> Iterator[str]:
    """Yield questions of three to five words of the same vocabulary, none of them a filler."""
    chance = random.Random(seed)
    fillers = 10
    telling, weights = _WORDS[fillers:], _WEIGHTS[fillers:]
    for _ in range(count):
        yield " ".join(chance.choices(telling, weights, k=chance.randint(3, 5)))
