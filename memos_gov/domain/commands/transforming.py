"""Commands that bring cubes into another form."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from memos_gov.domain.commands.command import Command
from memos_gov.domain.commands.deriving import Cubes
from memos_gov.domain.commands.reading import READ_MAX


class TransformCubes(Command):
    """
    Keep several cubes, as they are now, in another form too; they stay as they are.

    As activation they are what the tenant's base model computes of them, in a file.
    """

    ACTION: ClassVar[str] = "transform"

    cubes: Cubes = Field(min_length=1, max_length=READ_MAX)
    to: Literal["activation"]
