"""Events of cubes in another form."""

from __future__ import annotations

from typing import Literal

from memos_gov.domain import ids
from memos_gov.domain.events.event import Event
from memos_gov.domain.facts import Source


class CubesTransformed(Event, frozen=True, kw_only=True):
    """
    From here on these cubes, at these revisions, may be kept in another form as well.

    What is kept is made of the log and can be made again, as the index can;
    it stands as long as each of the cubes does and has that revision.
    `base_model` is the one that made it.
    """

    artefact: str
    form: Literal["activation"]
    sources: tuple[Source, ...]
    base_model: str

    def stream(self, tenant: str) -> str:
        """Return the stream of this artefact."""
        return ids.artefact_stream(tenant, self.artefact)
