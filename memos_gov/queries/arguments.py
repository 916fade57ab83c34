"""What questions of evidence take, as closed models: checked before anything is asked."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field

from memos_gov.domain.commands import Command, CubeId, Name
from memos_gov.domain.verdicts import INTEGER_MAX

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


class ExplainArguments(Arguments):
    """A verdict, by its id."""

    verdict: Annotated[str, AfterValidator(_verdict)]


class TailArguments(Arguments):
    """How many records."""

    count: int = Field(ge=1, le=INTEGER_MAX)


class ShowArguments(Arguments):
    """Which record."""

    index: int = Field(ge=0, le=INTEGER_MAX)
