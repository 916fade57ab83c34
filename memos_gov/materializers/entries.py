"""The entries that the plan wants of cubes, with their words opened where it says `full`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from memos_gov.domain import ids
from memos_gov.domain.facts import ContentFacts, GovernanceFacts
from memos_gov.errors import NotFoundError
from memos_gov.materializers.plan import has_entry, index_entry, is_indexed
from memos_gov.ports import IndexEntry, Snapshot
from memos_gov.sealing import Sealer

Name = tuple[str, str]  # tenant and cube


class Entries:
    """Makes entries out of the facts and the sealed contents of one snapshot."""

    def __init__(self, snapshot: Snapshot, sealer: Sealer) -> None:
        self._snapshot = snapshot
        self._sealer = sealer

    def of(self, cubes: Iterable[Name]) -> Iterator[IndexEntry | Name]:
        """Yield the entry of each cube, or its name when it has none."""
        wanted = sorted(cubes)
        streams = (
            s for t, x in wanted for s in (ids.content_stream(t, x), ids.governance_stream(t, x))
        )
        facts = {stream: found for stream, (_, found) in self._snapshot.facts(streams).items()}
        for tenant, cube in wanted:
            content = facts.get(ids.content_stream(tenant, cube))
            governance = facts.get(ids.governance_stream(tenant, cube))
            if (
                isinstance(content, ContentFacts)
                and isinstance(governance, GovernanceFacts)
                and has_entry(governance)
            ):
                yield self._entry(tenant, cube, content, governance)
            else:
                yield tenant, cube

    def _entry(
        self, tenant: str, cube: str, content: ContentFacts, governance: GovernanceFacts
    ) -> IndexEntry | Name:
        try:
            text = self._text(tenant, cube, content, governance)
        except NotFoundError:
            return tenant, cube
        return index_entry(tenant, cube, content, governance, text)

    def _text(
        self, tenant: str, cube: str, content: ContentFacts, governance: GovernanceFacts
    ) -> str | None:
        if not is_indexed(content, governance):
            return None
        stored = self._snapshot.content_event(tenant, cube, content.event_index)
        if stored is None or stored.sealed is None or stored.key_id is None:
            return None
        return self._sealer.open_content(stored, tenant).content
