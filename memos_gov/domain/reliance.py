"""
Which streams a record must name: derived from its events and the facts, never from its word.

The Governor uses this to load what a verdict needs, the certifier to refuse a
record that left something out (`incomplete`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.evolve import touched
from memos_gov.domain.facts import Facts, GovernanceFacts


def base_streams(tenant: str, actor: str, on_behalf_of: str | None) -> tuple[str, ...]:
    """Return what every verdict relies on: who acts, for whom, and the guards."""
    principals = (actor,) if on_behalf_of is None else (actor, on_behalf_of)
    return (
        *(ids.principal_stream(tenant, p) for p in principals),
        *ids.guard_streams(tenant),
    )


def cube_streams(tenant: str, cube: str, facts: Mapping[str, Facts]) -> tuple[str, ...]:
    """Return a cube's content, governance and subjects; of an unknown cube the first two."""
    governance = ids.governance_stream(tenant, cube)
    known = facts.get(governance)
    subjects = known.subjects if isinstance(known, GovernanceFacts) else ()
    return (
        ids.content_stream(tenant, cube),
        governance,
        *(ids.subject_stream(tenant, s) for s in subjects),
    )


def session_streams(
    events: Iterable[e.Event],
    tenant: str,
    actor: str,
    correlation: str,
    says: tuple[type[e.Event], ...] = (e.CubeRemembered, e.CubeRevised),
) -> tuple[str, ...]:
    """
    Return the session's reads where an actor says something: they may be among its sources.

    So a read that was accepted meanwhile makes the record stale.

    Args:
        says: The events that count, by what the log knows (`Known.says`).
    """
    if any(isinstance(event, says) for event in events):
        return (ids.correlation_stream(tenant, actor, correlation),)
    return ()


def required_streams(event: e.Event, tenant: str, facts: Mapping[str, Facts]) -> tuple[str, ...]:
    """
    Return what an event relies on beyond `base_streams`.

    A derivation adds to the lineage of its sources whatever was added before,
    so it does not rely on that; whoever narrows a source does (`lineage`).
    """
    match event:
        case e.CubesRead():
            return tuple(s for c in event.cubes for s in cube_streams(tenant, c.cube, facts))
        case e.CubeRemembered():
            subjects = tuple(ids.subject_stream(tenant, s) for s in event.subjects)
            sources = (s for c in event.sources for s in cube_streams(tenant, c, facts))
            return (*touched(event, tenant), *subjects, *sources)
        case e.CubesTransformed():
            sources = (s for c in event.sources for s in cube_streams(tenant, c.cube, facts))
            return (*touched(event, tenant), *sources)
        case e.CubeLinked():
            cubes = (event.cube, *(source.cube for source in event.sources))
            return tuple(s for cube in cubes for s in cube_streams(tenant, cube, facts))
        case e.CubeShared():
            grantee = ids.principal_stream(tenant, event.principal)
            return (*cube_streams(tenant, event.cube, facts), grantee)
        case e.CubeNarrowed():
            # (Its source says what befalls it; who it is about plays no part.)
            return touched(event, tenant)
        case e.OnContent() | e.OnGovernance() | e.RetentionScheduled():
            return cube_streams(tenant, event.cube, facts)
        case e.HoldPlaced(target=target) if target.kind == "cube":
            return (event.stream(tenant), *cube_streams(tenant, target.id, facts))
        case _:
            return touched(event, tenant)
