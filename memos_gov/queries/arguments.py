"""What questions of evidence take, as closed models: checked before anything is asked."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, ConfigDict, Field, model_validator

from memos_gov.domain.commands import Command, CubeId, Name
from memos_gov.domain.verdicts import INTEGER_MAX
from memos_gov.errors import InvalidCommandError

DAYS_MAX = 36_525

VERDICT_ID = re.compile(r"(?:[0-9]{1,18}|[0-9a-f-]{36})(?:/[a-z0-9_-]{1,64})?")


def _verdict(text: str) -> str:
    if not VERDICT_ID.fullmatch(text):
        raise ValueError("must be <command id>, <command id>/<target>, or an index")
    return text


class Arguments(Command):
    """What a question takes: nothing is made to fit."""

    model_config = ConfigDict(strict=True)


class AuditArguments(Arguments):
    """A question of auditors, and what it is about; a question refuses what it does not take."""

    question: str
    subject: Name | None = None
    cube: CubeId | None = None
    erasure: CubeId | None = None
    days: int | None = Field(None, ge=0, le=DAYS_MAX)
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None

    @model_validator(mode="after")
    def _period_in_order(self) -> AuditArguments:
        if self.since and self.until and self.until <= self.since:
            raise ValueError("until: must be after since")
        return self

    def takes(self, *fields: str) -> None:
        """
        Refuse what the question does not take.

        Raises:
            InvalidCommandError: Names the first field that it does not take.
        """
        for field in type(self).model_fields:
            if field not in ("question", *fields) and getattr(self, field) is not None:
                msg = f"{field}: the question {self.question} does not take it"
                raise InvalidCommandError(msg, field=field)

    def period(self) -> tuple[int, int]:
        """Return the first second of the period asked about, and the first after it."""
        start = 0 if self.since is None else int(self.since.timestamp())
        return start, INTEGER_MAX if self.until is None else int(self.until.timestamp())


class ExplainArguments(Arguments):
    """A verdict, by its id."""

    verdict: Annotated[str, AfterValidator(_verdict)]


class TailArguments(Arguments):
    """How many records."""

    count: int = Field(ge=1, le=INTEGER_MAX)


class ShowArguments(Arguments):
    """Which record."""

    index: int = Field(ge=0, le=INTEGER_MAX)
