"""Every command: what it does when policy allows, and every way the domain refuses it."""

from datetime import UTC, datetime

import msgspec
import pytest

from memos_gov.domain import commands as c
from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.decide import DOMAIN_REASONS, decide, decide_read
from memos_gov.domain.facts import HeldTarget, HoldScope, Source
from memos_gov.domain.verdicts import Verdict
from tests.base_models import FINGERPRINT
from tests.domain.given import (
    ANN,
    CASE,
    COMMAND_ID,
    CUBE,
    MATTER,
    NEW_CASE,
    NEW_CUBE,
    NOW,
    OTHER_POLICY,
    OWNER,
    POLICY,
    SUBJECT,
    a_verdict,
    admit,
    given,
    remembered,
    situation,
)

LATER = datetime.fromtimestamp(NOW + 3600, UTC)
ATTRIBUTES = {"clearance": "internal", "purposes": ("research",), "regions": ("*",)}
ANN_ADDED = e.PrincipalAdded(principal=ANN, roles=("analyst",), **ATTRIBUTES)
FOUNDED = e.TenantFounded(
    principal=OWNER,
    roles=("steward",),
    policy=POLICY,
    verifier_key="",
    recovery_key="",
    **ATTRIBUTES,
)
SHARED = e.CubeShared(cube=CUBE, principal=ANN, scope="read", valid_from=NOW, valid_to=None)
HELD_SUBJECT = HeldTarget(kind="subject", id=SUBJECT)
HELD_CUBE = HeldTarget(kind="cube", id=CUBE)
REMEMBER = c.make(
    c.RememberCube,
    content="hello",
    subjects=[SUBJECT],
    label="internal",
    purposes=["complaint-handling"],
    basis="contract",
    retention_class="standard",
)
WINDOW = {"valid_from": NOW, "valid_to": None}
REGISTER = c.make(c.RegisterBaseModel, **msgspec.structs.asdict(FINGERPRINT))
BASE_MODEL = e.BaseModelRegistered(base_model=FINGERPRINT.digest, fingerprint=FINGERPRINT)


def opened(action: str = "admit", target: str = CUBE) -> e.ReviewOpened:
    """Return a case that waits."""
    return e.ReviewOpened(case=CASE, action=action, target=target)


def revised(**changes: object) -> e.CubeRevised:
    """Return the event of an ordinary second revision."""
    fields: dict[str, object] = {
        "cube": CUBE,
        "revision": 2,
        "mode": "overwrite",
        "findings": (),
        "index": "full",
        "size_bytes": 5,
        "valid_from": NOW,
        "valid_to": None,
    }
    return e.CubeRevised(**(fields | changes))  # type: ignore[arg-type]


# --- Principals ---------------------------------------------------------------


def test_principal_new_to_the_tenant_is_added_with_sorted_roles() -> None:
    """Roles are a set; they are kept once each, in order."""
    command = c.make(
        c.AddPrincipal,
        principal=ANN,
        roles=["steward", "analyst", "steward"],
        purposes=["research"],
    )

    given().when(command).then(
        e.PrincipalAdded(principal=ANN, roles=("analyst", "steward"), **ATTRIBUTES)
    )


def test_principal_added_before_is_refused() -> None:
    """A second addition would overwrite what the first one may do."""
    command = c.make(c.AddPrincipal, principal=ANN, roles=["analyst"])

    given(ANN_ADDED).when(command).refused("principal_exists")


@pytest.mark.parametrize(
    ("command_type", "event_type"),
    [(c.GrantRoles, e.RolesGranted), (c.RevokeRoles, e.RolesRevoked)],
)
def test_roles_of_a_known_principal_change(
    command_type: type[c.GrantRoles], event_type: type[e.RolesGranted]
) -> None:
    """Roles are given and taken by the same shape of event."""
    command = c.make(command_type, principal=ANN, roles=["dpo"])

    given(ANN_ADDED).when(command).then(event_type(principal=ANN, roles=("dpo",)))


@pytest.mark.parametrize("command_type", [c.GrantRoles, c.RevokeRoles])
def test_roles_of_an_unknown_principal_are_refused(command_type: type[c.GrantRoles]) -> None:
    """Nobody gets roles before being added."""
    command = c.make(command_type, principal=ANN, roles=["dpo"])

    given(FOUNDED).when(command).refused("unknown_target")


# --- Remember -----------------------------------------------------------------


def test_content_that_is_admitted_becomes_an_active_cube() -> None:
    """The cube's id follows from the command id, so a retry makes the same cube."""
    given().when(REMEMBER, admitted=admit()).then(remembered(cube=NEW_CUBE))


def test_content_that_is_admitted_is_sealed_beside_the_header() -> None:
    """The payload is what admission let in, not what was sent."""
    drafts = given().when(REMEMBER, admitted=admit("h***o")).drafts

    assert e.CubeContent(content="h***o", metadata={}) == drafts[0].payload
    assert "h***o" not in repr(drafts[0].event)


def test_content_in_quarantine_waits_as_generated_with_a_case() -> None:
    """A quarantined cube is not active, and a case says who must look at it."""
    given().when(REMEMBER, admitted=admit(quarantined=True)).then(
        remembered(cube=NEW_CUBE, state="generated", quarantined=True),
        e.ReviewOpened(case=NEW_CASE, action="admit", target=NEW_CUBE),
    )


def test_consents_that_come_with_a_cube_stand_before_it() -> None:
    """Each subject gets each word, given or withdrawn."""
    words = [{"purpose": "research", "given": True}, {"purpose": "support", "given": False}]
    command = REMEMBER.model_copy(update={"consents": tuple(c.Consent(**w) for w in words)})

    given().when(command, admitted=admit()).then(
        e.ConsentGiven(subject=SUBJECT, purpose="research", **WINDOW),
        e.ConsentWithdrawn(subject=SUBJECT, purpose="support", **WINDOW),
        remembered(cube=NEW_CUBE),
    )


# --- Revise -------------------------------------------------------------------


@pytest.mark.parametrize("expected", [None, 1])
@pytest.mark.parametrize("mode", ["overwrite", "append"])
def test_revision_that_stands_is_followed_by_the_next(expected: int | None, mode: str) -> None:
    """Without an expectation, or with the right one, the revision grows by one."""
    command = c.make(
        c.ReviseCube, cube=CUBE, content="hello", mode=mode, expected_revision=expected
    )

    given(remembered()).when(command, admitted=admit()).then(revised(mode=mode))


@pytest.mark.parametrize("expected", [1, 3])
def test_revision_that_moved_is_refused(expected: int) -> None:
    """A caller that named a revision never overwrites another one."""
    command = c.make(c.ReviseCube, cube=CUBE, content="hello", expected_revision=expected)

    given(remembered(), revised()).when(command, admitted=admit()).refused("revision_moved")


def test_revision_that_must_be_stricter_raises_label_and_quarantines() -> None:
    """New content can only narrow a cube."""
    command = c.make(c.ReviseCube, cube=CUBE, content="hello")
    strict = admit(label="confidential", quarantined=True)

    given(remembered()).when(command, admitted=strict).then(
        revised(),
        e.CubeRelabelled(cube=CUBE, label="confidential"),
        e.CubeQuarantined(cube=CUBE),
        e.ReviewOpened(case=NEW_CASE, action="admit", target=CUBE),
    )


@pytest.mark.parametrize(
    "history",
    [
        [remembered(state="generated", quarantined=True)],
        [remembered(), e.CubeArchived(cube=CUBE)],
    ],
)
def test_revision_of_a_cube_that_is_not_active_is_refused(history: list[e.Event]) -> None:
    """Only an activated cube takes new content."""
    command = c.make(c.ReviseCube, cube=CUBE, content="hello")

    given(*history).when(command, admitted=admit()).refused("transition_not_allowed")


# --- Share --------------------------------------------------------------------


@pytest.mark.parametrize("scope", ["read", "write"])
def test_cube_is_shared_with_a_known_principal(scope: str) -> None:
    """A share has a scope and a time it is good for."""
    command = c.make(c.ShareCube, cube=CUBE, principal=ANN, scope=scope, valid_to=LATER)

    given(ANN_ADDED, remembered()).when(command).then(
        e.CubeShared(cube=CUBE, principal=ANN, scope=scope, valid_from=NOW, valid_to=NOW + 3600)
    )


def test_cube_shared_with_an_unknown_principal_is_refused() -> None:
    """A grant to nobody would wait for whoever takes the name."""
    command = c.make(c.ShareCube, cube=CUBE, principal=ANN)

    given(remembered()).when(command).refused("unknown_target")


def test_share_that_stands_ends() -> None:
    """A grantee is named to be left out."""
    command = c.make(c.UnshareCube, cube=CUBE, principal=ANN)

    given(remembered(), SHARED).when(command).then(e.CubeUnshared(cube=CUBE, principal=ANN))


@pytest.mark.parametrize(
    "history", [[remembered()], [remembered(), SHARED, e.CubeUnshared(cube=CUBE, principal=ANN)]]
)
def test_share_that_does_not_stand_cannot_end(history: list[e.Event]) -> None:
    """Ending what never was, or ended, is refused."""
    command = c.make(c.UnshareCube, cube=CUBE, principal=ANN)

    given(*history).when(command).refused("not_shared")


# --- Consent and holds ----------------------------------------------------------


@pytest.mark.parametrize(
    ("command_type", "event_type"),
    [(c.GiveConsent, e.ConsentGiven), (c.WithdrawConsent, e.ConsentWithdrawn)],
)
def test_word_of_a_subject_is_recorded_with_its_time(
    command_type: type[c.OnSubject], event_type: type[e.ConsentGiven]
) -> None:
    """A word may be good from a later time, and for a while."""
    command = c.make(command_type, subject=SUBJECT, purpose="research", valid_to=LATER)

    given().when(command).then(
        event_type(subject=SUBJECT, purpose="research", valid_from=NOW, valid_to=NOW + 3600)
    )


@pytest.mark.parametrize(
    ("field", "target"), [("subject", HELD_SUBJECT), ("cube", HELD_CUBE)], ids=["subject", "cube"]
)
def test_hold_is_placed_once(field: str, target: HeldTarget) -> None:
    """A matter holds a subject or a cube; the second time says so."""
    command = c.make(c.PlaceHold, matter=MATTER, **{field: target.id})
    placed = e.HoldPlaced(matter=MATTER, target=target, valid_from=NOW)

    given(remembered()).when(command).then(placed)
    given(remembered(), placed).when(command).refused("already_held")


def test_hold_is_released_whole() -> None:
    """Releasing a matter names everything it held."""
    placed = [e.HoldPlaced(matter=MATTER, target=t) for t in (HELD_SUBJECT, HELD_CUBE)]
    command = c.make(c.ReleaseHold, matter=MATTER)
    released = e.HoldReleased(matter=MATTER, targets=(HELD_SUBJECT, HELD_CUBE))

    given(remembered(), *placed).when(command).then(released)
    given(remembered(), *placed, released).when(command).refused("not_held")
    given().when(command).refused("not_held")


def test_hold_on_a_scope_is_placed_once_under_an_id_of_its_own() -> None:
    """The same parts under the same matter are the same scope."""
    command = c.make(c.PlaceHold, matter=MATTER, label="internal", recorded_from=LATER)
    scope = HoldScope(
        label="internal", retention_class=None, recorded_from=NOW + 3600, recorded_to=None
    )
    target = HeldTarget(kind="scope", id=ids.hold_id_of(COMMAND_ID))
    placed = e.HoldPlaced(matter=MATTER, target=target, scope=scope, valid_from=NOW)

    given().when(command).then(placed)
    given(placed).when(command).refused("already_held")
    other = c.make(c.PlaceHold, matter=MATTER, label="internal")
    assert isinstance(given(placed).when(other).drafts[0].event, e.HoldPlaced)


def test_hold_that_has_ended_may_be_placed_again() -> None:
    """A hold that is over holds nothing; one that is still to begin does."""
    command = c.make(c.PlaceHold, matter=MATTER, cube=CUBE)
    over = e.HoldPlaced(matter=MATTER, target=HELD_CUBE, valid_from=NOW - 9, valid_to=NOW)
    ahead = e.HoldPlaced(matter=MATTER, target=HELD_CUBE, valid_from=NOW + 9)

    placed = e.HoldPlaced(matter=MATTER, target=HELD_CUBE, valid_from=NOW)
    given(remembered(), over).when(command).then(placed)
    given(remembered(), ahead).when(command).refused("already_held")


def test_hold_is_released_in_part() -> None:
    """One subject or cube of a matter; what another matter holds is not its to release."""
    mine = [e.HoldPlaced(matter=MATTER, target=t) for t in (HELD_SUBJECT, HELD_CUBE)]
    theirs = e.HoldPlaced(matter="m_two", target=HELD_CUBE)
    command = c.make(c.ReleaseHold, matter=MATTER, cube=CUBE)
    released = e.HoldReleased(matter=MATTER, targets=(HELD_CUBE,))

    given(remembered(), *mine).when(command).then(released)
    given(remembered(), *mine, released).when(command).refused("not_of_this_matter")
    given(remembered(), mine[0], theirs).when(command).refused("not_of_this_matter")
    given(remembered(), theirs).when(command).refused("not_held")


# --- Frozen and archived --------------------------------------------------------


def test_cube_is_frozen_and_thawed_in_turn() -> None:
    """Frozen is a flag; doing it twice is refused."""
    freeze, thaw = c.make(c.FreezeCube, cube=CUBE), c.make(c.ThawCube, cube=CUBE)
    frozen = e.CubeFrozen(cube=CUBE)

    given(remembered()).when(freeze).then(frozen)
    given(remembered()).when(thaw).refused("not_frozen")
    given(remembered(), frozen).when(freeze).refused("already_frozen")
    given(remembered(), frozen).when(thaw).then(e.CubeThawed(cube=CUBE))


def test_history_of_a_cube_is_a_question_of_evidence() -> None:
    """It names the cube and returns no content."""
    command = c.make(c.ReadHistory, cube=CUBE)

    given(remembered()).when(command).then(e.AuditAsked(question="history", target=CUBE))


# --- Reviews --------------------------------------------------------------------


def test_case_of_an_admission_approved_activates_the_cube() -> None:
    """Approval and activation are one record."""
    waiting = remembered(state="generated", quarantined=True)

    given(waiting, opened()).when(c.make(c.ApproveReview, case=CASE)).then(
        e.ReviewApproved(case=CASE), e.CubeActivated(cube=CUBE)
    )


def test_case_of_another_act_approved_only_says_so() -> None:
    """The act itself comes again as a command of its own."""
    given(opened("share", f"{CUBE}/{ANN}/read")).when(c.make(c.ApproveReview, case=CASE)).then(
        e.ReviewApproved(case=CASE)
    )


def test_case_rejected_leaves_the_cube_where_it_is() -> None:
    """Nothing but the case changes."""
    given(opened()).when(c.make(c.RejectReview, case=CASE)).then(e.ReviewRejected(case=CASE))


@pytest.mark.parametrize("command_type", [c.ApproveReview, c.RejectReview])
@pytest.mark.parametrize("decided", [e.ReviewApproved, e.ReviewRejected, None])
def test_case_that_is_not_open_is_refused(
    command_type: type[c.OnCase], decided: type[e.OnCase] | None
) -> None:
    """A case is decided once, and one that never was cannot be."""
    history = () if decided is None else (opened(), decided(case=CASE))

    given(*history).when(c.make(command_type, case=CASE)).refused("case_not_open")


# --- Policy and evidence --------------------------------------------------------


def test_policy_that_is_another_one_becomes_active() -> None:
    """The digest names it."""
    given(FOUNDED).when(c.make(c.ActivatePolicy, policy=OTHER_POLICY)).then(
        e.PolicyActivated(policy=OTHER_POLICY)
    )


def test_policy_that_is_active_is_refused() -> None:
    """Activating it again would only make every verdict stale."""
    given(FOUNDED).when(c.make(c.ActivatePolicy, policy=POLICY)).refused("policy_active")


def test_vault_is_rotated_to_the_epoch_that_was_planned() -> None:
    """The event says which one everything is under from here on, and which ones end."""
    given(FOUNDED).when(c.make(c.RotateVault, epoch=3, ended=[1, 2])).then(
        e.VaultRotated(epoch=3, ended=(1, 2))
    )


def test_base_model_is_registered_under_the_digest_of_its_fingerprint() -> None:
    """The event holds every part, so that another model's tensors are told apart."""
    given(FOUNDED).when(REGISTER).then(BASE_MODEL)


def test_base_model_that_the_tenant_has_already_is_refused() -> None:
    """Registering it again would say nothing."""
    given(FOUNDED, BASE_MODEL).when(REGISTER).refused("base_model_registered")


@pytest.mark.parametrize("part", ["weights", "config", "tokenizer", "chat_template"])
def test_base_model_that_differs_in_one_part_is_another_one(part: str) -> None:
    """Whatever changes what it computes changes its name."""
    other = REGISTER.model_copy(update={part: "f" * 64})

    (draft,) = given(FOUNDED, BASE_MODEL).when(other).drafts

    assert isinstance(draft.event, e.BaseModelRegistered)
    assert BASE_MODEL.base_model != draft.event.base_model


def test_cubes_are_transformed_at_the_revisions_they_have() -> None:
    """By the base model that the tenant has; they stay as they are."""
    before = given(remembered(), revised(), BASE_MODEL)
    command = c.make(c.TransformCubes, cubes=[CUBE], to="activation")

    before.when(command, cubes=before.cubes(CUBE)).then(
        e.CubesTransformed(
            artefact=ids.artefact_id_of(COMMAND_ID),
            form="activation",
            sources=(Source(cube=CUBE, revision=2),),
            base_model=BASE_MODEL.base_model,
        )
    )


def test_cubes_of_a_tenant_without_a_base_model_are_not_transformed() -> None:
    """Nothing could compute them."""
    before = given(remembered())
    command = c.make(c.TransformCubes, cubes=[CUBE], to="activation")

    before.when(command, cubes=before.cubes(CUBE)).refused("no_base_model")


def test_question_of_evidence_is_an_event() -> None:
    """Whoever looks into the evidence shows in it."""
    command = c.make(c.AskAudit, question="holds", target=MATTER)

    given().when(command).then(e.AuditAsked(question="holds", target=MATTER))


def test_read_of_nothing_is_a_read_too() -> None:
    """An empty answer is recorded, with what was asked sealed."""
    command = c.make(c.RecallCubes, query="card")
    detail = e.ReadDetail(query="card", candidates=())

    (draft,) = decide_read(command, (), snapshot=7, refused={"archived": 2}, detail=detail)

    assert (
        e.CubesRead(action="recall", cubes=(), snapshot=7, refused={"archived": 2}) == draft.event
    )
    assert detail == draft.payload


# --- Without a permission ---------------------------------------------------------

EVERY_COMMAND: tuple[c.Command, ...] = (
    REMEMBER,
    c.make(c.ActivatePolicy, policy=OTHER_POLICY),
    c.make(c.AddPrincipal, principal=ANN, roles=["analyst"]),
    c.make(c.ApproveReview, case=CASE),
    c.make(c.ArchiveCube, cube=CUBE),
    c.make(c.AskAudit, question="holds"),
    c.make(c.EraseCube, cube=CUBE, reason="asked by letter"),
    c.make(c.EraseSubject, subject=SUBJECT, reason="asked by letter"),
    c.make(c.DisposeCube, cube=CUBE),
    c.make(c.FollowSchedule, until=datetime.fromtimestamp(NOW, UTC)),
    c.make(c.FreezeCube, cube=CUBE),
    c.make(c.GiveConsent, subject=SUBJECT, purpose="research"),
    c.make(c.GrantRoles, principal=ANN, roles=["dpo"]),
    c.make(c.ListCubes),
    c.make(c.MergeCubes, cubes=[CUBE, "c_other"]),
    c.make(c.PlaceHold, matter=MATTER, subject=SUBJECT),
    c.make(c.ReadCube, cube=CUBE),
    c.make(c.ReadCubes, cubes=[CUBE, "c_other"]),
    c.make(c.ReadHistory, cube=CUBE),
    c.make(c.RebaseCube, cube=CUBE, basis="consent"),
    c.make(c.RecallCubes, query="card"),
    REGISTER,
    c.make(c.RejectReview, case=CASE),
    c.make(c.RelabelCube, cube=CUBE, label="public"),
    c.make(c.ReleaseHold, matter=MATTER),
    c.make(c.RestoreCube, cube=CUBE),
    c.make(c.ReviseCube, cube=CUBE, content="hello"),
    c.make(c.RevokeRoles, principal=ANN, roles=["dpo"]),
    c.make(c.RollBackCube, cube=CUBE, to_revision=1),
    c.make(c.RotateVault, epoch=2, ended=[1]),
    c.make(c.ScheduleCube, cube=CUBE),
    c.make(c.ShareCube, cube=CUBE, principal=ANN),
    c.make(c.SplitCube, cube=CUBE, parts=["hel", "lo"]),
    c.make(c.SummariseCubes, cubes=[CUBE], content="hello"),
    c.make(c.ThawCube, cube=CUBE),
    c.make(c.TransformCubes, cubes=[CUBE], to="activation"),
    c.make(c.TriggerRetention, cube=CUBE, occurred_at=datetime.fromtimestamp(NOW, UTC)),
    c.make(c.UnshareCube, cube=CUBE, principal=ANN),
    c.make(c.WithdrawConsent, subject=SUBJECT, purpose="research"),
)


def test_commands_tested_without_permission_are_all_there_are() -> None:
    """A new command cannot be left out below."""
    assert set(c.COMMAND_TYPES) == {type(command) for command in EVERY_COMMAND}


@pytest.mark.parametrize("command", EVERY_COMMAND, ids=lambda x: type(x).__name__)
def test_command_without_permission_is_only_a_refusal(command: c.Command) -> None:
    """Whatever the command, policy's reasons are recorded and nothing changes."""
    verdict = a_verdict("refuse", "role_lacks_action", "frozen")

    given(remembered(), opened()).when(command, verdict).refused("frozen", "role_lacks_action")


@pytest.mark.parametrize("command", EVERY_COMMAND, ids=lambda x: type(x).__name__)
def test_command_that_must_be_reviewed_is_refused_with_a_case(command: c.Command) -> None:
    """Review means: not now, and somebody will look at exactly this act."""
    drafts = given(remembered()).when(command, a_verdict("review", "review_required")).drafts

    assert [e.CommandRefused, e.ReviewOpened] == [type(draft.event) for draft in drafts]
    assert NEW_CASE == drafts[1].event.case  # type: ignore[attr-defined]


def test_refusal_names_only_ids() -> None:
    """A name as the caller wrote it never stands in a header."""
    command = c.make(c.ShareCube, cube=CUBE, principal="Ann Smith")

    (draft,) = given(remembered()).when(command, a_verdict("refuse", "frozen")).drafts

    assert e.CommandRefused(action="share", targets=(CUBE,), reasons=("frozen",)) == draft.event


def test_review_case_is_about_exactly_one_act() -> None:
    """Cube, grantee and scope: another one needs a case of its own."""
    command = c.make(c.ShareCube, cube=CUBE, principal=ANN, scope="write")

    drafts = given(remembered()).when(command, a_verdict("review", "review_required")).drafts

    assert f"{CUBE}/{ANN}/write" == drafts[1].event.target  # type: ignore[attr-defined]


def test_refusals_of_the_domain_all_have_a_text() -> None:
    """A reason code that a caller may meet says something."""
    assert all(text for text in DOMAIN_REASONS.values())


def test_command_that_is_no_command_is_a_programmers_error() -> None:
    """`decide` knows every command or fails loudly."""
    with pytest.raises(TypeError):
        decide(c.Command(), situation(c.Command(), {}), Verdict("allow", (), (), (), NOW))


def test_command_decided_twice_gives_the_same_events() -> None:
    """Pure: the same situation, the same answer."""
    first = given().when(REMEMBER, admitted=admit()).drafts

    assert first == given().when(REMEMBER, admitted=admit()).drafts
