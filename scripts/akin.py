"""
Make the table of akin words, or check it: `python scripts/akin.py write|check`.

Needs the extra `models`, and about a minute. Numbers may differ in the last
hundredth between machines, so `check` allows what rounding can do and no more.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

from memos_gov.backends.embedding import akin
from memos_gov.backends.embedding.minilm import MiniLmEmbedder, packaged

PLACE = Path(akin.__file__).with_name(akin.FILE)
ROUNDED = 0.015  # a cosine may be told a hundredth higher or lower
DIFFER_MAX = 0.01  # of the lines, where a word stands at the very border


def main(arguments: list[str]) -> int:
    """Do what was asked for, and return the exit code."""
    if arguments not in (["write"], ["check"]):
        print("usage: python scripts/akin.py write|check", file=sys.stderr)
        return 2
    vocabulary = (packaged() / "vocab.txt").read_text(encoding="utf-8").split()
    made = akin.made(vocabulary, MiniLmEmbedder().embed)
    if arguments == ["write"]:
        PLACE.write_bytes(gzip.compress(made.encode(), 9, mtime=0))
        return 0
    kept, now = akin.table(), akin.Table(made)
    differ = [stem for stem in {*kept, *now} if not _alike(kept.get(stem), now.get(stem))]
    print(f"{len(kept):,} stems, {len(differ):,} of them not as the model says now")
    return int(len(differ) > DIFFER_MAX * len(kept))


def _alike(one: object, other: object) -> bool:
    if not isinstance(one, tuple) or not isinstance(other, tuple):
        return False
    known, told = dict(one), dict(other)
    both = known.keys() & told.keys()
    return len(both) >= min(len(known), len(told)) - 1 and all(
        abs(known[stem] - told[stem]) < ROUNDED for stem in both
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
