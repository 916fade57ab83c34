"""
The order of what a caller may see: words, author, neighbours, conversation, and meaning.

    own words      BM25 of the cube, by its maximum over the scope
    speaker        1 for cubes of the one author that the query names, 0 for others, else .5
    conversation   BM25 of all pooled cubes of the conversation, as one text
    neighbours     own words of the cube and of those one and two places away
    question       a question is seldom the answer
    meaning        with an embedder: the cosine of the cube's vector and the query's, and words of
                   the query count by those akin to them, too

Names of authors are no words of a query: they say whose cubes are meant. An
author counts as known where the scope has a cube of theirs.

A pool of allowed cubes is taken in order of their own words, another in order
of their nearness, and what stands beside them is added where it is allowed too;
all but the own words and nearness is counted over that pool alone, so a refused
cube neither lifts a neighbour nor moves the order. A vector is of one cube, and
so is its nearness. Weights were tuned on five of ten long conversations
(`bench/locomo.py`).
Deliberately not here: postings (`CubeIndex`), policy, and content.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice, pairwise
from typing import NamedTuple

from memos_gov.domain.questions import Cube
from memos_gov.domain.verdicts import Scope
from memos_gov.ports import Candidate, CubeIndex, Embedder, KeyStore, Meaning
from memos_gov.relevance import Term, stems, terms_of, worth

CANDIDATES_FIRST = 32
CANDIDATES_MAX = 512
POOL = 128
NEAR = (-2, -1, 1, 2)  # places that speak for a cube
NEAREST = 64  # cubes of a pool that are taken for their meaning
EPISODE_K1, EPISODE_B = 1.2, 0.75  # BM25 of whole conversations
_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
Weigh = Callable[[Sequence[str]], Mapping[str, Cube]]  # ids -> those that are allowed


class Weights(NamedTuple):
    """What each signal counts."""

    own: float
    speaker: float
    conversation: float
    beside: float
    question: float
    meaning: float


BY_WORDS = Weights(2.75, 1.0, 2.5, 3.25, -0.75, 0.0)
BY_MEANING = Weights(2.5, 0.75, 2.75, 2.0, -0.75, 6.0)


class Asked(NamedTuple):
    """A query without the names of authors, and the one author it names."""

    query: str
    author: str | None


class Pooled(NamedTuple):
    """An allowed cube and what its words say of the query."""

    candidate: Candidate
    cube: Cube
    near: float = 0.0

    @property
    def episode(self) -> str:
        """The conversation that the cube belongs to, or itself."""
        return self.cube.governance.conversation or self.cube.cube

    @property
    def place(self) -> tuple[str, int] | None:
        """Where the cube stands in its conversation."""
        facts = self.cube.governance
        if facts.conversation is None or facts.position is None:
            return None
        return facts.conversation, facts.position


class Ranking:
    """Ranks the cubes of one index that match a query, as far as they are allowed."""

    def __init__(
        self,
        index: CubeIndex,
        keys: KeyStore,
        tenant: str,
        scope: Scope,
        now: int,
        embedder: Embedder | None = None,
    ) -> None:
        self._index = index
        self._keys = keys
        self._tenant = tenant
        self._scope = scope
        self._now = now
        self._embedder = embedder

    def best(self, query: str, wanted: int, weigh: Weigh) -> list[str]:
        """Return at most `wanted` allowed cubes, best first."""
        asked, weigh = self._asked(query), _once(weigh)
        meaning = None if self._embedder is None else _meant(asked.query, self._embedder)
        akin = {} if meaning is None else meaning.akin
        place = (self._scope, self._now)
        by_words = self._index.search(self._tenant, asked.query, *place, akin)
        by_meaning: Iterator[Candidate] = iter(())
        if meaning is not None:
            by_meaning = self._index.nearest(self._tenant, meaning, *place)
        first, nearest = (
            [*islice(each, _ahead(CANDIDATES_FIRST))] for each in (by_words, by_meaning)
        )
        weigh([each.cube for each in (*first, *nearest)])  # one question about both
        full = max(wanted, CANDIDATES_FIRST) if asked.author is None else max(wanted, POOL)
        pool = _pool(chain(first, by_words), weigh, full, max(wanted, POOL))
        near = _pool(
            chain(nearest, by_meaning), weigh, max(wanted, CANDIDATES_FIRST), max(wanted, NEAREST)
        )
        pooled = {each.cube.cube for each in pool}
        pool += [each for each in near if each.cube.cube not in pooled]
        pool += self._beside(pool, weigh)
        if meaning is not None:
            known = self._index.nearness(self._tenant, [x.cube.cube for x in pool], meaning)
            pool = [each._replace(near=known.get(each.cube.cube, 0.0)) for each in pool]
        weights = BY_WORDS if meaning is None else BY_MEANING
        best = first[0].score if first else 1.0
        terms = terms_of(asked.query, akin)
        return _ordered(pool, terms, best, asked.author, weights)[:wanted]

    def _asked(self, query: str) -> Asked:
        words = [(w.start(), w.end(), w.group()) for w in _WORD.finditer(query)]
        pairs = [(start, end, f"{one} {two}") for (start, _, one), (_, end, two) in pairwise(words)]
        spans = [*pairs, *words]
        names = {form for _, _, name in spans for form in (name, name.title())}
        known = self._keys.refer(self._tenant, "author", names) if names else {}
        if not known:
            return Asked(query, None)
        there = self._index.authors(self._tenant, set(known.values()), self._scope)
        named: set[str] = set()
        kept = list(query)
        for start, end, name in spans:
            author = known.get(name) or known.get(name.title())
            if author in there and "\0" not in kept[start:end]:
                named.add(author)
                kept[start:end] = "\0" * (end - start)
        left = "".join(kept).replace("\0", " ")
        if not stems(left):  # nothing but names is asked for
            left = query
        return Asked(left, named.pop() if len(named) == 1 else None)

    def _beside(self, pool: Sequence[Pooled], weigh: Weigh) -> list[Pooled]:
        """Return the allowed cubes that stand near pooled ones and are not pooled themselves."""
        places = {each.place for each in pool}
        near = {(at[0], at[1] + step) for at in places if at is not None for step in NEAR}
        wanted = sorted(at for at in near - places if at[1] >= 0)
        if not wanted:
            return []
        pooled = {each.cube.cube for each in pool}
        found = self._index.beside(self._tenant, wanted, self._scope, self._now)
        beside = [each for each in found if each.cube not in pooled]
        allowed = weigh([each.cube for each in beside]) if beside else {}
        return [Pooled(each, allowed[each.cube]) for each in beside if each.cube in allowed]


def _ahead(wanted: int) -> int:
    """Return how many cubes to ask about, where that many should be allowed and some will not."""
    return wanted + wanted // 4


def _pool(candidates: Iterator[Candidate], weigh: Weigh, full: int, deepest: int) -> list[Pooled]:
    """
    Take allowed cubes in order until the pool is full.

    It becomes the deepest where order can change much: one of the first cubes
    belongs to a conversation. Only allowed cubes decide that.
    """
    pool: list[Pooled] = []
    shallow, least = full, CANDIDATES_FIRST // 2
    while len(pool) < full:
        # A little more than is missing, and ever more where most are refused.
        size = min(max(_ahead(full - len(pool)), least), CANDIDATES_MAX)
        if not (batch := list(islice(candidates, size))):
            break
        allowed = weigh([each.cube for each in batch])
        pool += [Pooled(each, allowed[each.cube]) for each in batch if each.cube in allowed]
        if any(each.cube.governance.conversation for each in pool[:shallow]):
            full = deepest
        least *= 2
    return pool[:full]


def _once(weigh: Weigh) -> Weigh:
    """Return what asks policy about each cube only once, however it came into the pool."""
    known: dict[str, Cube | None] = {}

    def weighed(ids: Sequence[str]) -> Mapping[str, Cube]:
        if unknown := [cube for cube in dict.fromkeys(ids) if cube not in known]:
            known.update({**dict.fromkeys(unknown), **weigh(unknown)})
        return {cube: found for cube in ids if (found := known[cube]) is not None}

    return weighed


def _meant(query: str, embedder: Embedder) -> Meaning:
    """Return what a query means by a model: its vector, and stems akin to its own."""
    (vector,) = embedder.embed([query])
    return Meaning(embedder.name, vector, {stem: embedder.akin(stem) for stem in stems(query)})


def _ordered(
    pool: Sequence[Pooled],
    terms: Sequence[Term],
    best: float,
    author: str | None,
    weights: Weights,
) -> list[str]:
    """Return the cubes of a pool, best first, ties by id."""
    own = {each.cube.cube: each.candidate.score / best for each in pool}
    beside = _shares(_neighbours(pool, own))
    episodes = _shares(_episodes(pool, terms))
    scores: dict[str, float] = {}
    for each in pool:
        cube = each.cube.cube
        said = 0.5 if author is None else float(each.cube.governance.author == author)
        scores[cube] = (
            weights.own * own[cube]
            + weights.speaker * said
            + weights.conversation * said * episodes.get(each.episode, 0.0)
            + weights.beside * beside[cube]
            + weights.question * each.candidate.asks
            + weights.meaning * each.near
        )
    return sorted(scores, key=lambda cube: (-scores[cube], cube))


def _neighbours(pool: Sequence[Pooled], own: Mapping[str, float]) -> dict[str, float]:
    """Return own words of each cube and of those near it, added up."""
    at: dict[tuple[str, int], float] = {}
    for each in pool:
        if each.place is not None:
            at[each.place] = max(at.get(each.place, 0.0), own[each.cube.cube])
    found = {}
    for each in pool:
        near = [(each.place[0], each.place[1] + step) for step in NEAR] if each.place else []
        found[each.cube.cube] = own[each.cube.cube] + sum(at.get(place, 0.0) for place in near)
    return found


def _episodes(pool: Iterable[Pooled], terms: Sequence[Term]) -> dict[str, float]:
    """Return BM25 of conversations, each the text of its pooled cubes."""
    words: Counter[str] = Counter()
    times = [Counter[str]() for _ in terms]
    for each in pool:
        words[each.episode] += each.candidate.words
        for having, count in zip(times, each.candidate.counts, strict=False):
            if count:
                having[each.episode] += count
    mean = words.total() / max(len(words), 1)
    best: defaultdict[int, dict[str, float]] = defaultdict(dict)
    worths = worth(terms, [len(having) for having in times], len(words))
    for term, value, having in zip(terms, worths, times, strict=True):
        of_word = best[term.word]
        for episode, count in having.items():
            norm = EPISODE_K1 * (1 - EPISODE_B + EPISODE_B * words[episode] / mean)
            of_word[episode] = max(of_word.get(episode, 0.0), value * count / (count + norm))
    scores: dict[str, float] = {}
    for of_word in best.values():
        for episode, score in of_word.items():
            scores[episode] = scores.get(episode, 0.0) + score
    return scores


def _shares(scores: Mapping[str, float]) -> dict[str, float]:
    """Return scores as parts of the highest."""
    highest = max(scores.values(), default=0.0)
    return {name: score / highest for name, score in scores.items()} if highest > 0 else {**scores}
