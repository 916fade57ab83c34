"""Erasures at certification: who may end what, in which order, and that no read overtakes one."""

from typing import Any

import pytest
from msgspec.structs import replace

from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.facts import ErasureFacts, GovernanceFacts, HeldTarget
from tests.certify.cases import GOVERNANCE, PERSON, read, why
from tests.domain.erasures import (
    COMPLETED,
    ENDED,
    ERASED,
    KEPT,
    OPEN,
    REQUESTED,
    RESTRICTED,
    STREAM,
    planned,
    reported,
)
from tests.domain.given import CUBE, MATTER, NOW, SUBJECT, remembered
from tests.records import History, a_record, allowing, an_id

BY_THE_ERASER: dict[str, Any] = {"actor": ids.ERASER}
UNJUDGED: dict[str, Any] = {"actor": ids.ERASER, "verdict": None, "relied_on": {}}


@pytest.fixture
def asked(lived: History) -> History:
    """Return a history in which the erasure of the subject was asked for."""
    assert "accepted" == lived.propose(REQUESTED, RESTRICTED).code
    return lived


@pytest.fixture
def erased(asked: History) -> History:
    """Return a history in which the page of the plan is carried out."""
    assert "accepted" == asked.propose(planned(), ERASED, ENDED, **BY_THE_ERASER).code
    return asked


def state(history: History) -> str:
    """Return how far the erasure has come."""
    facts = history.known.facts[STREAM]
    assert isinstance(facts, ErasureFacts)
    return facts.state


def test_erasure_goes_from_request_to_completion(erased: History) -> None:
    """Each report is a record without a verdict, by the eraser."""
    assert "checking" == state(erased)

    for event in (reported(), reported(custodian="log"), COMPLETED):
        assert "accepted" == erased.append(a_record(event, **UNJUDGED)).code

    assert "completed" == state(erased)


def test_request_relies_on_the_person_and_on_no_cube(lived: History) -> None:
    """A memory that changes meanwhile cannot hold the restriction up."""
    relied = lived.relied_on(REQUESTED, RESTRICTED)

    assert {PERSON, STREAM, OPEN} < relied.keys()
    assert [] == [stream for stream in relied if "/cube/" in stream]


@pytest.mark.parametrize("actor", ["p_owner", ids.NOTARY, ids.SCHEDULER])
@pytest.mark.parametrize("event", [reported(), COMPLETED])
def test_report_by_anybody_else_is_invalid(erased: History, actor: str, event: e.OnErasure) -> None:
    """Whoever can propose, only the eraser vouches for what was read back."""
    outcome = erased.append(a_record(event, verdict=None, actor=actor))

    assert ("invalid", {"why": ["verdict"]}) == why(outcome)


@pytest.mark.parametrize("event", [reported(), COMPLETED])
def test_report_under_a_verdict_is_invalid(erased: History, event: e.OnErasure) -> None:
    """No policy is asked about a report, so none can have allowed it."""
    assert "invalid" == erased.propose(event, **BY_THE_ERASER).code


@pytest.mark.parametrize(
    "event",
    [
        replace(COMPLETED, erased=7),
        COMPLETED,
        reported(remaining=1),
        reported(custodian="index"),
        reported(erasure="e_unknown"),
    ],
    ids=["miscounts", "too early", "something remains", "not asked", "no such erasure"],
)
def test_report_that_runs_ahead_is_invalid(erased: History, event: e.OnErasure) -> None:
    """The history completes nothing that is not complete."""
    assert "invalid" == erased.append(a_record(event, **UNJUDGED)).code
    assert "checking" == state(erased)


def test_report_made_twice_counts_once(erased: History) -> None:
    """Two processes that go on with one erasure make the same record ids."""
    cid = an_id()
    report = {**UNJUDGED, "command_id": cid, "command": "none"}
    first = erased.append(a_record(reported(), **report))

    again = erased.append(a_record(reported(ended_at=NOW + 5), **report))

    assert first == again
    facts = erased.known.facts[STREAM]
    assert isinstance(facts, ErasureFacts)
    assert 1 == len(facts.receipts)


@pytest.mark.parametrize("actor", ["p_owner", ids.NOTARY])
def test_cube_erased_by_anybody_but_a_worker_that_ends_memories_is_invalid(
    asked: History, actor: str
) -> None:
    """A person asks; what ends is policy's plan, carried out by a worker."""
    outcome = asked.propose(planned(), ERASED, actor=actor)

    assert "invalid" == outcome.code
    facts = asked.known.facts[GOVERNANCE]
    assert isinstance(facts, GovernanceFacts)
    assert "activated" == facts.state


def test_person_does_not_erase_a_cube_with_a_record_of_their_own(asked: History) -> None:
    """Also not beside the page."""
    assert ("invalid", {"why": ["ending"]}) == why(asked.propose(ERASED))


@pytest.mark.parametrize(
    "events",
    [
        (planned(page=2), ERASED),
        (planned(erased=2), ERASED),
        (planned(erased=0, kept=1), KEPT, ENDED),
        (ENDED,),
        (planned(erasure="e_unknown"), ERASED),
    ],
    ids=["another page", "miscounted", "ends a person of whom something is kept", "alone", "none"],
)
def test_page_that_is_not_the_next_whole_one_is_invalid(
    asked: History, events: tuple[e.Event, ...]
) -> None:
    """It changes nothing, and its command id stays free."""
    before = dict(asked.known.versions)

    assert "invalid" == asked.propose(*events, **BY_THE_ERASER).code
    assert before == asked.known.versions


def test_page_after_a_hold_is_stale(asked: History) -> None:
    """The plan was made without the hold; it is asked for again."""
    page = (planned(), ERASED, ENDED)
    relied = asked.relied_on(*page, actor=ids.ERASER)
    target = HeldTarget(kind="subject", id=SUBJECT)
    held = e.HoldPlaced(matter=MATTER, target=target)
    asked.propose(held)

    outcome = asked.propose(*page, relied_on=relied, **BY_THE_ERASER)

    assert ("stale", {"streams": [PERSON]}) == why(outcome)


def test_page_that_erases_without_policys_word_on_the_cube_is_invalid(asked: History) -> None:
    """Every cube of a page has an answer of the plan."""
    outcome = asked.propose(planned(), ERASED, verdict=allowing([SUBJECT]), **BY_THE_ERASER)

    assert ("invalid", {"why": ["verdict"]}) == why(outcome)


def test_read_that_was_judged_before_the_restriction_returns_nothing_of_it(
    lived: History,
) -> None:
    """The restriction is a new version of the person: the cubes are struck out."""
    relied = lived.relied_on(read(CUBE))
    lived.propose(REQUESTED, RESTRICTED)

    assert ("accepted", {"struck": [CUBE]}) == why(lived.propose(read(CUBE), relied_on=relied))


def test_read_of_what_was_erased_is_struck_out_whatever_policy_says(erased: History) -> None:
    """A policy that forgets about erased cubes brings none of them back."""
    assert ("accepted", {"struck": [CUBE]}) == why(erased.propose(read(CUBE)))


def test_facts_of_what_was_erased_may_be_listed(erased: History) -> None:
    """That it was there, and was erased, is no secret to those who may list."""
    listed = replace(read(CUBE), action="list")

    assert ("accepted", {}) == why(erased.propose(listed))


def test_cube_remembered_about_a_person_while_the_restriction_comes_is_stale(
    lived: History,
) -> None:
    """The set of cubes is fixed at the restriction."""
    late = remembered(cube="c_late")
    relied = lived.relied_on(late)
    lived.propose(REQUESTED, RESTRICTED)

    assert ("stale", {"streams": [PERSON]}) == why(lived.propose(late, relied_on=relied))
