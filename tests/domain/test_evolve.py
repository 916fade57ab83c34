"""Events into facts: total, confined to what `touched` names, and the same at every replay."""

from collections.abc import Mapping

import pytest
from hypothesis import given as forall
from hypothesis import strategies as st

from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.evolve import Occurrence, evolve, touched
from memos_gov.domain.facts import (
    CaseFacts,
    ContentFacts,
    Facts,
    GovernanceFacts,
    HeldTarget,
    HoldScope,
    HoldsFacts,
    MatterFacts,
    PlacedHold,
    PolicyFacts,
    PrincipalFacts,
    SubjectFacts,
    facts_type,
)
from tests.domain.given import (
    ANN,
    CASE,
    CUBE,
    MATTER,
    NOW,
    OTHER_POLICY,
    OWNER,
    POLICY,
    SUBJECT,
    TENANT,
    fold,
    remembered,
)
from tests.domain.samples import events, structs

AT = Occurrence(tenant=TENANT, index=7, now=NOW, actor=OWNER, key_id="k_one")
WINDOW = {"valid_from": NOW, "valid_to": None}
GOVERNANCE = ids.governance_stream(TENANT, CUBE)
PERSON = ids.subject_stream(TENANT, SUBJECT)


def facts(known: Mapping[str, Facts], stream: str) -> Facts:
    """Return the facts of a stream."""
    return known[stream]


@forall(st.data())
def test_event_of_any_kind_on_any_facts_evolves_without_error(data: st.DataObject) -> None:
    """Total: no history, however odd, stops a replay; only touched streams change."""
    event = data.draw(events())
    streams = touched(event, TENANT)
    kinds = {stream: facts_type(stream) for stream in streams}
    known = {
        stream: data.draw(structs(kind))
        for stream, kind in kinds.items()
        if data.draw(st.booleans())
    }

    changes = evolve(event, AT, known)

    assert changes.keys() <= set(streams)
    assert all(isinstance(doc, kinds[stream]) for stream, doc in changes.items())


@forall(st.lists(events(), max_size=12))
def test_history_replayed_twice_gives_the_facts_of_once(history: list[e.Event]) -> None:
    """Evolving reads no clock, no chance, nothing but events."""
    assert fold(*history) == fold(*history)


@forall(st.lists(events(), max_size=8), structs(e.CommandRefused))
def test_refusal_after_any_history_changes_no_facts(
    history: list[e.Event], refusal: e.CommandRefused
) -> None:
    """A refusal changes no memory."""
    assert fold(*history) == fold(*history, refusal)


@pytest.mark.parametrize("kind", [e.CubesRead, e.AuditAsked, e.CommandRefused])
def test_event_of_usage_versions_nothing(kind: type[e.Event]) -> None:
    """Readers never conflict with anybody."""
    assert () == touched(_usage(kind), TENANT)


def _usage(kind: type[e.Event]) -> e.Event:
    fields = {
        e.CubesRead: {"action": "read", "cubes": (), "snapshot": 1, "refused": {}},
        e.AuditAsked: {"question": "holds", "target": None},
        e.CommandRefused: {"action": "read", "targets": (), "reasons": ()},
    }
    return kind(**fields[kind])


def test_founding_of_a_tenant_makes_its_principal_and_its_policy() -> None:
    """Index 0 says who acts first and by which policy."""
    founded = e.TenantFounded(
        principal=OWNER,
        roles=("steward",),
        clearance="secret",
        purposes=("research",),
        regions=("*",),
        policy=POLICY,
        verifier_key="v",
        recovery_key="r",
    )

    known = fold(founded)

    assert PolicyFacts(active=POLICY, former=(), verifier_key="v", recovery_key="r") == facts(
        known, ids.guard_stream(TENANT, "policy")
    )
    assert PrincipalFacts(
        roles=("steward",), clearance="secret", purposes=("research",), regions=("*",)
    ) == facts(known, ids.principal_stream(TENANT, OWNER))


def test_policy_that_was_active_is_remembered_once_in_order() -> None:
    """Going back and forth keeps each former policy once, the latest last."""
    guard = ids.guard_stream(TENANT, "policy")
    start = PolicyFacts(active=POLICY, former=(), verifier_key="", recovery_key="")
    known: dict[str, Facts] = {guard: start}
    for digest in (OTHER_POLICY, POLICY, OTHER_POLICY):
        known |= evolve(e.PolicyActivated(policy=digest), AT, known)

    expected = PolicyFacts(
        active=OTHER_POLICY, former=(OTHER_POLICY, POLICY), verifier_key="", recovery_key=""
    )
    assert expected == known[guard]


def test_roles_are_a_sorted_set() -> None:
    """What was given twice is there once; what was taken is gone."""
    added = e.PrincipalAdded(
        principal=ANN, roles=("analyst",), clearance="internal", purposes=(), regions=()
    )

    known = fold(
        added,
        e.RolesGranted(principal=ANN, roles=("steward", "dpo", "analyst")),
        e.RolesRevoked(principal=ANN, roles=("steward", "agent")),
    )

    found = known[ids.principal_stream(TENANT, ANN)]
    assert isinstance(found, PrincipalFacts)
    assert ("analyst", "dpo") == found.roles


def test_cube_remembered_has_content_and_governance() -> None:
    """The first revision stands at its event's index, under its key."""
    known = fold(remembered())

    content = known[ids.content_stream(TENANT, CUBE)]
    assert isinstance(content, ContentFacts)
    assert (1, 0, "k_one") == (content.revision, content.event_index, content.key_id)
    governance = known[GOVERNANCE]
    assert isinstance(governance, GovernanceFacts)
    assert ("activated", OWNER, ()) == (governance.state, governance.owner, governance.grants)


def test_share_again_with_the_same_principal_replaces_the_first() -> None:
    """One grant a principal: the newest holds."""
    shares = [
        e.CubeShared(cube=CUBE, principal=ANN, scope=scope, **WINDOW) for scope in ("read", "write")
    ]

    governance = fold(remembered(), *shares)[GOVERNANCE]

    assert isinstance(governance, GovernanceFacts)
    assert [(ANN, "write")] == [(grant.principal, grant.scope) for grant in governance.grants]


def test_consent_in_force_is_the_newest_record() -> None:
    """A later word wins while it is in force; outside its time the earlier one stands."""
    given = e.ConsentGiven(subject=SUBJECT, purpose="research", **WINDOW)
    paused = e.ConsentWithdrawn(
        subject=SUBJECT, purpose="research", valid_from=NOW + 10, valid_to=NOW + 20
    )

    person = fold(given, paused)[PERSON]

    assert isinstance(person, SubjectFacts)
    expected = [{}, {"research": True}, {"research": False}, {"research": True}]
    assert expected == [person.consent_at(NOW + s) for s in (-1, 9, 10, 20)]


def held(known: Mapping[str, Facts], stream: str) -> list[str]:
    """Return the matters that hold what a stream is about, in order."""
    found = known[stream]
    assert isinstance(found, SubjectFacts | GovernanceFacts | HoldsFacts)
    return [hold.matter for hold in found.holds]


def test_hold_stands_on_its_matter_and_on_its_target_until_released() -> None:
    """Both sides agree, and two matters hold apart."""
    person, cube = HeldTarget(kind="subject", id=SUBJECT), HeldTarget(kind="cube", id=CUBE)
    placed = [
        e.HoldPlaced(matter=MATTER, target=person, valid_from=NOW - 5, valid_to=NOW + 5),
        e.HoldPlaced(matter=MATTER, target=cube),
        e.HoldPlaced(matter="m_two", target=cube),
    ]
    known = fold(remembered(), *placed)
    after = fold(remembered(), *placed, e.HoldReleased(matter=MATTER, targets=(person, cube)))

    assert [[MATTER], [MATTER, "m_two"]] == [held(known, s) for s in (PERSON, GOVERNANCE)]
    by = {"matter": MATTER, "scope": None, "placed_by": OWNER, "placed_at": NOW}
    first = PlacedHold(target=person, valid_from=NOW - 5, valid_to=NOW + 5, **by)
    second = PlacedHold(target=cube, valid_from=NOW, valid_to=None, **by)
    assert MatterFacts(holds=(first, second)) == known[ids.matter_stream(TENANT, MATTER)]
    assert [[], ["m_two"]] == [held(after, s) for s in (PERSON, GOVERNANCE)]
    assert MatterFacts() == after[ids.matter_stream(TENANT, MATTER)]


def test_hold_on_a_scope_stands_on_the_guard_until_released() -> None:
    """A guard that every verdict relies on; each scope under its own id."""
    scope = HoldScope(label="internal", retention_class=None, recorded_from=None, recorded_to=None)
    one, two = (HeldTarget(kind="scope", id=f"h_{n}") for n in (1, 2))
    placed = [e.HoldPlaced(matter=MATTER, target=t, scope=scope) for t in (one, two)]

    known = fold(*placed)
    after = fold(*placed, e.HoldReleased(matter=MATTER, targets=(one,)))

    guard = ids.guard_stream(TENANT, "holds")
    assert [MATTER, MATTER] == held(known, guard)
    assert ["h_2"] == [hold.id for hold in after[guard].holds]  # type: ignore[attr-defined]
    assert guard in touched(placed[0], TENANT)
    assert 1 == len(after[ids.matter_stream(TENANT, MATTER)].holds)  # type: ignore[attr-defined]


def test_hold_placed_again_takes_the_place_of_the_former() -> None:
    """A matter holds a target once."""
    cube = HeldTarget(kind="cube", id=CUBE)
    over = e.HoldPlaced(matter=MATTER, target=cube, valid_from=NOW - 9, valid_to=NOW)

    known = fold(remembered(), over, e.HoldPlaced(matter=MATTER, target=cube))

    assert [MATTER] == held(known, GOVERNANCE)
    assert [None] == [h.valid_to for h in known[GOVERNANCE].holds]  # type: ignore[attr-defined]


def test_case_remembers_who_asked_and_who_decided() -> None:
    """The second pair of eyes is named."""
    opened = fold(e.ReviewOpened(case=CASE, action="admit", target=CUBE), actor=ANN)

    decided = evolve(e.ReviewApproved(case=CASE), AT, opened)

    expected = CaseFacts(
        state="approved", actor=ANN, action="admit", target=CUBE, opened_at=NOW, decided_by=OWNER
    )
    assert expected == decided[ids.case_stream(TENANT, CASE)]


def test_stream_that_has_no_facts_is_an_error() -> None:
    """A name outside the scheme is a programmer's mistake."""
    with pytest.raises(ValueError, match="a stream without facts"):
        facts_type("acme/usage")
