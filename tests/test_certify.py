"""Each outcome of certification, by the record that earns it; a record never stops it."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from memos_gov.certify import in_batches
from memos_gov.domain import codec, ids
from memos_gov.domain import events as e
from memos_gov.domain.facts import GovernanceFacts, HeldTarget, PolicyFacts
from memos_gov.domain.history import Outcome
from memos_gov.domain.recovery import recovery_text, sign_recovery
from memos_gov.errors import SettingsError
from memos_gov.transparency import merkle
from tests.domain.given import ANN, CASE, CUBE, MATTER, NOW, OTHER_POLICY, OWNER, POLICY, SUBJECT
from tests.domain.given import remembered as remembered_event
from tests.records import (
    KEY,
    LOG_FOUNDED,
    TENANT,
    TYPES,
    History,
    a_record,
    allowing,
    an_id,
    refusing,
    tenant_founded,
)

OTHER_CUBE = "c_other"
POLICY_GUARD = ids.guard_stream(TENANT, "policy")
GOVERNANCE = ids.governance_stream(TENANT, CUBE)
CONTENT = ids.content_stream(TENANT, CUBE)
PERSON = ids.subject_stream(TENANT, SUBJECT)
REFUSED = e.CommandRefused(action="read", targets=(CUBE,), reasons=("frozen",))
ANN_ADDED = e.PrincipalAdded(
    principal=ANN, roles=("analyst",), clearance="internal", purposes=(), regions=()
)
SHARED = e.CubeShared(cube=CUBE, principal=ANN, scope="read", valid_from=NOW, valid_to=None)
CONSENTED = e.ConsentGiven(subject=SUBJECT, purpose="research", valid_from=NOW, valid_to=None)
FROZEN = e.CubeFrozen(cube=CUBE)


def read(*cubes: str) -> e.CubesRead:
    """Return a read of first revisions."""
    found = tuple(e.ReadCube(cube=cube, revision=1) for cube in cubes)
    return e.CubesRead(action="recall", cubes=found, snapshot=1, refused={})


def revised(revision: int = 2) -> e.CubeRevised:
    """Return a new revision."""
    return e.CubeRevised(
        cube=CUBE,
        revision=revision,
        mode="overwrite",
        findings=(),
        index="full",
        size_bytes=5,
        valid_from=NOW,
        valid_to=None,
    )


def why(outcome: Outcome) -> tuple[str, dict[str, list[str]]]:
    """Return code and detail."""
    return outcome.code, outcome.detail


@pytest.fixture
def history() -> History:
    """Return a founded log and tenant."""
    return History()


@pytest.fixture
def lived(history: History) -> History:
    """Return a history with one cube of one subject."""
    assert "accepted" == history.propose(remembered_event()).code
    return history


# --- Accepted and refused -------------------------------------------------------


def test_record_that_names_all_it_relies_on_is_accepted(history: History) -> None:
    """It gets the tenant's next index, and its events change the facts."""
    outcome = history.propose(remembered_event())

    assert ("accepted", {}, 1) == (outcome.code, outcome.detail, outcome.index)
    assert {CONTENT: 1, GOVERNANCE: 1} == history.rows[-1].versions


def test_record_of_several_events_is_applied_whole(lived: History) -> None:
    """One command, one record, atomic: each event sees the one before."""
    outcome = lived.propose(revised(), e.CubeRelabelled(cube=CUBE, label="secret"), FROZEN)

    facts = lived.known.facts[GOVERNANCE]
    assert "accepted" == outcome.code
    assert isinstance(facts, GovernanceFacts)
    assert ("secret", True) == (facts.label, facts.frozen)
    assert (2, 3) == (lived.known.versions[CONTENT], lived.known.versions[GOVERNANCE])


@pytest.mark.parametrize("verdict", [refusing(), refusing("review"), allowing([CUBE])])
def test_refusal_is_final_and_changes_no_facts(
    lived: History, verdict: codec.RecordedVerdict
) -> None:
    """By policy, for review, or by the domain under a permission: it stands in the history."""
    before = dict(lived.known.versions)

    outcome = lived.append(a_record(REFUSED, verdict=verdict))

    assert ("refused", 2, True) == (outcome.code, outcome.index, outcome.final)
    assert before == lived.known.versions


def test_refusal_is_not_checked_for_versions(lived: History) -> None:
    """Saying no can rely on nothing that moved."""
    assert "refused" == lived.append(a_record(REFUSED, relied_on={GOVERNANCE: 99})).code


def test_refusal_for_review_opens_its_case(lived: History) -> None:
    """The case is the only fact that a refusal may make."""
    opened = e.ReviewOpened(case=CASE, action="share", target=CUBE)

    assert "refused" == lived.propose(REFUSED, opened, verdict=refusing("review")).code
    assert 1 == lived.known.versions[ids.case_stream(TENANT, CASE)]


# --- Duplicates -----------------------------------------------------------------


def test_record_appended_twice_has_one_outcome(history: History) -> None:
    """The second one gets the first outcome, no index, no leaf, no events."""
    relied = history.relied_on(remembered_event())
    body = a_record(remembered_event(), relied_on=relied)

    first, tree = history.append(body), history.known.trees[TENANT]
    second = history.append(body)

    assert first == second
    assert tree == history.known.trees[TENANT]
    assert ([], []) == (history.rows[-1].events, history.rows[-1].facts)
    assert "duplicate" == history.rows[-1].outcomes[0][5]


def test_duplicate_of_a_refusal_is_the_refusal(history: History) -> None:
    """A refused id is spent too: what was refused is not allowed later under it."""
    cid, command = an_id(), "month/1"
    refused = history.append(a_record(REFUSED, command_id=cid, command=command, verdict=refusing()))

    again = history.propose(remembered_event(), command_id=cid, command=command)

    assert refused == again


@pytest.mark.parametrize("change", [{"command": "another"}, {"actor": ANN}])
def test_id_of_another_command_or_actor_is_id_reused(
    lived: History, change: dict[str, Any]
) -> None:
    """An id belongs to one command of one actor."""
    cid = an_id()
    lived.propose(CONSENTED, command_id=cid, command="month/1")

    outcome = lived.propose(CONSENTED, **({"command_id": cid, "command": "month/1"} | change))

    assert ("id_reused", {}) == why(outcome)


def test_id_in_another_tenant_is_another_id(history: History) -> None:
    """Tenants never meet, in ids either."""
    cid = an_id()
    history.propose(CONSENTED, command_id=cid)
    history.found_tenant("other")

    outcome = history.append(
        a_record(REFUSED, tenant="other", command_id=cid, verdict=refusing()), "other"
    )

    assert ("refused", 1) == (outcome.code, outcome.index)


def test_rejected_id_may_come_again(lived: History) -> None:
    """A rejection is never final, so a forged or stale record burns nobody's id."""
    cid = an_id()
    stale = lived.propose(FROZEN, command_id=cid, command="m/1", relied_on={})

    again = lived.propose(FROZEN, command_id=cid, command="m/1")

    assert ("incomplete", "accepted") == (stale.code, again.code)


# --- Invalid --------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b"not a record", b"\x00", b"[" * 100_000])
def test_bytes_that_are_no_record_are_evidence_in_the_instances_tree(
    history: History, body: bytes
) -> None:
    """Nobody's word says whose they are."""
    outcome = history.append(body)

    assert ("invalid", ids.INSTANCE, 1) == (outcome.code, outcome.tenant, outcome.index)


def test_header_that_is_not_canonical_is_invalid(history: History) -> None:
    """Signed by an enrolled proposer or not, the form is one."""
    record = codec.decode(a_record(remembered_event()))
    (env,) = record.data.events
    loose = replace(env, header=bytes(env.header).replace(b'{"', b'{ "', 1))
    loose = replace(loose, header=type(env.header)(loose.header))
    body = codec.sign(replace(record, data=replace(record.data, events=(loose,))), KEY)

    assert ("invalid", {"why": ["header"]}) == why(history.append(body))


def test_record_without_events_is_invalid(history: History) -> None:
    """A record says something."""
    assert ("invalid", {"why": ["events"]}) == why(history.append(a_record()))


def test_event_on_another_stream_is_invalid(history: History) -> None:
    """The stream follows from the event, never from the record's word."""
    record = codec.decode(a_record(remembered_event()))
    (env,) = record.data.events
    moved = replace(env, stream=ids.content_stream("other", CUBE))
    body = codec.sign(replace(record, data=replace(record.data, events=(moved,))), KEY)

    assert ("invalid", {"why": ["stream"]}) == why(history.append(body))


def test_stream_of_another_tenant_relied_on_is_invalid(lived: History) -> None:
    """What a rejection names must be the tenant's own."""
    relied = {**lived.relied_on(FROZEN), "other/guard/policy": 1}

    assert ("invalid", {"why": ["stream"]}) == why(lived.propose(FROZEN, relied_on=relied))


def test_content_without_its_sealed_payload_is_invalid(history: History) -> None:
    """A cube whose content nobody can open is none."""
    outcome = history.propose(remembered_event(), sealed="")

    assert ("invalid", {"why": ["sealed"]}) == why(outcome)


def test_record_under_another_tenants_key_is_invalid(history: History) -> None:
    """Key in the log, tenant in the record: one and the same."""
    history.found_tenant("other")

    outcome = history.append(a_record(remembered_event()), "other")

    assert ("invalid", ids.INSTANCE) == (outcome.code, outcome.tenant)


def test_record_of_a_tenant_never_founded_is_invalid(history: History) -> None:
    """It makes no tree."""
    outcome = history.append(a_record(REFUSED, tenant="ghost", verdict=refusing()), "ghost")

    assert ("invalid", ids.INSTANCE) == (outcome.code, outcome.tenant)
    assert "ghost" not in history.known.trees


@pytest.mark.parametrize("event", [FROZEN, CONSENTED, remembered_event()])
@pytest.mark.parametrize("verdict", [refusing(), refusing("review"), None])
def test_event_without_a_permission_is_invalid(
    lived: History, event: e.Event, verdict: codec.RecordedVerdict | None
) -> None:
    """Only refusals stand under a refusal, and without a verdict nothing does."""
    assert ("invalid", {"why": ["verdict"]}) == why(lived.propose(event, verdict=verdict))


def test_event_beside_a_refusal_is_invalid(lived: History) -> None:
    """A refusal carries no fact but its review case."""
    outcome = lived.propose(REFUSED, FROZEN, verdict=refusing())

    assert ("invalid", {"why": ["verdict"]}) == why(outcome)


@pytest.mark.parametrize("event", [FROZEN, SHARED, read(CUBE), revised()])
def test_permission_for_another_cube_is_invalid(lived: History, event: e.Event) -> None:
    """Each cube that is touched or read has its own permission."""
    outcome = lived.propose(event, verdict=allowing([OTHER_CUBE]))

    assert ("invalid", {"why": ["verdict"]}) == why(outcome)


def test_permission_that_leaves_one_cube_refused_is_invalid(lived: History) -> None:
    """One refused target among allowed ones is enough."""
    lived.propose(remembered_event(cube=OTHER_CUBE))
    verdict = allowing([CUBE, OTHER_CUBE])
    refused = replace(verdict.by_target[CUBE], effect="refuse")
    verdict = replace(verdict, by_target={**verdict.by_target, OTHER_CUBE: refused})

    outcome = lived.propose(read(CUBE, OTHER_CUBE), verdict=verdict)

    assert ("invalid", {"why": ["verdict"]}) == why(outcome)


# --- Forged ---------------------------------------------------------------------


def _edited(body: bytes, old: bytes, new: bytes) -> bytes:
    assert old in body
    return body.replace(old, new, 1)


def test_record_under_a_wrong_key_is_forged(history: History) -> None:
    """Whoever can write to the log still cannot forge a permission."""
    outcome = history.propose(remembered_event(), key=b"x" * 32)

    assert ("forged", ids.INSTANCE, {}) == (outcome.code, outcome.tenant, outcome.detail)


@pytest.mark.parametrize("mac_key", ["m_unknown", "m_two"])
def test_record_under_a_key_that_is_not_enrolled_is_forged(history: History, mac_key: str) -> None:
    """A key in the vault that the log does not name is not enrolled either."""
    outcome = history.propose(remembered_event(), mac_key=mac_key, key=b"2" * 32)

    assert "forged" == outcome.code


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"label":"internal"', b'"label":"public"'),
        (b'"sealed":"c2VhbGVk"', b'"sealed":"AAAAAAAA"'),
        (b'"key_id":"k_one"', b'"key_id":"k_two"'),
        (b'"actor":"p_owner"', b'"actor":"p_other"'),
        (b'"via":"operator-key"', b'"via":"operator-kez"'),
        (b'"salt":"5a', b'"salt":"5b'),
    ],
    ids=["header", "sealed", "key", "actor", "via", "salt"],
)
def test_record_edited_anywhere_is_forged(history: History, old: bytes, new: bytes) -> None:
    """The MAC covers it all."""
    relied = history.relied_on(remembered_event())
    body = a_record(remembered_event(), relied_on=relied)

    assert "forged" == history.append(_edited(body, old, new)).code


def test_refusal_edited_into_a_permission_is_forged(history: History) -> None:
    """The attack that the MAC is for."""
    body = a_record(REFUSED, verdict=refusing())

    edited = _edited(body, b'"effect":"refuse"', b'"effect":"allow"')

    assert "forged" == history.append(edited).code


def test_record_moved_to_another_tenant_is_forged(history: History) -> None:
    """Renaming the tenant inside breaks the MAC."""
    history.found_tenant("evil")
    body = a_record(REFUSED, verdict=refusing()).replace(b'"acme', b'"evil')

    assert "forged" == history.append(body, "evil").code


def test_forged_record_uses_no_index_of_the_tenant(lived: History) -> None:
    """What cannot be trusted is evidence elsewhere, and moves no log time."""
    before = (lived.known.trees[TENANT], lived.known.log_time_ms)

    lived.propose(FROZEN, key=b"x" * 32, time_s=NOW + 9999)

    assert before == (lived.known.trees[TENANT], lived.known.log_time_ms)


# --- Unknown types ---------------------------------------------------------------


def test_event_type_that_the_log_does_not_permit_is_unknown() -> None:
    """An upgraded writer cannot slip a type past an old control record."""
    history = History(founded=False)
    history.found_log(event_types=tuple(t for t in TYPES if t != "CubeFrozen.v1"))
    history.found_tenant()
    history.propose(remembered_event())

    assert ("unknown_type", {"types": ["CubeFrozen.v1"]}) == why(history.propose(FROZEN))


def test_event_version_that_the_log_does_not_permit_is_unknown(lived: History) -> None:
    """A version is a type of its own."""
    record = codec.decode(a_record(FROZEN, relied_on=lived.relied_on(FROZEN)))
    (env,) = record.data.events
    newer = replace(record, data=replace(record.data, events=(replace(env, version=2),)))

    outcome = lived.append(codec.sign(newer, KEY))

    assert ("unknown_type", {"types": ["CubeFrozen.v2"]}) == why(outcome)


def test_permitted_type_that_this_program_lacks_stops_it() -> None:
    """The one stop: an old program must not decide what it cannot read."""
    history = History(founded=False)
    history.found_log(event_types=(*TYPES, "CubeDreamed.v1"))
    history.found_tenant()
    record = codec.decode(a_record(FROZEN))
    (env,) = record.data.events
    dreamed = replace(env, type="CubeDreamed")
    body = codec.sign(replace(record, data=replace(record.data, events=(dreamed,))), KEY)

    with pytest.raises(SettingsError):
        history.append(body)


# --- Late -----------------------------------------------------------------------


@pytest.mark.parametrize(("after_s", "code"), [(59.999, "accepted"), (60, "late"), (3600, "late")])
def test_permission_is_good_until_its_last_moment(
    lived: History, after_s: float, code: str
) -> None:
    """`valid_until` is exclusive, measured by log time."""
    assert code == lived.propose(FROZEN, time_s=NOW + after_s).code


def test_log_time_is_the_highest_so_far(lived: History) -> None:
    """A writer whose clock is behind cannot make its permission good again."""
    later = allowing([""], valid_until=NOW + 9999)
    lived.propose(CONSENTED, time_s=NOW + 61, verdict=later)

    assert "late" == lived.propose(FROZEN, time_s=NOW).code


# --- Incomplete -----------------------------------------------------------------

COMMON = {
    "actor": ids.principal_stream(TENANT, OWNER),
    "policy": POLICY_GUARD,
    "holds": ids.guard_stream(TENANT, "holds"),
    "restrictions": ids.guard_stream(TENANT, "restrictions"),
}
OMITTED: list[tuple[str, e.Event, str]] = [
    *((f"{name} of a write", FROZEN, stream) for name, stream in COMMON.items()),
    *((f"{name} of a read", read(CUBE), stream) for name, stream in COMMON.items()),
    ("cube content of a write", FROZEN, CONTENT),
    ("cube governance of a write", revised(), GOVERNANCE),
    ("subject of a write", revised(), PERSON),
    ("cube content of a read", read(CUBE), CONTENT),
    ("cube governance of a read", read(CUBE), GOVERNANCE),
    ("subject of a read", read(CUBE), PERSON),
    ("grantee of a share", SHARED, ids.principal_stream(TENANT, ANN)),
    ("subject of a new cube", remembered_event(cube=OTHER_CUBE), PERSON),
    (
        "governance of a new cube",
        remembered_event(cube=OTHER_CUBE),
        ids.governance_stream(TENANT, OTHER_CUBE),
    ),
    (
        "source of a derived cube",
        remembered_event(cube=OTHER_CUBE, subjects=(), sources=(CUBE,)),
        GOVERNANCE,
    ),
    (
        "subject of a source",
        remembered_event(cube=OTHER_CUBE, subjects=(), sources=(CUBE,)),
        PERSON,
    ),
    ("subject of a consent", CONSENTED, PERSON),
    ("principal of a grant", e.RolesGranted(principal=ANN, roles=()), "acme/principal/p_ann"),
    (
        "subject of a hold",
        e.HoldPlaced(matter=MATTER, target=HeldTarget(kind="subject", id=SUBJECT)),
        PERSON,
    ),
    (
        "subject of a held cube",
        e.HoldPlaced(matter=MATTER, target=HeldTarget(kind="cube", id=CUBE)),
        PERSON,
    ),
    (
        "matter of a hold",
        e.HoldPlaced(matter=MATTER, target=HeldTarget(kind="cube", id=CUBE)),
        ids.matter_stream(TENANT, MATTER),
    ),
    (
        "target of a release",
        e.HoldReleased(matter=MATTER, targets=(HeldTarget(kind="cube", id=CUBE),)),
        GOVERNANCE,
    ),
    ("case of an approval", e.ReviewApproved(case=CASE), ids.case_stream(TENANT, CASE)),
]


@pytest.mark.parametrize(("event", "stream"), [o[1:] for o in OMITTED], ids=[o[0] for o in OMITTED])
def test_record_that_leaves_a_stream_out_is_incomplete(
    lived: History, event: e.Event, stream: str
) -> None:
    """What must be named is derived from events and facts; the record's word is not taken."""
    relied = lived.relied_on(event)
    del relied[stream]

    assert ("incomplete", {"streams": [stream]}) == why(lived.propose(event, relied_on=relied))


def test_record_on_behalf_of_somebody_names_both(lived: History) -> None:
    """Whoever is acted for counts like whoever acts."""
    relied = lived.relied_on(FROZEN)

    outcome = lived.propose(FROZEN, on_behalf_of=ANN, relied_on=relied)

    assert ("incomplete", {"streams": [ids.principal_stream(TENANT, ANN)]}) == why(outcome)
    assert "accepted" == lived.propose(FROZEN, on_behalf_of=ANN).code


# --- Stale ----------------------------------------------------------------------

MOVES: dict[str, tuple[e.Event, str]] = {
    "actor": (e.RolesGranted(principal=OWNER, roles=("dpo",)), COMMON["actor"]),
    "policy": (e.PolicyActivated(policy=OTHER_POLICY), POLICY_GUARD),
}
CUBE_MOVES: dict[str, tuple[e.Event, str]] = {
    "content": (revised(), CONTENT),
    "governance": (FROZEN, GOVERNANCE),
    "subject": (CONSENTED, PERSON),
}


@pytest.mark.parametrize("name", [*MOVES, *CUBE_MOVES])
def test_write_that_relied_on_something_that_moved_is_stale(lived: History, name: str) -> None:
    """Whatever it was, the record names it and the writer tries again."""
    event, stream = (MOVES | CUBE_MOVES)[name]
    target = e.CubeArchived(cube=CUBE)
    relied = lived.relied_on(target)
    assert "accepted" == lived.propose(event).code

    assert ("stale", {"streams": [stream]}) == why(lived.propose(target, relied_on=relied))
    assert "activated" == getattr(lived.known.facts[GOVERNANCE], "state")  # noqa: B009


def test_share_with_a_principal_that_moved_is_stale(lived: History) -> None:
    """The grantee is relied on too."""
    lived.propose(ANN_ADDED)
    relied = lived.relied_on(SHARED)
    lived.propose(e.RolesRevoked(principal=ANN, roles=("analyst",)))

    assert "stale" == lived.propose(SHARED, relied_on=relied).code


def test_first_word_on_a_stream_thought_empty_makes_stale(history: History) -> None:
    """Absence is checkable: version 0 is a version."""
    relied = history.relied_on(remembered_event())
    history.propose(CONSENTED)

    outcome = history.propose(remembered_event(), relied_on=relied)

    assert ("stale", {"streams": [PERSON]}) == why(outcome)


def test_version_of_the_future_is_stale(lived: History) -> None:
    """Equal or not: there is no newer."""
    relied = {**lived.relied_on(FROZEN), GOVERNANCE: 2}

    assert "stale" == lived.propose(FROZEN, relied_on=relied).code


def test_verdict_of_another_policy_is_stale(lived: History) -> None:
    """Only the active bundle decides, whatever versions are named."""
    verdict = allowing([CUBE], policy=OTHER_POLICY)

    assert ("stale", {"streams": [POLICY_GUARD]}) == why(lived.propose(FROZEN, verdict=verdict))


@pytest.mark.parametrize("name", MOVES)
def test_read_by_an_actor_or_policy_that_moved_is_stale_whole(lived: History, name: str) -> None:
    """No read overtakes a revocation."""
    relied = lived.relied_on(read(CUBE))
    lived.propose(MOVES[name][0])

    assert "stale" == lived.propose(read(CUBE), relied_on=relied).code


@pytest.mark.parametrize("name", CUBE_MOVES)
def test_read_strikes_out_exactly_the_cube_that_moved(lived: History, name: str) -> None:
    """The other cubes of the read are returned."""
    lived.propose(remembered_event(cube=OTHER_CUBE, subjects=("s_two",)))
    both = read(CUBE, OTHER_CUBE)
    relied = lived.relied_on(both)
    lived.propose(CUBE_MOVES[name][0])

    assert ("accepted", {"struck": [CUBE]}) == why(lived.propose(both, relied_on=relied))


def test_read_of_cubes_with_one_subject_strikes_all_of_them_out(lived: History) -> None:
    """A consent withdrawn holds for every cube of the person."""
    lived.propose(remembered_event(cube=OTHER_CUBE))
    lived.propose(remembered_event(cube="c_third", subjects=("s_two",)))
    all_three = read(CUBE, OTHER_CUBE, "c_third")
    relied = lived.relied_on(all_three)
    withdrawn = {"subject": SUBJECT, "purpose": "research", "valid_from": NOW, "valid_to": None}
    lived.propose(e.ConsentWithdrawn(**withdrawn))

    outcome = lived.propose(all_three, relied_on=relied)

    assert ("accepted", {"struck": [CUBE, OTHER_CUBE]}) == why(outcome)


def test_read_is_no_write(lived: History) -> None:
    """A read versions nothing, so readers never conflict with each other."""
    relied = lived.relied_on(read(CUBE))
    lived.propose(read(CUBE), relied_on=relied)

    assert ("accepted", {}) == why(lived.propose(read(CUBE), relied_on=relied))


# --- Founding -------------------------------------------------------------------


def test_tenant_begins_with_its_genesis(history: History) -> None:
    """Index 0, and the instance's own tree beside."""
    outcome = history.found_tenant("other")

    assert ("accepted", 0, "other") == (outcome.code, outcome.index, outcome.tenant)
    assert 1 == history.known.trees[ids.INSTANCE].size


def test_tenant_founded_twice_is_invalid(history: History) -> None:
    """Nobody takes a tenant over by founding it again."""
    outcome = history.found_tenant(TENANT, principal=ANN)

    assert ("invalid", {"why": ["verdict"]}) == why(outcome)
    assert ids.principal_stream(TENANT, ANN) not in history.known.facts


@pytest.mark.parametrize("verdict", [allowing([""]), refusing()])
@pytest.mark.parametrize("tenant", [TENANT, "fresh"])
def test_founding_under_a_verdict_is_invalid(
    history: History, tenant: str, verdict: codec.RecordedVerdict
) -> None:
    """No policy may found a tenant, and none may found it again."""
    body = a_record(tenant_founded(), tenant=tenant, verdict=verdict)

    assert "invalid" == history.append(body, tenant).code
    assert "fresh" not in history.known.trees


@pytest.mark.parametrize("tenant", ["", "A", "a/b", "_instance", "-a", "a" * 64, "a\nb", "ä"])
def test_tenant_of_a_bad_name_is_never_founded(history: History, tenant: str) -> None:
    """A name is part of every stream and key."""
    assert "invalid" == history.found_tenant(tenant).code
    assert {ids.INSTANCE, TENANT} == history.known.trees.keys()


def test_founding_that_is_rejected_leaves_the_name_free(history: History) -> None:
    """Index 0 of a tenant is its genesis, so a rejected one is evidence of the instance."""
    record = codec.decode(a_record(tenant_founded(), tenant="fresh", verdict=None))
    (env,) = record.data.events
    moved = replace(env, stream="fresh/usage")
    body = codec.sign(replace(record, data=replace(record.data, events=(moved,))), KEY)

    rejected = history.append(body, "fresh")

    assert ("invalid", ids.INSTANCE) == (rejected.code, rejected.tenant)
    assert ("accepted", 0) == (
        (again := history.found_tenant("fresh")).code,
        again.index,
    )


def test_tenant_founded_before_the_log_is_rejected() -> None:
    """Offset 0 is the control record, and nothing is permitted before it."""
    history = History(founded=False)

    assert ("unknown_type", ids.INSTANCE) == (
        (outcome := history.found_tenant()).code,
        outcome.tenant,
    )
    assert TENANT not in history.known.trees


@pytest.mark.parametrize("verdict", [None, allowing([""])])
def test_log_founded_later_is_invalid(
    history: History, verdict: codec.RecordedVerdict | None
) -> None:
    """Nobody enrols a proposer by a second control record."""
    evil = replace(LOG_FOUNDED, mac_key="m_two")
    body = a_record(evil, tenant=ids.INSTANCE, verdict=verdict)

    assert "invalid" == history.append(body, ids.INSTANCE).code
    assert ("m_one",) == history.known.log.mac_keys  # type: ignore[union-attr]


def test_log_founded_by_a_tenant_is_invalid(history: History) -> None:
    """Its stream is the instance's."""
    assert "invalid" == history.propose(replace(LOG_FOUNDED, mac_key="m_two")).code
    assert ("m_one",) == history.known.log.mac_keys  # type: ignore[union-attr]


# --- Recovery -------------------------------------------------------------------

RECOVERY = Ed25519PrivateKey.from_private_bytes(b"r" * 32)


@pytest.fixture
def locked_out() -> History:
    """Return a tenant whose policy was replaced by another."""
    public = RECOVERY.public_key().public_bytes_raw().hex()
    history = History(recovery_key=public)
    assert "accepted" == history.propose(e.PolicyActivated(policy=OTHER_POLICY)).code
    return history


def rolled_back(
    history: History, policy: str = POLICY, key: bytes = b"r" * 32, **changes: Any
) -> Outcome:
    """Append a recovery, signed for what `changes` say it is."""
    cid = an_id()
    fields = {"tenant": TENANT, "policy": policy, "command_id": cid} | changes
    signature = sign_recovery(key, recovery_text(**fields))
    event = e.PolicyRolledBack(policy=policy, signature=signature)
    return history.append(a_record(event, command_id=cid, verdict=None))


def test_recovery_key_brings_a_former_policy_back(locked_out: History) -> None:
    """Without a verdict, since the active policy may refuse everything."""
    outcome = rolled_back(locked_out)

    policy = locked_out.known.facts[POLICY_GUARD]
    assert "accepted" == outcome.code
    assert isinstance(policy, PolicyFacts)
    assert (POLICY, (POLICY, OTHER_POLICY)) == (policy.active, policy.former)


@pytest.mark.parametrize(
    "change",
    [
        {"key": b"x" * 32},
        {"command_id": an_id()},
        {"tenant": "other"},
        {"policy": "c" * 64},
        {"policy": OTHER_POLICY},
    ],
    ids=["other key", "replayed", "other tenant", "never active", "active now"],
)
def test_recovery_that_is_not_exactly_signed_or_not_former_is_invalid(
    locked_out: History, change: dict[str, Any]
) -> None:
    """The key may do one thing, once a signature."""
    assert ("invalid", {"why": ["verdict"]}) == why(rolled_back(locked_out, **change))


@pytest.mark.parametrize("signature", ["", "zz", "00", "00" * 64])
def test_recovery_with_a_malformed_signature_is_invalid(
    locked_out: History, signature: str
) -> None:
    """Garbage is an outcome."""
    event = e.PolicyRolledBack(policy=POLICY, signature=signature)

    assert "invalid" == locked_out.append(a_record(event, verdict=None)).code


@pytest.mark.parametrize("key", ["", "zz", "00"])
def test_recovery_under_a_malformed_key_is_invalid(key: str) -> None:
    """A tenant founded with a bad key stops nothing; it only cannot be recovered."""
    history = History(recovery_key=key)
    history.propose(e.PolicyActivated(policy=OTHER_POLICY))

    assert "invalid" == rolled_back(history).code


# --- The tree -------------------------------------------------------------------


def test_index_is_gapless_over_every_decided_record(lived: History) -> None:
    """Accepted, refused and rejected count; duplicates and foreign evidence do not."""
    outcomes = [
        lived.propose(FROZEN),
        lived.append(a_record(REFUSED, verdict=refusing())),
        lived.propose(FROZEN, relied_on={}),
        lived.propose(e.CubeThawed(cube=CUBE)),
    ]

    assert [2, 3, 4, 5] == [outcome.index for outcome in outcomes]
    leaves = [row[10] for rows in lived.rows for row in rows.outcomes if row[2] == TENANT]
    root = merkle.root(lived.known.trees[TENANT].frontier)
    assert root == merkle.root_of(leaves)  # type: ignore[arg-type]


def test_leaf_depends_on_the_outcome_and_on_the_record(history: History) -> None:
    """Two records never share a leaf, nor does one record under two outcomes."""
    first = history.append(a_record(REFUSED, verdict=refusing()))
    second = history.append(a_record(REFUSED, verdict=refusing()))

    assert first.leaf != second.leaf
    assert 32 == len(first.leaf)


def test_records_are_handed_on_in_batches_of_at_most_the_size() -> None:
    """Nothing is lost at a border."""
    history = History()
    for _ in range(5):
        history.propose(CONSENTED)

    batches = list(in_batches(history.records, 3))

    assert [3, 3, 1] == [len(batch) for batch in batches]
    assert history.records == [record for batch in batches for record in batch]
