"""The simulator itself: everything befalls somebody, and each kind of sabotage is found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.simulation import histories, oracle, processes, world

SEEDS = 150
BEFALLS = (
    "answer lost",
    "arrived late",
    "effect repeated",
    "hostile abduct",
    "hostile flip",
    "hostile garbage",
    "hostile repeat",
    "hostile unjudged",
    "killed",
    "log cut",
    "lost end noticed",
    "older vault",
    "outcome accepted",
    "outcome forged",
    "outcome incomplete",
    "outcome late",
    "outcome refused",
    "outcome stale",
    "read struck",
    "request lost",
    "stale facts",
    "stored twice",
    "zombie fenced",
)


def test_histories_keep_every_promise_and_everything_befalls_somebody() -> None:
    """What never happens proves nothing."""
    happened: Counter[str] = Counter()
    for seed in range(SEEDS):
        happened += histories.run(seed)

    assert [] == [what for what in BEFALLS if not happened[what]]


def test_history_of_a_seed_is_the_same_again() -> None:
    """A failure can be looked at as often as it takes."""
    assert histories.run(11) == histories.run(11)


def _unfenced(self: world.Tables, before: Any, known: Any, rows: Any, after: Any) -> bool:
    outcomes = {**before.outcomes, **rows.by_offset}
    made = world.Committed(known, after, outcomes, before.repeats, (*self.state.rows, rows))
    self.states.append(made)
    return True


def _opens_all(world_: world.World, order: Any, outcome: Any, state: Any) -> None:
    seen = state.known.trees[order.tenant].size - 1
    for cube in order.cubes if order.kind == "read" else ():
        world_.returned.append(world.Returned(order.tenant, cube, outcome.index, seen))


SABOTAGES: dict[str, tuple[object, str, Callable[..., Any]]] = {
    "two certifiers without a fence": (world.Tables, "commit", _unfenced),
    "a reader that returns what was struck": (processes, "_open", _opens_all),
    "keys that are not destroyed": (world.Ending, "destroy", lambda *_: None),
    "an end of the log that nobody misses": (
        processes,
        "read_after",
        lambda log, _, checkpoint: log.records[checkpoint.next_offset :],
    ),
    "versions that nobody compares": (
        __import__("memos_gov.certify", fromlist=["x"]),
        "_check_reliance",
        lambda *_: {},
    ),
    "refusals that are not told apart": (processes, "_verdict", lambda *_: None),
}


@pytest.mark.parametrize("sabotage", sorted(SABOTAGES))
def test_sabotage_is_found(sabotage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each breaks a promise within a few dozen histories."""
    monkeypatch.setattr(*SABOTAGES[sabotage])

    with pytest.raises(oracle.BrokenPromiseError, match="promise"):
        Counter(what for seed in range(SEEDS) for what in histories.run(seed))
