"""Erasures: what a request does at once, how facts follow, and what the eraser may say."""

from typing import Any

import pytest
from msgspec.structs import replace

from memos_gov.domain import commands as c
from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.decide import Drafts, decide
from memos_gov.domain.erasing import PAGE_CUBES_MAX, is_page, is_report
from memos_gov.domain.facts import (
    ErasureFacts,
    Facts,
    GovernanceFacts,
    OpenErasures,
    SubjectFacts,
)
from memos_gov.domain.lineage import DESCENDANTS_MAX
from memos_gov.errors import InvalidCommandError
from tests.domain.erasures import (
    COMPLETED,
    DIGEST,
    ENDED,
    ERASED,
    ERASURE,
    GOVERNANCE,
    KEPT,
    OPEN,
    PENDING,
    PERSON,
    REQUESTED,
    RESTRICTED,
    STREAM,
    planned,
    reported,
)
from tests.domain.given import (
    ALLOWED,
    COMMAND_ID,
    CUBE,
    NOW,
    OWNER,
    SUBJECT,
    TENANT,
    fold,
    remembered,
    situation,
)

NEW = ids.erasure_id_of(COMMAND_ID)
OTHER_CUBE = "c_other"
FORGET = c.make(c.EraseSubject, subject=SUBJECT, reason="asked by letter")
FORGET_CUBE = c.make(c.EraseCube, cube=CUBE, reason="asked by letter")


def facts(known: dict[str, Facts]) -> ErasureFacts:
    """Return the facts of the erasure."""
    found = known[STREAM]
    assert isinstance(found, ErasureFacts)
    return found


def person(known: dict[str, Facts]) -> SubjectFacts:
    """Return the facts of the person."""
    found = known[PERSON]
    assert isinstance(found, SubjectFacts)
    return found


def governance(known: dict[str, Facts]) -> GovernanceFacts:
    """Return the facts of the cube."""
    found = known[GOVERNANCE]
    assert isinstance(found, GovernanceFacts)
    return found


# --- The request ----------------------------------------------------------------------


def drafts(command: c.Command, **changes: Any) -> Drafts:
    """Return what a request decides, on a cube that exists."""
    at = replace(situation(command, fold(remembered())), **changes)
    return decide(command, at, ALLOWED)


def test_request_for_a_subject_restricts_it_in_the_same_record() -> None:
    """The reason is sealed beside and stands in no header."""
    requested, restricted = drafts(FORGET)

    assert e.ErasureRequested(erasure=NEW, subject=SUBJECT, cube=None, cubes=()) == requested.event
    assert e.ErasureReason(reason="asked by letter") == requested.payload
    assert e.SubjectRestricted(subject=SUBJECT, erasure=NEW) == restricted.event
    assert restricted.payload is None


def test_request_for_a_cube_restricts_it_with_all_that_was_derived_from_it() -> None:
    """They hold what it says, so they end with it."""
    requested, *restricted = drafts(FORGET_CUBE, descendants=lambda _: (OTHER_CUBE,))

    assert (CUBE, OTHER_CUBE) == getattr(requested.event, "cubes", None)
    assert [
        e.CubeRestricted(cube=cube, erasure=NEW, reasons=()) for cube in (CUBE, OTHER_CUBE)
    ] == [draft.event for draft in restricted]


def test_request_for_a_cube_of_which_too_much_was_made_is_refused() -> None:
    """What was made of it last ends first."""
    many = tuple(f"c_{n}" for n in range(DESCENDANTS_MAX + 1))

    (draft,) = drafts(FORGET_CUBE, descendants=lambda _: many)

    assert isinstance(draft.event, e.CommandRefused)
    assert ("too_many_descendants",) == draft.event.reasons


@pytest.mark.parametrize("command", [FORGET, FORGET_CUBE])
def test_request_while_one_is_under_way_is_refused(command: c.Command) -> None:
    """The first one decides about every cube."""
    (draft,) = drafts(command, erasing=True)

    assert isinstance(draft.event, e.CommandRefused)
    assert ("erasure_open",) == draft.event.reasons


@pytest.mark.parametrize("command", [FORGET, FORGET_CUBE])
def test_request_after_all_was_kept_goes_on_with_the_same_erasure(command: c.Command) -> None:
    """Its age is counted from the first time it was asked for."""
    first, *_ = drafts(command, kept_erasure=ERASURE)

    assert ERASURE == getattr(first.event, "erasure", None)


@pytest.mark.parametrize("reason", ["", "  ", "x" * 2_001, "a\0b", 7])
def test_reason_that_cannot_be_is_named_and_not_shown(reason: Any) -> None:
    """An erasure has a reason in words."""
    with pytest.raises(InvalidCommandError, match=r"^reason: ") as caught:
        c.make(c.EraseSubject, subject="x", reason=reason)

    assert "xx" not in str(caught.value)


# --- The facts ------------------------------------------------------------------------


def test_request_opens_an_erasure_that_restricts_its_subject() -> None:
    """From here nobody uses what is about the person."""
    known = fold(remembered(), REQUESTED, RESTRICTED)

    assert ("requested", SUBJECT, OWNER, NOW, 1) == (
        facts(known).state,
        facts(known).subject,
        facts(known).requested_by,
        facts(known).requested_at,
        facts(known).requested_index,
    )
    assert OpenErasures(erasures=(ERASURE,)) == known[OPEN]
    assert (True, True, ERASURE) == (
        person(known).restricted,
        person(known).erasing,
        person(known).erasure,
    )


def test_pages_add_up_and_the_last_one_ends_the_waiting() -> None:
    """Until it came nobody reads, afterwards what was kept stays restricted."""
    first = planned(state="erasing", custodians=(), last="c_a", kept=1)
    known = fold(remembered(), REQUESTED, RESTRICTED, first)
    assert person(known).erasing
    assert "erasing" == facts(known).state

    known = fold(remembered(), REQUESTED, RESTRICTED, first, planned(page=2, erased=2))

    assert ("checking", 3, 1, (3, 4)) == (
        facts(known).state,
        facts(known).erased,
        facts(known).kept,
        facts(known).pages,
    )
    assert (True, False) == (person(known).restricted, person(known).erasing)
    assert OpenErasures(erasures=(ERASURE,)) == known[OPEN]


def test_erasure_that_kept_everything_is_not_gone_on_with_until_it_is_asked_for_again() -> None:
    """Asking again counts anew what is kept, and keeps when it was asked for first."""
    kept = planned(erased=0, kept=1, state="kept", custodians=())
    known = fold(remembered(), REQUESTED, RESTRICTED, kept, KEPT)
    assert ("kept", 1) == (facts(known).state, facts(known).kept)
    assert OpenErasures() == known[OPEN]
    assert (True, False) == (governance(known).restricted, governance(known).erasing)

    known = fold(remembered(), REQUESTED, RESTRICTED, kept, KEPT, REQUESTED, RESTRICTED)

    assert ("requested", 0, None, (3,), 1) == (
        facts(known).state,
        facts(known).kept,
        facts(known).last,
        facts(known).pages,
        facts(known).requested_index,
    )
    assert OpenErasures(erasures=(ERASURE,)) == known[OPEN]
    assert person(known).erasing


def test_cube_waits_until_its_erasure_is_decided() -> None:
    """Restricted without a reason: asked for; with one: kept; erased: the end."""
    waits = governance(fold(remembered(), PENDING))
    kept = governance(fold(remembered(), PENDING, KEPT))
    erased = governance(fold(remembered(), PENDING, ERASED))

    assert (True, True, ERASURE) == (waits.restricted, waits.erasing, waits.erasure)
    assert (True, False, "activated") == (kept.restricted, kept.erasing, kept.state)
    assert (False, "erased", ERASURE) == (erased.erasing, erased.state, erased.erasure)


def test_custodians_that_reported_are_no_longer_waited_for() -> None:
    """Each once, in the order of the plan; completion names the statement."""
    known = fold(remembered(), REQUESTED, RESTRICTED, planned(), ERASED, reported())
    assert ("log",) == facts(known).unreported
    assert (5, "vault") == (facts(known).receipts[0].index, facts(known).receipts[0].custodian)

    known = fold(
        remembered(), REQUESTED, planned(), ERASED, reported(), reported(custodian="log"), COMPLETED
    )

    assert ("completed", DIGEST, NOW, ()) == (
        facts(known).state,
        facts(known).statement,
        facts(known).completed_at,
        facts(known).unreported,
    )
    assert OpenErasures() == known[OPEN]


# --- What the eraser may put into the history -------------------------------------------

ASKED = facts(fold(remembered(), REQUESTED, RESTRICTED))
PLANNED = facts(fold(remembered(), REQUESTED, RESTRICTED, planned(), ERASED))
REPORTED = facts(
    fold(remembered(), REQUESTED, planned(), ERASED, reported(), reported(custodian="log"))
)
MANY = tuple(e.CubeErased(cube=f"c_{n}", erasure=ERASURE) for n in range(PAGE_CUBES_MAX + 1))


@pytest.mark.parametrize(
    "events",
    [
        (planned(), ERASED),
        (planned(), ERASED, ENDED),
        (planned(erased=0, kept=1, state="kept", custodians=()), KEPT),
        (planned(state="erasing", custodians=()), ERASED),
        (planned(erased=0, last=None), ENDED),
        (planned(erased=0, last=None),),
        (planned(erased=PAGE_CUBES_MAX), *MANY[1:]),
    ],
    ids=["erases", "ends the person", "keeps", "goes on", "no cubes", "nothing at all", "full"],
)
def test_page_that_says_what_it_does_is_one(events: tuple[e.Event, ...]) -> None:
    """By the eraser, of an open erasure, in order."""
    assert is_page(events, ids.ERASER, ASKED)


@pytest.mark.parametrize(
    ("events", "actor", "known"),
    [
        ((planned(), ERASED), OWNER, ASKED),
        ((planned(), ERASED), ids.SCHEDULER, ASKED),
        ((planned(), ERASED), ids.ERASER, None),
        ((planned(), ERASED), ids.ERASER, PLANNED),
        ((planned(page=2), ERASED), ids.ERASER, ASKED),
        ((planned(subject="s_other"), ERASED), ids.ERASER, ASKED),
        ((planned(erased=2), ERASED), ids.ERASER, ASKED),
        ((planned(kept=1), ERASED), ids.ERASER, ASKED),
        ((planned(erased=2), ERASED, ERASED), ids.ERASER, ASKED),
        ((planned(), replace(ERASED, erasure="e_two")), ids.ERASER, ASKED),
        ((planned(erased=0, kept=1), PENDING), ids.ERASER, ASKED),
        ((planned(), ERASED, e.CubeFrozen(cube=OTHER_CUBE)), ids.ERASER, ASKED),
        ((planned(state="kept"), ERASED), ids.ERASER, ASKED),
        ((planned(state="erasing"), ERASED, ENDED), ids.ERASER, ASKED),
        ((planned(erased=0, kept=1), KEPT, ENDED), ids.ERASER, ASKED),
        ((planned(), ERASED, replace(ENDED, subject="s_other")), ids.ERASER, ASKED),
        ((planned(), ERASED, ENDED), ids.ERASER, replace(ASKED, kept=1)),
        ((planned(erased=len(MANY)), *MANY), ids.ERASER, ASKED),
        ((ERASED,), ids.ERASER, ASKED),
        ((ERASED, planned()), ids.ERASER, ASKED),
        ((), ids.ERASER, ASKED),
    ],
)
def test_page_that_runs_ahead_or_miscounts_is_none(
    events: tuple[e.Event, ...], actor: str, known: ErasureFacts | None
) -> None:
    """Whoever made it: the history takes only the next page, whole."""
    assert not is_page(events, actor, known)


BACKUPS_ENDED = e.BackupsEnded(erasure=ERASURE, since=NOW, statement=DIGEST)


def test_end_of_the_backups_is_said_once_of_a_completed_erasure() -> None:
    """From then on the certificate says something else, and stands there."""
    completed = replace(REPORTED, state="completed", completed_at=NOW)
    assert may_report(BACKUPS_ENDED, ids.ERASER, completed)
    assert not may_report(BACKUPS_ENDED, OWNER, completed)

    known = fold(remembered(), REQUESTED, planned(), ERASED, COMPLETED, BACKUPS_ENDED)

    assert ("completed", NOW, NOW, 5) == (
        facts(known).state,
        facts(known).completed_at,
        facts(known).backups_ended_at,
        facts(known).index,
    )


def may_report(event: e.OnErasure, actor: str, known: ErasureFacts | None) -> bool:
    """Return whether an actor may report this of an erasure that stands so."""
    return is_report(event, TENANT, actor, {} if known is None else {STREAM: known})


@pytest.mark.parametrize(
    ("event", "known"),
    [(reported(), PLANNED), (reported(custodian="log"), PLANNED), (COMPLETED, REPORTED)],
)
def test_report_that_is_waited_for_is_one(event: e.OnErasure, known: ErasureFacts) -> None:
    """And only the eraser's."""
    assert may_report(event, ids.ERASER, known)
    assert not may_report(event, OWNER, known)
    assert not may_report(event, ids.NOTARY, known)
    assert not may_report(event, ids.ERASER, None)
    assert not may_report(event, ids.ERASER, ASKED)
    assert not may_report(event, ids.ERASER, replace(known, state="completed"))


@pytest.mark.parametrize(
    ("event", "known"),
    [
        (reported(remaining=1), PLANNED),
        (reported(custodian="index"), PLANNED),
        (reported(digest="no digest"), PLANNED),
        (reported(), REPORTED),
        (COMPLETED, PLANNED),
        (replace(COMPLETED, erased=2), REPORTED),
        (replace(COMPLETED, kept=1), REPORTED),
        (replace(COMPLETED, statement=""), REPORTED),
        (REQUESTED, PLANNED),
        (BACKUPS_ENDED, REPORTED),
        (BACKUPS_ENDED, replace(REPORTED, state="completed", backups_ended_at=NOW)),
        (
            replace(BACKUPS_ENDED, since=NOW - 1),
            replace(REPORTED, state="completed", completed_at=NOW),
        ),
        (replace(BACKUPS_ENDED, statement="x"), replace(REPORTED, state="completed")),
    ],
)
def test_report_that_leaves_something_or_comes_too_early_is_none(
    event: e.OnErasure, known: ErasureFacts
) -> None:
    """Nothing remains, everybody asked has spoken, and the counts are those of the pages."""
    assert not may_report(event, ids.ERASER, known)
