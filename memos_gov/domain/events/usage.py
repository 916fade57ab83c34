"""Events of usage, which version nothing: reads, questions, refusals."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from memos_gov.domain.events.event import Event
from memos_gov.domain.verdicts import Integer


class ReadCube(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A cube and the revision that was returned."""

    cube: str
    revision: Integer


class CubesRead(Event, frozen=True, kw_only=True):
    """
    Content or facts of cubes were returned.

    `snapshot` is the index whose facts were used, `refused` counts hidden
    candidates by reason; the query and the candidates are sealed. Of a look at
    the past, `recorded` is the newest index that counted, and `valid` the second
    it was about where one was asked for.
    """

    VERSION: ClassVar[int] = 2

    action: Literal["read", "recall", "list"]
    cubes: tuple[ReadCube, ...]
    snapshot: Integer
    refused: dict[str, Integer]
    recorded: Integer | None = None
    valid: Integer | None = None


class AuditAsked(Event, frozen=True, kw_only=True):
    """Somebody asked a question of evidence about `target`; of the past as in `CubesRead`."""

    VERSION: ClassVar[int] = 2

    question: str
    target: str | None
    recorded: Integer | None = None
    valid: Integer | None = None


class CommandRefused(Event, frozen=True, kw_only=True):
    """
    A command was refused, by policy or by the domain; `reasons` are codes, sorted.

    Of a look at the past as in `CubesRead`.
    """

    VERSION: ClassVar[int] = 2
    REFUSAL: ClassVar[bool] = True

    action: str
    targets: tuple[str, ...]
    reasons: tuple[str, ...]
    recorded: Integer | None = None
    valid: Integer | None = None
