"""Refusals as events, and the review case where policy asked for one."""

from __future__ import annotations

from datetime import datetime

from memos_gov.domain import commands as c
from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.commands import seconds
from memos_gov.domain.decide.situation import Drafts, Situation
from memos_gov.domain.verdicts import Verdict


def refused_by_policy(command: c.Command, at: Situation, verdict: Verdict) -> Drafts:
    """Return policy's refusal, with a review case where it asked for one."""
    refused = refuse(command, *(r.code for r in verdict.reasons))
    if verdict.effect != "review":
        return refused
    case = e.ReviewOpened(
        case=ids.case_id_of(at.command_id), action=command.ACTION, target=act_target(command)
    )
    return (*refused, e.Draft(case))


def act_target(command: c.Command) -> str:
    """Return what a review case is about: exactly this act, so that no other one is approved."""
    named = [part for field in _ACT if (part := getattr(command, field, None))]
    return "/".join([*getattr(command, "cubes", ()), *map(_said, named)])


def _said(part: str | int | datetime) -> str:
    return str(seconds(part, 0)) if isinstance(part, datetime) else str(part)


_ACT = (
    "matter",
    "subject",
    "cube",
    "principal",
    "scope",
    "label",
    "basis",
    "retention_class",
    "recorded_from",
    "recorded_to",
    "policy",
    "to_revision",
    "valid_from",
    "valid_to",
    "occurred_at",
    "until",
)


def refuse(command: c.Command, *reasons: str) -> Drafts:
    """Return a refusal; of the command's targets only ids are named, never free text."""
    fields = ("cube", "subject", "principal", "matter", "case")
    one = (getattr(command, field, None) for field in fields)
    named = (*one, *getattr(command, "cubes", ()))
    targets = tuple(t for t in named if isinstance(t, str) and ids.is_opaque(t))
    of = command if isinstance(command, c.OfThen) else c.OfThen()
    refusal = e.CommandRefused(
        action=command.ACTION,
        targets=targets,
        reasons=tuple(sorted(set(reasons))),
        recorded=of.recorded,
        valid=of.valid,
    )
    return (e.Draft(refusal),)
