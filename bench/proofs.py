"""
Proofs: one out of ten million leaves, and what signed heads cost beside certification.

- Inclusion: tiles of a tree whose leaves are all alike, so that every full tile
  of a level is the same and the tree costs nothing to make. The files that the
  proofs of some records need lie on the disk, as ours do; each proof reads them
  anew, and each is verified once.
- Head: outcomes looked up, tiles and bundles grown and written, the head signed,
  its record appended, certified and published, for about a thousand records.
- Share: what heads and tiles add to certification. Records that were prepared are
  appended (not counted); they are certified 500 at a time, and the notary is asked
  after each batch, as it is after every command; after FLOOD_RECORDS a head is
  signed over them, tiles, bundles, record and files included. One such round
  gives one ratio, time of the notary / time of certification right before it, so
  that whatever slows the machine for a while slows both; the median of the rounds
  is judged, by the clock on the wall. That a head waits for one fsync, and
  certification for none, is in it.
  While records come as fast as they are certified, the notary pauses for PAUSE_S
  between heads. So a head falls on FLOOD_RECORDS where certification is as slow
  as its own floor allows, and on more where it is quicker. That is also told in
  processor time, and for a head every CHECKPOINT_RECORDS, which is how often one
  is signed while a thousand records come a second.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import memos_gov
from bench import folders
from bench.complaints import complaints
from bench.measure import Bench, Figure, Spread, at_most, seconds, spread, told
from memos_gov import notary
from memos_gov.backends.tiles import FileTileStore
from memos_gov.domain.history import Outcome
from memos_gov.follow import BATCH_RECORDS_MAX
from memos_gov.transparency.leaf import LEAF_BYTES
from memos_gov.transparency.merkle import leaf_hash, node_hash
from memos_gov.transparency.proofs import verify_inclusion
from memos_gov.transparency.tiles import (
    TILE_HEIGHT,
    TILE_WIDTH,
    TileTree,
    encode_entries,
    width_at,
)

LEAVES = 10_000_000
TENANT = "default"
ENTRY = b"e" * LEAF_BYTES
SIGNED_AT_A_TIME = 990
CERTIFIED_A_SECOND = 5_000
FLOOD_RECORDS = round(CERTIFIED_A_SECOND * notary.PAUSE_S)


def measure(bench: Bench) -> Iterator[Figure]:
    """Yield every figure of proofs."""
    yield from inclusion(bench)
    yield from one_head(bench)
    yield from share(bench)


class Alike:
    """The tiles of a tree of leaves that are all alike, without the tree."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.asked: set[str] = set()
        self._hashes = [leaf_hash(ENTRY)]
        while len(self._hashes) <= TILE_HEIGHT * 8:
            self._hashes.append(node_hash(self._hashes[-1], self._hashes[-1]))

    def read(self, path: str) -> bytes | None:
        """Return the tile at a path, and remember that it was asked for."""
        self.asked.add(path)
        _, kind, *place = path.split("/")
        number, width = _number(place)
        if kind == "entries":
            return encode_entries([ENTRY] * width)
        assert width == width_at(self.size, int(kind), number)
        return self._hashes[TILE_HEIGHT * int(kind)] * width


def _number(place: list[str]) -> tuple[int, int]:
    """Return the index and width that the rest of a path encodes."""
    partial_width = int(place.pop()) if place[-1].isdigit() and ".p" in place[-2:][0] else 0
    digits = "".join(part.removeprefix("x").removesuffix(".p") for part in place)
    return int(digits), partial_width or TILE_WIDTH


def inclusion(bench: Bench) -> Iterator[Figure]:
    """Yield how long an inclusion proof takes."""
    size, count = bench.size(LEAVES, 100_000), bench.size(400, 5)
    chance, alike = random.Random(7), Alike(size)
    indexes = [chance.randrange(size) for _ in range(count)]
    store = FileTileStore(bench.folder / "tiles")
    root = TileTree(size, alike.read).root()
    for index in indexes:
        tree = TileTree(size, alike.read)
        verify_inclusion(
            leaf_hash(ENTRY), index=index, size=size, proof=tree.inclusion(index), root=root
        )
        tree.entry(index)
    store.write(TENANT, ((path, alike.read(path) or b"") for path in sorted(alike.asked)))
    turns = iter(indexes * 2)

    def prove() -> None:
        index = next(turns)
        tree = TileTree(size, partial(store.read, TENANT))
        assert tree.entry(index) == ENTRY
        tree.inclusion(index)

    taken = spread(prove, count, warm_up=3)
    yield at_most(f"inclusion proof of {size:,} leaves, p50", taken.median * 1000, "ms", 1.0)
    yield told(f"inclusion proof of {size:,} leaves, p95", taken.p95 * 1000, "ms")


@dataclass(frozen=True, slots=True)
class Took:
    """How long something took, by the clock on the wall and in processor time, in seconds."""

    wall: float = 0.0
    cpu: float = 0.0

    def __add__(self, other: Took) -> Took:
        return Took(self.wall + other.wall, self.cpu + other.cpu)


def _took(action: Callable[[], object]) -> Took:
    before = time.process_time()
    wall = seconds(action)
    return Took(wall, time.process_time() - before)


def share(bench: Bench) -> Iterator[Figure]:
    """Yield what signed heads and tiles take beside certification."""
    name = "signed heads and tiles, share of certification"
    flood, steady = bench.size(FLOOD_RECORDS, 40), bench.size(notary.CHECKPOINT_RECORDS, 20)
    with _founded(bench.folder / "signed") as gov:
        rounds = _rounds(gov, flood, bench.size(8, 1))
        often = _rounds(gov, steady, bench.size(12, 1))
    walls = [100 * signing.wall / certifying.wall for certifying, signing in rounds]
    yield at_most(name, statistics.median(walls), "%", 5.0)
    yield told(f"the same, least of {len(walls)} rounds", min(walls), "%")
    yield told(f"the same, most of {len(walls)} rounds", max(walls), "%")
    cpu = statistics.median(100 * s.cpu / c.cpu for c, s in rounds)
    yield told("the same, in processor time", cpu, "%")
    each = statistics.median(100 * s.wall / c.wall for c, s in often)
    yield told(f"the same, a head every {steady:,} records", each, "%")


def _rounds(gov: memos_gov.Service, records: int, count: int) -> list[tuple[Took, Took]]:
    """Return what certification and then the notary took, round by round, after one to warm up."""
    texts = complaints(records * (count + 1), seed=5)
    return [_round(gov, list(islice(texts, records))) for _ in range(count + 1)][1:]


def _round(gov: memos_gov.Service, texts: list[str]) -> tuple[Took, Took]:
    commands = [folders.remember(text, n) for n, text in enumerate(texts)]
    made = folders.prepared(gov, gov.acting_as("owner"), commands)
    certifying, signing = Took(), Took()
    for start in range(0, len(made), BATCH_RECORDS_MAX):
        batch = made[start : start + BATCH_RECORDS_MAX]
        gov.rooms.governor.log.append([item.proposal for item in batch])
        decided: list[Outcome] = []
        certifying += _took(partial(_certify, gov, decided))
        gov.rooms.destroyer.catch_up()  # else the notary's record would wait for it
        signing += _took(partial(gov.rooms.notary.after, decided))
    return certifying, signing + _took(partial(gov.rooms.notary.checkpoint, TENANT))


def _certify(gov: memos_gov.Service, decided: list[Outcome]) -> None:
    for batch in gov.rooms.governor.certifier.batches():
        decided.extend(item.outcome for item in batch)


def one_head(bench: Bench) -> Iterator[Figure]:
    """Yield how long a head over a thousand more records takes, when it is asked for."""
    each = bench.size(SIGNED_AT_A_TIME, 20)
    with _founded(bench.folder / "one") as gov:
        texts, actor, taken = complaints(each * 8, seed=5), gov.acting_as("owner"), []
        while commands := [folders.remember(x, n) for n, x in enumerate(islice(texts, each))]:
            folders.fill(gov, actor, commands)
            taken.append(seconds(partial(gov.rooms.notary.checkpoint, TENANT)))
    yield told(f"head over {each:,} more records", Spread(tuple(taken[1:])).median * 1000, "ms")


def _founded(folder: Path) -> memos_gov.Service:
    """Return a folder where no record waits for a minute."""
    return memos_gov.init(
        folder, purpose=folders.PURPOSE, retention_class="complaint", checkpoint_s=86_400
    )
