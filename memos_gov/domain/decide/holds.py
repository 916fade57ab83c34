"""Decisions about legal matters."""

from __future__ import annotations

from memos_gov.domain import commands as c
from memos_gov.domain import events as e
from memos_gov.domain.decide.deciding import decided, one
from memos_gov.domain.decide.refusing import refuse
from memos_gov.domain.decide.situation import Drafts, Situation
from memos_gov.domain.facts import HeldTarget


@decided.register
def _(command: c.PlaceHold, at: Situation) -> Drafts:
    if command.cube is not None:
        target = HeldTarget(kind="cube", id=command.cube)
    else:
        assert command.subject is not None
        target = HeldTarget(kind="subject", id=command.subject)
    if at.matter is not None and target in at.matter.targets:
        return refuse(command, "already_held")
    return one(e.HoldPlaced(matter=command.matter, target=target))


@decided.register
def _(command: c.ReleaseHold, at: Situation) -> Drafts:
    if at.matter is None or not at.matter.targets:
        return refuse(command, "not_held")
    return one(e.HoldReleased(matter=command.matter, targets=at.matter.targets))
