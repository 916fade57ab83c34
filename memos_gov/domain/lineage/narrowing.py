"""
Narrowing: what befalls a cube befalls what was made of it, in the same record.

A cube is narrowed by another label, consent as its basis, quarantine,
restriction, expiry, an earlier end of validity or of keeping, and erasure. (A label that
sinks narrows nothing, but only policy knows that it does.) Each of its live descendants then gets
one `CubeNarrowed`, which says what of it holds there too; a descendant that
ends or is restricted in the same record itself needs none. Erasing a cube
restricts its descendants until they are erased in their turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec
from msgspec.structs import replace

from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.facts import ContentFacts, Facts, GovernanceFacts
from memos_gov.domain.lineage.descent import DESCENDANTS_MAX
from memos_gov.domain.lineage.inheritance import CONSENT, Barred, earliest, strictest
from memos_gov.domain.verdicts import IndexDepth

TOO_MANY = Barred(("too_many_descendants",))
ENDING = e.CubeErased | e.CubeRestricted


class Narrowing(msgspec.Struct, frozen=True, kw_only=True):
    """What befell one cube in one record."""

    label: str | None = None
    basis: str | None = None
    quarantined: bool = False
    restricted: bool = False
    expired: bool = False
    expires_at: int | None = None
    valid_to: int | None = None


def may_narrow(event: e.Event) -> str | None:
    """Return the cube that an event may narrow, whatever is known of it."""
    match event:
        case e.CubeQuarantined() | e.CubeExpired() | e.CubeRestricted() | e.CubeErased():
            return event.cube
        case e.CubeRelabelled() if event.valid_to is None:
            return event.cube
        case e.CubeRebased() if event.valid_to is None and event.basis == CONSENT:
            return event.cube
        case e.CubeRevised() | e.CubeRolledBack() if event.valid_to is not None:
            return event.cube
        case e.CubeLinked() if (event.expires_at, event.valid_to) != (None, None):
            return event.cube
        case _:
            return None


def causes_of(
    events: Iterable[e.Event], tenant: str, known: Mapping[str, Facts]
) -> dict[str, Narrowing]:
    """
    Return cube -> what befalls it by `events`, of those that are narrowed.

    Args:
        known: The facts before the events, of the cubes whose content they change at least.
    """
    found: dict[str, Narrowing] = {}
    for event in events:
        cube = may_narrow(event)
        if cube is None:
            continue
        before = found.get(cube, Narrowing())
        after = _narrower(before, event, tenant, known)
        if after != before:
            found[cube] = after
    return found


def _narrower(
    before: Narrowing, event: e.Event, tenant: str, known: Mapping[str, Facts]
) -> Narrowing:
    match event:
        case e.CubeRelabelled():
            return replace(before, label=event.label)
        case e.CubeRebased():
            return replace(before, basis=event.basis)
        case e.CubeQuarantined():
            return replace(before, quarantined=True)
        case e.CubeExpired():
            return replace(before, expired=True)
        case e.CubeRestricted() | e.CubeErased():
            return replace(before, restricted=True)
        case e.CubeRevised() | e.CubeRolledBack():
            ends = _shortened(event, tenant, known)
            return replace(before, valid_to=earliest(before.valid_to, ends))
        case e.CubeLinked():
            ends, due = _shortened(event, tenant, known), _sooner_due(event, tenant, known)
            ends = earliest(before.valid_to, ends)
            return replace(before, valid_to=ends, expires_at=earliest(before.expires_at, due))
    return before


def _sooner_due(event: e.CubeLinked, tenant: str, known: Mapping[str, Facts]) -> int | None:
    """Return until when a cube may be kept where that is sooner than before."""
    facts = known.get(ids.governance_stream(tenant, event.cube))
    before = facts.expires_at if isinstance(facts, GovernanceFacts) else None
    if event.expires_at is None or (before is not None and before <= event.expires_at):
        return None
    return event.expires_at


def _shortened(
    event: e.CubeRevised | e.CubeRolledBack | e.CubeLinked, tenant: str, known: Mapping[str, Facts]
) -> int | None:
    """Return the new end of validity where it is earlier than the one before."""
    content = known.get(ids.content_stream(tenant, event.cube))
    governance = known.get(ids.governance_stream(tenant, event.cube))
    cap = governance.valid_to if isinstance(governance, GovernanceFacts) else None
    before = earliest(cap, content.valid_to) if isinstance(content, ContentFacts) else None
    after = earliest(cap, event.valid_to)
    if after is None or (before is not None and before <= after):
        return None
    return after


def narrowed(
    events: Iterable[e.Event],
    *,
    tenant: str,
    known: Mapping[str, Facts],
    descendants: Callable[[str], tuple[str, ...]],
    labels: Mapping[str, int],
    depth: Callable[[str, str], IndexDepth | None],
    now: int,
    command_id: str,
    most: int | None = DESCENDANTS_MAX,
) -> tuple[e.Event, ...] | Barred:
    """
    Return what `events` mean for the live descendants of the cubes that they narrow.

    Args:
        known: The facts before the events, those of all descendants too.
        descendants: Returns the live descendants of a cube; it may stop
            after `most` of them.
        labels: The rank of each label.
        depth: Returns how deep a cube would be indexed under a label.
        command_id: Names the review cases of those that are now in quarantine.
        most: The largest number of pairs that one record takes; None takes all.

    Returns:
        One event a pair of source and descendant, and a review case each for
        those that go into quarantine; or that there would be more than `most`.
    """
    events = tuple(events)
    ending = {event.cube for event in events if isinstance(event, ENDING)}
    pairs: list[tuple[str, Narrowing, str]] = []
    for source, cause in causes_of(events, tenant, known).items():
        pairs += [(source, cause, cube) for cube in descendants(source) if cube not in ending]
        if most is not None and len(pairs) > most:
            return TOO_MANY
    return tuple(_events(pairs, tenant, known, labels, depth, now, command_id))


def _events(
    pairs: Iterable[tuple[str, Narrowing, str]],
    tenant: str,
    known: Mapping[str, Facts],
    labels: Mapping[str, int],
    depth: Callable[[str, str], IndexDepth | None],
    now: int,
    command_id: str,
) -> Iterator[e.Event]:
    cases: set[str] = set()
    for source, cause, cube in pairs:
        facts = known[ids.governance_stream(tenant, cube)]
        assert isinstance(facts, GovernanceFacts)
        raised = strictest(labels, facts.label, cause.label)
        label = None if raised == facts.label else raised
        yield e.CubeNarrowed(
            cube=cube,
            source=source,
            label=label,
            index=None if label is None else depth(cube, label),
            basis=cause.basis,
            quarantined=cause.quarantined,
            restricted=cause.restricted,
            expires_at=now if cause.expired else cause.expires_at,
            valid_to=cause.valid_to,
        )
        if cause.quarantined and not facts.quarantined and cube not in cases:
            cases.add(cube)
            yield e.ReviewOpened(case=ids.case_id_of(command_id, cube), action="admit", target=cube)
