"""
Descendants: the cubes that were made of one, transitively, as far as they can still be narrowed.

A cube that is erased or restricted is past narrowing, and so is everything
made of it: a record that ends or restricts a cube ends or restricts its
descendants (`rules`), and nothing is made of it afterwards. So no walk goes
beyond one, and a lineage that is too large for one record is ended from its
leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeGuard

from memos_gov.domain.facts import Facts, GovernanceFacts

SOURCES_MAX = 200
INHERITED_SUBJECTS_MAX = 200
DESCENDANTS_MAX = 200
ENDED = frozenset({"erased", "expired"})


def is_live(facts: Facts | None) -> TypeGuard[GovernanceFacts]:
    """Whether a cube can still be narrowed: it is there, not erased and not restricted."""
    return isinstance(facts, GovernanceFacts) and facts.state != "erased" and not facts.restricted


def is_usable(facts: Facts | None) -> TypeGuard[GovernanceFacts]:
    """Whether something may be made of a cube: it is live and has not expired."""
    return is_live(facts) and facts.state not in ENDED


def walk(
    root: str, step: Callable[[Sequence[str]], Iterable[str]], most: int | None = None
) -> tuple[str, ...]:
    """
    Return everything reached from `root`, nearest first, without `root` itself.

    Args:
        step: Returns what is one step from any of several.
        most: Go no further once more than this many were found.
    """
    found, frontier = {root: None}, [root]
    while frontier and (most is None or len(found) - 1 <= most):
        frontier = [cube for cube in dict.fromkeys(step(frontier)) if cube not in found]
        found.update(dict.fromkeys(frontier))
    return tuple(found)[1:]
