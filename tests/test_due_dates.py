"""What is due stands in the record that changes it, and is in the view from there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from memos_gov.domain import codec
from memos_gov.domain import events as e
from memos_gov.domain.verdicts import UNANSWERED
from memos_gov.errors import ConflictError, InvalidCommandError, NotFoundError
from memos_gov.projections.tables import DueRow, EventRow, table_of
from memos_gov.service import Actor, Service
from tests.clocks import Turned

PURPOSE = "complaint-handling"
YEAR = 31_557_600


def remember(owner: Actor, retention_class: str = "complaint", **words: Any) -> str:
    """Keep a note, and return its cube."""
    made = owner.remember("a note", retention_class=retention_class, **words)
    assert made.cube_id is not None
    return made.cube_id


def last_record(gov: Service) -> list[e.Event]:
    """Return the events of the newest record."""
    table = table_of(EventRow)
    with gov.rooms.governor.tables.connection() as connection:
        rows = list(connection.execute(select(table).where(table.c.tenant == "default")))
    newest = max(row.idx for row in rows)
    return [
        codec.decode_stored_header(row.type, row.version, row.header)
        for row in sorted(rows, key=lambda row: row.seq)
        if row.idx == newest
    ]


def due(gov: Service) -> dict[str, Any]:
    """Return cube -> row of the view."""
    gov.rooms.follower.catch_up("due")
    with gov.rooms.governor.tables.connection() as connection:
        return {row.cube: row for row in connection.execute(select(table_of(DueRow)))}


def recorded_at(owner: Actor, cube: str) -> int:
    """Return when the cube was recorded."""
    return owner.get(cube).recorded_at


def test_cube_that_is_remembered_is_scheduled_in_the_same_record(
    gov: Service, owner: Actor
) -> None:
    """The derivation stands beside the cube; the date is counted from the record's own time."""
    cube = remember(owner)
    remembered, scheduled = last_record(gov)

    start = recorded_at(owner, cube)
    assert isinstance(remembered, e.CubeRemembered)
    assert isinstance(scheduled, e.RetentionScheduled)
    assert (cube, "complaint", "expire", start + 7 * YEAR, ("retention/schedule",)) == (
        scheduled.cube,
        scheduled.retention_class,
        scheduled.action,
        scheduled.due,
        scheduled.rules,
    )
    assert [
        ("not_held", None),
        ("counted_from_creation", start),
        ("maximum_at", start + 7 * YEAR),
        ("expire", start + 7 * YEAR),
    ] == [(step.code, step.at) for step in scheduled.steps]


def test_view_of_what_is_due_holds_the_newest_word(gov: Service, owner: Actor) -> None:
    """A row a cube, with the policy that said so."""
    cube = remember(owner)

    row = due(gov)[cube]

    assert (recorded_at(owner, cube) + 7 * YEAR, "expire", "complaint", owner.policy, False) == (
        row.due_at,
        row.action,
        row.retention_class,
        row.policy,
        row.held,
    )


def test_record_that_changes_no_date_schedules_nothing(gov: Service, owner: Actor) -> None:
    """Sharing, freezing and new content of a class counted from creation leave it alone."""
    owner.add_principal("ann", roles=["analyst"], purposes=[PURPOSE])
    cube = remember(owner)
    for act in (
        lambda: owner.share(cube, with_="ann"),
        lambda: owner.freeze(cube),
        lambda: owner.thaw(cube),
    ):
        act()
        assert 1 == len(last_record(gov))


def test_new_content_moves_the_date_of_a_class_counted_from_change(
    gov: Service, owner: Actor, clock: Turned
) -> None:
    """And not that of another class."""
    debt, complaint = remember(owner, "debt"), remember(owner, "complaint")
    before = due(gov)
    clock.turn(days=30)
    for cube in (debt, complaint):
        owner.revise(cube, "more")

    after = due(gov)

    assert before[complaint].due_at == after[complaint].due_at
    moved = timedelta(seconds=after[debt].due_at - before[debt].due_at)
    assert timedelta(days=30) <= moved < timedelta(days=30, minutes=2)


def test_event_that_a_class_waits_for_begins_its_time(gov: Service, owner: Actor) -> None:
    """Until then nothing is due; then it is counted from when the event happened."""
    cube = remember(owner, "account")
    waiting = due(gov)[cube]
    ended = datetime(2024, 5, 1, tzinfo=UTC)

    owner.trigger(cube, occurred_at=ended)

    assert (None, "keep", "not_held awaits_event keep") == (
        waiting.due_at,
        waiting.action,
        waiting.steps,
    )
    triggered, scheduled = last_record(gov)
    assert isinstance(triggered, e.RetentionTriggered)
    assert isinstance(scheduled, e.RetentionScheduled)
    assert int(ended.timestamp()) + 7 * YEAR == due(gov)[cube].due_at


def test_event_on_record_is_corrected_but_not_repeated(owner: Actor) -> None:
    """Another time replaces the first; the same one says nothing new."""
    cube, ended = remember(owner, "account"), datetime(2024, 5, 1, tzinfo=UTC)
    owner.trigger(cube, occurred_at=ended)

    with pytest.raises(ConflictError, match="on record with this time already"):
        owner.trigger(cube, occurred_at=ended)
    owner.trigger(cube, occurred_at=ended + timedelta(days=1))


def test_event_in_the_future_is_refused(owner: Actor) -> None:
    """What has not happened begins nothing."""
    cube = remember(owner, "account")

    with pytest.raises(InvalidCommandError, match="occurred_at: lies in the future"):
        owner.trigger(cube, occurred_at=datetime.now(UTC) + timedelta(days=1))


def test_event_of_an_unknown_cube_is_not_found(owner: Actor) -> None:
    """A missing cube and a hidden one look the same."""
    with pytest.raises(NotFoundError):
        owner.trigger("c_missing")


def test_hold_on_a_cube_keeps_it_and_its_release_schedules_it_again(
    gov: Service, owner: Actor
) -> None:
    """Both in the record of the hold itself."""
    cube = remember(owner)
    scheduled = due(gov)[cube]

    owner.hold(matter="M-1", cube=cube)
    held = due(gov)[cube]
    owner.release("M-1")
    released = due(gov)[cube]

    assert (None, "keep", True) == (held.due_at, held.action, held.held)
    assert (scheduled.due_at, "expire", False) == (
        released.due_at,
        released.action,
        released.held,
    )


def test_release_of_a_matter_is_explained_for_each_cube_it_names(owner: Actor) -> None:
    """The verdict on the matter is the verdict on what it held."""
    cube = remember(owner)
    owner.hold(matter="M-1", cube=cube)
    receipt = owner.release("M-1")

    assert owner.explain(f"{receipt.verdict_id}/{cube}").same


def test_cube_that_is_archived_for_good_is_due_no_more(gov: Service, owner: Actor) -> None:
    """A class that ends in the archive has come to its end."""
    cube = remember(owner, "general")
    before = due(gov)[cube]

    owner.archive(cube)

    assert ("archive", None) == (before.action, due(gov)[cube].due_at)


@pytest.mark.parametrize(
    ("retention_class", "ends"), [("general", False), ("complaint", True), ("account", False)]
)
def test_cube_made_of_another_ends_with_it_and_not_with_its_archive(
    gov: Service, owner: Actor, retention_class: str, ends: bool
) -> None:
    """What is only archived does not end, and neither does what nobody knows the end of."""
    source = remember(owner, retention_class)

    made = owner.summarise([source], "in short").cube_id

    assert made is not None
    assert ends == ("expires_at" in due(gov)[made].steps)


def test_cube_remembered_while_policy_does_not_answer_is_asked_about_again(
    gov: Service, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is kept, nothing is due, and its row says that no policy decided that."""
    judge = gov.rooms.governor.judge(owner.policy)
    ask = judge._engine.ask  # type: ignore[attr-defined]

    def fails(digest: str, entrypoint: str, question: Any) -> bytes:
        if entrypoint.startswith("memos_gov/retention"):
            return b"{}"
        answer: bytes = ask(digest, entrypoint, question)
        return answer

    monkeypatch.setattr(judge._engine, "ask", fails)  # type: ignore[attr-defined]
    cube = remember(owner)

    row = due(gov)[cube]
    assert (None, "keep", "", UNANSWERED) == (row.due_at, row.action, row.policy, row.rules)


def test_cubes_of_equal_facts_in_a_second_are_asked_about_once(
    gov: Service, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch of a thousand costs one question of retention a second and class."""
    engine = gov.rooms.governor.judge(owner.policy)._engine
    asked: list[str] = []
    ask = engine.ask

    def counting(digest: str, entrypoint: str, question: Any) -> bytes:
        asked.append(entrypoint)
        return ask(digest, entrypoint, question)

    monkeypatch.setattr(engine, "ask", counting)
    for _ in range(20):
        remember(owner)

    retention = [name for name in asked if name.startswith("memos_gov/retention")]
    seconds = len({row.due_at for row in due(gov).values()})
    assert seconds == len(retention)
    assert seconds < 20
