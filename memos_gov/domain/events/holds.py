"""Events of legal matters."""

from __future__ import annotations

from typing import ClassVar

from memos_gov.domain.events.event import OnMatter
from memos_gov.domain.facts import HeldTarget, HoldScope
from memos_gov.domain.verdicts import Integer


class HoldPlaced(OnMatter, frozen=True, kw_only=True):
    """
    A subject, a cube, or whatever a scope covers is held for a matter, over its valid time.

    From its record on where no beginning is said.
    """

    VERSION: ClassVar[int] = 2

    target: HeldTarget
    scope: HoldScope | None = None
    valid_from: Integer | None = None
    valid_to: Integer | None = None


class HoldReleased(OnMatter, frozen=True, kw_only=True):
    """A matter holds these no more."""

    VERSION: ClassVar[int] = 2

    targets: tuple[HeldTarget, ...]
