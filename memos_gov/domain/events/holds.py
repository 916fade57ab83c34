"""Events of legal matters."""

from __future__ import annotations

from memos_gov.domain.events.event import OnMatter
from memos_gov.domain.facts import HeldTarget


class HoldPlaced(OnMatter, frozen=True, kw_only=True):
    """A subject or a cube is held for a matter."""

    target: HeldTarget


class HoldReleased(OnMatter, frozen=True, kw_only=True):
    """A matter holds nothing any more."""

    targets: tuple[HeldTarget, ...]
