"""Events of cubes that were made of others, and of what follows for them from those."""

from __future__ import annotations

from typing import Literal

from memos_gov.domain.events.event import OnGovernance
from memos_gov.domain.facts import Source
from memos_gov.domain.verdicts import IndexDepth, Integer

Pathway = Literal["merge", "summarise", "split", "correlation"]


class CubeDerived(OnGovernance, frozen=True, kw_only=True):
    """
    A cube that came to be in the same record was made of others.

    It inherits when they end: when the earliest of them is due (`expires_at`)
    and when the earliest of them stops being valid (`valid_to`).
    """

    pathway: Pathway
    sources: tuple[Source, ...]
    expires_at: Integer | None
    valid_to: Integer | None


class CubeLinked(OnGovernance, frozen=True, kw_only=True):
    """
    The revision in the same record was made of others too: what its actor had read in the session.

    From here on these are among the cube's sources. When the earliest of them
    is due (`expires_at`) and stops being valid (`valid_to`), the cube ends at
    the latest.
    """

    sources: tuple[Source, ...]
    expires_at: Integer | None
    valid_to: Integer | None


class CubeMerged(OnGovernance, frozen=True, kw_only=True):
    """The cube's content went into another one, which stands for it until it is restored."""

    into: str


class CubeNarrowed(OnGovernance, frozen=True, kw_only=True):
    """
    What befell `source` in the same record holds for this cube too, which was made of it.

    `label` is the cube's new label, None where its own is as strict, and
    `index` how deep content is indexed under it; `basis` is consent where the
    source came to rest on it. The times are the latest that it may be kept
    and be valid, None where neither moved.
    """

    source: str
    label: str | None
    index: IndexDepth | None
    basis: str | None
    quarantined: bool
    restricted: bool
    expires_at: Integer | None
    valid_to: Integer | None
