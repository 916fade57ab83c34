"""
The rules of lineage that a record must keep, checked against facts and never its word.

A derived cube is new, its sources are there and usable, and it is no looser
than any of them, but for the label, whose rank only policy knows. What an
actor gives in words of its own, as a new cube or as the revision of one that
is there, has everything read in the session among its sources, unless
admission unlinked it. A record that narrows a cube narrows
all of its live descendants, each by what befell the source, and nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.facts import (
    ContentFacts,
    CorrelationFacts,
    Facts,
    GovernanceFacts,
    Source,
)
from memos_gov.domain.lineage.descent import is_live, is_usable, walk
from memos_gov.domain.lineage.inheritance import covers, earliest
from memos_gov.domain.lineage.narrowing import ENDING, Narrowing, causes_of

VERBATIM = frozenset({"merge", "split"})
Children = Mapping[str, Sequence[str]]


class Fault(msgspec.Struct, frozen=True):
    """What is wrong with a record, as its outcome says it."""

    code: Literal["invalid", "incomplete"]
    detail: dict[str, list[str]]


INVALID = Fault("invalid", {"why": ["lineage"]})


def fault_of_derivation(
    events: Sequence[e.Event],
    *,
    tenant: str,
    known: Mapping[str, Facts],
    reads: CorrelationFacts,
    unlinked: Collection[str],
) -> Fault | None:
    """
    Return what is wrong with the derivations of a record, if anything.

    Args:
        known: The facts before the record.
        reads: What its actor had read in its session before.
        unlinked: The cubes whose admission says that the session is no source.
    """
    born = {x.cube: x for x in events if isinstance(x, e.CubeRemembered)}
    derived = [x for x in events if isinstance(x, e.CubeDerived)]
    if not all(_is_sound(x, born, events, tenant, known, reads) for x in derived):
        return INVALID
    if not all(_has_its_target(x, derived) for x in events if isinstance(x, e.CubeMerged)):
        return INVALID
    for cube, event in born.items():
        named = [s.cube for x in derived if x.cube == cube for s in x.sources]
        if len(set(named)) != len(named) or sorted(named) != sorted(event.sources):
            return INVALID
        verbatim = {x.pathway for x in derived if x.cube == cube} & VERBATIM
        left_out = {read.cube for read in reads.reads} - {*named}
        if (left_out or reads.full) and not verbatim and cube not in unlinked:
            return Fault("incomplete", {"sources": sorted(left_out)})
    return None


def _is_sound(
    event: e.CubeDerived,
    born: Mapping[str, e.CubeRemembered],
    events: Sequence[e.Event],
    tenant: str,
    known: Mapping[str, Facts],
    reads: CorrelationFacts,
) -> bool:
    """Whether a new cube was made of real sources, as its pathway says, and is no looser."""
    remembered = born.get(event.cube)
    if remembered is None or not event.sources:
        return False
    if ids.governance_stream(tenant, event.cube) in known:
        return False
    for source in event.sources:
        content = known.get(ids.content_stream(tenant, source.cube))
        governance = known.get(ids.governance_stream(tenant, source.cube))
        if not isinstance(content, ContentFacts) or not is_usable(governance):
            return False
        if not _is_pathway_kept(event, source, content, events, reads):
            return False
        if not _inherits(remembered, event, content, governance):
            return False
    return True


def _is_pathway_kept(
    event: e.CubeDerived,
    source: Source,
    content: ContentFacts,
    events: Sequence[e.Event],
    reads: CorrelationFacts,
) -> bool:
    """Whether the source is of the revision said, and became what the pathway makes of it."""
    if event.pathway == "correlation":
        return source in reads.reads
    if source.revision != content.revision:
        return False
    if event.pathway == "merge":
        return e.CubeMerged(cube=source.cube, into=event.cube) in events
    return event.pathway != "split" or e.CubeArchived(cube=source.cube) in events


def _inherits(
    new: e.CubeRemembered, event: e.CubeDerived, content: ContentFacts, source: GovernanceFacts
) -> bool:
    ends = earliest(content.valid_to, source.valid_to)
    return (
        covers(new, source)
        and _is_within(new.valid_to, ends)
        and _is_within(event.valid_to, ends)
        and _is_within(event.expires_at, source.expires_at)
    )


def _is_within(moment: int | None, bound: int | None) -> bool:
    return bound is None or (moment is not None and moment <= bound)


def _has_its_target(event: e.CubeMerged, derived: Iterable[e.CubeDerived]) -> bool:
    """Whether the cube that another went into names it as merged."""
    return any(
        x.cube == event.into and x.pathway == "merge" and event.cube in {s.cube for s in x.sources}
        for x in derived
    )


def fault_of_linking(
    events: Sequence[e.Event],
    *,
    tenant: str,
    known: Mapping[str, Facts],
    reads: CorrelationFacts,
    unlinked: Collection[str],
) -> Fault | None:
    """
    Return what is wrong with the sources of revisions, if anything.

    A revision adds what the session read to the cube's sources; the cube
    itself and those it has already are none to add. The cube must be as strict
    as they are, since whom it is about and what it may be used for stays.

    Args:
        known: The facts before the record.
        reads: What its actor had read in its session before.
        unlinked: The cubes whose admission says that the session is no source.
    """
    revised = {x.cube for x in events if isinstance(x, e.CubeRevised)}
    linked = [x for x in events if isinstance(x, e.CubeLinked)]
    if len({x.cube for x in linked}) != len(linked) or not {x.cube for x in linked} <= revised:
        return INVALID
    if not all(_is_linked_soundly(x, tenant, known, reads) for x in linked):
        return INVALID
    for cube in sorted(revised - {*unlinked}):
        facts = known.get(ids.governance_stream(tenant, cube))
        had = facts.sources if isinstance(facts, GovernanceFacts) else ()
        named = [s.cube for x in linked if x.cube == cube for s in x.sources]
        left_out = {read.cube for read in reads.reads} - {cube, *had, *named}
        if left_out or reads.full:
            return Fault("incomplete", {"sources": sorted(left_out)})
    return None


def _is_linked_soundly(
    event: e.CubeLinked, tenant: str, known: Mapping[str, Facts], reads: CorrelationFacts
) -> bool:
    """Whether a cube gets new and real sources that were read, and is no looser than they are."""
    cube = known.get(ids.governance_stream(tenant, event.cube))
    named = [source.cube for source in event.sources]
    if not is_usable(cube) or not named or len({*named}) != len(named):
        return False
    if {*named} & {event.cube, *cube.sources} or not {*event.sources} <= {*reads.reads}:
        return False
    return all(_is_linkable(event, cube, source, tenant, known) for source in named)


def _is_linkable(
    event: e.CubeLinked,
    cube: GovernanceFacts,
    source: str,
    tenant: str,
    known: Mapping[str, Facts],
) -> bool:
    content = known.get(ids.content_stream(tenant, source))
    governance = known.get(ids.governance_stream(tenant, source))
    return (
        isinstance(content, ContentFacts)
        and is_usable(governance)
        and covers(cube, governance)
        and _is_within(event.valid_to, earliest(content.valid_to, governance.valid_to))
        and _is_within(event.expires_at, governance.expires_at)
    )


def fault_of_narrowing(
    events: Sequence[e.Event],
    *,
    tenant: str,
    known: Mapping[str, Facts],
    children: Children,
    relied_on: Collection[str] | None,
    now: int,
) -> Fault | None:
    """
    Return what is wrong with the narrowings of a record, if anything.

    Args:
        known: The facts before the record, those of all live descendants of
            the cubes that it narrows too.
        children: Lineage stream -> the cubes made directly of its cube.
        relied_on: The streams that the record names; None where it needs none.
        now: The record's time in seconds.
    """
    told = [x for x in events if isinstance(x, e.CubeNarrowed)]
    causes = causes_of(events, tenant, known)
    if not told and not causes:
        return None
    live = {cube: _live_descendants(cube, tenant, known, children) for cube in causes}
    if len({(x.source, x.cube) for x in told}) != len(told) or not all(
        _is_caused(x, causes, live, now) for x in told
    ):
        return INVALID
    if relied_on is not None:
        watched = {ids.lineage_stream(tenant, x) for pair in live.items() for x in _all_of(pair)}
        if missing := watched - {*relied_on}:
            return Fault("incomplete", {"streams": sorted(missing)})
    spared = {x.cube for x in events if isinstance(x, ENDING)}
    narrowed = {(x.source, x.cube) for x in told}
    forgotten = {
        cube
        for source, cubes in live.items()
        for cube in cubes
        if cube not in spared and (source, cube) not in narrowed
    }
    return Fault("incomplete", {"cubes": sorted(forgotten)}) if forgotten else None


def _all_of(pair: tuple[str, tuple[str, ...]]) -> Iterator[str]:
    yield pair[0]
    yield from pair[1]


def _live_descendants(
    cube: str, tenant: str, known: Mapping[str, Facts], children: Children
) -> tuple[str, ...]:
    def step(frontier: Sequence[str]) -> Iterator[str]:
        for source in frontier:
            for child in children.get(ids.lineage_stream(tenant, source), ()):
                if is_live(known.get(ids.governance_stream(tenant, child))):
                    yield child

    return walk(cube, step)


def _is_caused(
    event: e.CubeNarrowed,
    causes: Mapping[str, Narrowing],
    live: Mapping[str, tuple[str, ...]],
    now: int,
) -> bool:
    """Whether the event says of a descendant exactly what befell the source."""
    cause = causes.get(event.source)
    if cause is None or event.cube not in live[event.source]:
        return False
    return (
        event.label in {None, cause.label}
        and event.basis == cause.basis
        and event.quarantined == cause.quarantined
        and event.restricted == cause.restricted
        and event.valid_to == cause.valid_to
        and _is_due_as(event.expires_at, cause, now)
    )


def _is_due_as(expires_at: int | None, cause: Narrowing, now: int) -> bool:
    """Whether a descendant is due when its source is: at once where that has expired."""
    if not cause.expired:
        return expires_at == cause.expires_at
    return expires_at is not None and expires_at <= now
