"""
A search: a scope as a filter, candidates from Weaviate, and their ranking by our own relevance.

Statistics are counted by Weaviate over the scope alone. A scope of fewer texts
than are ranked at most is ranked whole. In a larger one Weaviate's own BM25
chooses which cubes are ranked, by the query's own words: it counts over the
whole tenant, so that choice, and nothing else of the order, depends on cubes
out of scope. How rare an akin word is, is then told from those chosen.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from weaviate.classes.query import Filter, MetadataQuery, Metrics, Sort
from weaviate.collections import Collection

from memos_gov.backends.weaviate.objects import PAGE, VECTOR
from memos_gov.domain.verdicts import Scope, ScopeClause
from memos_gov.nearness import DIGITS, numbers_of
from memos_gov.ports import Candidate, Meaning
from memos_gov.relevance import Found, Hit, Term, ranked, scored

Cubes = Collection[Any, Any]
_TOTALS_MAX = 2_000
_NEAREST = 64  # cubes that are asked for at once
_CANDIDATE = ["cube", "terms", "words", "asks"]
_UNRANKED = ["cube", "words", "asks"]
_BESIDE_MAX = 100  # places in one question


class Totals:
    """
    What is counted over a scope, kept while the index stands where it stood.

    Every write moves the standing, so what is kept is what counting again would
    give. Nothing of one scope is used for another.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[object, ...], tuple[int, ...]] = {}

    def of(
        self, key: tuple[object, ...], counted: Callable[[], tuple[int, ...]]
    ) -> tuple[int, ...]:
        """Return what was counted under a key, counting where nothing was."""
        found = self._kept.get(key)
        if found is None:
            if len(self._kept) >= _TOTALS_MAX:
                self._kept = {}
            found = self._kept[key] = counted()
        return found


class Search(NamedTuple):
    """What is asked for: the stems of a query, of a tenant as it stands, within a scope, now."""

    tenant: str
    standing: str
    terms: tuple[Term, ...]
    scope: Scope
    now: int

    @property
    def own(self) -> list[str]:
        """The stems of the query itself."""
        return [term.stem for term in self.terms if term.weight == 1]

    @property
    def stems(self) -> list[str]:
        """Every stem, each once."""
        return [*dict.fromkeys(term.stem for term in self.terms)]


class Most(NamedTuple):
    """The texts of a scope that is ranked whole, and the cubes that are ranked of a larger one."""

    whole: int
    chosen: int


class Finding:
    """The cubes of a tenant within a scope that have a word of a query."""

    def __init__(self, cubes: Cubes, asked: Search, totals: Totals, most: Most) -> None:
        self._cubes, self._asked, self._totals = cubes, asked, totals
        within = inside(asked.scope)
        assert within is not None
        self._inside = within
        self._valid = within & valid(asked.now)
        self._texts, self._words = self._kept("", self._counted)
        self._small = self._texts < most.whole
        self._ranked_max = most.whole if self._small else most.chosen
        self.seen: set[str] = set()
        self.is_whole = True

    def ranked(self) -> Iterator[Candidate]:
        """Return the best cubes, ranked by statistics over the scope alone."""
        objects = self._candidates()
        stems = self._asked.stems
        texts = {
            str(each.properties["cube"]): (
                _counted_in(str(each.properties["terms"]), stems),
                int(each.properties["words"]),
            )
            for each in objects
        }
        asking = {each.properties["cube"] for each in objects if each.properties["asks"]}
        self.seen = {*texts}
        self.is_whole = len(texts) < self._ranked_max
        found: dict[str, Found] = {}
        for stem in stems:
            hits = [Hit(cube, of[stem], n) for cube, (of, n) in texts.items() if of[stem]]
            found[stem] = Found(self._having(stem, hits), hits)
        terms = self._asked.terms
        known = [found[term.stem] for term in terms]
        scores = scored(terms, known, *self._statistics([n for _, n in texts.values()]))
        for cube in ranked(scores):
            of, words = texts[cube]
            counts = tuple(of[term.stem] for term in terms)
            yield Candidate(cube, scores[cube], counts, words, cube in asking)

    def page(self, after: str) -> list[Candidate]:
        """Return the next matching cubes after an id, in order of id."""
        matching = self._valid & Filter.by_property("terms").contains_any(self._asked.own)
        later = matching & Filter.by_property("cube").greater_than(after)
        page = self._cubes.query.fetch_objects(
            filters=later, limit=PAGE, sort=Sort.by_property("cube"), return_properties=_UNRANKED
        )
        return [_unranked(each.properties) for each in page.objects]

    def _candidates(self) -> Sequence[Any]:
        return self._cubes.query.bm25(
            query=" ".join(self._asked.stems if self._small else self._asked.own),
            query_properties=["terms"],
            filters=self._valid,
            limit=self._ranked_max,
            return_properties=_CANDIDATE,
        ).objects

    def _having(self, stem: str, hits: Sequence[Hit]) -> int:
        """Return how many valid cubes in scope have a stem; many were counted a while ago."""
        if self._small:
            return len(hits)
        if stem not in self._asked.own:
            return round(len(hits) * self._texts / max(len(self.seen), 1))
        if self.is_whole:
            return len(hits)
        having = self._valid & Filter.by_property("terms").contains_any([stem])
        (cubes,) = self._kept(stem, lambda: (count(self._cubes, having),))
        return max(cubes, len(hits))

    def _statistics(self, lengths: Sequence[int]) -> tuple[int, int]:
        """Return texts and words in scope; never fewer than those just found."""
        return max(self._texts, len(lengths)), max(self._words, sum(lengths))

    def _kept(self, term: str, counted: Callable[[], tuple[int, ...]]) -> tuple[int, ...]:
        asked = self._asked
        return self._totals.of((asked.standing, asked.tenant, asked.scope, term), counted)

    def _counted(self) -> tuple[int, int]:
        found = self._cubes.aggregate.over_all(
            filters=self._inside,
            total_count=True,
            return_metrics=Metrics("words").integer(sum_=True),
        )
        words = getattr(found.properties["words"], "sum_", None) or 0
        return found.total_count or 0, int(words)


def _counted_in(text: str, terms: Sequence[str]) -> dict[str, int]:
    """Return how often each term stands in a text of stems."""
    words = text.split()
    return {term: words.count(term) for term in terms}


class Nearest:
    """The cubes of a tenant within a scope whose vectors are nearest to a query's."""

    def __init__(self, cubes: Cubes, meaning: Meaning, scope: Scope, now: int) -> None:
        within = inside(scope, findable=False)
        assert within is not None
        self._cubes = cubes
        self._meaning = meaning
        self._filter = within & valid(now) & _of_model(meaning)

    def page(self, offset: int) -> list[Candidate]:
        """Return the next of them after some, nearest first; ties on a page by id."""
        found = self._cubes.query.near_vector(
            near_vector=numbers_of(self._meaning.vector),
            target_vector=VECTOR,
            filters=self._filter,
            limit=_NEAREST,
            offset=offset,
            return_properties=_UNRANKED,
            return_metadata=MetadataQuery(distance=True),
        ).objects
        found.sort(key=lambda each: (-_cosine(each), each.properties["cube"]))
        return [_unranked(each.properties) for each in found]


def nearness(cubes: Cubes, ids: Sequence[uuid.UUID], meaning: Meaning) -> dict[str, float]:
    """Return the cosines of some objects by cube, of those that have a vector."""
    found = cubes.query.near_vector(
        near_vector=numbers_of(meaning.vector),
        target_vector=VECTOR,
        filters=Filter.by_id().contains_any(list(ids)) & _of_model(meaning),
        limit=len(ids),
        return_properties=["cube"],
        return_metadata=MetadataQuery(distance=True),
    )
    return {str(each.properties["cube"]): _cosine(each) for each in found.objects}


def _of_model(meaning: Meaning) -> Any:
    return Filter.by_property("model").equal(meaning.model)


def _cosine(found: Any) -> float:
    return -round(float(found.metadata.distance), DIGITS)


def beside(
    cubes: Cubes, places: Iterable[tuple[str, int]], scope: Scope, now: int
) -> Iterator[Candidate]:
    """Yield the cubes within a scope, valid now, that stand at some places, in no order."""
    within, left = inside(scope), iter(sorted(places))
    if within is None:
        return
    while some := list(islice(left, _BESIDE_MAX)):
        there = Filter.any_of(
            [
                Filter.by_property("conversation").equal(conversation)
                & Filter.by_property("place").equal(place)
                for conversation, place in some
            ]
        )
        offset, more = 0, True
        while more:
            objects = cubes.query.fetch_objects(
                filters=within & valid(now) & there,
                limit=PAGE,
                offset=offset,
                return_properties=_UNRANKED,
            ).objects
            yield from (_unranked(each.properties) for each in objects)
            offset, more = offset + PAGE, len(objects) == PAGE


def has_author(cubes: Cubes, author: str, scope: Scope) -> bool:
    """Whether somebody is the author of a cube within a scope."""
    within = inside(scope)
    if within is None:
        return False
    written = within & Filter.by_property("author").equal(author)
    return bool(cubes.query.fetch_objects(filters=written, limit=1, return_properties=[]).objects)


def _unranked(kept: Any) -> Candidate:
    return Candidate(str(kept["cube"]), 0.0, (), int(kept["words"]), bool(kept["asks"]))


def inside(scope: Scope, *, findable: bool = True) -> Any | None:
    """
    Return a scope as a filter; None where nothing can be within.

    Args:
        scope: Whose cubes.
        findable: Over what words find, alone.
    """
    findables = [True] if findable else [True, False]
    there = Filter.by_property("findable").contains_any(findables)
    clauses = [lists for clause in scope.any if (lists := _lists(clause)) is not None]
    if not clauses:
        return None
    if not all(clauses):  # a clause without lists holds everything
        return there
    wanted = [
        Filter.all_of([Filter.by_property(name).contains_any(some) for name, some in lists.items()])
        for lists in clauses
    ]
    return there & Filter.any_of(wanted)


def valid(now: int) -> Any:
    """Return what is valid at a moment as a filter."""
    begun = Filter.by_property("valid_from").less_or_equal(now)
    return begun & Filter.by_property("valid_to").greater_than(now)


def _lists(clause: ScopeClause) -> dict[str, list[str]] | None:
    """Return the lists of a clause by property; None where one is empty and holds nothing."""
    c = clause
    lists = {
        "label": c.labels,
        "purposes": c.purposes,
        "state": c.states,
        "owner": c.owners,
        "shared_with": c.shared_with,
        "region": c.regions,
    }
    given = {name: list(values) for name, values in lists.items() if values is not None}
    return given if all(given.values()) else None


def count(cubes: Cubes, wanted: Any | None) -> int:
    """Return how many objects pass a filter, or all of them without one."""
    return cubes.aggregate.over_all(filters=wanted, total_count=True).total_count or 0
