"""
Recall as of a moment of the past, when the index was another one.

The index knows only the present, so what the caller may see is ranked anew:
every cube within today's scope that could be recalled then, and that policy
lets be found by its words today, newest first, at most PAST_CUBES_MAX of those
that the caller may see. Their content of then is opened, masked
as it would be returned, and put into an index in memory that is dropped
before anything is answered. This opens content before the read is accepted,
for ranking alone and only under an allowing verdict; it leaves this module as
an order of ids.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from itertools import count, islice

from msgspec.structs import replace

from memos_gov.attempt import Attempt
from memos_gov.domain import commands as c
from memos_gov.domain import detectors
from memos_gov.domain.questions import Cube
from memos_gov.domain.verdicts import Scope, ScopeClause, Verdict
from memos_gov.errors import NotFoundError
from memos_gov.governor import Governor
from memos_gov.materializers.plan import index_entry, is_indexed
from memos_gov.past import Past
from memos_gov.ports import CubeIndex, IndexEntry
from memos_gov.present_recall import Ranked
from memos_gov.queries import CubeFinder
from memos_gov.ranking import Ranking

Scratch = Callable[[], AbstractContextManager[CubeIndex]]
PAST_CUBES_MAX = 2_000
BATCH = 256
_PIECE = 64
_ALL = Scope(any=(ScopeClause(),))


class PastRecall:
    """Ranks cubes of the past; holds nothing between two calls."""

    def __init__(self, governor: Governor, finder: CubeFinder, scratch: Scratch) -> None:
        self._governor = governor
        self._finder = finder
        self._scratch = scratch

    def rank(self, attempt: Attempt, command: c.RecallCubes, scope: Scope, past: Past) -> Ranked:
        """Return the `command.k` cubes of then that fit best, as far as the caller may see them."""
        candidates: list[str] = []
        refused: Counter[str] = Counter()
        allowed: dict[str, tuple[Cube, Verdict]] = {}
        partial = False
        for cube, verdict in self._weighed(attempt, scope, past, candidates):
            if not verdict.allows:
                refused.update(r.code for r in verdict.reasons)
            elif len(allowed) == PAST_CUBES_MAX:
                partial = True
                break
            else:
                allowed[cube.cube] = (cube, verdict)
        best = self._best(attempt, command, allowed)
        return Ranked(
            cubes=tuple(allowed[cube][0] for cube in best),
            verdicts={cube: allowed[cube][1] for cube in best},
            refused=refused,
            candidates=tuple(candidates),
            partial=partial,
        )

    def _weighed(
        self, attempt: Attempt, scope: Scope, past: Past, candidates: list[str]
    ) -> Iterator[tuple[Cube, Verdict]]:
        """Yield each cube that could be recalled then, newest first, with the verdict of today."""
        found = self._finder.find(c.make(c.ListCubes), attempt.tenant, scope)
        asked = attempt.asked(c.RecallCubes.ACTION)
        while batch := list(islice(found, BATCH)):
            shown = [cube for cube in past.cubes(batch).values() if _was_findable(cube, past)]
            today = attempt.cubes(cube.cube for cube in shown)
            there = [cube for cube in shown if _may_be_ranked(today.get(cube.cube))]
            verdicts = attempt.judged(asked, [past.as_judged(today[x.cube], x) for x in there])
            for cube in there:
                candidates.append(cube.cube)
                yield cube, verdicts[cube.cube]

    def _best(
        self,
        attempt: Attempt,
        command: c.RecallCubes,
        allowed: Mapping[str, tuple[Cube, Verdict]],
    ) -> list[str]:
        entries, place = self._entries(attempt, allowed), count()
        with self._scratch() as index:
            while piece := list(islice(entries, _PIECE)):
                index.apply(next(place), piece)
            ranking = Ranking(index, self._governor.keys, attempt.tenant, _ALL, attempt.now)
            return ranking.best(
                command.query, command.k, lambda ids: {cube: allowed[cube][0] for cube in ids}
            )

    def _entries(
        self, attempt: Attempt, allowed: Mapping[str, tuple[Cube, Verdict]]
    ) -> Iterator[IndexEntry]:
        """Yield what the caller would read of each cube; one whose key is gone has no words."""
        for cube, verdict in allowed.values():
            try:
                payload = self._governor.read_content(attempt.snapshot, attempt.tenant, cube)
            except NotFoundError:
                continue
            text, _ = detectors.mask(payload.content, verdict.masks)
            entry = index_entry(attempt.tenant, cube.cube, cube.content, cube.governance, text)
            yield replace(entry, valid_from=0, valid_to=None)  # all of them were valid then


def _may_be_ranked(today: Cube | None) -> bool:
    """Whether the words of a cube may be looked for today."""
    return today is not None and is_indexed(today.content, today.governance)


def _was_findable(cube: Cube, past: Past) -> bool:
    """Whether a recall at that moment could have found the cube, and it was valid."""
    return is_indexed(cube.content, cube.governance) and cube.content.holds_at(past.then.moment)
