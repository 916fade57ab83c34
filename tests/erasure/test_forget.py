"""Forgetting: what goes, what stays and why, and what can still be said afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import memos_gov
from memos_gov.bootstrap import fsck, rebuild
from memos_gov.domain.events import ErasureRequested
from memos_gov.errors import (
    ConflictError,
    DeniedError,
    InvalidCommandError,
    NotFoundError,
)
from memos_gov.service import Actor, Service
from tests.erasure.conftest import PERSON, PURPOSE
from tests.erasure.memories import (
    events,
    facts,
    log_end,
    open_erasures,
    remembered,
    state,
    story,
    subject_of,
)

REASON = "letter of 3 March, rosebud-4711"


# --- What goes ------------------------------------------------------------------------


def test_person_that_is_forgotten_leaves_nothing_readable(gov: Service, owner: Actor) -> None:
    """Every revision, the words in the index, and the name."""
    first, second = remembered(owner, "the card was charged twice", "again", subjects=(PERSON,))
    owner.revise(first, "the card was charged three times")
    owner.recall("charged")

    done = owner.forget(subject=PERSON, reason=REASON)

    assert ("completed", (), {first, second}) == (done.state, done.kept, set(done.erased))
    for cube in (first, second):
        with pytest.raises(DeniedError, match="erased"):
            owner.get(cube)
    assert () == owner.recall("charged").hits
    assert () == owner.list().hits
    assert () == owner.audit("subject", subject=PERSON).rows
    assert {"vault", "directory", "index", "tensors", "tables", "log"} == {
        receipt.custodian for receipt in done.custodians
    }
    checked = {receipt.custodian: receipt.checked for receipt in done.custodians}
    assert {"vault": 3, "log": 3, "index": 2, "tensors": 2, "tables": 2, "directory": 1} == checked


def test_what_was_erased_can_still_be_listed_and_its_history_told(
    gov: Service, owner: Actor
) -> None:
    """That it was there, and how it ended, without a word of it."""
    (cube,) = remembered(owner, "the card was charged twice", subjects=(PERSON,))
    owner.forget(cube=cube, reason=REASON)

    (listed,) = owner.list(state="erased").hits
    history = owner.history(cube)

    assert (cube, "erased", None) == (listed.cube_id, listed.state, listed.content)
    assert ["CubeRemembered", "CubeRestricted", "CubeErased"] == [x.type for x in history.changes]


def test_one_memory_of_many_is_forgotten_alone(gov: Service, owner: Actor) -> None:
    """The person's others stay as they were, and so does the name."""
    cubes = remembered(owner, *(f"letter {n}" for n in range(40)), subjects=(PERSON,))

    done = owner.forget(cube=cubes[7], reason=REASON)

    assert ("completed", (cubes[7],), ()) == (done.state, done.erased, done.kept)
    assert "letter 8" == owner.get(cubes[8]).content
    assert {PERSON} == {name for hit in owner.list(limit=50).hits for name in hit.subjects}
    assert 39 == len(owner.list(limit=50).hits)


def test_memory_about_two_people_ends_for_both(gov: Service, owner: Actor) -> None:
    """The reason says that it ended for others too, and the other's name stays."""
    (both,) = remembered(owner, "they wrote together", subjects=(PERSON, "customer-18"))
    (other,) = remembered(owner, "wrote alone", subjects=("customer-18",))

    done = owner.forget(subject=PERSON, reason=REASON)

    assert ((both,), "activated") == (done.erased, state(gov, other))
    found = owner.explain(_erasing_verdict(gov, both))
    assert {"erased_for_all", "erasure_requested"} == {ground.code for ground in found.reasons}
    assert {"erasure/erase", "retention/erasure"} == {rule.name for rule in found.rules}
    assert None is found.same
    assert ("customer-18",) == owner.get(other).subjects


def _erasing_verdict(gov: Service, cube: str) -> str:
    index = next(i for i, kind, x in events(gov) if kind == "CubeErased" and x["cube"] == cube)
    return f"{index}/{cube}"


def test_person_of_whom_there_is_only_a_consent_is_forgotten(gov: Service, owner: Actor) -> None:
    """No memory, and still a name."""
    owner.consent(PERSON, PURPOSE)

    done = owner.forget(subject=PERSON, reason=REASON)

    assert ("completed", (), ()) == (done.state, done.erased, done.kept)
    with pytest.raises(NotFoundError):
        owner.forget(subject=PERSON, reason=REASON)


def test_person_who_comes_back_is_somebody_new(gov: Service, owner: Actor) -> None:
    """Nothing links the new memories to the old ones."""
    (old,) = remembered(owner, "before", subjects=(PERSON,))
    owner.forget(subject=PERSON, reason=REASON)

    (new,) = remembered(owner, "after", subjects=(PERSON,))

    assert "after" == owner.get(new).content
    assert subject_of(gov, old) != subject_of(gov, new)


# --- What stays -----------------------------------------------------------------------


def test_memory_that_is_held_is_kept_and_used_by_nobody_but_oversight(
    gov: Service, owner: Actor, ann: Actor
) -> None:
    """The erasure completes without it; once it is released, asking again ends it."""
    held, other = remembered(owner, "held", "not held", subjects=(PERSON,))
    owner.hold(matter="M-1", cube=held)

    done = owner.forget(subject=PERSON, reason=REASON)

    assert ("completed", (other,)) == (done.state, done.erased)
    (kept,) = done.kept
    assert (held, ("legal_hold",)) == (kept.cube, kept.reasons)
    assert {"erasure/keep", "retention/hold", "retention/erasure"} == set(kept.rules)
    assert "restricted" == state(gov, held)
    with pytest.raises(DeniedError, match="restricted"):
        ann.get(held)
    assert "held" == owner.get(held).content  # a data protection officer may still look
    assert () == owner.recall("held").hits

    owner.release("M-1")
    again = owner.forget(subject=PERSON, reason=REASON)

    assert ("completed", (held,), ()) == (again.state, again.erased, again.kept)
    assert done.id != again.id
    with pytest.raises(NotFoundError):
        owner.forget(subject=PERSON, reason=REASON)


@pytest.mark.parametrize("by", ["subject", "cube"])
def test_erasure_of_which_all_is_held_stays_open_until_it_is_asked_for_again(
    gov: Service, owner: Actor, by: str
) -> None:
    """Nothing was erased, so nothing is certified; the same erasure is finished later."""
    (cube,) = remembered(owner, "held", subjects=(PERSON,))
    target = {"subject": PERSON} if by == "subject" else {"cube": cube}
    owner.hold(matter="M-1", subject=PERSON)

    kept = owner.forget(**target, reason=REASON)  # type: ignore[arg-type]

    assert ("kept", (), None, ()) == (kept.state, kept.erased, kept.completed_at, kept.custodians)
    assert ("legal_hold",) == kept.kept[0].reasons
    assert "restricted" == state(gov, cube)
    assert () == open_erasures(gov)
    (row,) = owner.audit("requests").rows
    assert (kept.id, "kept", ["legal_hold"]) == (row[0], row[1], row[-1])

    assert "kept" == owner.forget(**target, reason="asked again").state  # type: ignore[arg-type]
    owner.release("M-1")
    done = owner.forget(**target, reason="asked again")  # type: ignore[arg-type]

    assert (kept.id, "completed", (cube,), ()) == (done.id, done.state, done.erased, done.kept)
    assert kept.requested_at == done.requested_at
    assert () == owner.audit("requests").rows


def test_person_who_is_held_keeps_the_name_without_any_memory(gov: Service, owner: Actor) -> None:
    """A hold on a person is on everything about them."""
    owner.hold(matter="M-1", subject=PERSON)

    assert "kept" == owner.forget(subject=PERSON, reason=REASON).state

    owner.release("M-1")
    assert "completed" == owner.forget(subject=PERSON, reason=REASON).state


def test_memory_about_somebody_who_is_held_is_kept_for_both(gov: Service, owner: Actor) -> None:
    """Held for any of its subjects is held."""
    (both,) = remembered(owner, "they wrote together", subjects=(PERSON, "customer-18"))
    (own,) = remembered(owner, "wrote alone", subjects=(PERSON,))
    owner.hold(matter="M-1", subject="customer-18")

    done = owner.forget(subject=PERSON, reason=REASON)

    assert ((own,), both, ("legal_hold",)) == (
        done.erased,
        done.kept[0].cube,
        done.kept[0].reasons,
    )


def test_memory_that_the_law_keeps_is_kept_under_the_rule_that_won(
    gov: Service, owner: Actor
) -> None:
    """A loan within its statutory minimum, and one that is held as well: the hold wins."""
    loan, held = remembered(owner, "a", "b", subjects=(PERSON,), retention_class="loan")
    owner.hold(matter="M-1", cube=held)

    kept = {x.cube: x for x in owner.forget(subject=PERSON, reason=REASON).kept}

    assert ("statutory_minimum",) == kept[loan].reasons
    assert ("legal_hold",) == kept[held].reasons
    assert "retention/statutory" in kept[loan].rules


# --- Asking first ---------------------------------------------------------------------


def test_dry_run_says_what_would_go_and_stay_and_changes_nothing(
    gov: Service, owner: Actor
) -> None:
    """Only the question is recorded, with an opaque id."""
    held, other = remembered(owner, "held", "not held", subjects=(PERSON,))
    owner.hold(matter="M-1", cube=held)
    before = log_end(gov)

    found = owner.forget(subject=PERSON, reason=REASON, dry_run=True)

    assert ("dry_run", "", (other,)) == (found.state, found.id, found.erased)
    assert (held, ("legal_hold",)) == (found.kept[0].cube, found.kept[0].reasons)
    assert "held" == found.kept[0].steps[0].code
    assert before + 1 == log_end(gov)
    _, kind, asked = events(gov)[-1]
    assert ("AuditAsked", "dry-run-erase") == (kind, asked["question"])
    assert subject_of(gov, held) == asked["target"]
    assert "not held" == owner.get(other).content
    assert {(other,), (held,)} == {
        owner.forget(cube=cube, reason=REASON, dry_run=True).erased or (cube,)
        for cube in (other, held)
    }


def test_dry_run_of_many_goes_through_every_page(
    gov: Service, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a page keeps counts for the next, as in the real plan."""
    monkeypatch.setattr("memos_gov.erasure.pages.PAGE_CUBES_MAX", 2)
    cubes = remembered(owner, *"abcde", subjects=(PERSON,))
    owner.hold(matter="M-1", cube=cubes[0])

    asked = owner.forget(subject=PERSON, reason=REASON, dry_run=True)
    done = owner.forget(subject=PERSON, reason=REASON)

    assert set(cubes[1:]) == set(asked.erased) == set(done.erased)
    assert [cubes[0]] == [x.cube for x in asked.kept] == [x.cube for x in done.kept]
    assert [1, 2, 3] == [x["page"] for _, kind, x in events(gov) if kind == "ErasurePlanned"]


# --- Bad input ------------------------------------------------------------------------


@pytest.mark.parametrize("target", [{}, {"subject": PERSON, "cube": "c_1"}])
def test_forgetting_nothing_or_two_things_is_one_error(
    gov: Service, owner: Actor, target: dict[str, str]
) -> None:
    """It names the field and writes nothing."""
    before = log_end(gov)

    with pytest.raises(InvalidCommandError, match=r"^subject: ") as caught:
        owner.forget(**target, reason=REASON)  # type: ignore[arg-type]

    assert "subject" == caught.value.field
    assert before == log_end(gov)


@pytest.mark.parametrize("reason", ["", " ", "x" * 2_001])
def test_forgetting_without_a_reason_is_one_error(gov: Service, owner: Actor, reason: str) -> None:
    """An erasure that nobody can explain is none."""
    before = log_end(gov)

    with pytest.raises(InvalidCommandError) as caught:
        owner.forget(subject=PERSON, reason=reason)

    assert "reason" == caught.value.field
    assert before == log_end(gov)


def test_forgetting_the_unknown_is_not_found_and_recorded(gov: Service, owner: Actor) -> None:
    """A person nobody heard of, a cube that is none, and one of another tenant look the same."""
    gov.add_tenant("other", principal="zoe")
    zoe = gov.acting_as("zoe", tenant="other", purpose=PURPOSE)
    (foreign,) = remembered(zoe, "theirs", subjects=("customer-99",))
    unknown: list[dict[str, Any]] = [
        {"subject": "nobody"},
        {"cube": "c_unknown"},
        {"cube": "no id"},
        {"cube": foreign},
        {"subject": "customer-99"},
    ]

    for target in unknown:
        before = log_end(gov)
        with pytest.raises(NotFoundError):
            owner.forget(**target, reason=REASON)
        assert before + 1 == log_end(gov)

    assert "theirs" == zoe.get(foreign).content
    assert [] == story(gov)


def test_forgetting_by_somebody_without_the_role_is_refused(
    gov: Service, owner: Actor, ann: Actor
) -> None:
    """Known or unknown, the answer is the same."""
    (cube,) = remembered(owner, "kept", subjects=(PERSON,))

    for target in ({"cube": cube}, {"subject": PERSON}, {"subject": "nobody"}, {"cube": "c_1"}):
        with pytest.raises(DeniedError, match="role_lacks_action"):
            ann.forget(**target, reason=REASON)  # type: ignore[arg-type]
        with pytest.raises(DeniedError, match="role_lacks_action"):
            ann.forget(**target, reason=REASON, dry_run=True)  # type: ignore[arg-type]

    assert "kept" == owner.get(cube).content


def test_forgetting_what_was_erased_says_so(gov: Service, owner: Actor) -> None:
    """Nothing is done twice."""
    (cube,) = remembered(owner, "once", subjects=(PERSON,))
    owner.forget(cube=cube, reason=REASON)
    told = story(gov)

    with pytest.raises(DeniedError, match="erased"):
        owner.forget(cube=cube, reason=REASON)

    assert told == story(gov)
    assert "completed" == owner.forget(subject=PERSON, reason=REASON).state
    assert "erased" == state(gov, cube)


def test_writing_about_somebody_who_is_being_erased_is_refused(
    gov: Service, owner: Actor, ann: Actor
) -> None:
    """No new memory, no revision, no share; and nobody reads, whatever their role lifts."""
    (cube,) = remembered(owner, "old", subjects=(PERSON,))
    asked = owner.forget(subject=PERSON, reason=REASON, wait=False)
    assert ("requested", (), ()) == (asked.state, asked.erased, asked.kept)

    for attempt in (
        lambda: owner.remember("new", subjects=[PERSON, "customer-18"]),
        lambda: owner.revise(cube, "changed"),
        lambda: owner.share(cube, with_="ann"),
        lambda: owner.archive(cube),
        lambda: owner.get(cube),
        lambda: ann.get(cube),
    ):
        with pytest.raises(DeniedError, match="restricted"):
            attempt()
    assert () == owner.recall("old").hits
    assert () == owner.list().hits


def test_asking_again_while_it_is_under_way_is_a_conflict(gov: Service, owner: Actor) -> None:
    """Under a policy that gives no plan the erasure waits, and waits alone."""
    (cube,) = remembered(owner, "old", subjects=(PERSON,))
    asked = owner.forget(subject=PERSON, reason=REASON, wait=False)

    with pytest.raises(ConflictError, match="under way") as caught:
        owner.handle(_request(cube))
    assert "audit requests" in caught.value.remedy

    assert (asked.id,) == open_erasures(gov)


def _request(cube: str) -> Any:
    from memos_gov.domain import commands as c

    return c.make(c.EraseCube, cube=cube, reason=REASON)


# --- Later ----------------------------------------------------------------------------


def test_erasure_that_nobody_waited_for_is_gone_on_with_at_the_next_opening(
    folder: Path,
) -> None:
    """And is found without looking through the history."""
    with memos_gov.open(folder) as gov:
        owner = gov.acting_as("owner", purpose=PURPOSE)
        (cube,) = remembered(owner, "old", subjects=(PERSON,))
        asked = owner.forget(subject=PERSON, reason=REASON, wait=False)
        assert (asked.id,) == open_erasures(gov)

    with memos_gov.open(folder) as gov:
        assert () == open_erasures(gov)
        assert "completed" == gov.acting_as("owner", purpose=PURPOSE).erasure(asked.id).state
        assert "erased" == state(gov, cube)


def test_erasure_that_nobody_waited_for_is_gone_on_with_before_the_next_one(
    gov: Service, owner: Actor
) -> None:
    """A process that stays open leaves nothing waiting for ever."""
    (old,) = remembered(owner, "old", subjects=(PERSON,))
    (other,) = remembered(owner, "other", subjects=("customer-18",))
    first = owner.forget(subject=PERSON, reason=REASON, wait=False)

    owner.forget(cube=other, reason=REASON)

    assert "completed" == owner.erasure(first.id).state
    assert "erased" == state(gov, old)


@pytest.mark.parametrize("name", ["e_unknown", "e_", "c_1", "../x", ""])
def test_erasure_that_there_is_none_of_is_not_found(owner: Actor, name: str) -> None:
    """Whatever its id looks like."""
    with pytest.raises((NotFoundError, InvalidCommandError)):
        owner.erasure(name)


def test_reason_of_an_erasure_stands_nowhere_in_the_clear(gov: Service, owner: Actor) -> None:
    """It is sealed under the month's key, and no header, question or answer holds it."""
    (cube,) = remembered(owner, "old", subjects=(PERSON,))

    done = owner.forget(cube=cube, reason=REASON)

    index = next(i for i, kind, _ in events(gov) if kind == ErasureRequested.__name__)
    record = owner.log_show(index).record
    assert '"key_id":"month:' in record
    for text in (record, repr(done), repr(owner.audit("erasure")), repr(owner.audit("requests"))):
        assert "rosebud" not in text
        assert PERSON not in text


def test_folder_after_erasures_is_clean_and_rebuilt_as_it_was(folder: Path) -> None:
    """Destroyed keys are no finding, and a rebuild repeats nothing outside the tables."""
    with memos_gov.open(folder) as gov:
        owner = gov.acting_as("owner", purpose=PURPOSE)
        one, two = remembered(owner, "one", "two", subjects=(PERSON,))
        owner.recall("one")
        owner.hold(matter="M-1", cube=two)
        erasure = owner.forget(subject=PERSON, reason=REASON)
        before, told = log_end(gov), story(gov)
    report = fsck(folder)
    assert report.clean, report.findings

    assert rebuild(folder).compared

    assert fsck(folder).clean
    with memos_gov.open(folder) as gov:
        owner = gov.acting_as("owner", purpose=PURPOSE)
        assert (before, told) == (log_end(gov), story(gov))
        assert ("erased", "restricted") == (state(gov, one), state(gov, two))
        again = owner.erasure(erasure.id)
        assert (erasure.erased, erasure.kept, erasure.statement) == (
            again.erased,
            again.kept,
            again.statement,
        )
        assert () == owner.recall("one").hits


def test_person_of_an_erasure_stays_restricted_while_something_is_kept(
    gov: Service, owner: Actor
) -> None:
    """New memories about them are refused until the rest is erased too."""
    (held,) = remembered(owner, "held", subjects=(PERSON,))
    owner.hold(matter="M-1", cube=held)
    owner.forget(subject=PERSON, reason=REASON)

    with pytest.raises(DeniedError, match="restricted"):
        owner.remember("new", subjects=[PERSON])

    found: Any = facts(gov, f"subject/{subject_of(gov, held)}")
    assert (True, False, False) == (found.restricted, found.erasing, found.erased)
