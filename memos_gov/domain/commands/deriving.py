"""Commands that make cubes of cubes, or bring an earlier content back."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from memos_gov.domain.commands.command import Command
from memos_gov.domain.commands.cubes import OnCube
from memos_gov.domain.commands.fields import NOWHERE, Content, CubeId, Metadata, Word
from memos_gov.domain.verdicts import INTEGER_MAX

MERGED_MAX = 50
PARTS_MAX = 50


def _each_once(cubes: tuple[str, ...]) -> tuple[str, ...]:
    known = [cube for cube in cubes if cube != NOWHERE]
    if len(set(known)) < len(known):
        raise ValueError("names a cube twice")
    return cubes


Cubes = Annotated[tuple[CubeId, ...], AfterValidator(_each_once)]


class OnCubes(Command):
    """
    A command about several cubes, of which it makes one.

    `basis` and `retention_class` choose among those of the cubes, where they
    differ; everything else follows from the cubes.
    """

    cubes: Cubes = Field(min_length=1, max_length=MERGED_MAX)
    basis: Word | None = None
    retention_class: Word | None = None


class MergeCubes(OnCubes):
    """
    Make one cube of several: their contents in this order, a line break between them.

    There is no word of the caller's in it, metadata neither: what a session
    has read could come in by it.
    """

    ACTION: ClassVar[str] = "merge"

    cubes: Cubes = Field(min_length=2, max_length=MERGED_MAX)


class SummariseCubes(OnCubes):
    """Keep what the caller made of several cubes, which stay as they are."""

    ACTION: ClassVar[str] = "summarise"

    content: Content = Field(repr=False)
    metadata: Metadata = Field(default_factory=dict, repr=False)


class SplitCube(OnCube):
    """Make several cubes of one: each part is a piece of its content, in its order."""

    ACTION: ClassVar[str] = "split"

    parts: tuple[Content, ...] = Field(min_length=2, max_length=PARTS_MAX, repr=False)


class RollBackCube(OnCube):
    """Give a cube the content of an earlier revision again, as a new one."""

    ACTION: ClassVar[str] = "roll_back"

    to_revision: int = Field(ge=1, le=INTEGER_MAX)
    expected_revision: int | None = Field(None, ge=1, le=INTEGER_MAX)
