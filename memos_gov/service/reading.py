"""
Reading memories, as they are and as they were.

`as_of` takes a time or an index of record, or an `AsOf` for a valid time as
well. What is shown is of then; whether it may be shown is judged by today.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from memos_gov.activation.injecting import Injection
from memos_gov.domain import commands as c
from memos_gov.domain.as_of import AsOf, as_of
from memos_gov.recall import Hit, Reading
from memos_gov.service.acting import Acting

Moment = AsOf | datetime | int | None


class Retrieving(Acting):
    """Reading memories."""

    def recall(
        self, query: str, *, k: int | None = None, budget: int | None = None, as_of: Moment = None
    ) -> Reading:
        """
        Return the `k` most relevant cubes that may be read, best first; five if not said.

        With a `budget`, those of them (of RECALL_K_MAX if `k` is not said) that fit
        as whole cubes into so many characters; `text` holds them in order of time.

        Of the past, the newest PAST_CUBES_MAX (2,000) that may be read are ranked;
        `partial` says where there were more.
        """
        most = k if k is not None else 5 if budget is None else c.RECALL_K_MAX
        command = c.make(c.RecallCubes, query=query, k=most, budget=budget, as_of=_of(as_of))
        return self.rooms.reader.read(self.caller, command)

    def get(self, cube: str, *, as_of: Moment = None) -> Hit:
        """Return one cube; not found where it was not there then."""
        command = c.make(c.ReadCube, cube=cube, as_of=_of(as_of))
        return self.rooms.reader.read(self.caller, command).hits[0]

    def get_all(self, cubes: Sequence[str]) -> Reading:
        """
        Return several cubes in this order, all of them or none: one read, which relies on each.

        Raises:
            DeniedError, NotFoundError: Policy refuses at least one, or it is not
                there; recorded, and nothing is returned.
        """
        return self.rooms.reader.read(self.caller, c.make(c.ReadCubes, cubes=cubes))

    def inject(self, cubes: Sequence[str]) -> Injection:
        """
        Return memories as the tenant's base model takes them in: all of them or none, as one read.

        They stand in canonical order, whatever order they are named in. See
        `activation/injecting.py`; needs the extra `models`.

        Raises:
            SettingsError: The base model is not installed, not prepared, or unusable.
            ConflictError: It is not the one that the tenant has; nothing was read.
            DeniedError, NotFoundError: Policy refuses at least one, or it is not there; recorded.
            InvalidCommandError: They are none, too many, or too long together.
        """
        return self.rooms.injector.inject(self.caller, c.make(c.ReadCubes, cubes=cubes))

    def list(
        self,
        *,
        subject: str | None = None,
        label: str | None = None,
        state: str | None = None,
        limit: int = 50,
        after: str | None = None,
        as_of: Moment = None,
    ) -> Reading:
        """Return the facts of cubes that may be read, newest first; content stays sealed."""
        command = c.make(
            c.ListCubes,
            subject=subject,
            label=label,
            state=state,
            limit=limit,
            after=after,
            as_of=_of(as_of),
        )
        return self.rooms.reader.read(self.caller, command)


def _of(moment: Moment) -> AsOf | None:
    return as_of(moment)
