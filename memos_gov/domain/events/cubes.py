"""Events of cubes: content, and what rules them."""

from __future__ import annotations

from typing import ClassVar, Literal

from memos_gov.domain.events.event import OnContent, OnGovernance
from memos_gov.domain.facts import Form, GrantScope
from memos_gov.domain.verdicts import IndexDepth, Integer


class CubeRemembered(OnContent, frozen=True, kw_only=True):
    """A cube came to be; its content and metadata are sealed beside."""

    form: Form
    origin: str
    semantic_type: str
    author: str | None
    conversation: str | None
    position: Integer | None
    subjects: tuple[str, ...]
    owner: str
    label: str
    purposes: tuple[str, ...]
    basis: str
    region: str
    retention_class: str
    priority: str
    state: Literal["generated", "activated"]
    quarantined: bool
    findings: tuple[str, ...]
    index: IndexDepth
    size_bytes: Integer
    valid_from: Integer
    valid_to: Integer | None
    sources: tuple[str, ...]


class CubeRevised(OnContent, frozen=True, kw_only=True):
    """A new content revision, sealed whole; `append` says the old text stands before the new."""

    revision: Integer
    mode: Literal["overwrite", "append"]
    findings: tuple[str, ...]
    index: IndexDepth
    size_bytes: Integer
    valid_from: Integer
    valid_to: Integer | None


class CubeRolledBack(OnContent, frozen=True, kw_only=True):
    """A new content revision that says again what `to_revision` said, under a key of its own."""

    revision: Integer
    to_revision: Integer
    findings: tuple[str, ...]
    index: IndexDepth
    size_bytes: Integer
    valid_from: Integer
    valid_to: Integer | None


class CubeRelabelled(OnGovernance, frozen=True, kw_only=True):
    """
    The label is another one, over its valid time; from its record on where no beginning is said.

    Without an end it is the label in force. `index` is how deep content is
    indexed under it, None where that stays as it was.
    """

    VERSION: ClassVar[int] = 2

    label: str
    index: IndexDepth | None = None
    valid_from: Integer | None = None
    valid_to: Integer | None = None


class CubeRebased(OnGovernance, frozen=True, kw_only=True):
    """The legal basis is another one, over its valid time; without an end it is in force."""

    basis: str
    valid_from: Integer
    valid_to: Integer | None


class CubeQuarantined(OnGovernance, frozen=True, kw_only=True):
    """Nobody reads the cube until a review approves it."""


class CubeActivated(OnGovernance, frozen=True, kw_only=True):
    """The cube may be recalled: admitted by review, or brought back from the archive."""


class CubeArchived(OnGovernance, frozen=True, kw_only=True):
    """The cube is kept but no longer recalled."""


class CubeExpired(OnGovernance, frozen=True, kw_only=True):
    """The cube's time is over: nobody uses it, and erasure follows."""


class CubeRestricted(OnGovernance, frozen=True, kw_only=True):
    """
    The cube is stored and no longer used: an erasure of it was asked for.

    Without `reasons` it is not decided yet; with them, they are why it is kept.
    """

    erasure: str
    reasons: tuple[str, ...]


class CubeErased(OnGovernance, frozen=True, kw_only=True):
    """The cube ended: its content keys are destroyed from here on, and it is never read again."""

    erasure: str


class CubeFrozen(OnGovernance, frozen=True, kw_only=True):
    """The cube admits no change."""


class CubeThawed(OnGovernance, frozen=True, kw_only=True):
    """The cube admits changes again."""


class CubeShared(OnGovernance, frozen=True, kw_only=True):
    """Another principal may read, or read and write."""

    principal: str
    scope: GrantScope
    valid_from: Integer
    valid_to: Integer | None


class CubeUnshared(OnGovernance, frozen=True, kw_only=True):
    """A share ended."""

    principal: str
