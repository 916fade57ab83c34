"""Decisions about retention."""

from __future__ import annotations

from memos_gov.domain import commands as c
from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.commands import seconds
from memos_gov.domain.decide.deciding import decided, one
from memos_gov.domain.decide.erasures import ERASURE_OPEN
from memos_gov.domain.decide.refusing import refuse
from memos_gov.domain.decide.situation import Drafts, Situation
from memos_gov.domain.lifecycle import State, may_become

REASON = "due by the retention schedule"
_ENDS: dict[str, tuple[type[e.CubeArchived | e.CubeExpired], State]] = {
    "archive": (e.CubeArchived, "archived"),
    "expire": (e.CubeExpired, "expired"),
}


@decided.register
def _(command: c.TriggerRetention, at: Situation) -> Drafts:
    assert at.cube is not None
    occurred_at = seconds(command.occurred_at, at.now)
    if at.cube.governance.triggered_at == occurred_at:
        return refuse(command, "already_triggered")
    return one(e.RetentionTriggered(cube=command.cube, occurred_at=occurred_at))


@decided.register
def _(command: c.FollowSchedule, at: Situation) -> Drafts:
    return one(e.ScheduleFollowed(until=seconds(command.until, at.now)))


@decided.register
def _(command: c.ScheduleCube, at: Situation) -> Drafts:
    if at.retention is None:
        return refuse(command, "not_due")
    scheduled = e.Draft(_scheduled(at))
    if not at.retention.review or not at.retention.is_due(at.now) or at.case is not None:
        return (scheduled,)
    assert at.retention.due is not None
    case = ids.disposal_case_id(command.cube, at.retention.due)
    opened = e.ReviewOpened(case=case, action=c.DisposeCube.ACTION, target=command.cube)
    return (scheduled, e.Draft(opened))


@decided.register
def _(command: c.DisposeCube, at: Situation) -> Drafts:
    assert at.cube is not None
    verdict = at.retention
    if verdict is None or verdict.review or not verdict.is_due(at.now):
        return refuse(command, "not_due")
    if verdict.action not in _ENDS:
        return refuse(command, "transition_not_allowed")
    event, state = _ENDS[verdict.action]
    if not may_become(at.cube.governance.state, state):
        return refuse(command, "transition_not_allowed")
    # The derivation of what is done stands before it; what comes next is added behind.
    return (e.Draft(_scheduled(at)), e.Draft(event(cube=command.cube)))


@decided.register
def _(command: c.EraseDue, at: Situation) -> Drafts:
    if any(cube.erasing for cube in at.cubes):
        return refuse(command, ERASURE_OPEN)
    if not at.cubes or not all(_is_to_be_erased(cube.cube, at) for cube in at.cubes):
        return refuse(command, "not_due")
    erasure, cubes = ids.erasure_id_of(at.command_id), tuple(sorted(x.cube for x in at.cubes))
    only = cubes[0] if len(cubes) == 1 else None
    requested = e.ErasureRequested(erasure=erasure, subject=None, cube=only, cubes=cubes)
    said = (
        e.scheduled(x.cube, x.governance.retention_class, at.retentions[x.cube]) for x in at.cubes
    )
    return (
        e.Draft(requested, e.ErasureReason(reason=REASON)),
        *(e.Draft(event) for event in said),
        *(e.Draft(e.CubeRestricted(cube=x, erasure=erasure, reasons=())) for x in cubes),
        *(e.Draft(e.ReviewUsed(case=case)) for case in at.reviews),
    )


def _is_to_be_erased(cube: str, at: Situation) -> bool:
    verdict = at.retentions.get(cube)
    if verdict is None or verdict.review:
        return False
    return verdict.action == "erase" and verdict.is_due(at.now)


def _scheduled(at: Situation) -> e.RetentionScheduled:
    assert at.cube is not None
    assert at.retention is not None
    return e.scheduled(at.cube.cube, at.cube.governance.retention_class, at.retention)
