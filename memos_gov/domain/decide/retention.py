"""Decisions about retention."""

from __future__ import annotations

from memos_gov.domain import commands as c
from memos_gov.domain import events as e
from memos_gov.domain.commands import seconds
from memos_gov.domain.decide.deciding import decided, one
from memos_gov.domain.decide.refusing import refuse
from memos_gov.domain.decide.situation import Drafts, Situation


@decided.register
def _(command: c.TriggerRetention, at: Situation) -> Drafts:
    assert at.cube is not None
    occurred_at = seconds(command.occurred_at, at.now)
    if at.cube.governance.triggered_at == occurred_at:
        return refuse(command, "already_triggered")
    return one(e.RetentionTriggered(cube=command.cube, occurred_at=occurred_at))
