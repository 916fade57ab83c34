"""The evidence of erasures, and the requests that are open: right rows, no names of the erased."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import memos_gov
from memos_gov.errors import DeniedError, InvalidCommandError, NotFoundError
from memos_gov.queries.audits import Audit
from memos_gov.service import Actor, Service
from tests.time_travel.acting import SetClock

REASON = "letter, rosebud-4711"
DAY_S = 86_400


def as_dicts(audit: Audit) -> list[dict[str, Any]]:
    """Return the rows of an answer by column."""
    return [dict(zip(audit.columns, row, strict=True)) for row in audit.rows]


def person_with(owner: Actor, name: str, *held: bool) -> list[str]:
    """Remember a memory for each of `held`, and hold those that say so."""
    cubes = []
    for number, is_held in enumerate(held):
        cube = owner.remember(f"letter {number}", subjects=[name], basis="contract").cube_id
        assert cube is not None
        cubes.append(cube)
        if is_held:
            owner.hold(matter=f"M-{name}", cube=cube)
    return cubes


def test_audit_erasure_names_custodians_what_was_kept_and_what_remains(
    owner: Actor, auditor: Actor
) -> None:
    """Form, custodian, times, digest and read-back; reasons and rules; what is left and why."""
    erased, held = person_with(owner, "customer-71", False, True)
    done = owner.forget(subject="customer-71", reason=REASON)

    rows = as_dicts(auditor.audit("erasure", erasure=done.id))

    read = [row for row in rows if row["what"] == "custodian"]
    assert ["vault", "index", "tensors", "tables", "log"] == [row["name"] for row in read]
    assert [(1, 0, "plaintext")] * 5 == [
        (row["checked"], row["remaining"], row["form"]) for row in read
    ]
    assert all(len(row["digest"]) == 64 and row["started_at"] <= row["ended_at"] for row in read)
    (kept,) = [row for row in rows if row["what"] == "kept"]
    assert (held, ["legal_hold", "erasure/keep", "retention/erasure", "retention/hold"]) == (
        kept["name"],
        kept["why"],
    )
    remains = {row["name"] for row in rows if row["what"] == "remains"}
    assert {"headers of events", "copies of the vault", "the person's name"} <= remains
    assert (erased,) == done.erased
    assert {("completed", done.id)} == {(row["state"], row["erasure"]) for row in rows}


def test_audit_erasure_of_a_person_finds_them_by_id_after_the_name_ended(
    owner: Actor, auditor: Actor
) -> None:
    """Whoever kept the id can ask what became of the request."""
    (cube,) = person_with(owner, "customer-72", False)
    done = owner.forget(subject="customer-72", reason=REASON)
    assert done.subject is not None

    by_id = as_dicts(auditor.audit("erasure", subject=done.subject))
    by_name = as_dicts(auditor.audit("erasure", subject="customer-72"))

    assert {done.id} == {row["erasure"] for row in by_id}
    assert "directory" in {row["name"] for row in by_id}
    assert [] == by_name
    assert [] == as_dicts(auditor.audit("erasure", cube=cube))


def test_audit_erasure_of_all_is_in_order_of_the_requests(owner: Actor, auditor: Actor) -> None:
    """Those of a cube are found by the cube."""
    one, two = person_with(owner, "customer-73", False, False)
    first = owner.forget(cube=one, reason=REASON)
    second = owner.forget(cube=two, reason=REASON)

    named = list(dict.fromkeys(row[0] for row in auditor.audit("erasure").rows))

    assert [first.id, second.id] == named[-2:]
    assert {second.id} == {row[0] for row in auditor.audit("erasure", cube=two).rows}


def test_audit_erasure_as_of_a_moment_before_knows_nothing_of_it(
    owner: Actor, auditor: Actor
) -> None:
    """The question has a past like any other."""
    (cube,) = person_with(owner, "customer-74", False)
    before = owner.consent("customer-75", "research").index
    done = owner.forget(cube=cube, reason=REASON)

    then = auditor.audit("erasure", erasure=done.id, as_of=before)
    now = auditor.audit("erasure", erasure=done.id)

    assert ((), True) == (then.rows, bool(now.rows))


def test_audit_requests_shows_open_ones_by_age_against_the_deadline(
    owner: Actor, auditor: Actor
) -> None:
    """With the rule that keeps them, and gone from the list once they are complete."""
    person_with(owner, "customer-76", True)
    kept = owner.forget(subject="customer-76", reason=REASON)

    (row,) = as_dicts(auditor.audit("requests"))

    assert (kept.id, "kept", "customer-76", "owner") == tuple(
        row[c] for c in ("erasure", "state", "subject", "requested_by")
    )
    assert (0, False, 0, 1, ["legal_hold"]) == tuple(
        row[c] for c in ("age_days", "overdue", "erased", "kept", "why")
    )
    assert 30 * DAY_S == row["deadline"] - row["requested_at"]
    owner.release("M-customer-76")
    assert "completed" == owner.forget(subject="customer-76", reason=REASON).state
    assert () == auditor.audit("requests").rows


def test_audit_requests_says_which_are_overdue(tmp_path: Path) -> None:
    """A month after it was asked for, on the day after the deadline."""
    clock = SetClock()
    with memos_gov.init(tmp_path / "data", clock=clock) as gov:
        owner = gov.acting_as("owner")
        person_with(owner, "customer-79", True)
        owner.forget(subject="customer-79", reason=REASON)
        found = []
        for days in (29, 2):
            clock.later(timedelta(days=days))
            (row,) = as_dicts(owner.audit("requests"))
            found.append((row["age_days"], row["overdue"]))

    assert [(29, False), (31, True)] == found


@pytest.mark.parametrize("name", ["erasure", "requests"])
def test_audit_of_erasures_without_the_role_is_refused(
    gov: Service, owner: Actor, name: str
) -> None:
    """Who may not ask learns nothing, not even that there is something."""
    bot = gov.acting_as("bot", purpose="complaint-handling")

    with pytest.raises(DeniedError):
        bot.audit(name)
    with pytest.raises(DeniedError):
        bot.erasure("e_unknown")


@pytest.mark.parametrize(
    ("name", "about"),
    [
        ("erasure", {"erasure": "e_1", "cube": "c_1"}),
        ("erasure", {"subject": "a", "cube": "c_1"}),
        ("requests", {"subject": "a"}),
        ("requests", {"cube": "c_1"}),
        ("requests", {"erasure": "e_1"}),
        ("holds", {"erasure": "e_1"}),
        ("subject", {"subject": "a", "erasure": "e_1"}),
    ],
)
def test_audit_of_erasures_asked_wrongly_writes_nothing(
    auditor: Actor, name: str, about: dict[str, str]
) -> None:
    """Half-named or over-named is the caller's mistake."""
    before = auditor.rooms.governor.log.end(0)

    with pytest.raises(InvalidCommandError):
        auditor.audit(name, **about)

    assert before == auditor.rooms.governor.log.end(0)


def test_erasure_of_another_tenant_is_not_found(gov: Service, owner: Actor) -> None:
    """Tenants never meet, in evidence either."""
    (cube,) = person_with(owner, "customer-77", False)
    done = owner.forget(cube=cube, reason=REASON)
    zoe = gov.acting_as("zoe", tenant="other", purpose="complaint-handling")

    with pytest.raises(NotFoundError):
        zoe.erasure(done.id)
    assert () == zoe.audit("erasure", erasure=done.id).rows
