"""What is shown is of then: by time, by index, by valid time, in every way to read."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from memos_gov import past_recall
from memos_gov.domain import events as e
from memos_gov.domain.as_of import AsOf
from memos_gov.errors import InvalidCommandError, NotFoundError
from memos_gov.service import Actor, Service
from tests.test_words import kept, newcomer
from tests.time_travel.acting import DAY, SetClock, newest


def test_read_as_of_a_time_shows_the_revision_of_then(
    gov: Service, owner: Actor, clock: SetClock
) -> None:
    """By time and by index, and the record names the old revision and the moment."""
    cube = kept(owner, "a heron", label="internal")
    first = clock.later()
    made = owner.revise(cube, "a stork")
    owner.relabel(cube, "confidential")
    clock.later()

    by_time, by_index = owner.get(cube, as_of=first), owner.get(cube, as_of=made.index)

    assert ("a heron", 1, "internal") == (by_time.content, by_time.revision, by_time.label)
    assert ("a stork", 2, "internal") == (by_index.content, by_index.revision, by_index.label)
    assert ("a stork", "confidential") == (owner.get(cube).content, owner.get(cube).label)
    owner.get(cube, as_of=first)
    record, (read,) = newest(gov)
    assert isinstance(read, e.CubesRead)
    assert ((e.ReadCube(cube=cube, revision=1),), None) == (read.cubes, read.valid)
    assert made.index - 1 == read.recorded
    assert "gov.memos.ReadCube" == record.type


def test_read_as_of_a_valid_time_shows_what_is_known_about_then(
    owner: Actor, clock: SetClock
) -> None:
    """Today's knowledge of the past, and the knowledge of then, differ."""
    started = clock.time - 100 * DAY
    cube = kept(owner, "lives in Bern", valid_from=started)
    then = clock.later()
    moved = started + 10 * DAY
    owner.revise(cube, "lives in Basel", valid_from=moved)
    clock.later()

    known_now = owner.get(cube, as_of=AsOf(valid=moved + DAY))
    before_it = owner.get(cube, as_of=AsOf(valid=moved - DAY))
    known_then = owner.get(cube, as_of=AsOf(recorded=then, valid=moved + DAY))

    assert ["lives in Basel", "lives in Bern", "lives in Bern"] == [
        hit.content for hit in (known_now, before_it, known_then)
    ]


def test_read_before_the_cube_is_not_found_and_recorded(
    gov: Service, owner: Actor, clock: SetClock
) -> None:
    """In either clock, and what was refused says of when."""
    before = clock.later()
    cube = kept(owner, valid_from=clock.time - DAY)

    for moment in (before, 0, AsOf(valid=clock.time - 2 * DAY)):
        with pytest.raises(NotFoundError):
            owner.get(cube, as_of=moment)
        _, (refused, *_) = newest(gov)
        assert isinstance(refused, e.CommandRefused)
        assert (("unknown_target",), True) == (refused.reasons, refused.recorded is not None)


EVERY_WAY = ("get", "recall", "list", "history", "diff", "subject", "access", "holds", "state")


@pytest.mark.parametrize("verb", EVERY_WAY)
def test_moment_that_has_not_come_is_refused_by_name_and_nothing_is_written(
    gov: Service, owner: Actor, clock: SetClock, verb: str
) -> None:
    """A time of tomorrow, in either clock, and an index beyond the end."""
    cube = kept(owner, subjects=["customer-1"])
    ask: dict[str, Any] = {
        "get": lambda when: owner.get(cube, as_of=when),
        "recall": lambda when: owner.recall("heron", as_of=when),
        "list": lambda when: owner.list(as_of=when),
        "history": lambda when: owner.history(cube, as_of=when),
        "diff": lambda when: owner.history(cube, diff=True, as_of=when),
        "subject": lambda when: owner.audit("subject", subject="customer-1", as_of=when),
        "access": lambda when: owner.audit("access", cube=cube, as_of=when),
        "holds": lambda when: owner.audit("holds", as_of=when),
        "state": lambda when: owner.audit("state", cube=cube, as_of=when),
    }
    tomorrow, end = clock.time + DAY, gov.status().log_end

    for moment in (tomorrow, 10_000, AsOf(valid=tomorrow), AsOf(recorded=1, valid=tomorrow)):
        with pytest.raises(InvalidCommandError) as caught:
            ask[verb](moment)
        assert "as_of" == caught.value.field
    with pytest.raises(InvalidCommandError) as caught:
        ask[verb](datetime(2026, 1, 1))  # noqa: DTZ001 (naive on purpose)
    assert "as_of" == caught.value.field
    assert end == gov.status().log_end


def test_moment_in_another_time_zone_is_the_same_moment(owner: Actor, clock: SetClock) -> None:
    """Fourteen hours ahead or eleven behind."""
    cube = kept(owner, "a heron")
    then = clock.later()
    owner.revise(cube, "a stork")
    clock.later()
    zones = (timezone(timedelta(hours=14)), timezone(timedelta(hours=-11)))

    found = [owner.get(cube, as_of=then.astimezone(zone)).revision for zone in zones]

    assert [1, 1] == found


def test_listing_as_of_a_moment_holds_what_was_there_as_it_was(
    owner: Actor, clock: SetClock
) -> None:
    """Label and state are looked for in the facts of then."""
    first = kept(owner, "a heron")
    second = kept(owner, "a stork", label="confidential")
    then = clock.later()
    owner.relabel(first, "confidential")
    owner.archive(second)
    kept(owner, "a crane")

    assert [second, first] == [hit.cube_id for hit in owner.list(as_of=then).hits]
    assert [first] == [hit.cube_id for hit in owner.list(label="internal", as_of=then).hits]
    assert [second] == [hit.cube_id for hit in owner.list(label="confidential", as_of=then).hits]
    assert () == owner.list(state="archived", as_of=then).hits
    assert ["activated"] * 2 == [hit.state for hit in owner.list(as_of=then).hits]
    (page,) = owner.list(limit=1, as_of=then).hits
    assert [first] == [hit.cube_id for hit in owner.list(after=page.cube_id, as_of=then).hits]


def test_recall_as_of_a_moment_ranks_the_words_of_then(owner: Actor, clock: SetClock) -> None:
    """Revised, archived, and not yet remembered cubes are as they were."""
    revised = kept(owner, "the zebra crossed the road")
    archived = kept(owner, "zebra zebra zebra")
    then = clock.later()
    owner.revise(revised, "the giraffe crossed the road")
    owner.archive(archived)
    kept(owner, "one more zebra")

    reading = owner.recall("zebra", as_of=then)

    assert () == owner.recall("giraffe", as_of=then).hits
    assert 1 == len(owner.recall("zebra").hits)
    assert [revised] == [hit.cube_id for hit in reading.hits]
    assert ("the zebra crossed the road", 1, 1) == (
        reading.hits[0].content,
        reading.hits[0].revision,
        reading.hits[0].rank,
    )


def test_recall_as_of_a_moment_orders_as_the_recall_of_that_moment(
    owner: Actor, clock: SetClock
) -> None:
    """The same scoring over the same contents."""
    words = ["refund", "card", "bank", "letter", "branch"]
    for number in range(30):
        chosen = [words[(number * step) % 5] for step in (1, 2, 3)]
        kept(owner, f"{' '.join(chosen)} note {number}")
    shown = [(hit.cube_id, hit.rank) for hit in owner.recall("refund of the bank", k=10).hits]
    then = clock.later()
    for hit in owner.recall("refund", k=30).hits:
        owner.revise(hit.cube_id, "nothing of that kind")

    again = owner.recall("refund of the bank", k=10, as_of=then)

    assert shown == [(hit.cube_id, hit.rank) for hit in again.hits]
    assert again.partial is False


def test_recall_as_of_a_valid_time_finds_what_was_true_then(owner: Actor, clock: SetClock) -> None:
    """What is not true any more, and nothing that was not true yet."""
    start = clock.time - 30 * DAY
    over = kept(owner, "the ferry runs", valid_from=start, valid_to=start + 10 * DAY)
    kept(owner, "the ferry stopped", valid_from=start + 10 * DAY)

    reading = owner.recall("ferry", as_of=AsOf(valid=start + 5 * DAY))

    assert [over] == [hit.cube_id for hit in reading.hits]
    assert over not in {hit.cube_id for hit in owner.recall("ferry").hits}


def test_recall_of_the_past_says_when_the_oldest_were_left_out(
    owner: Actor, ann: Actor, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what may be seen counts: hidden cubes neither fill the bound nor show in it."""
    monkeypatch.setattr(past_recall, "PAST_CUBES_MAX", 3)
    cubes = []
    for number in range(3):
        cubes.append(kept(owner, f"heron {number}"))
        kept(owner, f"heron in private {number}", label="confidential")
        clock.later(timedelta(seconds=1))
    then = clock.later()

    whole, more = ann.recall("heron", k=9, as_of=then), owner.recall("heron", k=9, as_of=then)

    assert (False, True) == (whole.partial, more.partial)
    assert set(cubes) == {hit.cube_id for hit in whole.hits}
    assert 3 == len(more.hits)
    assert cubes[0] not in {hit.cube_id for hit in more.hits}


def test_recall_of_the_past_leaves_no_word_on_the_disk(
    gov: Service, owner: Actor, clock: SetClock
) -> None:
    """Its index is in memory, and the former words are in none of the files."""
    cube = kept(owner, "capybara by the pond")
    then = clock.later()
    owner.revise(cube, "nothing of that kind")
    owner.recall("kind")

    assert [cube] == [hit.cube_id for hit in owner.recall("capybara", as_of=then).hits]
    folder = gov.rooms.settings.data
    assert [] == [path.name for path in folder.rglob("*") if path.is_file()
                  and b"capybara" in path.read_bytes()]  # fmt: skip


def test_read_of_the_past_masks_what_that_revision_holds(
    gov: Service, owner: Actor, clock: SetClock
) -> None:
    """Today's content has no personal number; the one of then has, and nobody finds it by it."""
    sue = newcomer(gov, "sue", "analyst", clearance="confidential")
    cube = kept(owner, "call +44 20 7946 0958", label="confidential")
    then = clock.later()
    owner.revise(cube, "call again")

    hit = sue.get(cube, as_of=then)

    assert ("call [phone]", {"phone": 1}) == (hit.content, hit.redactions)
    assert () == sue.recall("7946 0958", as_of=then).hits
    assert [cube] == [hit.cube_id for hit in owner.recall("7946 0958", as_of=then).hits]
    assert "call [phone]" == sue.recall("call", as_of=then).hits[0].content
