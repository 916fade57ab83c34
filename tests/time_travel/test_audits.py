"""Questions of auditors about the past: what was known then, in both clocks."""

from __future__ import annotations

from typing import Any

import pytest

from memos_gov.domain import events as e
from memos_gov.domain.as_of import AsOf
from memos_gov.errors import DeniedError, InvalidCommandError, NotFoundError
from memos_gov.queries.audits import AUDITS, Audit
from memos_gov.service import Actor, Service
from tests.test_words import kept, newcomer
from tests.time_travel.acting import DAY, PURPOSE, SetClock, newest, proposed


def rows_of(found: Audit) -> list[dict[str, Any]]:
    """Return the rows of an answer by column."""
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


def state_of(actor: Actor, cube: str, moment: Any = None) -> dict[str, Any]:
    """Return the facts that the question about a state answers with."""
    rows = rows_of(actor.audit("state", cube=cube, as_of=moment))
    return {row["name"]: row["value"] for row in rows if row["part"] == "state"}


def test_state_of_a_cube_is_that_of_both_clocks(owner: Actor, clock: SetClock) -> None:
    """As known then, and as known now about then."""
    cube = kept(owner, "a heron", subjects=["customer-1"], basis="contract")
    then = clock.later()
    owner.relabel(cube, "confidential", valid_from=clock.time - 3 * DAY)
    owner.revise(cube, "a stork")
    owner.consent("customer-1", "research")
    owner.hold(matter="M-1", cube=cube)
    clock.later()

    known_then, about_then, now = (
        state_of(owner, cube, moment) for moment in (then, AsOf(valid=then), None)
    )

    names = ("revision", "label", "basis", "subjects", "consent_given", "holds")
    assert (1, "internal", "contract", ["customer-1"], [], []) == tuple(
        known_then[name] for name in names
    )
    assert (1, "confidential", []) == tuple(
        about_then[name] for name in ("revision", "label", "consent_given")
    )
    assert (2, "confidential", ["research"], ["M-1"]) == tuple(
        now[name] for name in ("revision", "label", "consent_given", "holds")
    )


def test_state_of_a_cube_ends_with_the_events_that_led_there(
    gov: Service, owner: Actor, clock: SetClock
) -> None:
    """In order, none that came later, and no word of the content."""
    cube = kept(owner, "a heron")
    owner.revise(cube, "a stork")
    then = clock.later()
    owner.freeze(cube)

    found = owner.audit("state", cube=cube, as_of=then)

    rows = rows_of(found)
    events = [row for row in rows if row["part"] == "event"]
    assert [("CubeRemembered", "owner"), ("CubeRevised", "owner")] == [
        (row["name"], row["actor"]) for row in events
    ]
    assert rows[: len(rows) - 2] == [row for row in rows if row["part"] == "state"]
    assert "heron" not in repr(found)
    assert "stork" not in repr(found)
    assert (events[-1]["index"], then.strftime("%Y-%m-%d")) == (found.recorded, found.as_of[:10])
    _, (asked,) = newest(gov)
    assert (asked.question, asked.target, asked.recorded) == (  # type: ignore[attr-defined]
        "state", cube, found.recorded,
    )  # fmt: skip


def test_state_of_a_cube_before_it_was_there_is_not_found(owner: Actor, clock: SetClock) -> None:
    """And one that never was, too; both questions are recorded."""
    before = clock.later()
    cube = kept(owner)

    for wanted, moment in ((cube, before), ("c_none", None), (cube, AsOf(valid=before))):
        with pytest.raises(NotFoundError):
            owner.audit("state", cube=wanted, as_of=moment)


def test_state_of_an_erased_cube_is_evidence_and_no_content(
    gov: Service, owner: Actor, clock: SetClock
) -> None:
    """That it was there, and under which words, may be asked for ever."""
    cube = kept(owner, "a heron")
    then = clock.later()
    proposed(gov, e.CubeErased(cube=cube, erasure="x_1"))

    assert ("activated", "erased") == (
        state_of(owner, cube, then)["state"],
        state_of(owner, cube)["state"],
    )


@pytest.mark.parametrize("about", [{}, {"subject": "customer-1"}, {"cube": "c_1", "subject": "x"}])
def test_state_without_exactly_a_cube_is_refused_by_name(
    owner: Actor, about: dict[str, str]
) -> None:
    """Nothing is written."""
    with pytest.raises(InvalidCommandError) as caught:
        owner.audit("state", **about)

    assert "cube" == caught.value.field


def test_state_asked_by_an_analyst_is_refused(gov: Service, owner: Actor) -> None:
    """It is a question of evidence."""
    ann, cube = newcomer(gov, "ann", "analyst"), kept(owner)

    with pytest.raises(DeniedError):
        ann.audit("state", cube=cube)


def test_person_as_of_a_moment_is_what_was_held_then(
    gov: Service, owner: Actor, ann: Actor, clock: SetClock
) -> None:
    """Cubes, labels, consents, readers and holds of then."""
    first = kept(owner, "a heron", subjects=["customer-1"])
    owner.consent("customer-1", "research")
    ann.get(first)
    then = clock.later()
    second = kept(owner, "a stork", subjects=["customer-1"])
    owner.relabel(first, "confidential")
    owner.consent("customer-1", "research", given=False)
    owner.get(first)
    owner.hold(matter="M-1", subject="customer-1")

    before = rows_of(owner.audit("subject", subject="customer-1", as_of=then))
    after = rows_of(owner.audit("subject", subject="customer-1"))

    assert [first, None] == [row["cube"] for row in before]
    assert [first, second, None] == [row["cube"] for row in after]
    columns = ("label", "read_by", "consent_given", "consent_withdrawn", "holds")
    assert ("internal", ["ann"], ["research"], [], []) == tuple(before[0][n] for n in columns)
    assert ("confidential", ["ann", "owner"], [], ["research"], ["M-1"]) == tuple(
        after[0][n] for n in columns
    )
    assert (["research"], []) == (before[1]["consent_given"], before[1]["holds"])


def test_person_as_of_a_valid_time_has_the_consents_about_it(owner: Actor, clock: SetClock) -> None:
    """Said later, and about then."""
    kept(owner, subjects=["customer-1"], valid_from=clock.time - 9 * DAY)
    owner.consent("customer-1", "research", valid_from=clock.time - 5 * DAY,
                  valid_to=clock.time - 3 * DAY)  # fmt: skip
    clock.later()

    given = {
        days: rows_of(
            owner.audit("subject", subject="customer-1", as_of=AsOf(valid=clock.time - days * DAY))
        )[0]["consent_given"]
        for days in (8, 5, 2)
    }

    assert {8: [], 5: ["research"], 2: []} == given


def test_accesses_as_of_a_moment_are_those_that_had_happened(
    owner: Actor, ann: Actor, clock: SetClock
) -> None:
    """In either clock."""
    cube = kept(owner, subjects=["customer-1"])
    ann.get(cube)
    then = clock.later()
    owner.get(cube)

    for about in ({"cube": cube}, {"subject": "customer-1"}):
        for moment in (then, AsOf(valid=then)):
            rows = rows_of(owner.audit("access", **about, as_of=moment))
            assert ["ann"] == [row["actor"] for row in rows]
        assert 2 == len(owner.audit("access", **about).rows)


def test_holds_as_of_a_moment_are_those_that_held_then(owner: Actor, clock: SetClock) -> None:
    """Placed by then, not yet released, over the cubes of then."""
    first = kept(owner, subjects=["customer-1"])
    before = clock.later()
    owner.hold(matter="M-1", subject="customer-1")
    owner.hold(matter="M-2", cube=first)
    placed = int(clock.time.timestamp())
    then = clock.later()
    kept(owner, subjects=["customer-1"])
    owner.release("M-2")
    owner.hold(matter="M-3", cube=first)

    found = rows_of(owner.audit("holds", as_of=then))

    assert [("M-1", 1, placed), ("M-2", 1, placed)] == [
        (row["matter"], row["cubes"], row["since"]) for row in found
    ]
    assert [("M-1", 2), ("M-3", 1)] == [
        (row["matter"], row["cubes"]) for row in rows_of(owner.audit("holds"))
    ]
    assert () == owner.audit("holds", as_of=before).rows
    assert 2 == len(owner.audit("holds", as_of=AsOf(valid=then)).rows)


def test_erasures_as_of_a_moment_are_those_that_had_been_asked_for(
    owner: Actor, clock: SetClock
) -> None:
    """A request that is complete today was open then, if it was held; before, there was none."""
    cube = kept(owner, "a heron", subjects=["customer-1"])
    before = clock.later()
    owner.hold(matter="M-1", cube=cube)
    held = owner.forget(cube=cube, reason="letter 1")
    then = clock.later(2 * DAY)
    owner.release("M-1")
    done = owner.forget(cube=cube, reason="letter 1")
    clock.later()
    assert "completed" == done.state

    assert () == owner.audit("requests", as_of=before).rows
    assert () == owner.audit("erasure", as_of=before).rows
    assert () == owner.audit("requests").rows
    (request,) = rows_of(owner.audit("requests", as_of=then))
    assert (held.id, 1, True) == (request["erasure"], request["age_days"], request["kept"] > 0)
    what = {row["what"] for row in rows_of(owner.audit("erasure", cube=cube, as_of=then))}
    assert "kept" in what


def test_integrity_of_the_past_is_refused_by_name(owner: Actor, clock: SetClock) -> None:
    """The log is the same at every moment, or it is not the log."""
    then = clock.later()

    with pytest.raises(InvalidCommandError) as caught:
        owner.audit("integrity", as_of=then)

    assert "as_of" == caught.value.field


def test_every_question_takes_a_moment_or_refuses_it_by_name(
    gov: Service, owner: Actor, clock: SetClock
) -> None:
    """A question that is added must know of the past too."""
    cube = kept(owner, subjects=["customer-1"])
    then = clock.later()
    clock.later()
    about: dict[str, dict[str, str]] = {
        "access": {"cube": cube}, "derived": {"cube": cube}, "state": {"cube": cube},
        "subject": {"subject": "customer-1"},
    }  # fmt: skip

    for name in AUDITS:
        try:
            found = owner.audit(name, as_of=then, **about.get(name, {}))
        except InvalidCommandError as error:
            assert "as_of" == error.field  # noqa: PT017
        else:
            assert found.recorded is not None
            _, (asked,) = newest(gov)
            assert found.recorded == asked.recorded  # type: ignore[attr-defined]


def test_question_about_the_past_by_the_wrong_purpose_is_judged_by_today(
    gov: Service, owner: Actor, clock: SetClock
) -> None:
    """A role that was held then asks nothing now."""
    aud, cube = newcomer(gov, "aud", "auditor"), kept(owner)
    then = clock.later()
    assert aud.audit("state", cube=cube, as_of=then).rows
    owner.revoke("aud", "auditor")

    with pytest.raises(DeniedError):
        gov.acting_as("aud", purpose=PURPOSE).audit("state", cube=cube, as_of=then)
