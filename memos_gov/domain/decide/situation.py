"""What a decision looks at, and the reasons that the domain itself refuses for."""

from __future__ import annotations

import msgspec

from memos_gov.domain import events as e
from memos_gov.domain.facts import CaseFacts, MatterFacts, PrincipalFacts
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
    "not_due": "nothing is due for the cube, or not yet, or a review must come first",
    "already_triggered": "the event is on record with this time already",
}


class Admitted(msgspec.Struct, frozen=True, kw_only=True):
    """Content as admission let it in: masked, labelled, with the depth of its index."""

    content: str
    metadata: dict[str, str]
    label: str
    quarantined: bool
    findings: tuple[str, ...]
    index: IndexDepth


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """
    Everything a decision may look at, besides the command and the verdict.

    `index` is how deep a cube would be indexed under the label that it is to get.
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
    policy: str = ""
    approval: str | None = None
    index: IndexDepth | None = None
