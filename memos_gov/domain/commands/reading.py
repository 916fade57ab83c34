"""Commands that read, and change nothing."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import (
    AfterValidator,
    Field,
)

from memos_gov.domain.as_of import Moment
from memos_gov.domain.commands.command import OfThen
from memos_gov.domain.commands.cubes import OnCube
from memos_gov.domain.commands.deriving import Cubes
from memos_gov.domain.commands.fields import (
    LIST_PAGE_MAX,
    RECALL_BUDGET_MAX,
    RECALL_K_MAX,
    CubeId,
    Name,
    Word,
    _content,
)

READ_MAX = 200


class ReadCube(OnCube, OfThen):
    """Read one cube: as it is, as of a moment of the past, or every revision up to then."""

    ACTION: ClassVar[str] = "read"

    as_of: Moment | None = None
    every_revision: bool = False


class ReadCubes(OfThen):
    """
    Read several cubes as they are, in this order: all of them, or none.

    For what is made of them together: policy must allow each.
    """

    ACTION: ClassVar[str] = "read"

    cubes: Cubes = Field(min_length=1, max_length=READ_MAX)


class ReadHistory(OnCube, OfThen):
    """Read the events of one cube, never its content."""

    ACTION: ClassVar[str] = "history"


class RecallCubes(OfThen):
    """Find the `k` most relevant cubes that the actor may read, or what of them fits a budget."""

    ACTION: ClassVar[str] = "recall"

    query: Annotated[str, Field(max_length=10_000), AfterValidator(_content)] = Field(repr=False)
    k: int = Field(5, ge=1, le=RECALL_K_MAX)
    budget: int | None = Field(None, ge=1, le=RECALL_BUDGET_MAX)
    as_of: Moment | None = None


class ListCubes(OfThen):
    """List the facts of the cubes that the actor may read, newest first, a page at a time."""

    ACTION: ClassVar[str] = "list"

    subject: Name | None = None
    label: Word | None = None
    state: Word | None = None
    limit: int = Field(50, ge=1, le=LIST_PAGE_MAX)
    after: CubeId | None = None
    as_of: Moment | None = None
