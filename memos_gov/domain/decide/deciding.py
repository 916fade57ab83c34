"""The dispatch: one function a command, in the files beside this one."""

from __future__ import annotations

from functools import singledispatch

from memos_gov.domain import commands as c
from memos_gov.domain import events as e
from memos_gov.domain.decide.situation import Drafts, Situation


def one(event: e.Event) -> Drafts:
    """Return the drafts of a single event that seals nothing."""
    return (e.Draft(event),)


@singledispatch
def decided(command: c.Command, at: Situation) -> Drafts:
    """Return the events of a command that policy allows, or the domain's own refusal."""
    msg = f"no decision for {type(command).__name__}"
    raise TypeError(msg)
