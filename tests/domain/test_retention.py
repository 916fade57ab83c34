"""What the schedule decides, from policy's answer and the facts alone."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from memos_gov.domain import commands as c
from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.decide import Drafts, decide
from memos_gov.domain.facts import CaseFacts
from memos_gov.domain.lifecycle import STATES, State
from memos_gov.domain.verdicts import UNDECIDED, RetentionVerdict, Step
from tests.domain.given import (
    ALLOWED,
    COMMAND_ID,
    CUBE,
    NOW,
    Decision,
    fold,
    remembered,
    situation,
)

DUE = RetentionVerdict("expire", NOW, False, ("retention/schedule",), (Step("expire", NOW),))
CASE = ids.disposal_case_id(CUBE, NOW)
CASES = {
    state: CaseFacts(state=state, actor="w_scheduler", action="dispose", target=CUBE, opened_at=1)
    for state in ("open", "approved", "rejected")
}
DISPOSE, SCHEDULE = c.make(c.DisposeCube, cube=CUBE), c.make(c.ScheduleCube, cube=CUBE)


def said(verdict: RetentionVerdict) -> e.RetentionScheduled:
    """Return policy's answer as it stands in a record."""
    return e.scheduled(CUBE, "standard", verdict)


def decided(command: c.Command, verdict: RetentionVerdict | None, **facts: Any) -> Drafts:
    """Return what is decided about an ordinary cube, some of its facts changed."""
    state = facts.pop("state", "activated")
    at = situation(command, fold(remembered()))
    assert at.cube is not None
    governance = replace(at.cube.governance, state=state)
    cube = replace(at.cube, governance=governance)
    return decide(command, replace(at, cube=cube, retention=verdict, **facts), ALLOWED)


def events(drafts: Drafts) -> list[e.Event]:
    """Return the events of drafts."""
    return [draft.event for draft in drafts]


def refused(drafts: Drafts, reason: str) -> None:
    """Expect a refusal that changes nothing."""
    Decision(drafts, fold(remembered())).refused(reason)


@pytest.mark.parametrize("state", STATES)
def test_cube_that_is_due_expires_from_every_state_but_the_last(state: State) -> None:
    """The derivation stands before it."""
    drafts = decided(DISPOSE, DUE, state=state)

    if state in {"expired", "erased"}:
        refused(drafts, "transition_not_allowed")
    else:
        assert [said(DUE), e.CubeExpired(cube=CUBE)] == events(drafts)


def test_cube_that_is_due_for_the_archive_is_archived() -> None:
    """From use only, as the table of states says."""
    verdict = replace(DUE, action="archive")

    assert [said(verdict), e.CubeArchived(cube=CUBE)] == events(decided(DISPOSE, verdict))
    refused(decided(DISPOSE, verdict, state="generated"), "transition_not_allowed")


@pytest.mark.parametrize(
    "verdict",
    [
        None,
        UNDECIDED,
        replace(DUE, due=NOW + 1),
        replace(DUE, due=None),
        replace(DUE, action="keep"),
        replace(DUE, review=True),
    ],
)
def test_cube_that_is_not_due_is_not_disposed_of(verdict: RetentionVerdict | None) -> None:
    """No answer, an answer for later, and one that wants a review end nothing."""
    refused(decided(DISPOSE, verdict), "not_due")


def test_approved_review_is_spent_with_the_disposal() -> None:
    """The approval was for this once."""
    drafts = decided(DISPOSE, DUE, approval=CASE)

    assert e.ReviewUsed(case=CASE) == events(drafts)[-1]


def test_what_policy_says_is_written_down() -> None:
    """Due now, later, or never."""
    for verdict in (DUE, replace(DUE, due=NOW + 9), UNDECIDED):
        assert [said(verdict)] == events(decided(SCHEDULE, verdict))
    refused(decided(SCHEDULE, None), "not_due")


def test_review_is_opened_when_the_disposal_is_due_and_once() -> None:
    """Under an id that every run finds again."""
    verdict = replace(DUE, review=True)
    opened = e.ReviewOpened(case=CASE, action="dispose", target=CUBE)

    assert [said(verdict), opened] == events(decided(SCHEDULE, verdict))
    assert 1 == len(decided(SCHEDULE, replace(verdict, due=NOW + 1)))
    for case in CASES.values():
        assert [said(verdict)] == events(decided(SCHEDULE, verdict, case=case))


def test_review_of_another_date_is_another_one() -> None:
    """A cube that was changed since is looked at again."""
    assert ids.is_opaque(CASE)
    assert CASE == ids.disposal_case_id(CUBE, NOW)
    assert 3 == len({CASE, ids.disposal_case_id(CUBE, NOW + 1), ids.disposal_case_id("c_b", NOW)})


def test_run_says_until_when() -> None:
    """The moment that was confirmed stands in the log."""
    command = c.make(c.FollowSchedule, until="2026-11-01T00:00:00Z")

    (draft,) = decide(command, situation(command, {}), ALLOWED)

    assert e.ScheduleFollowed(until=1_793_491_200) == draft.event


# --- Erasures ---------------------------------------------------------------------

ENDS = replace(DUE, action="erase")
ERASURE = ids.erasure_id_of(COMMAND_ID)


def asked_to_end(*cubes: str, erasing: bool = False, **facts: Any) -> Drafts:
    """Return what is decided about cubes, all alike."""
    at = situation(DISPOSE, fold(remembered()))
    assert at.cube is not None
    alike = replace(at.cube, governance=replace(at.cube.governance, erasing=erasing))
    there = tuple(replace(alike, cube=cube) for cube in cubes)
    return decide(
        c.EraseDue(cubes=cubes or ("c_none",)), replace(at, cubes=there, **facts), ALLOWED
    )


def test_cubes_that_are_due_to_end_are_one_erasure() -> None:
    """Asked for, with the derivation of each, and restricted at once."""
    drafts = asked_to_end("c_b", "c_a", retentions={"c_a": ENDS, "c_b": ENDS})

    requested, *others = events(drafts)
    assert requested == e.ErasureRequested(
        erasure=ERASURE, subject=None, cube=None, cubes=("c_a", "c_b")
    )
    assert isinstance(drafts[0].payload, e.ErasureReason)
    assert [
        e.scheduled("c_b", "standard", ENDS),
        e.scheduled("c_a", "standard", ENDS),
        *(e.CubeRestricted(cube=cube, erasure=ERASURE, reasons=()) for cube in ("c_a", "c_b")),
    ] == others


def test_cube_that_is_due_to_end_alone_is_named_by_its_erasure() -> None:
    """As when a person asks for it."""
    requested = events(asked_to_end(CUBE, retentions={CUBE: ENDS}))[0]

    assert CUBE == requested.cube  # type: ignore[attr-defined]


def test_approvals_of_what_ends_are_spent_with_it() -> None:
    """Each for its own cube."""
    drafts = asked_to_end(CUBE, retentions={CUBE: ENDS}, reviews=(CASE,))

    assert e.ReviewUsed(case=CASE) == events(drafts)[-1]


@pytest.mark.parametrize(
    "verdict",
    [DUE, replace(ENDS, due=NOW + 1), replace(ENDS, review=True), UNDECIDED],
)
def test_erasure_of_anything_that_is_not_due_to_end_ends_nothing(
    verdict: RetentionVerdict,
) -> None:
    """One among many is enough, and so is a cube that policy said nothing about."""
    refused(asked_to_end(CUBE, retentions={CUBE: verdict}), "not_due")
    refused(asked_to_end(CUBE, "c_b", retentions={CUBE: ENDS, "c_b": verdict}), "not_due")
    refused(asked_to_end(CUBE, "c_b", retentions={CUBE: ENDS}), "not_due")
    refused(asked_to_end(retentions={}), "not_due")


def test_erasure_of_what_is_being_erased_is_refused() -> None:
    """An erasure is asked for once."""
    refused(asked_to_end(CUBE, erasing=True, retentions={CUBE: ENDS}), "erasure_open")
