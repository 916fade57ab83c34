"""Reading memories."""

from __future__ import annotations

from memos_gov.domain import commands as c
from memos_gov.recall import Hit, Reading
from memos_gov.service.acting import Acting


class Retrieving(Acting):
    """Reading memories."""

    def recall(self, query: str, *, k: int = 5) -> Reading:
        """Return the `k` most relevant cubes that may be read, best first."""
        return self.rooms.reader.read(self.caller, c.make(c.RecallCubes, query=query, k=k))

    def get(self, cube: str) -> Hit:
        """Return one cube."""
        return self.rooms.reader.read(self.caller, c.make(c.ReadCube, cube=cube)).hits[0]

    def list(
        self,
        *,
        subject: str | None = None,
        label: str | None = None,
        state: str | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> Reading:
        """Return the facts of cubes that may be read, newest first; content stays sealed."""
        command = c.make(
            c.ListCubes, subject=subject, label=label, state=state, limit=limit, after=after
        )
        return self.rooms.reader.read(self.caller, command)
