"""
Recall over 100,000 cubes in Weaviate: filter, verdicts of OPA, and the accepted read event.

Every cube is a real one: remembered through the ordinary way in, 500 commands
an append and a certification, indexed by the follower of the index. The load
and its parts are told. Labels, purposes and owners differ, so the scope's filter
leaves a part of them out. The index keeps words, no vectors, so none are
searched. `MEMOS_GOV_BENCH_CUBES` names another size.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import memos_gov
from bench import engines, folders
from bench.complaints import complaints, queries
from bench.measure import Bench, Figure, at_most, seconds, spread, told
from bench.recall import K, people, plain_cube

CUBES = int(os.environ.get("MEMOS_GOV_BENCH_CUBES", "100000"))
LIMIT_MS = 80.0
OWNERS = ("olga", "omar", "odile")


def measure(bench: Bench) -> Iterator[Figure]:
    """Yield the rates of the load, and p50 and p95 of a recall; none where an engine is away."""
    if not engines.answer("weaviate"):
        return
    total = bench.size(CUBES, 300)
    with engines.founded(bench.folder / "data") as gov:
        people(gov)
        certified = seconds(lambda: _fill(gov, total))
        indexed = seconds(gov.rooms.index_follower.catch_up)
        yield told(f"{total:,} cubes remembered and certified", total / certified, "cubes/s")
        yield told("the same, into the index", total / indexed, "cubes/s")
        yield told("the whole load", certified + indexed, "s")
        yield from _recalling(bench, gov, f"recall {K} of {total:,} in Weaviate")


def _fill(gov: memos_gov.Service, total: int) -> None:
    chance, texts = random.Random(5), complaints(total)
    for place, name in enumerate(OWNERS):
        actor = gov.acting_as(name, purpose=folders.PURPOSE)
        mine = range(place, total, len(OWNERS))
        folders.fill(gov, actor, (plain_cube(next(texts), n, chance) for n in mine))


def _recalling(bench: Bench, gov: memos_gov.Service, named: str) -> Iterator[Figure]:
    ann, times = gov.acting_as("ann", purpose=folders.PURPOSE), bench.size(200, 5)
    asked, found = queries(times + 10), 0

    def recall() -> None:
        nonlocal found
        found += len(ann.recall(next(asked), k=K).hits)

    taken = spread(recall, times, warm_up=10)
    assert found, "no recall found anything"
    yield at_most(f"{named}, p50", taken.median * 1000, "ms", LIMIT_MS)
    yield told(f"{named}, p95", taken.p95 * 1000, "ms")
