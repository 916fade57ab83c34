"""Decisions about legal matters."""

from __future__ import annotations

from datetime import datetime

from memos_gov.domain import commands as c
from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.commands import seconds
from memos_gov.domain.decide.deciding import decided, one
from memos_gov.domain.decide.refusing import refuse
from memos_gov.domain.decide.situation import Drafts, Situation
from memos_gov.domain.facts import HeldTarget, HoldScope, MatterFacts, PlacedHold


@decided.register
def _(command: c.PlaceHold, at: Situation) -> Drafts:
    scope = _scope(command) if command.scoped else None
    target = _target(command) or HeldTarget(kind="scope", id=ids.hold_id_of(at.command_id))
    if at.cube is not None and at.cube.governance.state == "erased":
        return refuse(command, "transition_not_allowed")
    if any(_holds(hold, target, scope, at.now) for hold in _of(at.matter)):
        return refuse(command, "already_held")
    return one(
        e.HoldPlaced(
            matter=command.matter,
            target=target,
            scope=scope,
            valid_from=seconds(command.valid_from, at.now),
            valid_to=_moment(command.valid_to),
        )
    )


@decided.register
def _(command: c.ReleaseHold, at: Situation) -> Drafts:
    held = tuple(hold.target for hold in _of(at.matter))
    if not held:
        return refuse(command, "not_held")
    named = _target(command)
    if named is not None and named not in held:
        return refuse(command, "not_of_this_matter")
    return one(e.HoldReleased(matter=command.matter, targets=(named,) if named else held))


def _of(matter: MatterFacts | None) -> tuple[PlacedHold, ...]:
    return matter.holds if matter is not None else ()


def _target(command: c.PlaceHold | c.ReleaseHold) -> HeldTarget | None:
    """Return the cube or subject that a command names; None for a scope, and for all of it."""
    if command.cube is not None:
        return HeldTarget(kind="cube", id=command.cube)
    if command.subject is not None:
        return HeldTarget(kind="subject", id=command.subject)
    return None


def _scope(command: c.PlaceHold) -> HoldScope:
    return HoldScope(
        label=command.label,
        retention_class=command.retention_class,
        recorded_from=_moment(command.recorded_from),
        recorded_to=_moment(command.recorded_to),
    )


def _moment(moment: datetime | None) -> int | None:
    return None if moment is None else seconds(moment, 0)


def _holds(hold: PlacedHold, target: HeldTarget, scope: HoldScope | None, now: int) -> bool:
    """Whether a hold that has not ended is on the same target, or on the same scope."""
    ended = hold.valid_to is not None and hold.valid_to <= now
    same = hold.target == target if scope is None else hold.scope == scope
    return same and not ended
