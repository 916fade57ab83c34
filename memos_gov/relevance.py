"""
Relevance of texts to a query: words to stems, and BM25 over statistics that are given.

Pure, and the same for every index: whoever keeps postings counts them over the
scope asked for and hands the counts in, so that all indexes order alike. A
word of the query counts by itself, or by the best of the words akin to it.
Deliberately not here: where postings lie, scopes, vectors, and the signals of
speaker and neighbours.
"""

from __future__ import annotations

import math
import re
import threading
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import heapify, heappop
from typing import NamedTuple

import Stemmer

from memos_gov.ports import Akin

K1, B = 0.9, 0.3  # BM25; tuned on turns of conversations
AKIN = 0.8  # what an akin word of cosine 1 counts beside the word itself
_POSSESSIVE = re.compile(r"['\u2019]s\b")
_WORD = re.compile(r"[^\W_]+")
_STOP_WORDS = frozenset(
    _WORD.findall(
        "a about above after again against all am an and any are as at be because been before "
        "being below between both but by can could did do does doing don down during each few for "
        "from further had has have having he her here hers herself him himself his how i if in "
        "into is it its itself just ll m me more most my myself no nor not now of off on once "
        "only or other our ours ourselves out over own re s same she should so some such t than "
        "that the their theirs them themselves then there these they this those through to too "
        "under until up ve very was we were what when where which while who whom why will with "
        "would you your yours yourself yourselves "
    )
)
_stemming = threading.local()  # a stemmer is for one thread at a time


class Term(NamedTuple):
    """
    A stem that is looked for: the one of a query's word, or one akin to it.

    `word` is the place of the query's stem among its stems.
    """

    stem: str
    word: int
    weight: float


class Hit(NamedTuple):
    """A cube that has a term: how often, and how many words it has in all."""

    cube: str
    times: int
    words: int


class Found(NamedTuple):
    """The cubes that have a term, or some of them, and how many in scope have it."""

    cubes: int
    hits: Iterable[Hit]


def stems(text: str) -> list[str]:
    """Return the stems of a text in order: no stop words, case, possessives or punctuation."""
    if not hasattr(_stemming, "english"):
        _stemming.english = Stemmer.Stemmer("english")
    plain = _POSSESSIVE.sub("", unicodedata.normalize("NFKC", text).lower())
    words = [word for word in _WORD.findall(plain) if word not in _STOP_WORDS]
    found: list[str] = _stemming.english.stemWords(words)
    return found


def terms_of(query: str, akin: Mapping[str, Sequence[Akin]] | None = None) -> list[Term]:
    """Return the stems of a query in order, and after them those akin to each."""
    words = sorted(set(stems(query)))
    own = [Term(stem, word, 1.0) for word, stem in enumerate(words)]
    other = [
        Term(each.stem, word, AKIN * each.cosine**2)
        for word, stem in enumerate(words)
        for each in (akin or {}).get(stem, ())
    ]
    return own + other


def rarity(texts: int, having: int) -> float:
    """Return how much it says that a text has a term: the fewer have it, the more."""
    return math.log(1 + (texts - having + 0.5) / (having + 0.5))


def worth(terms: Sequence[Term], having: Sequence[int], texts: int) -> list[float]:
    """Return what each term counts: an akin one no more than the word it stands for."""
    known = [rarity(texts, each) for each in having]
    return [term.weight * min(known[place], known[term.word]) for place, term in enumerate(terms)]


def scored(
    terms: Sequence[Term], found: Sequence[Found], texts: int, words: int
) -> dict[str, float]:
    """
    Return BM25 by cube.

    Args:
        terms: What is looked for.
        found: One for each term, in their order, since sums round by order.
        texts: How many texts the scope has.
        words: How many words they have together.
    """
    best: dict[int, dict[str, float]] = {}
    worths = worth(terms, [each.cubes for each in found], texts)
    for term, value, (_, hits) in zip(terms, worths, found, strict=True):
        of_word = best.setdefault(term.word, {})
        for cube, times, length in hits:
            norm = K1 * (1 - B + B * length * texts / words)
            score = value * times / (times + norm)
            if score > of_word.get(cube, 0.0):
                of_word[cube] = score
    scores: dict[str, float] = {}
    for of_word in best.values():
        for cube, score in of_word.items():
            scores[cube] = scores.get(cube, 0.0) + score
    return scores


def ranked(scores: Mapping[str, float]) -> Iterator[str]:
    """Yield cubes, best first, ties by id; whoever takes ten does not pay for sorting all."""
    ranking = [(-score, cube) for cube, score in scores.items()]
    heapify(ranking)
    while ranking:
        yield heappop(ranking)[1]
