"""Events of principals and of subjects."""

from __future__ import annotations

from memos_gov.domain.events.event import OnPrincipal, OnSubject
from memos_gov.domain.verdicts import Integer


class PrincipalAdded(OnPrincipal, frozen=True, kw_only=True):
    """A principal with its roles and attributes."""

    roles: tuple[str, ...]
    clearance: str
    purposes: tuple[str, ...]
    regions: tuple[str, ...]


class RolesGranted(OnPrincipal, frozen=True, kw_only=True):
    """Roles given to a principal."""

    roles: tuple[str, ...]


class RolesRevoked(OnPrincipal, frozen=True, kw_only=True):
    """Roles taken from a principal."""

    roles: tuple[str, ...]


class ConsentGiven(OnSubject, frozen=True, kw_only=True):
    """A subject agreed to a purpose."""

    purpose: str
    valid_from: Integer
    valid_to: Integer | None


class ConsentWithdrawn(OnSubject, frozen=True, kw_only=True):
    """A subject refused or took back a purpose."""

    purpose: str
    valid_from: Integer
    valid_to: Integer | None


class SubjectErased(OnSubject, frozen=True, kw_only=True):
    """The person's name ended: the directory forgets whom the opaque id stands for."""

    erasure: str
