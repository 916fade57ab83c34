"""
What became of a command: the record on its way, the receipt, or the error that says what to do.

A refusal is an outcome like any other; here it becomes the error whose class
tells the caller what can be done, with nothing in it that the caller may not
know.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from memos_gov.domain import codec
from memos_gov.domain import commands as c
from memos_gov.domain.decide import DOMAIN_REASONS, REVISION_MOVED
from memos_gov.domain.events import (
    AuditAsked,
    CommandRefused,
    CubeDerived,
    CubeLinked,
    CubeRemembered,
    CubeRevised,
    CubeRolledBack,
    Draft,
    ErasureRequested,
)
from memos_gov.domain.history import Outcome
from memos_gov.domain.questions import Caller
from memos_gov.domain.verdicts import FAILED_CLOSED, UNKNOWN_TARGET, IndexDepth, Verdict, merge
from memos_gov.errors import ConflictError, DeniedError, NotFoundError, PolicyUnavailableError
from memos_gov.ports import Proposal

NOT_WRITTEN = -1
_ASK_AGAIN = (
    "Retry later; a command keeps its id, so a retry cannot act twice. What keeps the policy"
    " engine from answering: `memos-gov doctor`."
)
_NEW_CONTENT = CubeRemembered | CubeRevised | CubeRolledBack
NOTHING_TO_DO = "Nothing is left to do: it is so already."
REMEDIES = {
    REVISION_MOVED: "Load the cube again and retry.",
    "transition_not_allowed": "`memos-gov history` shows how the cube came to its state.",
    "already_frozen": NOTHING_TO_DO,
    "not_frozen": NOTHING_TO_DO,
    "not_shared": "Check the name; who has no share needs none ended.",
    "label_unchanged": NOTHING_TO_DO,
    "basis_unchanged": NOTHING_TO_DO,
    "validity_over": "Say with valid_to until when the new content is true.",
    "not_held": "Check the name of the matter; `memos-gov audit holds` lists them.",
    "not_of_this_matter": "`memos-gov audit holds` shows which matter holds what.",
    "already_held": NOTHING_TO_DO,
    "case_not_open": "`memos-gov review list` shows the cases that are open.",
    "principal_exists": "Choose another name, or give roles with `memos-gov principal grant`.",
    "policy_active": NOTHING_TO_DO,
    "base_model_registered": NOTHING_TO_DO,
    "no_base_model": "Run `memos-gov model prepare`.",
    "not_due": "`memos-gov audit due` shows what is due, and when.",
    "already_triggered": NOTHING_TO_DO,
    "erasure_open": "`memos-gov audit requests` shows it; opening the folder goes on with it.",
    "no_earlier_revision": "`memos-gov history` shows the revisions there are.",
    "basis_unclear": "Name one of the sources' own bases.",
    "purposes_disjoint": "Derive from fewer sources, or begin a new session, which has none.",
    "regions_differ": "Derive from sources of one region, or begin a new session.",
    "retention_class_unclear": "Name one of the sources' own retention classes.",
    "session_not_covered": "Begin a new session and revise it there, or remember the words as a "
    "new memory, which has what was read as sources.",
    "source_ended": "Leave that source out; a new session begins without sources.",
    "too_many_descendants": "End or restrict what was made of it first, the newest first: "
    "`memos-gov audit derived` lists it.",
    "too_many_sources": "Begin a new session; what is remembered in it has only that as sources "
    "which is read in it.",
    "too_many_subjects": "Derive from fewer sources, or begin a new session.",
}


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """
    What became of a command, and where that is proven.

    `index` is its place in the tenant's decided history and `leaf` its hash
    in the tenant's tree, in hex. A dry run that was allowed has index -1, since
    nothing but the question was written. `repeated` says that the command was
    decided before, and this is what it got then. `index_depth` says how deep
    accepted content is indexed: only what is `full` is found by its words.
    `cube_ids` are the cubes that the command made, `cube_id` the first of them
    or the one that has new content. `sources` are what they were made of; of a
    revision those that it adds.
    """

    command_id: str
    tenant: str
    index: int
    code: str
    leaf: str
    verdict: Verdict
    verdict_id: str
    cube_id: str | None = None
    revision: int | None = None
    case_id: str | None = None
    erasure_id: str | None = None
    repeated: bool = False
    index_depth: IndexDepth | None = None
    cube_ids: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A command on its way into the log; `newcomers` are ids that the directory must know first."""

    command_id: str
    proposal: Proposal
    verdict: Verdict
    drafts: tuple[Draft, ...]
    newcomers: frozenset[str] = frozenset()

    @property
    def refused(self) -> bool:
        """Whether the record holds a refusal."""
        return any(draft.event.REFUSAL for draft in self.drafts)


def only_asked(command: c.Command, drafts: tuple[Draft, ...]) -> tuple[Draft, ...]:
    """Return what a dry run records: the refusal, or that the allowed act was asked about."""
    if any(draft.event.REFUSAL for draft in drafts):
        return drafts
    question = f"dry-run-{command.ACTION.replace('_', '-')}"
    target = getattr(command, "subject" if isinstance(command, c.EraseSubject) else "cube", None)
    return (Draft(AuditAsked(question=question, target=target)),)


def receipt_of(caller: Caller, prepared: Prepared, outcome: Outcome) -> Receipt:
    """Return the receipt of a record that was accepted or refused."""
    events = [draft.event for draft in prepared.drafts]
    cube = next((x for x in events if isinstance(x, _NEW_CONTENT)), None)
    derived = (x for x in events if isinstance(x, CubeDerived | CubeLinked))
    case = next((e for d in prepared.drafts if (e := getattr(d.event, "case", None))), None)
    requested = (d.event for d in prepared.drafts if isinstance(d.event, ErasureRequested))
    erasure = next((event.erasure for event in requested), None)
    return Receipt(
        command_id=prepared.command_id,
        tenant=caller.tenant,
        index=outcome.index,
        code=outcome.code,
        leaf=outcome.leaf.hex(),
        verdict=prepared.verdict,
        verdict_id=prepared.command_id,
        cube_id=None if cube is None else cube.cube,
        revision=None if cube is None else getattr(cube, "revision", 1),
        case_id=case,
        erasure_id=erasure,
        index_depth=None if cube is None else cube.index,
        cube_ids=tuple(x.cube for x in events if isinstance(x, CubeRemembered)),
        sources=tuple(dict.fromkeys(s.cube for x in derived for s in x.sources)),
    )


def whole_verdict(recorded: codec.RecordedVerdict, drafts: tuple[Draft, ...]) -> Verdict:
    """Return policy's answer to a command as its receipt gave it: on what is new, or on all."""
    made = (d.event.cube for d in drafts if isinstance(d.event, _NEW_CONTENT))
    found = [recorded.by_target[cube] for cube in made if cube in recorded.by_target]
    first, *others = found or recorded.by_target.values()
    return msgspec.structs.replace(merge(first, *others), valid_until=recorded.valid_until)


def raise_refusal(prepared: Prepared, index: int) -> None:
    """
    Raise what a refused command means for its caller.

    Raises:
        PolicyUnavailableError: Policy did not answer.
        DeniedError: Policy refused, for at least one public reason.
        NotFoundError: Refused for reasons the caller may not know, or unknown.
        ConflictError: The domain refused.
    """
    reasons = _reasons(prepared.drafts)
    verdict = prepared.verdict
    failed = sorted(FAILED_CLOSED & reasons)
    if failed:
        msg = f"policy gave no answer ({failed[0]}), so the answer is no"
        raise PolicyUnavailableError(msg, reason=failed[0], remedy=_ASK_AGAIN)
    if not verdict.allows and verdict.public_reasons:
        msg = f"refused: {', '.join(verdict.public_reasons)}"
        public = msgspec.structs.replace(
            verdict, reasons=tuple(r for r in verdict.reasons if r.public), rules=()
        )
        raise DeniedError(msg, verdict=public, verdict_id=prepared.command_id, index=index)
    if not verdict.allows or UNKNOWN_TARGET in reasons:
        raise NotFoundError
    codes = [REVISION_MOVED] if REVISION_MOVED in reasons else sorted(reasons)
    msg = "; ".join(DOMAIN_REASONS[code] for code in codes)
    raise ConflictError(msg, remedy=REMEDIES.get(codes[0]) if codes else None)


def _reasons(drafts: Iterable[Draft]) -> set[str]:
    return {code for d in drafts if isinstance(d.event, CommandRefused) for code in d.event.reasons}
