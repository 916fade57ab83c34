"""
A command, what is known, and a verdict into events: pure.

`decide` never asks policy and never reads a clock. Without an allowing verdict
the only event is a refusal (and a review case when policy asked for one);
with one, the domain's own rules still refuse what cannot be, such as thawing
what is not frozen. A refusal is an event, with sorted reason codes.
"""

from __future__ import annotations

from functools import singledispatch

import msgspec

from memos_gov.domain import commands as c
from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.commands import seconds
from memos_gov.domain.facts import CaseFacts, HeldTarget, MatterFacts, PrincipalFacts
from memos_gov.domain.lifecycle import may_become
from memos_gov.domain.questions import Cube
from memos_gov.domain.verdicts import UNKNOWN_TARGET, IndexDepth, Verdict

Drafts = tuple[e.Draft, ...]

REVISION_MOVED = "revision_moved"
DOMAIN_REASONS = {
    UNKNOWN_TARGET: "there is no such thing in this tenant",
    REVISION_MOVED: "the cube has another revision than the one expected",
    "transition_not_allowed": "the cube's state does not allow this",
    "already_frozen": "the cube is frozen already",
    "not_frozen": "the cube is not frozen",
    "not_shared": "the cube is not shared with that principal",
    "not_held": "the matter holds nothing",
    "already_held": "the matter holds this already",
    "case_not_open": "the review case is decided already",
    "principal_exists": "the principal exists already",
    "policy_active": "the policy is active already",
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
    """Everything a decision may look at, besides the command and the verdict."""

    tenant: str
    actor: str
    command_id: str
    now: int
    cube: Cube | None = None
    admitted: Admitted | None = None
    target: PrincipalFacts | None = None
    matter: MatterFacts | None = None
    case: CaseFacts | None = None
    policy: str = ""
    approval: str | None = None


def decide(command: c.Command, situation: Situation, verdict: Verdict) -> Drafts:
    """Return the events of a command; at least one."""
    if not verdict.allows:
        return _refused_by_policy(command, situation, verdict)
    drafts = _decided(command, situation)
    if situation.approval is None or any(draft.event.REFUSAL for draft in drafts):
        return drafts
    return (*drafts, e.Draft(e.ReviewUsed(case=situation.approval)))


def _refused_by_policy(command: c.Command, at: Situation, verdict: Verdict) -> Drafts:
    refused = refuse(command, *(r.code for r in verdict.reasons))
    if verdict.effect != "review":
        return refused
    case = e.ReviewOpened(
        case=ids.case_id_of(at.command_id), action=command.ACTION, target=act_target(command)
    )
    return (*refused, e.Draft(case))


def act_target(command: c.Command) -> str:
    """Return what a review case is about: exactly this act, so that no other one is approved."""
    fields = ("cube", "principal", "scope", "policy", "valid_from", "valid_to")
    named = [part for field in fields if (part := getattr(command, field, None))]
    return "/".join(part if isinstance(part, str) else str(seconds(part, 0)) for part in named)


def decide_read(
    command: c.ReadCube | c.RecallCubes | c.ListCubes,
    cubes: tuple[Cube, ...],
    *,
    snapshot: int,
    refused: dict[str, int],
    detail: e.ReadDetail,
) -> Drafts:
    """Return the read of `cubes`, all of them allowed; none is a read too."""
    read = e.CubesRead(
        action=command.ACTION,  # type: ignore[arg-type]  # the three actions of these commands
        cubes=tuple(e.ReadCube(cube=x.cube, revision=x.content.revision) for x in cubes),
        snapshot=snapshot,
        refused=refused,
    )
    return (e.Draft(read, detail),)


def refuse(command: c.Command, *reasons: str) -> Drafts:
    """Return a refusal; of the command's targets only ids are named, never free text."""
    named = (
        getattr(command, field, None)
        for field in ("cube", "subject", "principal", "matter", "case")
    )
    targets = tuple(t for t in named if isinstance(t, str) and ids.is_opaque(t))
    refusal = e.CommandRefused(
        action=command.ACTION, targets=targets, reasons=tuple(sorted(set(reasons)))
    )
    return (e.Draft(refusal),)


def _one(event: e.Event) -> Drafts:
    return (e.Draft(event),)


@singledispatch
def _decided(command: c.Command, at: Situation) -> Drafts:
    msg = f"no decision for {type(command).__name__}"
    raise TypeError(msg)


@_decided.register
def _(command: c.AddPrincipal, at: Situation) -> Drafts:
    if at.target is not None:
        return refuse(command, "principal_exists")
    return _one(
        e.PrincipalAdded(
            principal=command.principal,
            roles=tuple(sorted(set(command.roles))),
            clearance=command.clearance,
            purposes=command.purposes,
            regions=command.regions,
        )
    )


@_decided.register
def _(command: c.GrantRoles, at: Situation) -> Drafts:
    if at.target is None:
        return refuse(command, UNKNOWN_TARGET)
    return _one(e.RolesGranted(principal=command.principal, roles=command.roles))


@_decided.register
def _(command: c.RevokeRoles, at: Situation) -> Drafts:
    if at.target is None:
        return refuse(command, UNKNOWN_TARGET)
    return _one(e.RolesRevoked(principal=command.principal, roles=command.roles))


@_decided.register
def _(command: c.RememberCube, at: Situation) -> Drafts:
    admitted = at.admitted
    assert admitted is not None
    remembered = e.CubeRemembered(
        cube=ids.cube_id_of(at.command_id),
        form="plaintext",
        origin=command.origin,
        semantic_type=command.semantic_type,
        author=command.author,
        conversation=command.conversation,
        position=command.position,
        subjects=command.subjects,
        owner=at.actor,
        label=admitted.label,
        purposes=command.purposes,
        basis=command.basis,
        region=command.region,
        retention_class=command.retention_class,
        priority=command.priority,
        state="generated" if admitted.quarantined else "activated",
        quarantined=admitted.quarantined,
        findings=admitted.findings,
        index=admitted.index,
        size_bytes=len(admitted.content.encode()),
        valid_from=seconds(command.valid_from, at.now),
        valid_to=None if command.valid_to is None else seconds(command.valid_to, at.now),
        sources=(),
    )
    content = e.CubeContent(content=admitted.content, metadata=admitted.metadata)
    return (
        *_consents(command, at),
        e.Draft(remembered, content),
        *_case(at, remembered.cube, quarantined=admitted.quarantined),
    )


def _consents(command: c.RememberCube, at: Situation) -> Drafts:
    return tuple(
        e.Draft(
            (e.ConsentGiven if word.given else e.ConsentWithdrawn)(
                subject=subject,
                purpose=word.purpose,
                valid_from=seconds(word.valid_from, at.now),
                valid_to=None,
            )
        )
        for subject in command.subjects
        for word in command.consents
    )


def _case(at: Situation, cube: str, *, quarantined: bool) -> Drafts:
    if not quarantined:
        return ()
    case = ids.case_id_of(at.command_id)
    return _one(e.ReviewOpened(case=case, action="admit", target=cube))


@_decided.register
def _(command: c.ReviseCube, at: Situation) -> Drafts:
    cube, admitted = at.cube, at.admitted
    assert cube is not None
    assert admitted is not None
    if command.expected_revision not in (None, cube.content.revision):
        return refuse(command, REVISION_MOVED)
    if cube.governance.state != "activated":
        return refuse(command, "transition_not_allowed")
    kept = cube.content.valid_from if command.mode == "append" else at.now
    revised = e.CubeRevised(
        cube=cube.cube,
        revision=cube.content.revision + 1,
        mode=command.mode,
        findings=admitted.findings,
        index=admitted.index,
        size_bytes=len(admitted.content.encode()),
        valid_from=seconds(command.valid_from, kept),
        valid_to=cube.content.valid_to
        if command.valid_to is None
        else seconds(command.valid_to, 0),
    )
    content = e.CubeContent(content=admitted.content, metadata=admitted.metadata)
    return (e.Draft(revised, content), *_regoverned(at, cube, admitted))


def _regoverned(at: Situation, cube: Cube, admitted: Admitted) -> Drafts:
    """What new content does to a cube's label, and to whether it may be read."""
    drafts: Drafts = ()
    if admitted.label != cube.governance.label:
        drafts = _one(e.CubeRelabelled(cube=cube.cube, label=admitted.label))
    if admitted.quarantined:
        drafts = (*drafts, e.Draft(e.CubeQuarantined(cube=cube.cube)))
    return (*drafts, *_case(at, cube.cube, quarantined=admitted.quarantined))


@_decided.register
def _(command: c.ShareCube, at: Situation) -> Drafts:
    if at.target is None:
        return refuse(command, UNKNOWN_TARGET)
    return _one(
        e.CubeShared(
            cube=command.cube,
            principal=command.principal,
            scope=command.scope,
            valid_from=seconds(command.valid_from, at.now),
            valid_to=None if command.valid_to is None else seconds(command.valid_to, at.now),
        )
    )


@_decided.register
def _(command: c.UnshareCube, at: Situation) -> Drafts:
    assert at.cube is not None
    if command.principal not in {g.principal for g in at.cube.governance.grants}:
        return refuse(command, "not_shared")
    return _one(e.CubeUnshared(cube=command.cube, principal=command.principal))


@_decided.register
def _(command: c.FreezeCube, at: Situation) -> Drafts:
    assert at.cube is not None
    if at.cube.governance.frozen:
        return refuse(command, "already_frozen")
    return _one(e.CubeFrozen(cube=command.cube))


@_decided.register
def _(command: c.ThawCube, at: Situation) -> Drafts:
    assert at.cube is not None
    if not at.cube.governance.frozen:
        return refuse(command, "not_frozen")
    return _one(e.CubeThawed(cube=command.cube))


@_decided.register
def _(command: c.ArchiveCube, at: Situation) -> Drafts:
    assert at.cube is not None
    if not may_become(at.cube.governance.state, "archived"):
        return refuse(command, "transition_not_allowed")
    return _one(e.CubeArchived(cube=command.cube))


@_decided.register
def _(command: c.RestoreCube, at: Situation) -> Drafts:
    assert at.cube is not None
    governance = at.cube.governance
    if governance.state == "generated" or not may_become(governance.state, "activated"):
        return refuse(command, "transition_not_allowed")
    return _one(e.CubeActivated(cube=command.cube))


@_decided.register
def _(command: c.GiveConsent, at: Situation) -> Drafts:
    return _one(
        e.ConsentGiven(
            subject=command.subject,
            purpose=command.purpose,
            valid_from=seconds(command.valid_from, at.now),
            valid_to=None if command.valid_to is None else seconds(command.valid_to, at.now),
        )
    )


@_decided.register
def _(command: c.WithdrawConsent, at: Situation) -> Drafts:
    return _one(
        e.ConsentWithdrawn(
            subject=command.subject,
            purpose=command.purpose,
            valid_from=seconds(command.valid_from, at.now),
            valid_to=None if command.valid_to is None else seconds(command.valid_to, at.now),
        )
    )


@_decided.register
def _(command: c.PlaceHold, at: Situation) -> Drafts:
    if command.cube is not None:
        target = HeldTarget(kind="cube", id=command.cube)
    else:
        assert command.subject is not None
        target = HeldTarget(kind="subject", id=command.subject)
    if at.matter is not None and target in at.matter.targets:
        return refuse(command, "already_held")
    return _one(e.HoldPlaced(matter=command.matter, target=target))


@_decided.register
def _(command: c.ReleaseHold, at: Situation) -> Drafts:
    if at.matter is None or not at.matter.targets:
        return refuse(command, "not_held")
    return _one(e.HoldReleased(matter=command.matter, targets=at.matter.targets))


@_decided.register
def _(command: c.ApproveReview, at: Situation) -> Drafts:
    if at.case is None or at.case.state != "open":
        return refuse(command, "case_not_open")
    approved = e.Draft(e.ReviewApproved(case=command.case))
    if at.case.action != "admit":
        return (approved,)
    return (approved, e.Draft(e.CubeActivated(cube=at.case.target)))


@_decided.register
def _(command: c.RejectReview, at: Situation) -> Drafts:
    if at.case is None or at.case.state != "open":
        return refuse(command, "case_not_open")
    return _one(e.ReviewRejected(case=command.case))


@_decided.register
def _(command: c.ActivatePolicy, at: Situation) -> Drafts:
    if command.policy == at.policy:
        return refuse(command, "policy_active")
    return _one(e.PolicyActivated(policy=command.policy))


@_decided.register
def _(command: c.AskAudit, at: Situation) -> Drafts:
    return _one(e.AuditAsked(question=command.question, target=command.target))


@_decided.register
def _(command: c.ReadHistory, at: Situation) -> Drafts:
    return _one(e.AuditAsked(question="history", target=command.cube))
