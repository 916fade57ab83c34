"""What should exist of a cube, from its facts alone."""

from __future__ import annotations

from datetime import UTC, datetime

from memos_gov.domain.facts import ContentFacts, GovernanceFacts
from memos_gov.domain.lineage.inheritance import earliest
from memos_gov.ports import IndexEntry

FINDABLE = frozenset({"activated"})
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


def has_entry(governance: GovernanceFacts) -> bool:
    """Whether an index holds anything of a cube: of an erased one it holds nothing."""
    return governance.state != "erased"


def is_indexed(content: ContentFacts, governance: GovernanceFacts) -> bool:
    """Whether a cube's content belongs into the lexical index: in full, admitted, not set aside."""
    return content.index == "full" and _is_findable(governance)


def is_opened(content: ContentFacts, governance: GovernanceFacts, *, model: str = "") -> bool:
    """Whether a cube's content is opened for the index: for its words, or for `model`'s vector."""
    depths = {"full", "vector_only"} if model else {"full"}
    return content.index in depths and _is_findable(governance)


def _is_findable(governance: GovernanceFacts) -> bool:
    aside = governance.quarantined or governance.restricted
    return governance.state in FINDABLE and not aside


def index_entry(
    tenant: str,
    cube: str,
    content: ContentFacts,
    governance: GovernanceFacts,
    text: str | None,
    *,
    model: str = "",
) -> IndexEntry:
    """
    Return the entry that the index should hold of a cube, its vector by `model` still empty.

    Args:
        tenant: Whose cube it is.
        cube: Which one.
        content: Its newest content's facts.
        governance: Its own.
        text: What `is_opened` opened; None keeps words and meaning out. The day
            from which it is valid is found as its words are.
        model: The embedder; empty for none.
    """
    told = text if is_indexed(content, governance) else None
    return IndexEntry(
        tenant=tenant,
        cube_id=cube,
        revision=content.revision,
        content=None if told is None else f"{told}\n{day_in_words(content.valid_from)}",
        label=governance.label,
        purposes=governance.purposes,
        state=governance.state,
        owner=governance.owner,
        shared_with=tuple(g.principal for g in governance.grants),
        region=governance.region,
        author=governance.author,
        conversation=governance.conversation,
        position=governance.position,
        asks=told is not None and told.rstrip().endswith("?"),
        valid_from=max(content.valid_from, 0),
        valid_to=earliest(content.valid_to, governance.valid_to),
        model="" if text is None else model,
    )


def day_in_words(moment: int) -> str:
    """Return the day of a moment as people write it: 8 May 2023."""
    day = datetime.fromtimestamp(moment, UTC)
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"
