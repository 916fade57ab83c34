"""Accepted, refused, duplicate, invalid, forged, unknown, late: nothing stops certification."""

from typing import Any

import pytest
from msgspec.structs import replace

from memos_gov.domain import codec, ids
from memos_gov.domain import events as e
from memos_gov.domain.events import v1
from memos_gov.domain.facts import GovernanceFacts, HeldTarget, HoldScope, SubjectFacts
from memos_gov.errors import SettingsError
from tests.certify.cases import (
    CONSENTED,
    CONTENT,
    FROZEN,
    GOVERNANCE,
    OTHER_CUBE,
    REFUSED,
    SCHEDULED,
    SHARED,
    read,
    revised,
    why,
)
from tests.domain.given import ANN, CASE, CUBE, MATTER, NOW, OTHER_POLICY, SUBJECT
from tests.domain.given import remembered as remembered_event
from tests.records import (
    KEY,
    TENANT,
    TYPES,
    History,
    a_record,
    allowing,
    an_id,
    refusing,
)

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


@pytest.mark.parametrize("cube", ["c_1/governance", "", "/", "C_1", "c_1 ", "s"])
def test_event_about_an_id_that_is_none_is_invalid(lived: History, cube: str) -> None:
    """An id that could be read as another stream never becomes one."""
    assert ("invalid", {"why": ["id"]}) == why(
        lived.propose(replace(remembered_event(), cube=cube))
    )


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


@pytest.mark.parametrize("event", [FROZEN, SCHEDULED, SHARED, read(CUBE), revised()])
def test_permission_for_another_cube_is_invalid(lived: History, event: e.Event) -> None:
    """Each cube that is touched or read has its own permission."""
    outcome = lived.propose(event, verdict=allowing([OTHER_CUBE]))

    assert ("invalid", {"why": ["verdict"]}) == why(outcome)


def test_schedule_of_what_is_no_cube_is_invalid(lived: History) -> None:
    """An id that could be read as another stream makes a record invalid."""
    event = replace(SCHEDULED, cube="c_1/governance")

    assert ("invalid", {"why": ["id"]}) == why(lived.propose(event))


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


def test_older_version_of_an_event_says_what_it_always_said() -> None:
    """A log that an older program began is certified alike: the header stays, the facts follow."""
    history = History(founded=False)
    history.found_log(event_types=tuple(t for t in TYPES if t != "CubeRelabelled.v2"))
    history.found_tenant()
    history.propose(remembered_event())
    written = v1.CubeRelabelled(cube=CUBE, label="restricted")

    outcome = history.propose(written)

    assert "accepted" == outcome.code
    assert ("CubeRelabelled", 1) == history.rows[-1].events[0][3:5]
    assert codec.canonical(written) == history.rows[-1].events[0][6]
    facts = history.known.facts[GOVERNANCE]
    assert isinstance(facts, GovernanceFacts)
    assert "restricted" == facts.label


def test_hold_of_an_older_version_is_in_force_from_its_record_on_until_released(
    lived: History,
) -> None:
    """What was written before holds had times still holds, and lets go."""
    target = v1.HeldTarget(kind="subject", id=SUBJECT)
    for written, held in (
        (v1.HoldPlaced(matter=MATTER, target=target), True),
        (v1.HoldReleased(matter=MATTER, targets=(target,)), False),
    ):
        relied = lived.relied_on(written.newest())
        assert "accepted" == lived.propose(written, relied_on=relied).code
        person = lived.known.facts[ids.subject_stream(TENANT, SUBJECT)]
        assert isinstance(person, SubjectFacts)
        assert (False, held) == (person.held_at(NOW - 1), person.held_at(NOW))


@pytest.mark.parametrize("lacks", [{"type": "CubeDreamed"}, {"version": 99}])
def test_permitted_type_that_this_program_lacks_stops_it(lacks: dict[str, Any]) -> None:
    """The one stop: an old program must not decide what it cannot read."""
    history = History(founded=False)
    history.found_log(event_types=(*TYPES, "CubeDreamed.v1", "CubeFrozen.v99"))
    history.found_tenant()
    record = codec.decode(a_record(FROZEN))
    (env,) = record.data.events
    dreamed = replace(env, **lacks)
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


# --- Workers ----------------------------------------------------------------------


EXPIRED = e.CubeExpired(cube=CUBE)


@pytest.mark.parametrize("verdict", [refusing(), refusing("review"), allowing([OTHER_CUBE]), None])
def test_worker_without_a_permission_is_believed_no_more_than_others(
    lived: History, verdict: codec.RecordedVerdict | None
) -> None:
    """What is due is done under an allowing verdict, or not at all."""
    outcome = lived.propose(EXPIRED, actor=ids.SCHEDULER, verdict=verdict)

    assert ("invalid", {"why": ["verdict"]}) == why(outcome)


def test_worker_under_a_former_policy_is_stale(lived: History) -> None:
    """The policy that decides now decides about what is due, too."""
    former = allowing([CUBE], policy=OTHER_POLICY)

    assert "stale" == lived.propose(EXPIRED, actor=ids.SCHEDULER, verdict=former).code
    assert "accepted" == lived.propose(EXPIRED, actor=ids.SCHEDULER).code


def test_worker_whose_cube_was_held_meanwhile_is_stale(lived: History) -> None:
    """A hold on a scope that covers the cube stops what was decided before it."""
    relied = lived.relied_on(EXPIRED, actor=ids.SCHEDULER)
    scope = HoldScope(label="internal", retention_class=None, recorded_from=None, recorded_to=None)
    target = HeldTarget(kind="scope", id="h_one")
    lived.propose(e.HoldPlaced(matter=MATTER, target=target, scope=scope))

    outcome = lived.propose(EXPIRED, actor=ids.SCHEDULER, relied_on=relied)

    assert ("stale", {"streams": [ids.guard_stream(TENANT, "holds")]}) == why(outcome)
