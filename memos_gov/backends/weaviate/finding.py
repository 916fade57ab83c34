"""
A search: a scope as a filter, candidates from Weaviate, and their ranking by our own relevance.

Statistics are counted by Weaviate over the scope alone. Where more cubes match
than are ranked, its own BM25 chooses which: it counts over the whole tenant, so
that choice, and nothing else of the order, depends on cubes out of scope.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from weaviate.classes.query import Filter, Metrics, Sort
from weaviate.collections import Collection

from memos_gov.backends.weaviate.objects import PAGE
from memos_gov.domain.verdicts import Scope, ScopeClause
from memos_gov.ports import Candidate
from memos_gov.relevance import Found, Hit, ranked, scored

Cubes = Collection[Any, Any]
_TOTALS_MAX = 2_000
_CANDIDATE = ["cube", "terms", "words", "asks"]
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
    terms: tuple[str, ...]
    scope: Scope
    now: int


class Finding:
    """The cubes of a tenant within a scope that have a word of a query."""

    def __init__(self, cubes: Cubes, asked: Search, totals: Totals, ranked_max: int) -> None:
        self._cubes, self._asked, self._totals, self._ranked_max = cubes, asked, totals, ranked_max
        within = inside(asked.scope)
        assert within is not None
        self._inside = within
        self._valid = within & valid(asked.now)
        self.seen: set[str] = set()
        self.is_whole = True

    def ranked(self) -> Iterator[Candidate]:
        """Return the best cubes, ranked by statistics over the scope alone."""
        objects = self._candidates()
        texts = {
            str(each.properties["cube"]): (
                _counted_in(str(each.properties["terms"]), self._asked.terms),
                int(each.properties["words"]),
            )
            for each in objects
        }
        asking = {each.properties["cube"] for each in objects if each.properties["asks"]}
        self.seen = {*texts}
        self.is_whole = len(texts) < self._ranked_max
        found = []
        for term in self._asked.terms:
            hits = [Hit(cube, of[term], n) for cube, (of, n) in texts.items() if of[term]]
            found.append(Found(self._having(term, hits), hits))
        scores = scored(found, *self._statistics([n for _, n in texts.values()]))
        for cube in ranked(scores):
            of, words = texts[cube]
            counts = tuple(of[term] for term in self._asked.terms)
            yield Candidate(cube, scores[cube], counts, words, cube in asking)

    def page(self, after: str) -> list[Candidate]:
        """Return the next matching cubes after an id, in order of id."""
        matching = self._valid & Filter.by_property("terms").contains_any([*self._asked.terms])
        later = matching & Filter.by_property("cube").greater_than(after)
        page = self._cubes.query.fetch_objects(
            filters=later, limit=PAGE, sort=Sort.by_property("cube"), return_properties=_CANDIDATE
        )
        return [_unranked(each.properties) for each in page.objects]

    def _candidates(self) -> Sequence[Any]:
        return self._cubes.query.bm25(
            query=" ".join(self._asked.terms),
            query_properties=["terms"],
            filters=self._valid,
            limit=self._ranked_max,
            return_properties=_CANDIDATE,
        ).objects

    def _having(self, term: str, hits: Sequence[Hit]) -> int:
        """Return how many valid cubes in scope have a term; many were counted a while ago."""
        if self.is_whole:
            return len(hits)
        having = self._valid & Filter.by_property("terms").contains_any([term])
        (cubes,) = self._kept(term, lambda: (count(self._cubes, having),))
        return max(cubes, len(hits))

    def _statistics(self, lengths: Sequence[int]) -> tuple[int, int]:
        """Return texts and words in scope; never fewer than those just found."""
        texts, words = self._kept("", self._counted)
        return max(texts, len(lengths)), max(words, sum(lengths))

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
        offset = 0
        while objects := cubes.query.fetch_objects(
            filters=within & valid(now) & there,
            limit=PAGE,
            offset=offset,
            return_properties=_CANDIDATE,
        ).objects:
            yield from (_unranked(each.properties) for each in objects)
            offset += PAGE


def has_author(cubes: Cubes, author: str, scope: Scope) -> bool:
    """Whether somebody is the author of a cube within a scope."""
    within = inside(scope)
    if within is None:
        return False
    written = within & Filter.by_property("author").equal(author)
    return bool(cubes.query.fetch_objects(filters=written, limit=1, return_properties=[]).objects)


def _unranked(kept: Any) -> Candidate:
    return Candidate(str(kept["cube"]), 0.0, (), int(kept["words"]), bool(kept["asks"]))


def inside(scope: Scope) -> Any | None:
    """Return a scope as a filter over what can be found; None where nothing can be within."""
    findable = Filter.by_property("findable").equal(True)
    clauses = [lists for clause in scope.any if (lists := _lists(clause)) is not None]
    if not clauses:
        return None
    if not all(clauses):  # a clause without lists holds everything
        return findable
    wanted = [
        Filter.all_of([Filter.by_property(name).contains_any(some) for name, some in lists.items()])
        for lists in clauses
    ]
    return findable & Filter.any_of(wanted)


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
