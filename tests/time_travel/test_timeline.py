"""History as of a moment, and the differences between revisions."""

from __future__ import annotations

import sqlite3

import pytest

from memos_gov.domain import events as e
from memos_gov.domain.as_of import AsOf
from memos_gov.errors import NotFoundError
from memos_gov.service import Actor, Service
from tests.test_words import kept, newcomer
from tests.time_travel.acting import CARD, DAY, SetClock, newest


def test_history_as_of_a_moment_ends_there(owner: Actor, clock: SetClock) -> None:
    """In both clocks, since an act is true from its record on."""
    before = clock.later()
    cube = kept(owner, "a heron")
    then = clock.later()
    owner.freeze(cube)

    assert ["CubeRemembered"] == [c.type for c in owner.history(cube, as_of=then).changes]
    assert ["CubeRemembered"] == [
        c.type for c in owner.history(cube, as_of=AsOf(valid=then)).changes
    ]
    assert 2 == len(owner.history(cube).changes)
    with pytest.raises(NotFoundError):
        owner.history(cube, as_of=before)


def test_history_with_differences_shows_every_revision_in_both_clocks(
    gov: Service, owner: Actor, clock: SetClock
) -> None:
    """A read: the record names every revision."""
    cube = kept(owner, "one line\nanother line")
    first = clock.later()
    owner.revise(cube, "one line\na new line", valid_from=clock.time - 3 * DAY)
    clock.later()
    owner.revise(cube, "a last line", mode="append")

    found = owner.history(cube, diff=True)

    assert ["CubeRemembered", "CubeRevised", "CubeRevised"] == [c.type for c in found.changes]
    assert [1, 2, 3] == [revision.revision for revision in found.revisions]
    second = found.revisions[1]
    assert ("--- revision 1", "+++ revision 2", "@@ -1,2 +1,2 @@", " one line", "-another line",
            "+a new line") == second.diff  # fmt: skip
    assert ("+one line", "+another line") == (found.revisions[0].diff or ())[3:]
    assert second.valid_from < second.recorded_at
    assert ("overwrite", "append") == (second.mode, found.revisions[2].mode)
    _, (read,) = newest(gov)
    assert isinstance(read, e.CubesRead)
    assert [1, 2, 3] == [shown.revision for shown in read.cubes]
    assert 1 == len(owner.history(cube, diff=True, as_of=first).revisions)


def test_history_with_differences_without_the_right_to_read_has_headers_only(
    gov: Service, owner: Actor
) -> None:
    """An auditor sees when, and not what; that it was asked for is recorded."""
    aud, cube = newcomer(gov, "aud", "auditor"), kept(owner, "a heron")
    owner.revise(cube, "a stork")

    found = aud.history(cube, diff=True)

    assert [(1, None), (2, None)] == [(r.revision, r.diff) for r in found.revisions]
    assert "heron" not in repr(found)
    _, (refused,) = newest(gov)
    assert isinstance(refused, e.CommandRefused)
    assert "read" == refused.action
    assert "content_not_for_auditors" in refused.reasons


def test_history_with_differences_masks_both_sides(gov: Service, owner: Actor) -> None:
    """What any revision holds is masked in all of them."""
    sue = newcomer(gov, "sue", "analyst", clearance="confidential")
    cube = kept(owner, f"paid by {CARD}", label="confidential")
    owner.revise(cube, "paid by cheque")

    found = sue.history(cube, diff=True)

    lines = [line for revision in found.revisions for line in revision.diff or ()]
    assert "-paid by [card]" in lines
    assert "4111" not in repr(found)
    assert [{"card": 1}, {}] == [revision.redactions for revision in found.revisions]


def test_reads_of_many_revisions_count_as_one(gov: Service, owner: Actor) -> None:
    """Usage counts acts, not revisions."""
    cube = kept(owner, "a heron")
    owner.revise(cube, "a stork")
    owner.history(cube, diff=True)
    gov.rooms.follower.catch_up()

    with sqlite3.connect(gov.rooms.settings.data / "tables.db") as db:
        assert [(1,)] == db.execute("SELECT reads FROM usage WHERE cube = ?", (cube,)).fetchall()
    db.close()
