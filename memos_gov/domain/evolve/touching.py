"""Which streams an event touches, so that their facts are loaded before it evolves."""

from __future__ import annotations

from collections.abc import Iterable

from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.facts import (
    HeldTarget,
)

_OF_USAGE = (
    e.AuditAsked,
    e.CommandRefused,
    e.CubesRead,
    e.RetentionScheduled,
    e.ScheduleFollowed,
)


def touched(event: e.Event, tenant: str) -> tuple[str, ...]:
    """Return the streams whose facts `evolve` reads and writes for this event."""
    match event:
        case e.CubeRemembered() | e.CubeRevised() | e.CubeRolledBack():
            content = ids.content_stream(tenant, event.cube)
            return (content, ids.governance_stream(tenant, event.cube))
        case e.CubeRelabelled() | e.CubeNarrowed():
            content = ids.content_stream(tenant, event.cube)
            return (content, ids.governance_stream(tenant, event.cube))
        case e.CubeDerived() | e.CubeLinked():
            sources = (ids.lineage_stream(tenant, source.cube) for source in event.sources)
            return (event.stream(tenant), *sources)
        case e.TenantFounded():
            return (event.stream(tenant), ids.guard_stream(tenant, "policy"))
        case e.HoldPlaced():
            return (event.stream(tenant), held_stream(tenant, event.target))
        case e.HoldReleased():
            return (event.stream(tenant), *(held_stream(tenant, t) for t in event.targets))
        case e.ErasureRequested() | e.ErasureCompleted():
            return (event.stream(tenant), ids.open_erasures_stream(tenant))
        case e.ErasurePlanned():
            return (event.stream(tenant), *_decided(event, tenant))
        case _ if isinstance(event, _OF_USAGE):
            return ()
        case _:
            return (event.stream(tenant),)


def touched_cubes(events: Iterable[e.Event], tenant: str) -> set[str]:
    """Return the cubes whose facts these events change; that something is made of one is none."""
    streams = (stream.split("/") for event in events for stream in touched(event, tenant))
    return {parts[2] for parts in streams if parts[1] == "cube" and parts[-1] != "lineage"}


def held_stream(tenant: str, target: HeldTarget) -> str:
    """Return the stream of what a matter holds."""
    match target.kind:
        case "subject":
            return ids.subject_stream(tenant, target.id)
        case "cube":
            return ids.governance_stream(tenant, target.id)
        case "scope":
            return ids.guard_stream(tenant, "holds")


def _decided(event: e.ErasurePlanned, tenant: str) -> tuple[str, ...]:
    """Return what the last page of a plan touches besides the erasure."""
    if event.state == "erasing":
        return ()
    subjects = () if event.subject is None else (ids.subject_stream(tenant, event.subject),)
    guards = (ids.open_erasures_stream(tenant),) if event.state == "kept" else ()
    return (*subjects, *guards)
