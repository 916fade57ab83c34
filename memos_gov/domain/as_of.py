"""
Moments of the past, in both clocks: when something was recorded, and when it was true.

`AsOf` is what somebody asks for, `Then` what it comes down to in one tenant's
history: the newest index that counts, and the second that its facts are read
at. Without a valid time one sees what was shown then; with one, what was
known then about that moment, where the newest record about it wins.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from pydantic import InstanceOf, PlainSerializer, WithJsonSchema

from memos_gov.domain.verdicts import INTEGER_MAX
from memos_gov.errors import InvalidCommandError

FIELD = "as_of"


class AsOf(msgspec.Struct, frozen=True):
    """
    A moment to look at: as recorded at a time or an index, and as true at a time.

    Raises:
        InvalidCommandError: Names `as_of`: no aware time, or no index.
    """

    recorded: datetime | int | None = None
    valid: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse what is neither a time with a zone nor an index."""
        if isinstance(self.recorded, int) and not isinstance(self.recorded, bool):
            if not 0 <= self.recorded <= INTEGER_MAX:
                _refuse("an index is 0 or more")
        else:
            _check_time(self.recorded)
        _check_time(self.valid)

    @property
    def is_now(self) -> bool:
        """Whether nothing of the past is asked for."""
        return self.recorded is None and self.valid is None


def _check_time(value: object) -> None:
    if value is None:
        return
    if not isinstance(value, datetime):
        _refuse("must be a time or an index")
    elif value.tzinfo is None:
        _refuse("a time needs a time zone")


def _refuse(why: str) -> None:
    raise InvalidCommandError(f"{FIELD}: {why}", field=FIELD)


def as_of(said: AsOf | datetime | int | None) -> AsOf | None:
    """
    Return the moment that a caller names; a time alone is one of record; None for now.

    Raises:
        InvalidCommandError: Names `as_of`.
    """
    moment = said if isinstance(said, AsOf) else AsOf(said)
    return None if moment.is_now else moment


def _said(moment: AsOf) -> dict[str, Any]:
    """Return a moment as plain JSON."""
    parts = {"recorded": moment.recorded, "valid": moment.valid}
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in parts.items()}


Moment = Annotated[
    InstanceOf[AsOf],
    PlainSerializer(_said),
    WithJsonSchema(
        {
            "type": "object",
            "properties": {
                "recorded": {
                    "anyOf": [
                        {"type": "string", "format": "date-time"},
                        {"type": "integer", "minimum": 0},
                        {"type": "null"},
                    ]
                },
                "valid": {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]},
            },
            "additionalProperties": False,
        }
    ),
]


class Then(msgspec.Struct, frozen=True, kw_only=True):
    """
    A moment of one tenant's history.

    `index` is the newest index that counts, -1 before the first; `moment` the
    second at which facts are read; `valid` that second where it was asked for.
    """

    index: int
    moment: int
    valid: int | None = None
