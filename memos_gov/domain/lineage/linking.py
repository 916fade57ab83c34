"""
Linking: what was read in a session and is carried into a cube that is there, by a revision of it.

New words of an actor may hold anything that it read in the session, so all of
that is among the sources of the cube from then on. Label and ends become
those of the strictest; the rest of what rules a cube (whom it is about, what
it may be used for, its basis and region) is no matter of a revision, so a
cube that is looser in that is not revised. What the cube was made of already is no new
source, and the cube itself is none; both may have been read under a label
that has sunk since, which counts. A source may have been made of the cube
that it goes into: then each narrows the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from memos_gov.domain.facts import Source
from memos_gov.domain.lineage.descent import DESCENDANTS_MAX, SOURCES_MAX, is_usable
from memos_gov.domain.lineage.inheritance import Barred, covers, earliest
from memos_gov.domain.questions import Cube


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """The sources that a revision adds to a cube, and the ends that they bring."""

    sources: tuple[Source, ...]
    expires_at: int | None
    valid_to: int | None


def new_sources(cube: Cube, reads: Iterable[Source]) -> tuple[Source, ...]:
    """Return what was read besides a cube and what it was made of already."""
    known = {cube.cube, *cube.governance.sources}
    return tuple(read for read in reads if read.cube not in known)


def link(
    cube: Cube,
    reads: Sequence[Source],
    sources: Sequence[Cube],
    due: Iterable[int | None],
    descendants: Sequence[str],
) -> Link | Barred:
    """
    Return what a revision of `cube` adds to its sources, or why it cannot be.

    Args:
        reads: What was read of each new source, one at least.
        sources: The new sources as they stand, in the same order.
        due: When they are due by today's retention verdicts.
        descendants: The live descendants of the cube. A circle through more
            than DESCENDANTS_MAX could not be narrowed, nor ended from a leaf.
    """
    governed = [source.governance for source in sources]
    reasons = {
        "source_ended": not all(is_usable(facts) for facts in governed),
        "session_not_covered": not all(covers(cube.governance, facts) for facts in governed),
        "too_many_sources": len(cube.governance.sources) + len(reads) > SOURCES_MAX,
        "too_many_descendants": len(descendants) > DESCENDANTS_MAX,
    }
    if barred := tuple(sorted(reason for reason, holds in reasons.items() if holds)):
        return Barred(barred)
    return Link(
        sources=tuple(reads),
        expires_at=earliest(*due, *(facts.expires_at for facts in governed)),
        valid_to=earliest(*(source.valid_to for source in sources)),
    )
