"""What was made of an erased memory ends with it, and nothing is made of one that is ending."""

from __future__ import annotations

import pytest

from memos_gov.errors import GovernanceError
from memos_gov.service import Actor, Service
from tests.erasure.conftest import PERSON
from tests.erasure.memories import events, facts, remembered, state

REASON = "asked by letter"


def merged(owner: Actor, *cubes: str) -> str:
    """Merge memories; return the new one."""
    made = owner.merge(list(cubes)).cube_id
    assert made is not None
    return made


def test_memory_and_what_was_made_of_it_are_forgotten_together(gov: Service, owner: Actor) -> None:
    """The dry run says so before; a source of its own stays."""
    one, two = remembered(owner, "one", "two", subjects=(PERSON,))
    both = merged(owner, one, two)
    summary = owner.summarise([both], "a summary of both").cube_id or ""

    asked = owner.forget(cube=one, reason=REASON, dry_run=True)
    done = owner.forget(cube=one, reason=REASON)

    assert {one, both, summary} == set(asked.erased) == set(done.erased)
    assert {"erased"} == {state(gov, cube) for cube in (one, both, summary)}
    assert "merged" == state(gov, two)


def test_memory_made_of_one_that_is_held_is_decided_by_itself(gov: Service, owner: Actor) -> None:
    """What is held is kept; its source goes."""
    one, two = remembered(owner, "one", "two", subjects=(PERSON,))
    both = merged(owner, one, two)
    owner.hold(matter="M-1", cube=both)

    done = owner.forget(cube=one, reason=REASON)

    assert ((one,), [both]) == (done.erased, [kept.cube for kept in done.kept])
    assert ("erased", "restricted") == (state(gov, one), state(gov, both))


def test_person_is_forgotten_with_everything_made_of_their_memories(
    gov: Service, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever page it stands on, and though it is about others too."""
    monkeypatch.setattr("memos_gov.erasure.pages.PAGE_CUBES_MAX", 1)
    (mine,) = remembered(owner, "mine", subjects=(PERSON,))
    (others,) = remembered(owner, "theirs", subjects=("customer-18",))
    both = merged(owner, mine, others)

    done = owner.forget(subject=PERSON, reason=REASON)

    assert ({mine, both}, ()) == (set(done.erased), done.kept)
    assert "merged" == state(gov, others)
    pages = [x for _, kind, x in events(gov) if kind == "ErasurePlanned"]
    assert [1, 1] == [page["erased"] for page in pages]


def test_nothing_is_made_of_a_memory_that_is_being_erased(gov: Service, owner: Actor) -> None:
    """The set that ends is fixed when it is asked for."""
    one, two = remembered(owner, "one", "two", subjects=(PERSON,))
    owner.forget(cube=one, reason=REASON, wait=False)

    for attempt in (
        lambda: owner.merge([one, two]),
        lambda: owner.summarise([one], "a summary"),
    ):
        with pytest.raises(GovernanceError):
            attempt()

    assert "two" == owner.get(two).content


def test_request_restricts_everything_at_once_and_keeps_the_set(gov: Service, owner: Actor) -> None:
    """In the same record, so that no reader sees one without the other."""
    one, two = remembered(owner, "one", "two", subjects=(PERSON,))
    both = merged(owner, one, two)

    asked = owner.forget(cube=one, reason=REASON, wait=False)

    found = facts(gov, f"erasure/{asked.id}")
    assert {one, both} == set(getattr(found, "cubes"))  # noqa: B009
    assert ("restricted", "restricted", "merged") == (
        state(gov, one),
        state(gov, both),
        state(gov, two),
    )
