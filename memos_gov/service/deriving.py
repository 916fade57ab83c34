"""Making memories of memories, and going back to what one said before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from memos_gov.domain import commands as c
from memos_gov.receipts import Receipt
from memos_gov.service.acting import Acting

if TYPE_CHECKING:
    from memos_gov.activation.transforming import Transformed


class Deriving(Acting):
    """Making memories of memories, and going back to what one said before."""

    def merge(
        self,
        cubes: Sequence[str],
        *,
        basis: str | None = None,
        retention_class: str | None = None,
        dry_run: bool = False,
    ) -> Receipt:
        """
        Make one cube of several; they become `merged` and can be restored.

        `basis` and `retention_class` choose where those of the cubes differ.
        """
        return self._do(
            c.MergeCubes,
            dry_run=dry_run,
            cubes=cubes,
            basis=basis,
            retention_class=retention_class,
        )

    def summarise(
        self,
        cubes: Sequence[str],
        content: str,
        *,
        basis: str | None = None,
        retention_class: str | None = None,
        metadata: Mapping[str, str] | None = None,
        dry_run: bool = False,
    ) -> Receipt:
        """Keep what you made of cubes, which stay as they are; as `merge` otherwise."""
        return self._do(
            c.SummariseCubes,
            dry_run=dry_run,
            cubes=cubes,
            content=content,
            basis=basis,
            retention_class=retention_class,
            metadata={} if metadata is None else metadata,
        )

    def transform(
        self, cubes: Sequence[str], *, to: str = "activation", dry_run: bool = False
    ) -> Transformed:
        """
        Keep cubes, as they are now, as what the tenant's base model computes of them, in a file.

        `inject` with the same cubes finds it, in any process. See
        `activation/transforming.py`; needs the extra `models`.

        Raises:
            SettingsError, ConflictError: The base model is not there, or not the tenant's.
            DeniedError, NotFoundError: Policy refuses at least one; recorded.
        """
        from memos_gov.activation.transforming import transform

        rooms, command = self.rooms, c.make(c.TransformCubes, cubes=cubes, to=to)
        return transform(rooms.governor, rooms.injector, self.caller, command, dry_run=dry_run)

    def split(self, cube: str, parts: Sequence[str], *, dry_run: bool = False) -> Receipt:
        """Make a cube of each part, a piece of the content in its order; archive the whole."""
        return self._do(c.SplitCube, dry_run=dry_run, cube=cube, parts=parts)

    def roll_back(
        self,
        cube: str,
        *,
        to_revision: int,
        expected_revision: int | None = None,
        dry_run: bool = False,
    ) -> Receipt:
        """Give a cube the content of an earlier revision again, as a new revision."""
        return self._do(
            c.RollBackCube,
            dry_run=dry_run,
            cube=cube,
            to_revision=to_revision,
            expected_revision=expected_revision,
        )
