"""What an event is, and on which stream each kind of it stands."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from memos_gov.domain import ids


class Event(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An accepted fact."""

    VERSION: ClassVar[int] = 1
    REFUSAL: ClassVar[bool] = False

    def stream(self, tenant: str) -> str:
        """Return the stream this event belongs to first; by default usage, which has no version."""
        return ids.usage_stream(tenant)

    def newest(self) -> Event:
        """Return this event as the newest version of its type says it."""
        return self


class OnContent(Event, frozen=True, kw_only=True):
    """An event of a cube's content."""

    cube: str

    def stream(self, tenant: str) -> str:
        """Return the cube's content stream."""
        return ids.content_stream(tenant, self.cube)


class OnGovernance(Event, frozen=True, kw_only=True):
    """An event of what rules a cube."""

    cube: str

    def stream(self, tenant: str) -> str:
        """Return the cube's governance stream."""
        return ids.governance_stream(tenant, self.cube)


class OnSubject(Event, frozen=True, kw_only=True):
    """An event of a natural person."""

    subject: str

    def stream(self, tenant: str) -> str:
        """Return the subject's stream."""
        return ids.subject_stream(tenant, self.subject)


class OnPrincipal(Event, frozen=True, kw_only=True):
    """An event of somebody who may act."""

    principal: str

    def stream(self, tenant: str) -> str:
        """Return the principal's stream."""
        return ids.principal_stream(tenant, self.principal)


class OnMatter(Event, frozen=True, kw_only=True):
    """An event of a legal matter."""

    matter: str

    def stream(self, tenant: str) -> str:
        """Return the matter's stream."""
        return ids.matter_stream(tenant, self.matter)


class OnCase(Event, frozen=True, kw_only=True):
    """An event of a review case."""

    case: str

    def stream(self, tenant: str) -> str:
        """Return the case's stream."""
        return ids.case_stream(tenant, self.case)


class OnErasure(Event, frozen=True, kw_only=True):
    """An event of an erasure."""

    erasure: str

    def stream(self, tenant: str) -> str:
        """Return the erasure's stream."""
        return ids.erasure_stream(tenant, self.erasure)
