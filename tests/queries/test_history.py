"""The history of a cube names every change, in order, and never its content."""

import pytest

from memos_gov.errors import NotFoundError
from memos_gov.service import Actor, Service
from tests.lives import OTHER_TENANT, Life


def test_history_of_a_cube_names_every_change_in_order(owner: Actor, life: Life) -> None:
    """Content and governance stand in one line, oldest first."""
    history = owner.history(life.plain)

    assert [
        ("CubeRemembered", 1),
        ("CubeRevised", 2),
        ("CubeRevised", 3),
        ("CubeShared", None),
        ("CubeFrozen", None),
        ("CubeThawed", None),
    ] == [(change.type, change.revision) for change in history.changes]
    assert sorted(c.index for c in history.changes) == [c.index for c in history.changes]


def test_history_of_a_held_cube_has_the_hold_and_its_release(owner: Actor, life: Life) -> None:
    """A hold stands on its matter, and changes the cube."""
    types = [change.type for change in owner.history(life.secret).changes]

    assert ["HoldPlaced", "HoldPlaced", "HoldReleased"] == [t for t in types if "Hold" in t]


def test_history_of_a_change_shows_names_and_only_what_changed(owner: Actor, life: Life) -> None:
    """What stays as it was is not repeated, and people have their names."""
    first, second, _, shared, *_ = owner.history(life.plain).changes

    assert ("owner", ["customer-17"]) == (first.changes["owner"], first.changes["subjects"])
    assert {"revision", "size_bytes"} == set(second.changes) - {"valid_from", "mode"}
    assert "bot" == shared.changes["principal"]


def test_history_of_a_held_cube_names_no_matter(gov: Service, owner: Actor, life: Life) -> None:
    """Whoever may read a history need not know what is being litigated."""
    cube = owner.remember("A letter of the bank.", basis="contract").cube_id
    assert cube is not None
    owner.hold(matter="SECRET-MATTER vs ACME", cube=cube)

    history = gov.acting_as("ann", purpose="complaint-handling").history(cube)

    placed = history.changes[-1]
    assert ("HoldPlaced", "m_") == (placed.type, placed.changes["matter"][:2])
    assert "SECRET-MATTER" not in repr(history)


def test_history_of_a_cube_holds_no_content(owner: Actor, life: Life) -> None:
    """Headers only: no word of the memory is in the answer."""
    assert "charged" not in repr(owner.history(life.plain))


def test_history_of_a_foreign_cube_is_not_found(gov: Service, life: Life) -> None:
    """A cube of another tenant looks like none."""
    zoe = gov.acting_as("zoe", tenant=OTHER_TENANT, purpose="complaint-handling")

    with pytest.raises(NotFoundError):
        zoe.history(life.plain)
