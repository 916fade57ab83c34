"""
The order of what a caller may see: words, who said it, what stands beside it, its conversation.

    own words      BM25 of the cube, by its maximum over the scope
    speaker        1 for cubes of the one author that the query names, 0 for others, else .5
    conversation   BM25 of all pooled cubes of the conversation, as one text
    neighbours     own words of the cube and of those one and two places away
    question       a question is seldom the answer

Names of authors are no words of a query: they say whose cubes are meant. An
author counts as known where the scope has a cube of theirs.

A pool of allowed cubes is taken in order of their own words, and what stands
beside them is added where it is allowed too; all but the own words is counted
over that pool alone, so a refused cube neither lifts a neighbour nor moves
the order. Weights were tuned on five of ten long conversations (`bench/locomo.py`).
Deliberately not here: postings (`CubeIndex`), policy, and content.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice, pairwise
from typing import NamedTuple

from memos_gov.domain.questions import Cube
from memos_gov.domain.verdicts import Scope
from memos_gov.ports import Candidate, CubeIndex, KeyStore
from memos_gov.relevance import stems

CANDIDATES_FIRST = 32
CANDIDATES_MAX = 512
POOL = 128
NEAR = (-2, -1, 1, 2)  # places that speak for a cube
OWN, SPEAKER, CONVERSATION, BESIDE, QUESTION = 2.75, 1.0, 2.5, 3.25, -0.75
EPISODE_K1, EPISODE_B = 1.2, 0.75  # BM25 of whole conversations
_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
Weigh = Callable[[Sequence[str]], Mapping[str, Cube]]  # ids -> those that are allowed


class Asked(NamedTuple):
    """A query without the names of authors, and the one author it names."""

    query: str
    author: str | None


class Pooled(NamedTuple):
    """An allowed cube and what its words say of the query."""

    candidate: Candidate
    cube: Cube

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
        self, index: CubeIndex, keys: KeyStore, tenant: str, scope: Scope, now: int
    ) -> None:
        self._index = index
        self._keys = keys
        self._tenant = tenant
        self._scope = scope
        self._now = now

    def best(self, query: str, wanted: int, weigh: Weigh) -> list[str]:
        """Return at most `wanted` allowed cubes, best first."""
        asked = self._asked(query)
        candidates = self._index.search(self._tenant, asked.query, self._scope, self._now)
        first = next(candidates, None)
        if first is None:
            return []
        pool = _pool(_chained(first, candidates), weigh, wanted, deep=asked.author is not None)
        pool += self._beside(pool, weigh)
        return _ordered(pool, first.score, asked.author)[:wanted]

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


def _chained(first: Candidate, others: Iterator[Candidate]) -> Iterator[Candidate]:
    yield first
    yield from others


def _pool(
    candidates: Iterator[Candidate], weigh: Weigh, wanted: int, *, deep: bool
) -> list[Pooled]:
    """
    Take allowed cubes in order until the pool is full.

    It is deep where order can change much: an author is named, or one of
    the first cubes belongs to a conversation. Only allowed cubes decide that.
    """
    pool: list[Pooled] = []
    size, shallow = CANDIDATES_FIRST, max(wanted, CANDIDATES_FIRST)
    full = max(wanted, POOL) if deep else shallow
    while len(pool) < full and (batch := list(islice(candidates, size))):
        allowed = weigh([each.cube for each in batch])
        pool += [Pooled(each, allowed[each.cube]) for each in batch if each.cube in allowed]
        if any(each.cube.governance.conversation for each in pool[:shallow]):
            full = max(wanted, POOL)
        size = min(size * 2, CANDIDATES_MAX)
    return pool[:full]


def _ordered(pool: Sequence[Pooled], best: float, author: str | None) -> list[str]:
    """Return the cubes of a pool, best first, ties by id."""
    own = {each.cube.cube: each.candidate.score / best for each in pool}
    beside = _shares(_neighbours(pool, own))
    episodes = _shares(_episodes(pool))
    scores: dict[str, float] = {}
    for each in pool:
        cube = each.cube.cube
        said = 0.5 if author is None else float(each.cube.governance.author == author)
        scores[cube] = (
            OWN * own[cube]
            + SPEAKER * said
            + CONVERSATION * said * episodes.get(each.episode, 0.0)
            + BESIDE * beside[cube]
            + QUESTION * each.candidate.asks
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


def _episodes(pool: Iterable[Pooled]) -> dict[str, float]:
    """Return BM25 of conversations, each the text of its pooled cubes."""
    words: Counter[str] = Counter()
    times: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for each in pool:
        words[each.episode] += each.candidate.words
        for term, count in enumerate(each.candidate.counts):
            if count:
                times[term][each.episode] += count
    mean = words.total() / max(len(words), 1)
    scores: dict[str, float] = {}
    for term in sorted(times):
        having = times[term]
        idf = math.log(1 + (len(words) - len(having) + 0.5) / (len(having) + 0.5))
        for episode, count in having.items():
            norm = EPISODE_K1 * (1 - EPISODE_B + EPISODE_B * words[episode] / mean)
            scores[episode] = scores.get(episode, 0.0) + idf * count / (count + norm)
    return scores


def _shares(scores: Mapping[str, float]) -> dict[str, float]:
    """Return scores as parts of the highest."""
    highest = max(scores.values(), default=0.0)
    return {name: score / highest for name, score in scores.items()} if highest > 0 else {**scores}
