"""What a decision looks at, and the reasons that the domain itself refuses for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from memos_gov.domain import events as e
from memos_gov.domain.facts import CaseFacts, Facts, MatterFacts, PrincipalFacts, Source
from memos_gov.domain.lineage import Heritage, Link
from memos_gov.domain.questions import Cube
from memos_gov.domain.verdicts import UNKNOWN_TARGET, IndexDepth, RetentionVerdict

Drafts = tuple[e.Draft, ...]


REVISION_MOVED = "revision_moved"


DOMAIN_REASONS = {
    UNKNOWN_TARGET: "there is no such thing in this tenant",
    REVISION_MOVED: "the cube has another revision than the one expected",
    "transition_not_allowed": "the cube's state does not allow this",
    "already_frozen": "the cube is frozen already",
    "not_frozen": "the cube is not frozen",
    "not_shared": "the cube is not shared with that principal",
    "label_unchanged": "the cube has that label already",
    "basis_unchanged": "the cube rests on that basis already",
    "validity_over": "the end of what the cube says lies before its beginning",
    "not_held": "the matter holds nothing",
    "not_of_this_matter": "the matter does not hold that",
    "already_held": "the matter holds this already",
    "case_not_open": "the review case is decided already",
    "principal_exists": "the principal exists already",
    "policy_active": "the policy is active already",
    "no_base_model": "the tenant has no base model yet",
    "base_model_registered": "the tenant has that base model already",
    "not_due": "nothing is due for the cube, or not yet, or a review must come first",
    "already_triggered": "the event is on record with this time already",
    "erasure_open": "an erasure of this is under way already",
    "no_earlier_revision": "the cube has no such revision before the one it has",
    "basis_unclear": "the sources rest on different bases, and the one named is none of them",
    "purposes_disjoint": "the sources have no purpose in common with each other and with what "
    "was named",
    "regions_differ": "the sources are bound to different regions",
    "retention_class_unclear": "the sources are of different retention classes, and the one "
    "named is none of them",
    "session_not_covered": "what was read in this session is about other persons, for fewer "
    "purposes, or bound more strictly than the memory that was to be revised",
    "source_ended": "a source was erased, expired or restricted meanwhile",
    "too_many_descendants": "more was made of the cube than one record can narrow",
    "too_many_sources": "more cubes were read in this session than a cube can have as sources",
    "too_many_subjects": "the sources are about more persons than one cube can be",
}


class Admitted(msgspec.Struct, frozen=True, kw_only=True):
    """Content as admission let it in: masked, labelled, with the depth of its index."""

    content: str
    metadata: dict[str, str]
    label: str
    quarantined: bool
    findings: tuple[str, ...]
    index: IndexDepth


class Ancestry(msgspec.Struct, frozen=True, kw_only=True):
    """What a new cube is made of: sources that the command names, and reads of its session."""

    heritage: Heritage
    sources: tuple[Source, ...] = ()
    reads: tuple[Source, ...] = ()


def _no_descendants(cube: str) -> tuple[str, ...]:
    return ()


def _no_depth(cube: str, label: str) -> IndexDepth | None:
    return None


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """
    Everything a decision may look at, besides the command and the verdict.

    `known` are all facts loaded for it; `descendants` returns the live
    descendants of a cube as of the same snapshot, whose facts are then among
    them, and `depth` how deep one would be indexed under a label. `link` is what
    a revision adds to the cube's sources. `barred` are the domain's reasons for
    which there is no new content. `index` is how deep a
    cube would be indexed under the label that it is to get.
    `erasing` says that an erasure of the target is under way; `kept_erasure`
    names one of exactly this target that had to keep all of it.
    """

    tenant: str
    actor: str
    command_id: str
    now: int
    cube: Cube | None = None
    admitted: Admitted | None = None
    target: PrincipalFacts | None = None
    matter: MatterFacts | None = None
    case: CaseFacts | None = None
    retention: RetentionVerdict | None = None
    retentions: Mapping[str, RetentionVerdict] = {}
    reviews: tuple[str, ...] = ()
    policy: str = ""
    approval: str | None = None
    erasing: bool = False
    kept_erasure: str | None = None
    labels: Mapping[str, int] = {}
    known: Mapping[str, Facts] = {}
    descendants: Callable[[str], tuple[str, ...]] = _no_descendants
    depth: Callable[[str, str], IndexDepth | None] = _no_depth
    cubes: tuple[Cube, ...] = ()
    parts: tuple[Admitted, ...] = ()
    earlier: Cube | None = None
    ancestry: Ancestry | None = None
    link: Link | None = None
    barred: tuple[str, ...] = ()
    index: IndexDepth | None = None
