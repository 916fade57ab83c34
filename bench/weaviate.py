"""
Recall over 100,000 cubes in Weaviate: filter, verdicts of OPA, and the accepted read event.

Every cube is a real one: remembered through the ordinary way in, 500 commands
an append and a certification, indexed by the follower of the index. The load
and its parts are told. Labels, purposes and owners differ, so the scope's filter
leaves a part of them out. Vectors are of 384 numbers and random, so that what is
timed is the search, not the model: by words alone, and by meaning too.

`MEMOS_GOV_BENCH_CUBES` names another size. `MEMOS_GOV_BENCH_KEEP` names a folder:
the load stays there and in the engines, and the next run goes on from it.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

import memos_gov
from bench import engines, folders
from bench.complaints import complaints, queries
from bench.measure import Bench, Figure, at_most, seconds, spread, told
from bench.recall import K, people, plain_cube
from memos_gov.backends.embedding.akin import table
from memos_gov.bootstrap import opening
from memos_gov.domain.commands import RememberCube
from memos_gov.ports import Akin

CUBES = int(os.environ.get("MEMOS_GOV_BENCH_CUBES", "100000"))
KEEP = os.environ.get("MEMOS_GOV_BENCH_KEEP")
LIMIT_MS = 80.0
OWNERS = ("olga", "omar", "odile")
DIMS = 384
STEP = 2_000  # cubes of an owner between two notes of how far the load has come
_FILLED = "filled.json"


class RandomVectors:
    """An embedder without a model: a text's vector is random, and always the same."""

    name = "random"
    dims = DIMS

    def embed(self, texts: Sequence[str]) -> list[bytes]:
        """Return a vector by the digest of each text."""
        return [self._of(text) for text in texts]

    def _of(self, text: str) -> bytes:
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
        numbers = np.random.default_rng(seed).standard_normal(DIMS)
        return (numbers / np.linalg.norm(numbers)).astype("<f4").tobytes()

    def akin(self, stem: str) -> Sequence[Akin]:
        """Return the words that a query really brings with it."""
        return table().get(stem, ())


def measure(bench: Bench) -> Iterator[Figure]:
    """Yield the rates of the load, and p50 and p95 of a recall; none where an engine is away."""
    if not engines.answer("weaviate"):
        return
    total = bench.size(CUBES, 300)
    with _random_vectors(), _founded(bench, total) as gov:
        yield from _loaded(gov, total)
        named = f"recall {K} of {total:,} in Weaviate"
        yield from _recalling(bench, gov, f"{named}, by meaning")
        gov.rooms.reader._present_recall._embedder = None  # noqa: SLF001 (the same load, by words)
        yield from _recalling(bench, gov, f"{named}, by words")


def _founded(bench: Bench, total: int) -> AbstractContextManager[memos_gov.Service]:
    if KEEP and not bench.quick:
        return engines.kept(Path(KEEP), f"kept{total}")
    return engines.founded(bench.folder / "data")


@contextmanager
def _random_vectors() -> Iterator[None]:
    """Have services opened here keep random vectors."""
    plain = opening.embedder_of
    opening.embedder_of = lambda _: RandomVectors()  # type: ignore[assignment]
    try:
        yield
    finally:
        opening.embedder_of = plain


def _loaded(gov: memos_gov.Service, total: int) -> Iterator[Figure]:
    """Bring the load to its size, and tell how long that took; what was there is told of, too."""
    place = gov.rooms.settings.data / _FILLED
    filled: dict[str, int] = json.loads(place.read_text()) if place.exists() else {}
    if not filled:
        people(gov)
    there = sum(filled.values())
    certified, indexed, new = *_fill(gov, total, filled, place), total - there
    if there:
        yield told("cubes that were there from a run before", there, "cubes")
    if new:
        yield told(f"{new:,} cubes remembered and certified", new / certified, "cubes/s")
        yield told("the same, into the index", new / indexed, "cubes/s")
        yield told("the whole load", certified + indexed, "s")


def _fill(
    gov: memos_gov.Service, total: int, filled: dict[str, int], place: Path
) -> tuple[float, float]:
    """Remember what is not there yet; return the seconds of that, and of the index's following."""
    left = {name: _commands(number, total, filled) for number, name in enumerate(OWNERS)}
    certified = indexed = 0.0
    while some := {name: found for name, each in left.items() if (found := [*islice(each, STEP)])}:
        certified += seconds(partial(_remember, gov, some))
        indexed += seconds(gov.rooms.index_follower.catch_up)
        filled |= {name: filled.get(name, 0) + len(found) for name, found in some.items()}
        place.write_text(json.dumps(filled))
    return certified, indexed


def _commands(number: int, total: int, filled: dict[str, int]) -> Iterator[RememberCube]:
    """Yield what an owner has still to remember."""
    chance, texts = random.Random(number), complaints(total)
    made = (plain_cube(next(texts), n, chance) for n in range(number, total, len(OWNERS)))
    return islice(made, filled.get(OWNERS[number], 0), None)


def _remember(gov: memos_gov.Service, some: dict[str, list[RememberCube]]) -> None:
    """Let each owner remember in a thread of its own."""
    with ThreadPoolExecutor(len(some)) as pool:
        acting = [
            pool.submit(folders.fill, gov, gov.acting_as(name, purpose=folders.PURPOSE), commands)
            for name, commands in some.items()
        ]
        for each in acting:
            each.result()


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
