"""Recall of the present: candidates of the index, verdicts in batches, and their ranking."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from memos_gov.attempt import Attempt
from memos_gov.domain import commands as c
from memos_gov.domain.questions import Cube
from memos_gov.domain.verdicts import Scope, Verdict
from memos_gov.ports import CubeIndex, Embedder, KeyStore
from memos_gov.ranking import Ranking


class Ranked(msgspec.Struct, frozen=True):
    """
    The best cubes, in order, with the verdicts that allow them.

    `candidates` are those that policy was asked about. `partial` says of a
    recall of the past that more cubes than PAST_CUBES_MAX were allowed, so that the
    oldest were not ranked; hidden ones do not count.
    """

    cubes: tuple[Cube, ...]
    verdicts: Mapping[str, Verdict]
    refused: Counter[str]
    candidates: tuple[str, ...]
    partial: bool = False


class PresentRecall:
    """Ranks cubes as they are; holds nothing between two calls."""

    def __init__(self, index: CubeIndex, keys: KeyStore, embedder: Embedder | None = None) -> None:
        self._index = index
        self._keys = keys
        self._embedder = embedder

    def rank(self, attempt: Attempt, command: c.RecallCubes, scope: Scope) -> Ranked:
        """Return the `command.k` cubes that fit best, as far as the caller may see them."""
        weighing = _Weighing(attempt, command)
        place = (self._index, self._keys, attempt.tenant, scope, attempt.now)
        ranking = Ranking(*place, self._embedder)
        best = ranking.best(command.query, command.k, weighing.allowed)
        return Ranked(
            cubes=tuple(weighing.cubes[cube] for cube in best),
            verdicts={cube: weighing.verdicts[cube] for cube in best},
            refused=weighing.refused,
            candidates=tuple(weighing.candidates),
        )


class _Weighing:
    """What policy said of the cubes it was asked about."""

    def __init__(self, attempt: Attempt, command: c.RecallCubes) -> None:
        self._attempt = attempt
        self._asked = attempt.asked(command.ACTION)
        self.cubes: dict[str, Cube] = {}
        self.verdicts: dict[str, Verdict] = {}
        self.refused: Counter[str] = Counter()
        self.candidates: list[str] = []

    def allowed(self, ids: Sequence[str]) -> dict[str, Cube]:
        """Ask about cubes, and return those that are allowed."""
        found = self._attempt.cubes(ids)
        verdicts = self._attempt.judged(self._asked, found.values())
        self.candidates += ids
        for cube, verdict in verdicts.items():
            if verdict.allows:
                self.cubes[cube], self.verdicts[cube] = found[cube], verdict
            else:
                self.refused.update(reason.code for reason in verdict.reasons)
        return {cube: found[cube] for cube in ids if cube in self.verdicts}
