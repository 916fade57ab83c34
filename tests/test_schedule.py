"""The schedule: what is due is done once, under policy, whatever happened meanwhile."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

import memos_gov
from memos_gov.backends.files import FilePolicyBundles
from memos_gov.domain import ids
from memos_gov.errors import DeniedError, InvalidCommandError, NotFoundError
from memos_gov.projections.tables import EventRow, OutcomeRow, table_of
from memos_gov.schedule import ScheduleReport, worker
from memos_gov.service import Actor, Service
from tests.bundles import scheduled
from tests.clocks import YEAR, Turned

PURPOSE = "complaint-handling"


def remember(owner: Actor, retention_class: str = "complaint", **words: Any) -> str:
    """Keep a note, and return its cube."""
    made = owner.remember("a note", retention_class=retention_class, **words)
    assert made.cube_id is not None
    return made.cube_id


def events(gov: Service, *types: str) -> list[tuple[str, dict[str, Any], str]]:
    """Return (type, header, actor) of events of some types, in order."""
    event, outcome = table_of(EventRow), table_of(OutcomeRow)
    query = (
        select(event.c.type, event.c.header, outcome.c.actor)
        .join(outcome, (outcome.c.tenant == event.c.tenant) & (outcome.c.idx == event.c.idx))
        .where(event.c.type.in_(types))
        .order_by(event.c.idx, event.c.seq)
    )
    with gov.rooms.governor.tables.connection() as connection:
        return [
            (row.type, msgspec.json.decode(row.header), row.actor)
            for row in connection.execute(query)
        ]


def states(gov: Service) -> dict[str, int]:
    """Return how many cubes are in each state."""
    gov.rooms.follower.catch_up("cubes")
    return gov.status().cubes


def run(gov: Service, clock: Turned, **how: Any) -> ScheduleReport:
    """Run the schedule at the clock's time, which is confirmed."""
    return gov.schedule(clock.now(), **how)


# --- What is due is done ----------------------------------------------------------


def test_cube_whose_time_is_over_expires_and_nothing_else_does(
    gov: Service, owner: Actor, clock: Turned
) -> None:
    """By the worker, under a verdict, with the derivation beside it and what comes next."""
    gone = [remember(owner) for _ in range(3)]
    clock.turn(days=8 * YEAR.days)
    kept = remember(owner)

    report = run(gov, clock)

    assert {"expired": 3} == report.done
    found = events(gov, "CubeExpired")
    assert sorted(gone) == sorted(header["cube"] for _, header, _ in found)
    assert {ids.SCHEDULER} == {actor for _, _, actor in found}
    assert "activated" == owner.get(kept).state
    with pytest.raises(NotFoundError):
        owner.get(gone[0])
    why = owner.explain(str(report.index + 1))
    assert why.same


def test_cube_of_a_class_that_ends_in_the_archive_is_archived(
    gov: Service, owner: Actor, clock: Turned
) -> None:
    """It stays readable, and nothing is due for it any more."""
    cube = remember(owner, "general")
    clock.turn(days=11 * YEAR.days)

    assert {"archived": 1} == run(gov, clock).done
    assert "archived" == owner.get(cube).state
    assert {} == run(gov, clock).done


def test_second_run_repeats_nothing(gov: Service, owner: Actor, clock: Turned) -> None:
    """What is done is due no more."""
    remember(owner)
    clock.turn(days=8 * YEAR.days)

    assert ({"expired": 1}, {}) == (run(gov, clock).done, run(gov, clock).done)
    assert 1 == len(events(gov, "CubeExpired"))


def test_record_of_a_disposal_holds_its_derivation_and_what_comes_next(
    gov: Service, owner: Actor, clock: Turned
) -> None:
    """Expired now, to be erased after the grace that begins now."""
    remember(owner)
    clock.turn(days=8 * YEAR.days)
    before = len(events(gov, "RetentionScheduled"))

    run(gov, clock)

    done, following = (h for _, h, _ in events(gov, "RetentionScheduled")[before:])
    assert ("expire", ["retention/schedule"]) == (done["action"], done["rules"])
    assert ("erase", ["retention/grace"]) == (following["action"], following["rules"])
    grace = timedelta(seconds=following["due"]) - timedelta(seconds=clock.now().timestamp())
    assert timedelta(days=29) < grace <= timedelta(days=30)


@pytest.mark.parametrize("archived", [False, True])
def test_cube_expires_from_any_state_that_it_can_be_kept_in(
    gov: Service, owner: Actor, clock: Turned, archived: bool
) -> None:
    """An archive does not outlive the class."""
    cube = remember(owner)
    if archived:
        owner.archive(cube)
    owner.freeze(cube)
    clock.turn(days=8 * YEAR.days)

    assert {"expired": 1} == run(gov, clock).done


def test_cube_read_lately_is_dated_anew_and_stays(
    gov: Service, owner: Actor, clock: Turned
) -> None:
    """The view says the earliest date; policy is asked with the last read before it is done."""
    read, unread = remember(owner, "conversation"), remember(owner, "conversation")
    clock.turn(days=YEAR.days - 3)
    owner.get(read)
    clock.turn(days=30)

    assert {"dated": 1, "expired": 1} == run(gov, clock).done
    assert "activated" == owner.get(read).state
    assert [unread] == [header["cube"] for _, header, _ in events(gov, "CubeExpired")]
    assert {} == run(gov, clock).done


def test_tenant_of_its_own_is_run_alone(gov: Service, owner: Actor, clock: Turned) -> None:
    """A run is over one tenant; another one's cubes wait for theirs."""
    remember(owner)
    gov.add_tenant("other", principal="zoe")
    zoe = gov.acting_as("zoe", tenant="other", purpose=PURPOSE)
    cube = remember(zoe)
    clock.turn(days=8 * YEAR.days)

    assert {"expired": 1} == run(gov, clock).done
    assert "activated" == zoe.get(cube).state
    assert {"expired": 1} == run(gov, clock, tenant="other").done
    with pytest.raises(NotFoundError):
        run(gov, clock, tenant="nobody")


# --- Holds ------------------------------------------------------------------------


@pytest.mark.parametrize("on", ["cube", "subject", "scope"])
def test_cube_that_is_held_stays_until_the_release_and_the_next_run(
    gov: Service, owner: Actor, clock: Turned, on: str
) -> None:
    """However it is held; its due date is asked about again once nothing holds it."""
    cube = remember(owner, subjects=["customer-17"])
    target: dict[str, str] = {
        "cube": {"cube": cube},
        "subject": {"subject": "customer-17"},
        "scope": {"retention_class": "complaint"},
    }[on]
    owner.hold(matter="M-1", **target)
    clock.turn(days=8 * YEAR.days)

    first, second = run(gov, clock).done, run(gov, clock).done
    owner.release("M-1")
    last = run(gov, clock).done

    assert ({} if on == "cube" else {"dated": 1}, {}) == (first, second)
    assert last in ({"expired": 1}, {"dated": 1, "expired": 1})
    assert 1 == len(events(gov, "CubeExpired"))


def test_hold_that_ends_by_itself_lets_the_schedule_go_on(
    gov: Service, owner: Actor, clock: Turned
) -> None:
    """No event says so; the run after the end finds it."""
    remember(owner)
    clock.turn(days=8 * YEAR.days)
    owner.hold(matter="M-1", label="internal", valid_to=clock.now() + timedelta(days=9))

    assert {"dated": 1} == run(gov, clock).done
    clock.turn(days=8)
    assert {} == run(gov, clock).done
    clock.turn(days=1)
    assert {"expired": 1} == run(gov, clock).done


def test_hold_of_today_stops_a_run_for_a_moment_before_it(
    gov: Service, owner: Actor, clock: Turned
) -> None:
    """What is held now is kept, whatever moment is said."""
    remember(owner)
    clock.turn(days=8 * YEAR.days)
    before = clock.now()
    clock.turn(hours=1)
    owner.hold(matter="M-1", label="internal")

    assert {"dated": 1} == gov.schedule(before).done
    assert [] == events(gov, "CubeExpired")


# --- Reviews ----------------------------------------------------------------------


def test_record_class_waits_for_a_second_person_and_is_done_by_the_next_run(
    gov: Service, owner: Actor, clock: Turned, folder: Path
) -> None:
    """Opened once, waited for, approved, done, and the approval is spent."""
    digest = FilePolicyBundles(folder / "policies").put(scheduled(evidence={"then": "expire"}))
    owner.activate_policy(digest)
    cube = remember(owner, "evidence")
    clock.turn(days=16 * YEAR.days)

    opened, waiting = run(gov, clock).done, run(gov, clock).done
    (case,) = owner.cases()
    owner.approve(case.case_id)
    done, after = run(gov, clock).done, run(gov, clock).done

    assert ({"reviews": 1}, {"waiting": 1}) == (opened, waiting)
    assert ("dispose", cube) == (case.action, case.target)
    assert ({"expired": 1}, {}) == (done, after)
    assert [case.case_id] == [header["case"] for _, header, _ in events(gov, "ReviewUsed")]


def test_record_class_whose_disposal_was_rejected_is_kept(
    gov: Service, owner: Actor, clock: Turned
) -> None:
    """Nobody is asked again about the same date."""
    remember(owner, "evidence")
    clock.turn(days=16 * YEAR.days)
    run(gov, clock)
    (case,) = owner.cases()
    owner.reject(case.case_id)

    assert {"rejected": 1} == run(gov, clock).done
    assert () == owner.cases()
    assert 1 == len(events(gov, "ReviewOpened"))


def test_worker_approves_no_review(gov: Service, owner: Actor, clock: Turned) -> None:
    """Its role has no such action, and nobody can be given the role."""
    remember(owner, "evidence")
    clock.turn(days=16 * YEAR.days)
    run(gov, clock)
    (case,) = owner.cases()
    caller = msgspec.structs.replace(owner.caller, principal=ids.SCHEDULER)

    with pytest.raises(DeniedError, match="role_lacks_action"):
        Actor(gov.rooms, caller, "scheduler").approve(case.case_id)
    with pytest.raises(DeniedError, match="beyond_own_rights"):
        owner.add_principal("mallory", roles=["worker"])


# --- Another policy ---------------------------------------------------------------


def test_rows_of_a_former_policy_are_asked_again(
    gov: Service, owner: Actor, clock: Turned, folder: Path
) -> None:
    """A shorter maximum is followed by the next run, although no cube changed."""
    cubes = [remember(owner) for _ in range(5)]
    digest = FilePolicyBundles(folder / "policies").put(scheduled(complaint={"max_s": 86_400}))
    owner.activate_policy(digest)

    asked = run(gov, clock).done
    clock.turn(days=2)
    done = run(gov, clock).done

    assert ({"dated": len(cubes)}, {"expired": len(cubes)}) == (asked, done)


def test_run_under_a_policy_that_allows_the_worker_nothing_is_refused_once(
    gov: Service, owner: Actor, clock: Turned, folder: Path
) -> None:
    """The refusal is recorded, and not one for every cube."""
    from memos_gov.backends.files import shipped_bundle
    from memos_gov.domain.bundle import PolicyBundle

    remember(owner)
    shipped = shipped_bundle()
    whole = msgspec.json.decode(shipped.data)
    whole["memos_gov"]["roles"]["worker"]["actions"] = []
    files = {**shipped.files, "data.json": msgspec.json.encode(whole)}
    owner.activate_policy(FilePolicyBundles(folder / "policies").put(PolicyBundle(files)))
    clock.turn(days=8 * YEAR.days)

    with pytest.raises(DeniedError, match="role_lacks_action"):
        run(gov, clock)

    assert ["schedule_run"] == [h["action"] for _, h, _ in events(gov, "CommandRefused")]
    assert {"activated": 1} == states(gov)


# --- Dry runs ---------------------------------------------------------------------


def test_dry_run_shows_what_is_due_and_why_and_writes_nothing(
    gov: Service, owner: Actor, clock: Turned
) -> None:
    """In the future too: what would be done, what waits, by which rule, step by step."""
    complaint, record = remember(owner), remember(owner, "evidence")
    remember(owner, "account")
    before = gov.rooms.governor.log.end(0)

    report = gov.schedule(clock.now() + 16 * YEAR, dry_run=True)

    assert before == gov.rooms.governor.log.end(0)
    found = {due.cube: due for due in report.due}
    assert {complaint, record} == set(found)
    assert ("complaint", "expire", "due", ("retention/schedule",)) == (
        found[complaint].retention_class,
        found[complaint].action,
        found[complaint].standing,
        found[complaint].rules,
    )
    assert ("erase", "review") == (found[record].action, found[record].standing)
    assert ("not_held", "counted_from_creation", "maximum_at", "expire") == tuple(
        step.code for step in found[complaint].steps
    )
    assert (-1, {"due": 1, "review": 1}) == (report.index, report.done)


def test_dry_run_looks_at_rows_of_a_former_policy_with_todays(
    gov: Service, owner: Actor, clock: Turned, folder: Path
) -> None:
    """What it shows is what a run would do."""
    cube = remember(owner)
    digest = FilePolicyBundles(folder / "policies").put(scheduled(complaint={"max_s": 86_400}))
    owner.activate_policy(digest)

    report = gov.schedule(clock.now() + timedelta(days=2), dry_run=True)

    assert [cube] == [due.cube for due in report.due]


# --- Clocks -----------------------------------------------------------------------


def test_run_after_a_clock_that_jumped_wants_a_confirmation(
    gov: Service, owner: Actor, clock: Turned
) -> None:
    """A clock a year ahead would end a year's cubes too early; saying the moment confirms it."""
    remember(owner)
    clock.turn(days=91)
    before = gov.rooms.governor.log.end(0)

    with pytest.raises(InvalidCommandError, match="the clock is 91 days after") as caught:
        gov.schedule()

    assert "--now" in caught.value.remedy
    assert before == gov.rooms.governor.log.end(0)
    assert {} == run(gov, clock).done
    assert {} == gov.schedule().done


def test_run_within_ninety_days_of_the_newest_record_wants_none(
    gov: Service, owner: Actor, clock: Turned
) -> None:
    """An ordinary schedule runs by itself, and each run is a record."""
    remember(owner)
    for _ in range(3):
        clock.turn(days=89)
        gov.schedule()

    assert 3 == len(events(gov, "ScheduleFollowed"))


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (timedelta(hours=1), "now: lies in the future; only a dry run looks ahead"),
        (None, "now: lacks a time zone"),
    ],
)
def test_moment_that_cannot_be_is_refused_and_nothing_is_written(
    gov: Service, clock: Turned, now: timedelta | None, words: str
) -> None:
    """Nothing is done ahead of its time."""
    before = gov.rooms.governor.log.end(0)
    said = datetime.now(UTC).replace(tzinfo=None) if now is None else clock.now() + now

    with pytest.raises(InvalidCommandError, match=words):
        gov.schedule(said)

    assert before == gov.rooms.governor.log.end(0)


def test_run_for_an_earlier_moment_does_what_was_due_then(
    gov: Service, owner: Actor, clock: Turned
) -> None:
    """Later things wait."""
    first = remember(owner)
    clock.turn(days=30)
    remember(owner)
    clock.turn(days=8 * YEAR.days)

    report = gov.schedule(clock.now() - YEAR - timedelta(days=15))

    assert {"expired": 1} == report.done
    assert [first] == [header["cube"] for _, header, _ in events(gov, "CubeExpired")]


def test_clock_that_stepped_back_does_nothing(folder: Path) -> None:
    """The folder does not open, and nothing is due before its time."""
    clock = Turned()
    clock.turn(days=9)
    with memos_gov.open(folder, clock=clock) as gov:
        remember(gov.acting_as("owner", purpose=PURPOSE))
    clock.turn(days=-9)

    with pytest.raises(memos_gov.SettingsError, match="behind the log's time"):
        memos_gov.open(folder, clock=clock)


# --- Pages, and what moves meanwhile ------------------------------------------------


def test_run_over_many_pages_does_each_cube_once(
    gov: Service, owner: Actor, clock: Turned, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages are a matter of bounds only; progress is told after each."""
    monkeypatch.setattr("memos_gov.schedule.candidates.PAGE_CUBES", 4)
    cubes = [remember(owner) for _ in range(11)]
    clock.turn(days=8 * YEAR.days)
    told: list[tuple[str, int, int]] = []

    report = run(gov, clock, progress=lambda *what: told.append(what))

    assert {"expired": 11} == report.done
    assert [("due", 4, 11), ("due", 8, 11), ("due", 11, 11)] == told
    expired = Counter(header["cube"] for _, header, _ in events(gov, "CubeExpired"))
    assert dict.fromkeys(cubes, 1) == expired


def test_cube_that_moves_between_question_and_record_is_asked_about_again(
    gov: Service, owner: Actor, clock: Turned, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hold that comes in between keeps the cube: the record would be stale."""
    cube = remember(owner)
    clock.turn(days=8 * YEAR.days)
    submit, moved = gov.rooms.governor.submit, []

    def meanwhile(prepared: Any) -> Any:
        acts = {type(d.event).__name__ for p in prepared for d in p.drafts}
        if "CubeExpired" in acts:
            moved.append(owner.hold(matter="M-1", cube=cube).code)
        return submit(prepared)

    monkeypatch.setattr(gov.rooms.governor, "submit", meanwhile)
    report = run(gov, clock)

    assert ["accepted"] == moved
    assert {} == report.done
    assert [] == events(gov, "CubeExpired")


def test_cube_that_keeps_moving_is_left_to_the_next_run(
    gov: Service, owner: Actor, clock: Turned, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a few turns; the others of its page are done."""
    restless, quiet = remember(owner), remember(owner)
    clock.turn(days=8 * YEAR.days)
    submit = gov.rooms.governor.submit
    handling = gov.acting_as("owner", purpose=PURPOSE)
    freeze = iter([handling.freeze, handling.thaw] * worker.TURNS_MAX)

    def meanwhile(prepared: Any) -> Any:
        names = {getattr(d.event, "cube", None) for p in prepared for d in p.drafts}
        acts = {type(d.event).__name__ for p in prepared for d in p.drafts}
        if restless in names and "CubeExpired" in acts:
            next(freeze)(restless)
        return submit(prepared)

    monkeypatch.setattr(gov.rooms.governor, "submit", meanwhile)
    report = run(gov, clock)
    monkeypatch.setattr(gov.rooms.governor, "submit", submit)

    assert {"expired": 1, "overtaken": 1} == report.done
    assert [quiet] == [header["cube"] for _, header, _ in events(gov, "CubeExpired")]
    assert {"expired": 1} == run(gov, clock).done


def test_cube_without_a_row_is_scheduled_by_the_next_run(
    gov: Service, owner: Actor, clock: Turned
) -> None:
    """Also what a log holds from before anything was scheduled."""
    from sqlalchemy import delete

    from memos_gov.projections.tables import DueRow

    remember(owner)
    gov.rooms.follower.catch_up("due")
    with gov.rooms.governor.tables.connection(write=True) as connection:
        connection.execute(delete(table_of(DueRow)))

    assert ({"dated": 1}, {}) == (run(gov, clock).done, run(gov, clock).done)
