"""
What of a recall fits into a number of characters, and how it is shown.

Whole cubes are taken in order of rank as long as they fit; one that does not
is passed over, and nothing is taken because it stands beside another. What was
taken is shown in order of time, under one line with the day for each
conversation and day:

    8 May 2023
    Caroline: I went to a support group yesterday.

Before content may be returned, its size in bytes stands for its characters, of
which there are never more; what is masked counts by the length that is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from memos_gov.materializers.plan import day_in_words

DAY_S = 86_400


class Line(NamedTuple):
    """What a cube takes: when and where it was said, by whom, and how long it is."""

    conversation: str
    valid_from: int
    position: int
    author: str
    size: int
    content: str = ""


def fitting(lines: Iterable[Line], budget: int) -> Iterator[int]:
    """Yield the places of the lines that fit together into `budget` characters, in order."""
    left, headed = budget, set[tuple[str, str]]()
    for place, line in enumerate(lines):
        day = day_in_words(line.valid_from)
        header = (line.conversation, day)
        takes = _prefix(line) + line.size + 1 + (0 if header in headed else len(day) + 1)
        if takes <= left:
            left -= takes
            headed.add(header)
            yield place


def packed(lines: Sequence[Line]) -> str:
    """Return lines as one text, in order of time."""
    text = ""
    ordered = sorted(
        lines, key=lambda x: (x.valid_from // DAY_S, x.conversation, x.valid_from, x.position)
    )
    headers = groupby(ordered, key=lambda x: (x.conversation, day_in_words(x.valid_from)))
    for (_, day), group in headers:
        told = "".join(f"{f'{x.author}: ' if x.author else ''}{x.content}\n" for x in group)
        text += f"{day}\n{told}"
    return text


def _prefix(line: Line) -> int:
    return len(line.author) + 2 if line.author else 0
