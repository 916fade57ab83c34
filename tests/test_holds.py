"""Holds on persons, memories and scopes: over their time, and for whom they were never named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from memos_gov.domain import commands as c
from memos_gov.domain import ids
from memos_gov.errors import ConflictError, DeniedError, InvalidCommandError
from memos_gov.naming import Names
from memos_gov.proposer import new_command_id
from memos_gov.service import Actor, Service
from tests.clocks import Turned
from tests.queries.test_audits import as_dicts

PURPOSE = "complaint-handling"


def remember(owner: Actor, **words: Any) -> str:
    """Keep a note, and return its cube."""
    made = owner.remember("a note", **{"retention_class": "complaint", **words})
    assert made.cube_id is not None
    return made.cube_id


def is_held(owner: Actor, cube: str) -> bool:
    """Whether a hold stops a change of the cube; nothing is changed."""
    try:
        owner.archive(cube, dry_run=True)
    except DeniedError as error:
        return "legal_hold" in error.verdict.public_reasons
    return False


SCOPES: list[dict[str, Any]] = [
    {"label": "internal"},
    {"retention_class": "complaint"},
    {"recorded_from": datetime(2020, 1, 1, tzinfo=UTC)},
    {"recorded_to": datetime(2200, 1, 1, tzinfo=UTC)},
    {"label": "internal", "retention_class": "complaint"},
]


@pytest.mark.parametrize("scope", SCOPES, ids="+".join)
def test_cube_that_fits_a_scope_is_held_although_it_was_never_named(
    owner: Actor, scope: dict[str, Any]
) -> None:
    """Those that are there, and those that come later; the release lets go of both."""
    before = remember(owner)
    owner.hold(matter="M-1", **scope)
    after = remember(owner)

    assert (True, True) == (is_held(owner, before), is_held(owner, after))
    owner.release("M-1")
    assert (False, False) == (is_held(owner, before), is_held(owner, after))


def test_cube_outside_a_scope_is_free(owner: Actor) -> None:
    """Every part that is named must fit."""
    cube = remember(owner)
    owner.hold(matter="M-1", label="internal", retention_class="debt")
    owner.hold(matter="M-1", label="confidential")
    owner.hold(matter="M-2", recorded_to=datetime(2020, 1, 1, tzinfo=UTC))

    assert not is_held(owner, cube)


@pytest.mark.parametrize("on", ["subject", "cube", "scope"])
def test_hold_of_any_kind_ends_by_itself(owner: Actor, clock: Turned, on: str) -> None:
    """In force while valid_from <= now < valid_to."""
    cube = remember(owner, subjects=["customer-17"])
    target = {"subject": {"subject": "customer-17"}, "cube": {"cube": cube}}
    end = clock.now() + timedelta(days=30)
    owner.hold(matter="M-1", valid_to=end, **target.get(on, {"label": "internal"}))

    assert is_held(owner, cube)
    clock.turn(days=29)
    assert is_held(owner, cube)
    clock.turn(days=1)
    assert not is_held(owner, cube)


def test_hold_of_any_kind_may_begin_later(owner: Actor, clock: Turned) -> None:
    """Until then nothing is held."""
    cube = remember(owner)
    owner.hold(matter="M-1", label="internal", valid_from=clock.now() + timedelta(days=3))

    assert not is_held(owner, cube)
    clock.turn(days=3)
    assert is_held(owner, cube)


def test_permission_given_before_a_hold_begins_does_not_outlive_that(
    owner: Actor, clock: Turned
) -> None:
    """The verdict ends where the hold begins, so a slow record is late."""
    cube = remember(owner)
    begins = clock.now() + timedelta(seconds=20)
    owner.hold(matter="M-1", label="internal", valid_from=begins)

    verdict = owner.archive(cube, dry_run=True).verdict

    assert verdict.allows
    assert int(begins.timestamp()) == verdict.valid_until


def test_change_decided_before_a_scope_was_held_is_stale(gov: Service, owner: Actor) -> None:
    """Every verdict relies on the guard, so an absent hold that appears stops it."""
    cube, governor = remember(owner), gov.rooms.governor
    command = c.make(c.ArchiveCube, cube=cube)
    with governor.tables.snapshot() as snapshot:
        names = Names(governor.keys, "default")
        prepared = governor.prepare(snapshot, owner.caller, command, new_command_id(), names)
    owner.hold(matter="M-1", label="internal")

    (outcome,) = governor.submit([prepared])

    assert ("stale", [ids.guard_stream("default", "holds")]) == (
        outcome.code,
        outcome.detail["streams"],
    )


# --- One clear error each ---------------------------------------------------------


def mistakes(owner: Actor) -> dict[str, tuple[Callable[[], object], type[Exception], str]]:
    """Return what can be got wrong, the error, and its words."""
    cube = remember(owner, subjects=["customer-17"])
    owner.hold(matter="M-1", cube=cube)
    owner.hold(matter="M-2", subject="customer-17")
    owner.hold(matter="M-3", label="internal")
    owner.release("M-3")
    hour = timedelta(hours=1)
    now = datetime.now(UTC)
    return {
        "release of another matter's hold": (
            lambda: owner.release("M-2", cube=cube),
            ConflictError,
            "the matter does not hold that",
        ),
        "release of a person whom nobody knows": (
            lambda: owner.release("M-2", subject="nobody"),
            ConflictError,
            "the matter does not hold that",
        ),
        "second release": (
            lambda: owner.release("M-3"),
            ConflictError,
            "the matter holds nothing",
        ),
        "release of an unknown matter": (
            lambda: owner.release("M-9"),
            ConflictError,
            "the matter holds nothing",
        ),
        "scope that names nothing": (
            lambda: owner.hold(matter="M-4"),
            InvalidCommandError,
            "subject: name a subject, a cube, or a scope (label, retention_class, recorded_from",
        ),
        "two targets at once": (
            lambda: owner.hold(matter="M-4", cube=cube, label="internal"),
            InvalidCommandError,
            "subject: name a subject, a cube or a scope, one of the three",
        ),
        "scope of an unknown label": (
            lambda: owner.hold(matter="M-4", label="secret"),
            InvalidCommandError,
            "label: unknown word; known are",
        ),
        "scope of an unknown class": (
            lambda: owner.hold(matter="M-4", retention_class="odd"),
            InvalidCommandError,
            "retention_class: unknown word; known are",
        ),
        "scope of no time at all": (
            lambda: owner.hold(matter="M-4", recorded_from=now, recorded_to=now),
            InvalidCommandError,
            "recorded_to: must be after recorded_from",
        ),
        "hold that is over": (
            lambda: owner.hold(matter="M-4", cube=cube, valid_to=now - hour),
            InvalidCommandError,
            "valid_to: has passed, so nothing would be held",
        ),
        "same hold twice": (
            lambda: owner.hold(matter="M-2", subject="customer-17"),
            ConflictError,
            "the matter holds this already",
        ),
    }


def test_mistake_about_a_hold_is_one_clear_error_and_changes_nothing(owner: Actor) -> None:
    """What is held before is held after, and who erred learns why."""
    said = {}
    for name, (act, kind, words) in mistakes(owner).items():
        with pytest.raises(kind) as caught:
            act()
        assert str(caught.value).startswith(words), name
        assert getattr(caught.value, "remedy", ""), name
        said[name] = str(caught.value)

    held = as_dicts(owner.audit("holds"))
    assert [("M-1", "cube"), ("M-2", "subject")] == [(row["matter"], row["kind"]) for row in held]
    assert 11 == len(said)


# --- Audits -----------------------------------------------------------------------


def test_audit_holds_shows_every_kind_with_its_time_and_what_it_covers(
    owner: Actor, clock: Turned
) -> None:
    """Persons, memories and scopes; those that are still to begin say so."""
    cubes = [remember(owner, subjects=["customer-17"]) for _ in range(3)]
    begins, ends = clock.now() + timedelta(days=1), clock.now() + timedelta(days=9)
    owner.hold(matter="M-1", subject="customer-17", valid_to=ends)
    owner.hold(matter="M-2", cube=cubes[0])
    owner.hold(matter="M-3", label="internal", retention_class="complaint", valid_from=begins)

    person, cube, scope = as_dicts(owner.audit("holds"))

    assert ("M-1", "subject", "customer-17", 3, True) == tuple(
        person[c] for c in ("matter", "kind", "target", "cubes", "in_force")
    )
    assert int(ends.timestamp()) == person["valid_to"]
    assert ("M-2", "cube", cubes[0], 1, True) == tuple(
        cube[c] for c in ("matter", "kind", "target", "cubes", "in_force")
    )
    assert ("M-3", "scope", 3, "internal", "complaint", int(begins.timestamp()), False) == tuple(
        scope[c]
        for c in (
            "matter",
            "kind",
            "cubes",
            "label",
            "retention_class",
            "valid_from",
            "in_force",
        )
    )


def test_audit_holds_leaves_out_what_has_ended(owner: Actor, clock: Turned) -> None:
    """It lists what is held, or will be."""
    owner.hold(matter="M-1", label="internal", valid_to=clock.now() + timedelta(days=1))
    clock.turn(days=2)

    assert () == owner.audit("holds").rows


def test_audit_subject_names_the_matter_of_a_scope(owner: Actor) -> None:
    """A person's cube that is held by its class says for which matter."""
    remember(owner, subjects=["customer-17"])
    owner.hold(matter="M-7", retention_class="complaint")

    (row,) = as_dicts(owner.audit("subject", subject="customer-17"))

    assert (["M-7"], "keep", None) == (row["holds"], row["retention_action"], row["due"])


def test_verdict_under_a_hold_on_a_scope_is_explained_as_it_was(owner: Actor) -> None:
    """The question is rebuilt with the holds of that moment, and gets the same answer."""
    cube = remember(owner)
    placed = owner.hold(matter="M-1", label="internal")
    with pytest.raises(DeniedError) as caught:
        owner.archive(cube)
    owner.release("M-1")

    assert owner.explain(caught.value.verdict_id).same
    assert owner.explain(placed.verdict_id).same
