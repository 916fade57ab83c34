"""
A search: a scope as a filter, candidates from Weaviate, and their ranking by our own relevance.

Statistics are counted by Weaviate over the scope alone. Where more cubes match
than are ranked, its own BM25 chooses which: it counts over the whole tenant, so
that choice, and nothing else of the order, depends on cubes out of scope.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from weaviate.classes.query import Filter, Metrics, Sort
from weaviate.collections import Collection

from memos_gov.backends.weaviate.objects import PAGE
from memos_gov.domain.verdicts import Scope, ScopeClause
from memos_gov.relevance import Found, Hit, ranked, scored

Cubes = Collection[Any, Any]
_CANDIDATE = ["cube", "terms", "words"]


class Finding:
    """The cubes of a tenant within a scope that have a word of a query."""

    def __init__(self, cubes: Cubes, inside: Any, terms: Sequence[str], ranked_max: int) -> None:
        self._cubes, self._inside, self._terms, self._ranked_max = cubes, inside, terms, ranked_max
        self._matching = inside & Filter.by_property("terms").contains_any(terms)
        self.seen: set[str] = set()
        self.is_whole = True

    def ranked(self) -> Iterator[str]:
        """Return the best cubes, ranked by statistics over the scope alone."""
        self.is_whole = count(self._cubes, self._matching) <= self._ranked_max
        texts = {
            str(each.properties["cube"]): (
                Counter(str(each.properties["terms"]).split()),
                int(each.properties["words"]),
            )
            for each in self._candidates()
        }
        self.seen = {*texts}
        found = []
        for term in self._terms:
            hits = [Hit(cube, of[term], n) for cube, (of, n) in texts.items() if of[term]]
            found.append(Found(self._having(term, hits), hits))
        return ranked(scored(found, *self._statistics([n for _, n in texts.values()])))

    def page(self, after: str) -> list[str]:
        """Return the next matching cubes after an id, in order of id."""
        later = self._matching & Filter.by_property("cube").greater_than(after)
        page = self._cubes.query.fetch_objects(
            filters=later, limit=PAGE, sort=Sort.by_property("cube"), return_properties=["cube"]
        )
        return [str(each.properties["cube"]) for each in page.objects]

    def _candidates(self) -> Sequence[Any]:
        query = self._cubes.query
        if self.is_whole:
            return query.fetch_objects(
                filters=self._matching, limit=self._ranked_max, return_properties=_CANDIDATE
            ).objects
        return query.bm25(
            query=" ".join(self._terms),
            query_properties=["terms"],
            filters=self._inside,
            limit=self._ranked_max,
            return_properties=_CANDIDATE,
        ).objects

    def _having(self, term: str, hits: Sequence[Hit]) -> int:
        """Return how many cubes in scope have a term."""
        if self.is_whole:
            return len(hits)
        having = self._inside & Filter.by_property("terms").contains_any([term])
        return max(count(self._cubes, having), len(hits))

    def _statistics(self, lengths: Sequence[int]) -> tuple[int, int]:
        """Return texts and words in scope; never fewer than those just found."""
        totals = self._cubes.aggregate.over_all(
            filters=self._inside,
            total_count=True,
            return_metrics=Metrics("words").integer(sum_=True),
        )
        words = getattr(totals.properties["words"], "sum_", None) or 0
        return max(totals.total_count or 0, len(lengths)), max(int(words), sum(lengths))


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
