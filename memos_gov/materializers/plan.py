"""What should exist of a cube, from its facts alone."""

from __future__ import annotations

from memos_gov.domain.facts import ContentFacts, GovernanceFacts
from memos_gov.ports import IndexEntry

FINDABLE = frozenset({"activated"})


def has_entry(governance: GovernanceFacts) -> bool:
    """Whether an index holds anything of a cube: of an erased one it holds nothing."""
    return governance.state != "erased"


def is_indexed(content: ContentFacts, governance: GovernanceFacts) -> bool:
    """Whether a cube's content belongs into the lexical index: in full, admitted, not set aside."""
    aside = governance.quarantined or governance.restricted
    return content.index == "full" and governance.state in FINDABLE and not aside


def index_entry(
    tenant: str, cube: str, content: ContentFacts, governance: GovernanceFacts, text: str | None
) -> IndexEntry:
    """Return the entry that the index should hold of a cube; `text` None keeps content out."""
    return IndexEntry(
        tenant=tenant,
        cube_id=cube,
        revision=content.revision,
        content=text,
        label=governance.label,
        purposes=governance.purposes,
        state=governance.state,
        owner=governance.owner,
        shared_with=tuple(g.principal for g in governance.grants),
        region=governance.region,
        author=governance.author,
        conversation=governance.conversation,
        position=governance.position,
    )
