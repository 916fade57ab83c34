"""Turns at an index that has no transactions: who may write to it, and who may still do so."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec

Name = tuple[str, str]  # tenant and cube


class Unfinished(msgspec.Struct, frozen=True, kw_only=True):
    """
    A turn that did not end, by its number: what it was about to write, and whether it still may.

    `settles_s` is None while its holder may write, and else in how many seconds
    what it had sent has arrived or never will; 0 once that is so.
    """

    number: int
    holder: str
    cubes: frozenset[Name]
    since_s: int
    settles_s: float | None


class IndexTurn(Protocol):
    """The turn that somebody has; it ends with its `with`, or when its holder hangs in it."""

    def begin(self, cubes: Iterable[Name]) -> None:
        """
        Note which cubes are about to be written; durable and seen by everybody on return.

        What it notes is taken back when the turn ends well, in one step with its end.
        """

    def check(self) -> None:
        """
        Go on only while the turn is one's own.

        Raises:
            UnavailableError: It was lost: somebody else may write by now.
        """

    def unfinished(self) -> list[Unfinished]:
        """Return the turns here that began to write and did not end, oldest first."""

    def forget(self, number: int) -> None:
        """Take back what an unfinished turn noted, once it settled and was written over."""


class IndexTurns(Protocol):
    """
    One writer of a partition at a time, over all processes.

    Such an index takes whatever is sent to it, also from a process that was
    stopped in its turn and goes on when others had theirs. So a turn says
    before it writes what it will write; one that did not end leaves that
    behind, and says whether its holder still lives. A holder lives until its
    process ends or the store loses its connection to it.
    """

    def turn(self, partition: int | None) -> AbstractContextManager[IndexTurn]:
        """
        Enter once nobody else has the turn of a partition; that of all partitions when None.

        Raises:
            UnavailableError: Somebody has it and does not hang, or the turn was lost within.
        """

    def troubled(self) -> set[int]:
        """Return the partitions in which a turn did not end, or goes on now."""

    def close(self) -> None:
        """Release the store; nobody counts as living by it any more."""
