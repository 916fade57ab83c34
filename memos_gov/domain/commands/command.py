"""What every command is, and how one is made of what a caller said."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from memos_gov.domain.commands.fields import Circumstance, Name, Word, _opaque, _tenant
from memos_gov.domain.verdicts import INTEGER_MAX
from memos_gov.errors import InvalidCommandError


class Command(BaseModel):
    """Something to be done; unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    ACTION: ClassVar[str] = ""

    @model_validator(mode="after")
    def _times_in_order(self) -> Command:
        start, end = getattr(self, "valid_from", None), getattr(self, "valid_to", None)
        if start and end and end <= start:
            raise ValueError("valid_to: must be after valid_from")
        return self


class Circumstances(Command):
    """
    Who acts, where, for what, and how they came: the form of what a caller says of itself.

    Policy is asked about these words and records keep them in the clear, so
    none of them is free text. `approval` is the id of a review case.
    """

    model_config = ConfigDict(strict=True)

    principal: Name
    tenant: Annotated[str, AfterValidator(_tenant)]
    purpose: Word
    session: Circumstance | None = None
    channel: Circumstance | None = None
    region: Circumstance | None = None
    approval: Annotated[str, AfterValidator(_opaque)] | None = None


class OfThen(Command):
    """A question that may be about the past, as it came down: up to an index, about a second."""

    recorded: int | None = Field(None, ge=-1, le=INTEGER_MAX)
    valid: int | None = Field(None, ge=-INTEGER_MAX, le=INTEGER_MAX)


C = TypeVar("C", bound=Command)


def make(command_type: type[C], **fields: object) -> C:
    """
    Return a valid command.

    Raises:
        InvalidCommandError: Names the first field at fault, never its value.
    """
    try:
        return command_type(**fields)
    except ValidationError as error:
        field, message = _first_fault(error)
    # Raised out here, so that the validator's error, which holds the input, is not its context.
    raise InvalidCommandError(f"{field}: {message}", field=field)


def _first_fault(error: ValidationError) -> tuple[str, str]:
    """Return the first field at fault and what is wrong with it."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    place = first["loc"]
    # A key of metadata is the caller's text, so it is not repeated.
    field = "metadata" if place[:1] == ("metadata",) else ".".join(str(part) for part in place)
    message = first["msg"].removeprefix("Value error, ")
    if not field:
        field, _, message = message.rpartition(": ")
    return field, message


def seconds(moment: datetime | None, otherwise: int) -> int:
    """Return a moment in whole seconds since the epoch, `otherwise` when there is none."""
    return otherwise if moment is None else int(moment.timestamp())
