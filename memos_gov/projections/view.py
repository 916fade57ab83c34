"""What a view is: the one shape that `follow.py` runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from memos_gov.domain.history import Decided

if TYPE_CHECKING:
    from sqlalchemy import Connection


class View(Protocol):
    """One view: events into rows of its own tables, the same rows at every replay."""

    name: str

    def apply(self, connection: Connection, batch: Sequence[Decided]) -> None:
        """Write what follows from `batch`; each record comes once, in order."""
