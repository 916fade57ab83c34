"""Audits of retention: what ends, what should have, what did, and what stands against it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import memos_gov
from memos_gov.domain import events as e
from memos_gov.errors import DeniedError, InvalidCommandError
from memos_gov.service import Actor, Service
from tests.clocks import YEAR, Turned
from tests.queries.test_audits import as_dicts

PURPOSE = "complaint-handling"
QUESTIONS = ("due", "overdue", "disposition", "conflicts", "hold-attempts")


@pytest.fixture
def clock() -> Turned:
    """Return a clock that a test may turn."""
    return Turned()


@pytest.fixture
def gov(folder: Path, clock: Turned) -> Iterator[Service]:
    """Return an open folder whose clock the test turns."""
    with memos_gov.open(folder, clock=clock) as service:
        yield service


@pytest.fixture
def owner(gov: Service) -> Actor:
    """Return the tenant's first principal."""
    return gov.acting_as("owner", purpose=PURPOSE)


def remember(owner: Actor, retention_class: str = "complaint", **words: Any) -> str:
    """Keep a note, and return its cube."""
    made = owner.remember("a note", retention_class=retention_class, **words)
    assert made.cube_id is not None
    return made.cube_id


def restrict(gov: Service, owner: Actor, cube: str) -> None:
    """Restrict a cube as an erasure does that cannot be done yet."""
    from memos_gov.assess import Assessed
    from memos_gov.domain import commands as c
    from memos_gov.domain.decide import Situation
    from memos_gov.proposer import new_command_id

    governor, command = gov.rooms.governor, c.make(c.FreezeCube, cube=cube)
    with governor.tables.snapshot() as snapshot:
        attempt = governor.attempt(snapshot, owner.caller)
        _, verdict = attempt.weigh("freeze", cube)
        at = Situation(tenant="default", actor="p_x", command_id=new_command_id(), now=attempt.now)
        restricted = e.CubeRestricted(cube=cube, erasure="e_one", reasons=("legal_hold",))
        assessed = Assessed(at, verdict, {cube: verdict})
        prepared = governor.propose(
            attempt, command, at.command_id, "", assessed, (e.Draft(restricted),)
        )
    assert "accepted" == governor.submit([prepared])[0].code


# --- Due --------------------------------------------------------------------------


def test_audit_due_lists_what_ends_within_days_by_rule_and_owner(
    gov: Service, owner: Actor, clock: Turned
) -> None:
    """What ends later, or never, is not among them."""
    owner.add_principal("bob", roles=["steward"], purposes=[PURPOSE])
    bob = gov.acting_as("bob", purpose=PURPOSE)
    talk, complaint = remember(bob, "conversation"), remember(owner)
    remember(owner, "account")
    clock.turn(days=YEAR.days - 20)
    new = remember(owner, "conversation")

    soon = as_dicts(owner.audit("due"))
    later = as_dicts(owner.audit("due", days=400))
    all_of_it = as_dicts(owner.audit("due", days=3000))

    assert [talk] == [row["cube"] for row in soon]
    assert ("retention/schedule", "bob", "expire", "conversation") == tuple(
        soon[0][c] for c in ("rule", "owner", "action", "retention_class")
    )
    assert {talk, new} == {row["cube"] for row in later}
    assert [("bob", talk), ("owner", new), ("owner", complaint)] == [
        (row["owner"], row["cube"]) for row in all_of_it
    ]


# --- Overdue ----------------------------------------------------------------------


def test_audit_overdue_names_the_exception_that_keeps_each_cube(
    gov: Service, owner: Actor, clock: Turned
) -> None:
    """Held by itself, by a person or by scope, under review, rejected, or simply not run."""
    late = remember(owner)
    own, person = remember(owner), remember(owner, subjects=["customer-17"])
    records = [remember(owner, "evidence") for _ in range(2)]
    scoped = remember(owner, "debt")
    remember(owner, "account")
    owner.hold(matter="M-1", cube=own)
    owner.hold(matter="M-2", subject="customer-17")
    owner.hold(matter="M-3", retention_class="debt")
    clock.turn(days=16 * YEAR.days)
    before = {row["cube"]: row for row in as_dicts(owner.audit("overdue"))}
    gov.schedule(clock.now())
    for case in owner.cases():
        if case.target == records[0]:
            owner.reject(case.case_id)

    after = {row["cube"]: row for row in as_dicts(owner.audit("overdue"))}

    assert {late, own, person, scoped, *records} == set(before)
    assert ("schedule_not_run", "review_not_opened") == (
        before[late]["exception"],
        before[records[0]]["exception"],
    )
    assert {own, person, scoped, *records} == set(after)
    assert [("legal_hold", [f"M-{n}"]) for n in (1, 2, 3)] == [
        (after[cube]["exception"], after[cube]["by"]) for cube in (own, person, scoped)
    ]
    assert ["review_rejected", "review_open"] == [after[cube]["exception"] for cube in records]
    assert all(row["days_over"] > 300 for row in after.values())
    assert {"expire", "erase"} == {row["action"] for row in after.values()}
    assert "held" == after[own]["steps"][0]["code"]


def test_audit_overdue_of_cubes_within_their_time_is_empty(owner: Actor) -> None:
    """A hold alone makes nothing overdue."""
    owner.hold(matter="M-1", cube=remember(owner))

    assert () == owner.audit("overdue").rows


# --- Disposition ------------------------------------------------------------------


def test_audit_disposition_names_rule_approver_and_proof(
    gov: Service, owner: Actor, clock: Turned
) -> None:
    """What the schedule ended and archived in the period; an archive by hand is none."""
    expired, archived, by_hand = remember(owner), remember(owner, "general"), remember(owner)
    owner.archive(by_hand)
    clock.turn(days=11 * YEAR.days)
    since = clock.now()
    gov.schedule(clock.now())
    clock.turn(days=1)

    rows = {row["cube"]: row for row in as_dicts(owner.audit("disposition", since=since))}

    assert {expired: "expired", archived: "archived", by_hand: "expired"} == {
        cube: row["done"] for cube, row in rows.items()
    }
    row = rows[expired]
    assert (["retention/schedule"], "complaint", "owner", None) == tuple(
        row[c] for c in ("rules", "retention_class", "owner", "approver")
    )
    assert owner.log_show(row["index"]).leaf == row["proof"]
    assert () == owner.audit("disposition", until=since).rows
    assert () == owner.audit("disposition", since=clock.now()).rows


def test_audit_disposition_names_who_approved_the_end_of_a_record(
    gov: Service, owner: Actor, clock: Turned, folder: Path
) -> None:
    """The second person stands beside the worker."""
    from memos_gov.backends.files import FilePolicyBundles
    from tests.bundles import scheduled

    digest = FilePolicyBundles(folder / "policies").put(scheduled(evidence={"then": "expire"}))
    owner.activate_policy(digest)
    owner.add_principal("dora", roles=["steward"], purposes=[PURPOSE])
    remember(owner, "evidence")
    clock.turn(days=16 * YEAR.days)
    gov.schedule(clock.now())
    (case,) = owner.cases()
    gov.acting_as("dora", purpose=PURPOSE).approve(case.case_id)
    gov.schedule(clock.now())

    (row,) = as_dicts(owner.audit("disposition"))

    assert ("expired", "dora", "w_scheduler") == (row["done"], row["approver"], row["actor"])


# --- Conflicts --------------------------------------------------------------------


def test_audit_conflicts_names_what_keeps_what_ends_and_which_rule_won(
    gov: Service, owner: Actor, clock: Turned
) -> None:
    """A hold against the end, a hold and the law against an erasure, an event that is awaited."""
    held, loan, both, waits, quiet = (
        remember(owner),
        remember(owner, "loan"),
        remember(owner, "loan"),
        remember(owner, "mortgage"),
        remember(owner),
    )
    owner.hold(matter="M-1", cube=held)
    owner.hold(matter="M-2", cube=both)
    for cube in (loan, both, waits):
        restrict(gov, owner, cube)
    early = {row["cube"]: row for row in as_dicts(owner.audit("conflicts"))}
    clock.turn(days=8 * YEAR.days)
    late = {row["cube"]: row for row in as_dicts(owner.audit("conflicts"))}

    assert {loan, both, waits} == set(early)
    assert (["statutory_minimum", "minimum"], ["erasure"], "retention/statutory") == tuple(
        early[loan][c] for c in ("keeps", "ends", "won")
    )
    assert (["hold", "statutory_minimum", "minimum"], ["erasure"], "retention/hold") == tuple(
        early[both][c] for c in ("keeps", "ends", "won")
    )
    assert (["awaits_event"], ["erasure"], "retention/statutory") == tuple(
        early[waits][c] for c in ("keeps", "ends", "won")
    )
    assert early[loan]["until"] > clock.now().timestamp() - 9 * YEAR.total_seconds()
    assert {held, both, waits} == set(late)
    assert (["hold"], ["maximum"], "retention/hold", ["M-1"]) == tuple(
        late[held][c] for c in ("keeps", "ends", "won", "matters")
    )
    assert quiet not in {*early, *late}


# --- Attempts ---------------------------------------------------------------------


def test_audit_hold_attempts_lists_who_tried_what(
    gov: Service, owner: Actor, clock: Turned
) -> None:
    """Refusals for a hold, in order, and no others."""
    owner.add_principal("echo", roles=["agent"], purposes=[PURPOSE])
    echo = gov.acting_as("echo", purpose=PURPOSE)
    cube = remember(owner)
    owner.hold(matter="M-1", cube=cube)
    start = clock.now()
    for act in (
        lambda: owner.archive(cube),
        lambda: owner.revise(cube, "else"),
        lambda: echo.archive(cube),
        lambda: owner.thaw(cube),
    ):
        with suppress(memos_gov.GovernanceError):
            act()
    clock.turn(days=1)

    rows = as_dicts(owner.audit("hold-attempts"))

    assert [("owner", "archive", cube), ("owner", "revise", cube), ("echo", "archive", cube)] == [
        (row["actor"], row["action"], row["cube"]) for row in rows
    ]
    assert all("legal_hold" in row["reasons"] for row in rows)
    assert 3 == len(owner.audit("hold-attempts", since=start, until=clock.now()).rows)
    assert () == owner.audit("hold-attempts", since=clock.now()).rows


def test_audit_hold_attempts_lists_an_erasure_that_a_hold_stopped_with_who_asked(
    gov: Service, owner: Actor
) -> None:
    """The person, not the worker that had to keep the cube."""
    cube = remember(owner, subjects=["customer-17"])
    owner.hold(matter="M-1", subject="customer-17")
    owner.forget(subject="customer-17", reason="request 1")

    (row,) = as_dicts(owner.audit("hold-attempts"))

    assert ("owner", "erase", cube, ["legal_hold"]) == tuple(
        row[c] for c in ("actor", "action", "cube", "reasons")
    )


# --- All of them ------------------------------------------------------------------


@pytest.mark.parametrize("name", QUESTIONS)
def test_audit_of_retention_is_an_event_and_refused_without_the_role(
    gov: Service, owner: Actor, name: str
) -> None:
    """The question is on record either way."""
    owner.add_principal("echo", roles=["agent"], purposes=[PURPOSE])
    before = gov.rooms.governor.log.end(0)

    answer = owner.audit(name)
    with pytest.raises(DeniedError):
        gov.acting_as("echo", purpose=PURPOSE).audit(name)

    assert before + 2 == gov.rooms.governor.log.end(0)
    assert f'"question":"{name}"' in owner.log_show(answer.index).record


@pytest.mark.parametrize(
    ("name", "about", "field"),
    [
        ("due", {"cube": "c_1"}, "cube"),
        ("due", {"days": -1}, "days"),
        ("overdue", {"days": 3}, "days"),
        ("disposition", {"subject": "x"}, "subject"),
        ("disposition", {"since": datetime(2026, 1, 2), "until": None}, "since"),  # noqa: DTZ001
        (
            "disposition",
            {
                "since": datetime(2026, 1, 2, tzinfo=UTC),
                "until": datetime(2026, 1, 2, tzinfo=UTC),
            },
            "until",
        ),
        ("conflicts", {"cube": "c_1"}, "cube"),
        ("hold-attempts", {"days": 1}, "days"),
        ("holds", {"days": 1}, "days"),
        ("access", {"cube": "c_1", "days": 1}, "days"),
        ("integrity", {"days": 1}, "days"),
        ("subject", {"subject": "x", "days": 1}, "days"),
    ],
)
def test_audit_that_is_asked_for_what_it_does_not_take_writes_nothing(
    gov: Service, owner: Actor, name: str, about: dict[str, Any], field: str
) -> None:
    """Nothing is passed over in silence."""
    before = gov.rooms.governor.log.end(0)

    with pytest.raises(InvalidCommandError) as caught:
        owner.audit(name, **about)

    assert field == caught.value.field
    assert before == gov.rooms.governor.log.end(0)


def test_audits_of_retention_of_another_tenant_see_nothing_of_this_one(
    gov: Service, owner: Actor, clock: Turned
) -> None:
    """Tenants never meet."""
    owner.hold(matter="M-1", cube=remember(owner))
    remember(owner)
    gov.add_tenant("other", principal="zoe")
    clock.turn(days=8 * YEAR.days + timedelta(days=1).days)
    gov.schedule(clock.now())
    zoe = gov.acting_as("zoe", tenant="other", purpose=PURPOSE)

    assert [()] * len(QUESTIONS) == [zoe.audit(name).rows for name in QUESTIONS]
