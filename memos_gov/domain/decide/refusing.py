"""Refusals as events, and the review case where policy asked for one."""

from __future__ import annotations

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
    return "/".join(part if isinstance(part, str) else str(seconds(part, 0)) for part in named)


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
    "valid_from",
    "valid_to",
    "occurred_at",
    "until",
)


def refuse(command: c.Command, *reasons: str) -> Drafts:
    """Return a refusal; of the command's targets only ids are named, never free text."""
    named = (
        getattr(command, field, None)
        for field in ("cube", "subject", "principal", "matter", "case")
    )
    targets = tuple(t for t in named if isinstance(t, str) and ids.is_opaque(t))
    refusal = e.CommandRefused(
        action=command.ACTION, targets=targets, reasons=tuple(sorted(set(reasons)))
    )
    return (e.Draft(refusal),)
