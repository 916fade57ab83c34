"""What decides is of now: the past is no way around anything that changed since."""

from __future__ import annotations

from typing import Any

import pytest

from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.as_of import AsOf
from memos_gov.domain.commands import Consent
from memos_gov.errors import DeniedError, NotFoundError
from memos_gov.service import Actor, Service
from tests.lives import OTHER_TENANT
from tests.test_words import kept, newcomer
from tests.time_travel.acting import CARD, DAY, PURPOSE, SetClock, newest, proposed


def refused_of(actor: Actor, cube: str, moment: Any) -> None:
    """Expect that no way to read shows a cube of the past."""
    with pytest.raises(NotFoundError):
        actor.get(cube, as_of=moment)
    assert cube not in {hit.cube_id for hit in actor.recall("heron", k=99, as_of=moment).hits}
    assert cube not in {hit.cube_id for hit in actor.list(as_of=moment).hits}


def test_past_is_no_way_around_a_withdrawal(owner: Actor, ann: Actor, clock: SetClock) -> None:
    """The consent of then does not count any more."""
    cube = kept(owner, "a heron", subjects=["customer-1"])
    then = clock.later()
    assert ann.get(cube, as_of=then).content

    owner.consent("customer-1", PURPOSE, given=False)

    refused_of(ann, cube, then)
    refused_of(ann, cube, AsOf(valid=then))


def test_consent_that_came_with_a_cube_ends_when_it_said(
    owner: Actor, ann: Actor, clock: SetClock
) -> None:
    """And the past in which it held opens nothing any more."""
    words = [Consent(purpose=PURPOSE, given=True, valid_to=clock.time + DAY)]
    cube = kept(owner, "a heron", subjects=["customer-1"], basis="consent", consents=words)
    assert ann.get(cube).content
    then = clock.time

    clock.later(2 * DAY)

    with pytest.raises(NotFoundError):
        ann.get(cube)
    refused_of(ann, cube, then)


def test_past_is_no_way_around_a_raised_label(owner: Actor, ann: Actor, clock: SetClock) -> None:
    """Nor around one that was raised for the past."""
    cube = kept(owner, "a heron")
    then = clock.later()
    owner.relabel(cube, "confidential")

    refused_of(ann, cube, then)
    refused_of(ann, cube, AsOf(valid=then))


def test_past_is_no_way_to_find_what_may_not_be_found_by_its_words(
    owner: Actor, clock: SetClock
) -> None:
    """A label that keeps words out of the index keeps them out of this one, too."""
    cube = kept(owner, "a heron")
    then = clock.later()
    owner.relabel(cube, "restricted")

    assert "a heron" == owner.get(cube, as_of=then).content
    assert () == owner.recall("heron", as_of=then).hits


def test_lowered_label_opens_no_revision_that_stood_under_the_higher_one(
    gov: Service, owner: Actor, ann: Actor, clock: SetClock
) -> None:
    """What was cleaned before it was lowered stays closed as it was."""
    second = newcomer(gov, "sue", "steward", clearance="confidential")
    cube = kept(owner, "a heron of the embassy", label="confidential")
    then = clock.later()
    owner.revise(cube, "a heron")
    with pytest.raises(DeniedError) as waits:
        owner.relabel(cube, "internal")
    case = ids.case_id_of(waits.value.verdict_id)
    second.approve(case)
    gov.acting_as("owner", purpose=PURPOSE, approval=case).relabel(cube, "internal")

    assert "a heron" == ann.get(cube).content
    refused_of(ann, cube, then)
    assert [None, None] == [r.diff for r in ann.history(cube, diff=True).revisions]
    assert "a heron of the embassy" == owner.get(cube, as_of=then).content


def test_past_is_no_way_around_an_ended_share(gov: Service, owner: Actor, clock: SetClock) -> None:
    """Nor around a role that was taken."""
    bot, cube = newcomer(gov, "bot", "agent"), kept(owner, "a heron")
    owner.share(cube, with_="bot")
    then = clock.later()
    assert bot.get(cube, as_of=then).content

    owner.unshare(cube, with_="bot")

    refused_of(bot, cube, then)


def test_past_is_no_way_around_a_role_that_was_taken(
    owner: Actor, ann: Actor, clock: SetClock
) -> None:
    """Who may read is a fact of today."""
    cube = kept(owner, "a heron")
    then = clock.later()
    owner.revoke("ann", "analyst")

    with pytest.raises(DeniedError):
        ann.get(cube, as_of=then)
    with pytest.raises(DeniedError):
        ann.recall("heron", as_of=then)


def test_past_brings_no_erased_cube_back(
    gov: Service, owner: Actor, ann: Actor, clock: SetClock
) -> None:
    """Whoever asks, however it is asked, and its history has headers only."""
    cube = kept(owner, "a heron")
    owner.revise(cube, "a heron by the river")
    then = clock.later()
    assert ann.get(cube, as_of=then).content

    assert "completed" == owner.forget(cube=cube, reason="letter 1").state

    for actor in (ann, owner):
        for moment in (then, AsOf(valid=then)):
            with pytest.raises(DeniedError, match="erased"):
                actor.get(cube, as_of=moment)
            assert () == actor.recall("heron", as_of=moment).hits
            assert () == actor.list(as_of=moment).hits
    assert [None] * 2 == [revision.diff for revision in owner.history(cube, diff=True).revisions]


def test_past_is_no_way_around_a_restriction(
    gov: Service, owner: Actor, ann: Actor, clock: SetClock
) -> None:
    """Restricted processing is of today."""
    cube = kept(owner, "a heron")
    then = clock.later()
    restricted = e.CubeRestricted(cube=cube, erasure="x_1", reasons=("held",))
    assert "accepted" == proposed(gov, restricted).code

    with pytest.raises(DeniedError, match="restricted"):
        ann.get(cube, as_of=then)
    assert () == ann.recall("heron", as_of=then).hits


def test_hold_of_today_changes_no_right_to_read_the_past(
    owner: Actor, ann: Actor, clock: SetClock
) -> None:
    """A hold keeps, it does not hide; what it forbids it forbids whatever is asked for."""
    cube = kept(owner, "a heron")
    then = clock.later()
    owner.hold(matter="M-1", cube=cube)

    assert "a heron" == ann.get(cube, as_of=then).content
    with pytest.raises(DeniedError) as caught:
        owner.revise(cube, "a stork")
    assert ("legal_hold",) == caught.value.verdict.public_reasons


def test_past_of_another_tenant_is_not_there(gov: Service, owner: Actor, clock: SetClock) -> None:
    """By its id, by recall, and in the questions."""
    gov.add_tenant(OTHER_TENANT, principal="zoe")
    zoe = gov.acting_as("zoe", tenant=OTHER_TENANT, purpose=PURPOSE)
    cube = kept(owner, "a heron", subjects=["customer-1"])
    kept(zoe, "a heron over there", subjects=["customer-1"])
    then = clock.later()
    clock.later()

    refused_of(zoe, cube, then)
    with pytest.raises(NotFoundError):
        zoe.history(cube, as_of=then)
    with pytest.raises(NotFoundError):
        zoe.audit("state", cube=cube, as_of=then)
    rows = zoe.audit("subject", subject="customer-1", as_of=then).rows
    assert cube not in {row[0] for row in rows}


def test_read_of_the_past_struck_by_a_change_meanwhile_returns_nothing(
    gov: Service, owner: Actor, ann: Actor, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A label that rises between verdict and record counts."""
    cube = kept(owner, "a heron")
    then = clock.later()
    submit, done = gov.rooms.governor.submit, list[int]()

    def raised(prepared: Any) -> Any:
        if not done:
            done.append(1)
            owner.relabel(cube, "confidential")
        return submit(prepared)

    monkeypatch.setattr(gov.rooms.governor, "submit", raised)

    assert () == ann.recall("heron", as_of=then).hits


def test_verdict_on_a_read_of_the_past_is_asked_again_alike(
    gov: Service, owner: Actor, ann: Actor, clock: SetClock
) -> None:
    """Also when more was recorded since; a refusal does not say what it would have shown."""
    cube = kept(owner, f"a heron, call {CARD}", label="internal")
    then = clock.later()
    owner.revise(cube, "a stork")
    sue = newcomer(gov, "sue", "analyst", clearance="confidential")
    readings = [sue.recall("heron", as_of=then), sue.list(as_of=then)]
    sue.get(cube, as_of=then)
    read = newest(gov)[0].id
    sue.history(cube, diff=True)
    diff = newest(gov)[0].id
    owner.revise(cube, "a crane")

    same = [owner.explain(v).same for v in (*(r.verdict_id for r in readings), read, diff)]

    assert [True] * 4 == same
    with pytest.raises(NotFoundError):
        ann.get(cube, as_of=0)
    why = owner.explain(newest(gov)[0].id)
    assert (None, True) == (why.same, "past" in why.not_asked)
