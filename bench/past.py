"""
A read as of a moment of the past, in turns with the same read of the present.

Timed is `Actor.get` whole, as an analyst: facts, verdict, the read event made,
appended durably and certified, one ciphertext opened and masked. Ten thousand
cubes, of which a tenth have three revisions; the past asked for is before
the second of them, so that a former revision is found, judged and opened.
Asked by index, by time (which is looked for in the history), and by valid
time (for which the revisions are walked back). A recall of the past, which
ranks anew, is told beside the floor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import cycle

import memos_gov
from bench import folders
from bench.complaints import complaints
from bench.measure import Bench, Figure, beside, interleaved, spread, told
from memos_gov.domain import commands as c
from memos_gov.domain.as_of import AsOf

CUBES, REVISED = 10_000, 1_000
FLOOR = 0.5  # within twice the time of a read of the present


def measure(bench: Bench) -> Iterator[Figure]:
    """Yield the median of each way to ask for the past beside the present, and of a recall."""
    total, revised = bench.size(CUBES, 60), bench.size(REVISED, 20)
    with folders.founded(bench.folder / "data") as gov:
        cubes, index, moment = _lived(gov, total, revised)
        ann = gov.acting_as("ann", purpose=folders.PURPOSE)
        ways: dict[str, AsOf] = {
            "an index": AsOf(recorded=index),
            "a time": AsOf(recorded=moment),
            "a valid time": AsOf(valid=moment),
        }
        now = _get(ann, cubes, None)
        pasts = [_get(ann, cubes, way) for way in ways.values()]
        present, *taken = interleaved(bench.size(300, 5), now, *pasts)
        peer = ("the present", present.median * 1000)
        for name, past in zip(ways, taken, strict=True):
            value = past.median * 1000
            yield beside(f"get as of {name}, 3 revisions, p50", value, "ms", peer, FLOOR)
            yield told(f"get as of {name}, p95", past.p95 * 1000, "ms")
        recalls = spread(lambda: ann.recall("payment refund", k=10, as_of=index), 3, warm_up=1)
        yield told(f"recall 10 of {total:,} as of an index, p50", recalls.median * 1000, "ms")


def _get(
    ann: memos_gov.Actor, cubes: list[str], moment: AsOf | None
) -> Callable[[], memos_gov.Hit]:
    turn = cycle(cubes)
    return lambda: ann.get(next(turn), as_of=moment)


def _lived(gov: memos_gov.Service, total: int, revised: int) -> tuple[list[str], int, datetime]:
    """Fill a folder, revise some cubes twice; return them, and the moment before."""
    owner = gov.acting_as("owner", purpose=folders.PURPOSE)
    owner.add_principal("ann", roles=["analyst"], clearance="internal", purposes=[folders.PURPOSE])
    begun = datetime(2026, 1, 1, tzinfo=UTC)
    texts = complaints(total)
    commands = (folders.remember(t, n, valid_from=begun) for n, t in enumerate(texts))
    folders.fill(gov, owner, commands)
    cubes = [hit.cube_id for page in _pages(owner, revised) for hit in page]
    index, moment = owner.list(limit=1).index, datetime.now(UTC)
    for round_ in range(2):
        for cube in cubes:
            text = f"The answer to complaint {cube} was sent again, number {round_}."
            owner.handle(c.make(c.ReviseCube, cube=cube, content=text))
    return cubes, index, moment


def _pages(owner: memos_gov.Actor, count: int) -> Iterator[tuple[memos_gov.Hit, ...]]:
    after: str | None = None
    while count > 0:
        hits = owner.list(limit=min(count, 200), after=after).hits
        yield hits
        count, after = count - len(hits), hits[-1].cube_id
