"""Commands about who may act, and about the persons that cubes are about."""

from __future__ import annotations

from typing import ClassVar

from pydantic import (
    AwareDatetime,
    Field,
)

from memos_gov.domain.commands.command import Command
from memos_gov.domain.commands.fields import Name, Word


class AddPrincipal(Command):
    """Let somebody act, with roles and attributes."""

    ACTION: ClassVar[str] = "principal_add"

    principal: Name
    roles: tuple[Word, ...]
    clearance: Word = "internal"
    purposes: tuple[Word, ...] = ()
    regions: tuple[str, ...] = ("*",)


class GrantRoles(Command):
    """Give roles to a principal."""

    ACTION: ClassVar[str] = "role_grant"

    principal: Name
    roles: tuple[Word, ...] = Field(min_length=1)


class RevokeRoles(Command):
    """Take roles from a principal."""

    ACTION: ClassVar[str] = "role_revoke"

    principal: Name
    roles: tuple[Word, ...] = Field(min_length=1)


class OnSubject(Command):
    """A command about one subject and one purpose."""

    subject: Name
    purpose: Word
    valid_from: AwareDatetime | None = None
    valid_to: AwareDatetime | None = None


class GiveConsent(OnSubject):
    """Record that a subject agreed to a purpose."""

    ACTION: ClassVar[str] = "consent_give"


class WithdrawConsent(OnSubject):
    """Record that a subject refused or took back a purpose."""

    ACTION: ClassVar[str] = "consent_withdraw"
