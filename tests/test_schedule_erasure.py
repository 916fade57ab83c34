"""What is due to be erased goes through the process of every erasure, and is gone afterwards."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

import memos_gov
from memos_gov.domain.lineage import DESCENDANTS_MAX
from memos_gov.errors import DeniedError
from memos_gov.service import Actor, Service
from tests.clocks import YEAR, Turned
from tests.queries.test_audits import as_dicts
from tests.test_schedule import events, remember, run

PURPOSE = "complaint-handling"
GRACE = timedelta(days=31)


def erased(gov: Service) -> list[str]:
    """Return the cubes that were erased, in order."""
    return [header["cube"] for _, header, _ in events(gov, "CubeErased")]


def expire(gov: Service, clock: Turned) -> None:
    """Let everything of a few years expire, and the grace pass."""
    clock.turn(days=8 * YEAR.days)
    run(gov, clock)
    clock.turn(days=GRACE.days)


def test_cubes_that_expired_are_erased_together_once_their_grace_is_over(
    gov: Service, owner: Actor, clock: Turned
) -> None:
    """One erasure with its own page, read back by custodians and completed."""
    cubes = [remember(owner, subjects=["customer-17"]) for _ in range(5)]
    clock.turn(days=8 * YEAR.days)
    kept = remember(owner)

    first = run(gov, clock).done
    early = run(gov, clock).done
    clock.turn(days=GRACE.days)
    second, third = run(gov, clock).done, run(gov, clock).done

    assert ({"expired": 5}, {}, {"erased": 5}, {}) == (first, early, second, third)
    assert sorted(cubes) == sorted(erased(gov))
    assert 1 == len(events(gov, "ErasureCompleted"))
    assert owner.get(kept).content
    for cube in cubes:
        with pytest.raises(memos_gov.GovernanceError):
            owner.get(cube)


def test_audit_of_what_was_erased_names_the_schedules_rule_and_its_proof(
    gov: Service, owner: Actor, clock: Turned
) -> None:
    """Not the erasure's own rule, which is how and not why."""
    cube = remember(owner)
    expire(gov, clock)
    run(gov, clock)

    expired, gone = as_dicts(owner.audit("disposition"))

    assert ("expired", ["retention/schedule"]) == (expired["done"], expired["rules"])
    assert ("erased", ["retention/grace"], cube, None) == (
        gone["done"],
        gone["rules"],
        gone["cube"],
        gone["approver"],
    )
    assert owner.log_show(gone["index"]).leaf == gone["proof"]
    assert [cube] == list(gov.certificate(gone["erasure"]).statement["erased"])


def test_audit_of_what_somebody_had_erased_names_who_asked(gov: Service, owner: Actor) -> None:
    """A person's request stands as such."""
    cube = remember(owner)
    owner.forget(cube=cube, reason="request 1")

    (row,) = as_dicts(owner.audit("disposition"))

    assert ("erased", "owner") == (row["done"], row["approver"])
    assert "retention/erasure" in row["rules"]


def test_record_class_is_erased_once_a_second_person_approved(
    gov: Service, owner: Actor, clock: Turned
) -> None:
    """The approval is spent, and who gave it stands in the audit."""
    cube, other = remember(owner, "evidence"), remember(owner, "evidence")
    owner.add_principal("dora", roles=["steward"], purposes=[PURPOSE])
    clock.turn(days=16 * YEAR.days)
    run(gov, clock)
    for case in owner.cases():
        if case.target == cube:
            gov.acting_as("dora", purpose=PURPOSE).approve(case.case_id)

    done = run(gov, clock).done

    assert {"erased": 1, "waiting": 1} == done
    assert [cube] == erased(gov)
    assert 1 == len(events(gov, "ReviewUsed"))
    (row,) = as_dicts(owner.audit("disposition"))
    assert ("dora", ["retention/schedule"]) == (row["approver"], row["rules"])
    assert other in {row["cube"] for row in as_dicts(owner.audit("overdue"))}


@pytest.mark.parametrize("on", ["cube", "subject"])
def test_erasure_that_a_hold_stopped_is_done_by_the_schedule_after_the_release(
    gov: Service, owner: Actor, clock: Turned, on: str
) -> None:
    """The request is not forgotten: what was restricted ends as soon as nothing keeps it."""
    cube = remember(owner, subjects=["customer-17"])
    target = {"cube": {"cube": cube}, "subject": {"subject": "customer-17"}}[on]
    owner.hold(matter="M-1", **target)
    owner.forget(cube=cube, reason="request 1")

    held = run(gov, clock).done
    owner.release("M-1")
    released = run(gov, clock).done

    assert ({}, 1) == (held, released["erased"])
    assert [cube] == erased(gov)


def test_erasure_within_a_minimum_is_done_when_that_is_over(
    gov: Service, owner: Actor, clock: Turned
) -> None:
    """The date is in the view from the moment it was asked for."""
    cube = remember(owner, "loan")
    owner.forget(cube=cube, reason="request 1")
    (conflict,) = as_dicts(owner.audit("conflicts"))
    (due,) = as_dicts(owner.audit("due", days=3 * 366))

    early = run(gov, clock).done
    clock.turn(days=2 * YEAR.days + 2)
    late = run(gov, clock).done

    assert ("retention/statutory", "erase", conflict["until"]) == (
        due["rule"],
        due["action"],
        due["due"],
    )
    assert ({}, {"erased": 1}) == (early, late)
    assert [cube] == erased(gov)


def test_hold_that_comes_before_the_page_keeps_a_cube_that_was_due(
    gov: Service, owner: Actor, clock: Turned, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The erasure was asked for, and its plan still asks policy about each cube."""
    cubes = [remember(owner) for _ in range(2)]
    expire(gov, clock)
    go_on = gov.rooms.eraser.go_on

    def meanwhile(*args: Any, **named: Any) -> Any:
        owner.hold(matter="M-1", cube=cubes[0])
        return go_on(*args, **named)

    monkeypatch.setattr(gov.rooms.eraser, "go_on", meanwhile)

    assert {"erased": 1, "kept": 1} == run(gov, clock).done
    assert [cubes[1]] == erased(gov)


def test_source_that_is_erased_takes_what_was_made_of_it_along(
    gov: Service, owner: Actor, clock: Turned
) -> None:
    """Restricted with it, and erased by the next run."""
    source = remember(owner)
    made = owner.summarise([source], "in short").cube_id
    clock.turn(days=8 * YEAR.days)
    for _ in range(3):
        run(gov, clock)
    clock.turn(days=GRACE.days)
    for _ in range(3):
        run(gov, clock)

    assert {source, made} == set(erased(gov))
    assert 2 == len(erased(gov))
    assert DESCENDANTS_MAX > 1


def test_erasure_under_way_is_left_to_the_eraser(
    gov: Service, owner: Actor, clock: Turned, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that could not finish one leaves it open, and the next one goes on with it."""
    remember(owner)
    expire(gov, clock)

    def fails(*args: Any, **named: Any) -> None:
        raise memos_gov.UnavailableError("no answer", backend="index")

    with monkeypatch.context() as patched:
        patched.setattr(gov.rooms.eraser, "go_on", fails)
        first, second = run(gov, clock).done, run(gov, clock).done
    third = run(gov, clock).done

    assert ({"erasing": 1}, {"erasing": 1}, {}) == (first, second, third)
    assert 1 == len(erased(gov))
    assert 1 == len(events(gov, "ErasureRequested"))


def test_cube_erased_by_the_schedule_is_erased_for_its_owner_and_its_history_stays(
    gov: Service, owner: Actor, clock: Turned
) -> None:
    """Nobody changes it again; what happened to it is evidence."""
    owner.add_principal("echo", roles=["agent"], purposes=[PURPOSE])
    echo = gov.acting_as("echo", purpose=PURPOSE)
    cube = remember(echo)
    expire(gov, clock)
    run(gov, clock)

    with pytest.raises(DeniedError, match="erased"):
        echo.revise(cube, "again")
    assert {"CubeExpired", "CubeErased"} <= {change.type for change in owner.history(cube).changes}
