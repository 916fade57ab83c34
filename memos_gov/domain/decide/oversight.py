"""Decisions about reviews, policies and questions."""

from __future__ import annotations

from memos_gov.domain import commands as c
from memos_gov.domain import events as e
from memos_gov.domain.decide.deciding import decided, one
from memos_gov.domain.decide.refusing import refuse
from memos_gov.domain.decide.situation import Drafts, Situation
from memos_gov.domain.facts import GovernanceFacts


@decided.register
def _(command: c.ApproveReview, at: Situation) -> Drafts:
    if at.case is None or at.case.state != "open":
        return refuse(command, "case_not_open")
    approved = e.Draft(e.ReviewApproved(case=command.case))
    if at.case.action != "admit":
        return (approved,)
    if at.cube is None or not _is_admissible(at.cube.governance):
        return refuse(command, "transition_not_allowed")
    return (approved, e.Draft(e.CubeActivated(cube=at.case.target)))


def _is_admissible(cube: GovernanceFacts) -> bool:
    """Whether a review may let a cube in: it has not ended, and no erasure restricts it."""
    return cube.state in {"generated", "activated"} and not cube.restricted


@decided.register
def _(command: c.RejectReview, at: Situation) -> Drafts:
    if at.case is None or at.case.state != "open":
        return refuse(command, "case_not_open")
    return one(e.ReviewRejected(case=command.case))


@decided.register
def _(command: c.ActivatePolicy, at: Situation) -> Drafts:
    if command.policy == at.policy:
        return refuse(command, "policy_active")
    return one(e.PolicyActivated(policy=command.policy))


@decided.register
def _(command: c.RotateVault, at: Situation) -> Drafts:
    return one(e.VaultRotated(epoch=command.epoch, ended=command.ended))


@decided.register
def _(command: c.AskAudit, at: Situation) -> Drafts:
    return one(_asked(command.question, command.target, command))


@decided.register
def _(command: c.ReadHistory, at: Situation) -> Drafts:
    return one(_asked("history", command.cube, command))


def _asked(question: str, target: str | None, of: c.OfThen) -> e.AuditAsked:
    return e.AuditAsked(question=question, target=target, recorded=of.recorded, valid=of.valid)
