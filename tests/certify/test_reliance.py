"""Incomplete, stale, struck out: what a record relied on is derived, and compared."""

import pytest

from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.facts import HeldTarget
from tests.certify.cases import (
    ANN_ADDED,
    CONSENTED,
    CONTENT,
    FROZEN,
    GOVERNANCE,
    OTHER_CUBE,
    PERSON,
    POLICY_GUARD,
    SCHEDULED,
    SHARED,
    read,
    revised,
    why,
)
from tests.domain.given import ANN, CASE, CUBE, MATTER, NOW, OTHER_POLICY, OWNER, SUBJECT
from tests.domain.given import remembered as remembered_event
from tests.records import (
    TENANT,
    History,
    allowing,
)

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
    ("subject of what is due", SCHEDULED, PERSON),
    ("cube of what is due", SCHEDULED, GOVERNANCE),
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
