"""
The entries that the plan wants of cubes, with their words opened where it says `full`.

With an embedder an entry has a vector, also where the plan says `vector_only`.
It is of the cube's own content, so it changes and ends with it alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from msgspec.structs import replace

from memos_gov.domain import ids
from memos_gov.domain.facts import ContentFacts, GovernanceFacts
from memos_gov.errors import CorruptionError, NotFoundError
from memos_gov.materializers.plan import has_entry, index_entry, is_opened
from memos_gov.ports import PARKED, Embedder, IndexEntry, Snapshot
from memos_gov.ports.turns import Name
from memos_gov.sealing import Sealer

UNREADABLE, REFUSED = PARKED
PIECE_TEXTS = 32  # vectors made without asking whether one's turn still is


def parked(entry: IndexEntry, reason: str) -> IndexEntry:
    """Return what stands for an entry that cannot be made: found by nothing, and said why."""
    return replace(entry, content=None, asks=False, model="", vector=b"", parked=reason)


class Entries:
    """Makes entries out of the facts and the sealed contents of one snapshot."""

    def __init__(
        self, snapshot: Snapshot, sealer: Sealer, embedder: Embedder | None = None
    ) -> None:
        self._snapshot = snapshot
        self._sealer = sealer
        self._embedder = embedder
        self._model = "" if embedder is None else embedder.name
        self._texts: dict[Name, str] = {}

    def of(self, cubes: Iterable[Name]) -> Iterator[IndexEntry | Name]:
        """Yield the entry of each cube, its vector still to be made, or its name without one."""
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

    def embedded(
        self, entries: Iterable[IndexEntry | Name], still: Callable[[], None]
    ) -> list[IndexEntry | Name]:
        """
        Return entries of `of` with their vectors, which need no facts.

        They are made a piece at a time, and what `still` raises before one ends it.
        """
        found = list(entries)
        if self._embedder is None:
            return found
        wanted = [(n, e) for n, e in enumerate(found) if isinstance(e, IndexEntry) and e.model]
        for start in range(0, len(wanted), PIECE_TEXTS):
            still()
            piece = wanted[start : start + PIECE_TEXTS]
            vectors = self._embedder.embed([self._texts[e.tenant, e.cube_id] for _, e in piece])
            for (place, entry), vector in zip(piece, vectors, strict=True):
                found[place] = replace(entry, vector=vector)
        return found

    def _entry(
        self, tenant: str, cube: str, content: ContentFacts, governance: GovernanceFacts
    ) -> IndexEntry | Name:
        try:
            text = self._text(tenant, cube, content, governance)
        except NotFoundError:
            return tenant, cube
        except CorruptionError:
            return parked(index_entry(tenant, cube, content, governance, None), UNREADABLE)
        if text is not None:
            self._texts[tenant, cube] = text
        return index_entry(tenant, cube, content, governance, text, model=self._model)

    def _text(
        self, tenant: str, cube: str, content: ContentFacts, governance: GovernanceFacts
    ) -> str | None:
        if not is_opened(content, governance, model=self._model):
            return None
        stored = self._snapshot.content_event(tenant, cube, content.event_index)
        if stored is None or stored.sealed is None or stored.key_id is None:
            return None
        return self._sealer.open_content(stored, tenant).content
