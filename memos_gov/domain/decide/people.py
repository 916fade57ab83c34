"""Decisions about principals and subjects."""

from __future__ import annotations

from memos_gov.domain import commands as c
from memos_gov.domain import events as e
from memos_gov.domain.commands import seconds
from memos_gov.domain.decide.deciding import decided, one
from memos_gov.domain.decide.refusing import refuse
from memos_gov.domain.decide.situation import Drafts, Situation
from memos_gov.domain.verdicts import UNKNOWN_TARGET


@decided.register
def _(command: c.AddPrincipal, at: Situation) -> Drafts:
    if at.target is not None:
        return refuse(command, "principal_exists")
    return one(
        e.PrincipalAdded(
            principal=command.principal,
            roles=tuple(sorted(set(command.roles))),
            clearance=command.clearance,
            purposes=command.purposes,
            regions=command.regions,
        )
    )


@decided.register
def _(command: c.GrantRoles, at: Situation) -> Drafts:
    if at.target is None:
        return refuse(command, UNKNOWN_TARGET)
    return one(e.RolesGranted(principal=command.principal, roles=command.roles))


@decided.register
def _(command: c.RevokeRoles, at: Situation) -> Drafts:
    if at.target is None:
        return refuse(command, UNKNOWN_TARGET)
    return one(e.RolesRevoked(principal=command.principal, roles=command.roles))


@decided.register
def _(command: c.GiveConsent, at: Situation) -> Drafts:
    return one(
        e.ConsentGiven(
            subject=command.subject,
            purpose=command.purpose,
            valid_from=seconds(command.valid_from, at.now),
            valid_to=None if command.valid_to is None else seconds(command.valid_to, at.now),
        )
    )


@decided.register
def _(command: c.WithdrawConsent, at: Situation) -> Drafts:
    return one(
        e.ConsentWithdrawn(
            subject=command.subject,
            purpose=command.purpose,
            valid_from=seconds(command.valid_from, at.now),
            valid_to=None if command.valid_to is None else seconds(command.valid_to, at.now),
        )
    )
