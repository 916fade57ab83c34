"""What is sealed beside an event, and an event on its way into a record."""

from __future__ import annotations

import msgspec

from memos_gov.domain.events.event import Event


class CubeContent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The sealed payload of a content revision."""

    content: str
    metadata: dict[str, str]


class ReadDetail(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The sealed payload of a read: what was asked and which cubes were weighed."""

    query: str
    candidates: tuple[str, ...]


class ErasureReason(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The sealed payload of a request to erase: why, in the words of who asked."""

    reason: str


Payload = CubeContent | ReadDetail | ErasureReason


class Draft(msgspec.Struct, frozen=True):
    """An event decided on, with what must be sealed before it is proposed."""

    event: Event
    payload: Payload | None = None
