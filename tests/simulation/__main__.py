"""Run many histories, on every processor, and say the seed of one that fails."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.histories import run
from tests.simulation.oracle import BrokenPromiseError

CHUNK = 250


def several(seeds: tuple[int, ...]) -> tuple[Counter[str], tuple[int, str] | None]:
    """Run histories; return what happened, and the seed and promise of the first that fails."""
    happened: Counter[str] = Counter()
    for seed in seeds:
        try:
            happened += run(seed)
        except BrokenPromiseError as error:
            return happened, (seed, str(error))
        happened["histories"] += 1
    return happened, None


def _chunks(seeds: range) -> list[tuple[int, ...]]:
    return [tuple(seeds[at : at + CHUNK]) for at in range(0, len(seeds), CHUNK)]


def main() -> int:
    """Run the histories that the command line asks for; 1 where a promise is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("histories", type=int, nargs="?", default=3_000)
    parser.add_argument("--seed", type=int, default=0, help="the first seed; one history has one")
    asked = parser.parse_args()
    begun, happened = time.monotonic(), Counter[str]()
    seeds = range(asked.seed, asked.seed + asked.histories)
    with ProcessPoolExecutor() as pool:
        for found, failure in pool.map(several, _chunks(seeds)):
            happened += found
            if failure:
                seed, what = failure
                print(f"seed {seed}: {what}", file=sys.stderr)
                print(f"again: python -m tests.simulation 1 --seed {seed}", file=sys.stderr)
                return 1
            print(f"{happened['histories']} of {asked.histories}", file=sys.stderr)
    took_s = time.monotonic() - begun
    for what, count in sorted(happened.items()):
        print(f"{what:24} {count}")
    print(f"{happened['histories']} histories kept every promise, in {took_s:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
