"""Several cubes in one read: all of them, in the order asked for, or none of them."""

import json
from contextlib import suppress
from threading import Event, Thread

import pytest

import memos_gov
from memos_gov.errors import DeniedError, InvalidCommandError, NotFoundError, OvertakenError
from memos_gov.service import Actor

PURPOSE = "complaint-handling"


@pytest.fixture
def owner(gov: memos_gov.Service) -> Actor:
    """Return the first principal."""
    return gov.acting_as("owner", purpose=PURPOSE)


@pytest.fixture
def cubes(owner: Actor) -> list[str]:
    """Return three cubes, the last one confidential."""
    said = (("one", "internal"), ("two a@b.example", "internal"), ("three", "confidential"))
    made = [owner.remember(x, subjects=["c-1"], label=y, purposes=[PURPOSE]) for x, y in said]
    return [str(receipt.cube_id) for receipt in made]


def read_at(owner: Actor, index: int) -> dict[str, int]:
    """Return the cubes and revisions of a read event."""
    (event,) = json.loads(owner.log_show(index).record)["data"]["events"]
    return {x["cube"]: x["revision"] for x in event["header"]["cubes"]}


def analyst(gov: memos_gov.Service, owner: Actor) -> Actor:
    """Return somebody cleared to internal, who sees no addresses."""
    owner.add_principal("anna", roles=["analyst"], purposes=[PURPOSE])
    return gov.acting_as("anna", purpose=PURPOSE)


def test_cubes_read_together_come_in_the_order_asked_for(owner: Actor, cubes: list[str]) -> None:
    """One read, one event, that names each with its revision."""
    reading = owner.get_all([cubes[2], cubes[0], cubes[1]])

    assert ["three", "one", "two a@b.example"] == [hit.content for hit in reading.hits]
    assert [cubes[2], cubes[0], cubes[1]] == list(read_at(owner, reading.index))


def test_cubes_read_together_are_masked_each_by_its_verdict(
    gov: memos_gov.Service, owner: Actor, cubes: list[str]
) -> None:
    """As each would be by itself."""
    reading = analyst(gov, owner).get_all(cubes[:2])

    assert ["one", "two [email]"] == [hit.content for hit in reading.hits]


def test_cubes_of_which_one_is_refused_are_not_read_at_all(
    gov: memos_gov.Service, owner: Actor, cubes: list[str]
) -> None:
    """The refusal is recorded; no read of the others is."""
    anna = analyst(gov, owner)

    with pytest.raises(NotFoundError):
        anna.get_all(cubes)

    tried = [row for row in owner.audit("access", cube=cubes[0]).rows if "anna" in row]
    assert [] == [row for row in tried if "allow" in row]


def test_cubes_of_which_one_is_not_there_are_not_read_at_all(
    owner: Actor, cubes: list[str]
) -> None:
    """One that never was is like one that may not be known of."""
    with pytest.raises(NotFoundError):
        owner.get_all([cubes[0], "c_nothing"])


def test_cubes_of_which_one_was_erased_are_not_read_at_all(owner: Actor, cubes: list[str]) -> None:
    """What was made of all of them may not be used any more."""
    owner.forget(cube=cubes[1], reason="asked by letter")

    with pytest.raises((DeniedError, NotFoundError)):
        owner.get_all(cubes)
    assert "one" == owner.get_all([cubes[0]]).hits[0].content


@pytest.mark.parametrize("wrong", [[], ["c_a", "c_a"], [f"c_{n}" for n in range(201)]])
def test_cubes_that_are_none_too_many_or_named_twice_are_a_clear_error(
    owner: Actor, wrong: list[str]
) -> None:
    """The field is named, nothing is written."""
    with pytest.raises(InvalidCommandError, match="cubes"):
        owner.get_all(wrong)


def test_cubes_read_in_a_session_are_sources_of_what_it_remembers(
    gov: memos_gov.Service, owner: Actor, cubes: list[str]
) -> None:
    """As if each had been read by itself."""
    session = gov.acting_as("owner", purpose=PURPOSE, session="s1")
    session.get_all(cubes)

    made = session.remember("So it was.", subjects=["c-1"], purposes=[PURPOSE])

    assert set(cubes) == set(made.sources)
    assert "confidential" == owner.get(str(made.cube_id)).label


def test_cubes_read_while_one_is_revised_are_of_one_moment(owner: Actor, cubes: list[str]) -> None:
    """Each revision that is returned is the one whose read was accepted, however they race."""
    stop, seen = Event(), set[tuple[int, ...]]()

    def revise() -> None:
        while not stop.wait(0.05):
            owner.revise(cubes[0], "one more")

    writer = Thread(target=revise)
    writer.start()
    try:
        for _ in range(10):
            with suppress(OvertakenError):  # (then nothing was returned)
                reading = owner.get_all(cubes)
                read = read_at(owner, reading.index)
                assert read == {hit.cube_id: hit.revision for hit in reading.hits}
                seen.add(tuple(read.values()))
    finally:
        stop.set()
        writer.join()
    assert seen
