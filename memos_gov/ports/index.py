"""Retrieval: what an index keeps of cubes, and how it is asked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from memos_gov.domain.verdicts import Scope
from memos_gov.ports.embedding import Akin, Meaning

PARKED = ("unreadable", "refused")  # the content cannot be opened; the index does not take it


class IndexEntry(msgspec.Struct, frozen=True, kw_only=True):
    """
    What an index keeps of a cube: terms of its content, and the facts a scope can name.

    `content` is None for a cube whose plan keeps its content out of the index;
    its words then find nothing. Content is kept as stems and counts only, and as
    whether it is a question. What it says holds from `valid_from` up to, not
    including, `valid_to` (seconds; None without end). `vector` is what the
    embedder `model` made of this content alone, of no other cube's; both are
    empty where the plan keeps the meaning out, or there is no embedder.
    `parked` says why an entry has neither though its plan wants them (`PARKED`).
    """

    tenant: str
    cube_id: str
    revision: int
    content: str | None
    label: str
    purposes: tuple[str, ...]
    state: str
    owner: str
    shared_with: tuple[str, ...]
    region: str
    author: str | None
    conversation: str | None
    position: int | None
    asks: bool = False
    valid_from: int = 0
    valid_to: int | None = None
    model: str = ""
    vector: bytes = b""
    parked: str = ""


class Candidate(NamedTuple):
    """
    A cube within a scope, and what its words say of a query.

    `score` is BM25 by `relevance.py` with statistics over the scope; `counts`
    says how often the cube has each term of the query (`relevance.terms_of`), in
    their order; `asks` whether its content is a question.
    """

    cube: str
    score: float
    counts: tuple[int, ...]
    words: int
    asks: bool


class IndexedCube(NamedTuple):
    """
    What an index says it holds: a cube's revision, and whether its words find it.

    `digest` is over everything that is kept of the cube, and equals that of
    `CubeIndex.digest` for the entry that was applied.
    """

    tenant: str
    cube_id: str
    revision: int
    findable: bool
    digest: bytes


class ParkedCube(NamedTuple):
    """A cube whose entry could not be made, and why (`PARKED`)."""

    tenant: str
    cube_id: str
    reason: str


class CubeIndex(Protocol):
    """
    Retrieval over cubes: candidates in order of relevance, never a verdict.

    Tenants never meet: every call names one, and statistics are taken over the
    scope asked for, so nothing about cubes outside it shows in the order. An
    entry that was removed is found by nothing once `apply` has returned; when
    its bytes are gone is what `supports_sweeping` says.
    """

    @property
    def supports_transactions(self) -> bool:
        """
        Whether `apply` is one transaction, which a search sees whole or not at all.

        Where it is not, entries are written before the position: one that was
        cut off is applied again, and a search beside it may see a part.
        """

    @property
    def supports_sweeping(self) -> bool:
        """
        Whether no byte of a removed entry is in the index's files once `apply` has returned.

        Where it is not, they are gone for certain with the last entry of their
        tenant, and by `clear`.
        """

    def apply(
        self,
        position: int,
        put: Sequence[IndexEntry],
        remove: Iterable[tuple[str, str]] = (),
        *,
        partition: int = 0,
        still: Callable[[], None] | None = None,
    ) -> None:
        """
        Replace and remove entries and advance to `position` in `partition`.

        An entry replaces the one of the same tenant and cube; `remove` names
        (tenant, cube id). A call whose `position` is at or below the one reached
        in that partition is skipped whole, so applying twice equals applying
        once. The position moves only when all else is written.

        Without transactions there is one writer of a partition at a time (`IndexTurns`):
        `still` is called before each piece that is written, and what it raises ends the call.

        Raises:
            UnavailableError: Not all was written, or somebody else moved the position
                meanwhile: apply the same again.
        """

    def mend(
        self,
        position: int,
        put: Sequence[IndexEntry],
        remove: Iterable[tuple[str, str]] = (),
        *,
        partition: int = 0,
        still: Callable[[], None] | None = None,
    ) -> bool:
        """
        Replace and remove entries as `apply` does, and stay at the position.

        Return False, with nothing written, where that is another than `position`
        by now: what was to be written may be older than what is there.
        """

    def remove(self, tenant: str, cubes: Iterable[str]) -> None:
        """Remove the entries of these cubes outright, wherever the position is."""

    def position(self, partition: int = 0) -> int:
        """Return how far this index has come in a partition; -1 before the first `apply`."""

    def search(
        self,
        tenant: str,
        query: str,
        scope: Scope,
        now: int,
        akin: Mapping[str, Sequence[Akin]] | None = None,
    ) -> Iterator[Candidate]:
        """
        Yield all matching cubes within `scope` that are valid `now`, most relevant first.

        A cube matches that has a stem of the query, or one `akin` to it. Cubes that
        are not valid are left out by the query itself; texts and words of the scope
        are counted with them. Ties are broken by cube id. A query without a word
        that is indexed yields nothing.
        """

    def nearest(self, tenant: str, meaning: Meaning, scope: Scope, now: int) -> Iterator[Candidate]:
        """
        Yield the cubes within `scope`, valid `now`, that have a vector, nearest first.

        Only vectors of the meaning's model count. Scores are 0 and counts empty.
        """

    def nearness(self, tenant: str, cubes: Collection[str], meaning: Meaning) -> dict[str, float]:
        """Return the cosine of each of these cubes that has a vector of the meaning's model."""

    def beside(
        self, tenant: str, places: Collection[tuple[str, int]], scope: Scope, now: int
    ) -> list[Candidate]:
        """
        Return the findable cubes within `scope`, valid `now`, that stand at these places, by id.

        A place is a conversation and a position; scores are 0 and counts empty.
        """

    def authors(self, tenant: str, authors: Collection[str], scope: Scope) -> set[str]:
        """Return which of these authors have a findable cube within `scope`."""

    def entries(self) -> Iterator[IndexedCube]:
        """Yield what is kept, in order of tenant and cube."""

    def present(self, tenant: str, cubes: Iterable[str]) -> set[str]:
        """Return which of these cubes of a tenant have an entry, findable or not."""

    def parked(self) -> list[ParkedCube]:
        """Return the cubes whose entries are parked, in order of tenant and cube."""

    def digest(self, entry: IndexEntry) -> bytes:
        """Return the digest that `entries` gives of a cube once `entry` is applied."""

    def damaged(self) -> Iterator[str]:
        """
        Yield the place of whatever contradicts the entries, or is left of removed ones.

        Nothing for a sound index; a place names ids only.
        """

    def clear(self) -> None:
        """Remove every entry and every position."""

    def close(self) -> None:
        """Release the files; nothing is lost."""
