"""Revisions on a real folder: what a session read goes with its words, and ends with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import memos_gov
from memos_gov import founding
from memos_gov.bootstrap import fsck, rebuild
from memos_gov.domain import commands as c
from memos_gov.domain import events as e
from memos_gov.domain.lineage import SOURCES_MAX
from memos_gov.errors import ConflictError, DeniedError, NotFoundError, PolicyUnavailableError
from memos_gov.ports import Proposal
from memos_gov.proposer import new_command_id
from memos_gov.service import Actor, Service
from tests.clocks import Turned
from tests.erasing import propose
from tests.erasure.memories import state
from tests.test_derived import NewActor, a_cube, facts, refusal, types
from tests.test_governor import edited, failing, silent
from tests.test_rebuild import rows_of

PURPOSE = "complaint-handling"
REASON = "asked by letter"


@pytest.fixture
def owner(gov: Service) -> NewActor:
    """Return what begins a session of the first principal."""
    return lambda **how: gov.acting_as("owner", purpose=PURPOSE, **how)


def reader_of(owner: NewActor, *cubes: str, **how: Any) -> Actor:
    """Return an actor in a session that read cubes."""
    actor = owner(**how)
    for cube in cubes:
        actor.get(cube)
    return actor


def refusing_the_second() -> Callable[[bytes], bytes]:
    """Return a change of admission's answers: no from the second on, which is about the label."""
    asked: list[None] = []
    refuse = edited(
        effect="refuse",
        reasons=[{"code": "label_above_clearance", "public": True}],
        obligations=[],
    )

    def answer(raw: bytes) -> bytes:
        asked.append(None)
        return raw if len(asked) == 1 else refuse(raw)

    return answer


# --- Linked -----------------------------------------------------------------------------


def test_revision_after_reading_another_memory_has_it_as_a_source_both_ways(
    owner: NewActor,
) -> None:
    """The receipt, the audit from either side, and what a person is shown of their data."""
    read, revised = a_cube(owner(), "one"), a_cube(owner(), "two")

    receipt = reader_of(owner, read, revised).revise(revised, "two, as in one")

    assert (revised, 2, (read,), ()) == (
        receipt.cube_id,
        receipt.revision,
        receipt.sources,
        receipt.cube_ids,
    )
    up = [*owner().audit("derived", cube=revised).rows]
    down = [*owner().audit("derived", cube=read).rows]
    row = (1, revised, read, "correlation", 1, "activated", "internal", receipt.index)
    assert [("made_of", *row)] == up
    assert [("made_into", *row)] == down
    assert owner().explain(receipt.verdict_id).same


def test_recall_that_found_others_makes_them_sources_of_an_appended_line(owner: NewActor) -> None:
    """Whatever the mode; the revised memory is none of its own."""
    one, two = a_cube(owner(), "parcel one"), a_cube(owner(), "parcel two")
    actor = owner()
    actor.recall("parcel")

    assert (one,) == actor.revise(two, "and parcel one", mode="append").sources


def test_memory_that_is_read_and_revised_alone_has_no_source(owner: NewActor) -> None:
    """However often; that is no derivation."""
    cube = a_cube(owner())
    actor = reader_of(owner, cube)
    receipts = [actor.revise(cube, f"again {n}") for n in range(3)]

    assert [()] * 3 == [receipt.sources for receipt in receipts]
    assert types(owner(), receipts[-1].index).count("CubeLinked") == 0


def test_source_is_linked_once_and_stays(owner: NewActor) -> None:
    """A later revision in the same session, or of another read of it, adds nothing."""
    read, revised = a_cube(owner(), "one"), a_cube(owner(), "two")
    actor = reader_of(owner, read)

    first = actor.revise(revised, "two, as in one")
    again = actor.revise(revised, "and again")
    other = reader_of(owner, read).revise(revised, "in another session")

    assert [(read,), (), ()] == [x.sources for x in (first, again, other)]
    assert 1 == len(owner().audit("derived", cube=revised).rows)


def test_label_of_what_was_read_is_that_of_the_revised_memory(
    gov: Service, owner: NewActor
) -> None:
    """And of what was made of it, in the same record."""
    secret, plain = a_cube(owner(), "off", label="confidential"), a_cube(owner(), "quiet")
    summary = owner().summarise([plain], "calm").cube_id or ""

    receipt = reader_of(owner, secret).revise(plain, "The merger is off.")

    assert ["confidential"] * 2 == [facts(gov, x).label for x in (plain, summary)]
    assert {"CubeRevised", "CubeLinked", "CubeRelabelled", "CubeNarrowed"} <= {
        *types(owner(), receipt.index)
    }
    assert owner().explain(receipt.verdict_id).same


def test_actor_who_may_not_keep_the_label_of_what_was_read_revises_nothing(
    gov: Service, owner: NewActor
) -> None:
    """Admission is asked again under it."""
    owner().add_principal("bot", roles=["agent"], clearance="confidential", purposes=[PURPOSE])
    bot = gov.acting_as("bot", purpose=PURPOSE)
    secret, mine = a_cube(bot, "off", label="confidential"), a_cube(bot, "quiet")
    bot.get(secret)
    failing(
        gov.rooms.governor,
        "memos_gov/admission/verdict",
        refusing_the_second(),
    )

    assert isinstance(refusal(lambda: bot.revise(mine, "The merger is off.")), DeniedError)
    assert ("quiet", "internal") == (facts(gov, mine).content, facts(gov, mine).label)


def test_memory_is_kept_no_longer_than_what_was_carried_into_it(folder: Path) -> None:
    """Nor is what was made of it before; the schedule ends all three, and examines clean."""
    clock = Turned()
    with memos_gov.open(folder, clock=clock) as gov:
        actor = gov.acting_as("owner", purpose=PURPOSE)
        short = a_cube(actor, "said on the phone", retention_class="conversation")
        long = a_cube(actor, "written in a letter")
        actor.summarise([long], "written")
        reader_of(lambda: gov.acting_as("owner", purpose=PURPOSE), short).revise(long, "all of it")
        clock.turn(days=366)
        gov.schedule(clock.now())
        gov.rooms.follower.catch_up("cubes")
        assert {"expired": 3} == gov.status().cubes

    assert fsck(folder).clean


def test_read_that_races_with_a_revision_becomes_its_source(
    gov: Service, owner: NewActor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was decided without it is stale, and decided anew with it."""
    actor, governor = owner(session="s-1"), gov.rooms.governor
    read, revised, submit = a_cube(owner(), "one"), a_cube(owner(), "two"), governor.proposer.submit
    reads: list[object] = []

    def racing(proposals: list[Proposal]) -> Any:
        if not reads:
            reads.append(None)
            owner(session="s-1").get(read)
        return submit(proposals)

    monkeypatch.setattr(governor.proposer, "submit", racing)

    assert (read,) == actor.revise(revised, "two, as in one").sources


def test_way_back_in_a_session_that_read_has_no_source(owner: NewActor) -> None:
    """It says what the memory itself said before."""
    read, cube = a_cube(owner(), "one"), a_cube(owner(), "two")
    owner().revise(cube, "three")

    receipt = reader_of(owner, read).roll_back(cube, to_revision=1)

    assert () == receipt.sources
    assert not owner().audit("derived", cube=cube).rows


def test_way_back_to_before_a_link_keeps_the_source(gov: Service, owner: NewActor) -> None:
    """The revision that carried it is there still, and can be read."""
    read, cube = a_cube(owner(), "one"), a_cube(owner(), "two")
    reader_of(owner, read).revise(cube, "two, as in one")
    owner().roll_back(cube, to_revision=1)

    owner().forget(cube=read, reason=REASON)

    assert ["erased"] * 2 == [state(gov, x) for x in (read, cube)]


# --- Refused ----------------------------------------------------------------------------

LOOSER: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "persons": ({"subjects": ["customer-2"]}, {}),
    "persons where there were none": ({}, {"subjects": []}),
    "purposes": ({}, {"purposes": [PURPOSE, "research"]}),
    "region": ({"region": "eu"}, {}),
}


@pytest.mark.parametrize(("read", "revised"), LOOSER.values(), ids=LOOSER)
def test_memory_that_is_looser_than_what_was_read_is_not_revised(
    gov: Service, owner: NewActor, read: dict[str, Any], revised: dict[str, Any]
) -> None:
    """One clear error, on record; a new session may, and a new memory inherits."""
    source, cube = a_cube(owner(), "one", **read), a_cube(owner(), "two", **revised)
    actor = reader_of(owner, source)

    error = refusal(lambda: actor.revise(cube, "two, as in one"))

    assert isinstance(error, ConflictError)
    assert "new session" in (error.remedy or "")
    assert "as in one" not in str(error)
    shown = owner().log_tail(2)[0].events[0]
    assert ("CommandRefused", ["session_not_covered"]) == (shown.type, shown.header["reasons"])
    assert ("two", 1) == (facts(gov, cube).content, facts(gov, cube).revision)
    assert () == owner().revise(cube, "two, in words of its own").sources
    assert (source,) == actor.remember("two, as in one").sources


def test_memory_on_another_basis_is_not_revised_with_what_rests_on_consent(
    owner: NewActor,
) -> None:
    """Whoever gave it can end it, and would not end this."""
    owner().consent("customer-1", PURPOSE)
    source, cube = a_cube(owner(), "one", basis="consent"), a_cube(owner(), "two")

    error = refusal(lambda: reader_of(owner, source).revise(cube, "two, as in one"))

    assert "session" in str(error)


def test_source_that_ended_meanwhile_lets_nothing_be_revised(owner: NewActor) -> None:
    """What has expired does not come back in other words."""
    source, cube = a_cube(owner(), "one"), a_cube(owner(), "two")
    actor = reader_of(owner, source)
    assert "accepted" == propose(owner(), e.CubeExpired(cube=source)).code

    error = refusal(lambda: actor.revise(cube, "two, as in one"))

    assert isinstance(error, ConflictError)
    assert "erased, expired or restricted" in str(error)


def test_revision_without_an_answer_about_keeping_is_refused(gov: Service, owner: NewActor) -> None:
    """How long the sources live is needed to say how long the cube does."""
    source, cube = a_cube(owner(), "one"), a_cube(owner(), "two")
    actor = reader_of(owner, source)
    failing(gov.rooms.governor, "memos_gov/retention/verdicts", silent("policy_error"))

    error = refusal(lambda: actor.revise(cube, "two, as in one"))

    assert isinstance(error, PolicyUnavailableError)


def test_session_that_read_too_much_revises_nothing_more(gov: Service, owner: NewActor) -> None:
    """What it read beyond what is kept could not be named."""
    actor, cube = owner(session="s-1"), a_cube(owner(), "two")
    fields = {"label": "internal", "purposes": (PURPOSE,), "basis": "contract"}
    commands = [
        c.make(c.RememberCube, content=f"parcel {n}", retention_class="complaint", **fields)
        for n in range(SOURCES_MAX + 1)
    ]
    gov.rooms.governor.handle_many(owner().caller, [(new_command_id(), x) for x in commands])
    for _ in range(3):
        for hit in actor.recall("parcel", k=100).hits:
            owner().archive(hit.cube_id)

    error = refusal(lambda: actor.revise(cube, "So many."))

    assert "more cubes were read in this session" in str(error)
    assert owner(session="s-2").revise(cube, "So many.").revision == 2


def test_dry_run_of_a_revision_says_what_the_session_bars(owner: NewActor) -> None:
    """Before anything is done."""
    source, cube = a_cube(owner(), "one", subjects=["customer-2"]), a_cube(owner(), "two")
    actor = reader_of(owner, source)

    assert isinstance(
        refusal(lambda: actor.revise(cube, "two, as in one", dry_run=True)), ConflictError
    )


# --- Unlinked ---------------------------------------------------------------------------

UNLINKED = edited(obligations=[{"kind": "unlink", "reason": "proofread"}])


def test_revision_that_policy_unlinks_has_no_source_for_a_reason(
    gov: Service, owner: NewActor
) -> None:
    """Also of a memory that is looser than what was read; the record keeps policy's word."""
    source, cube = a_cube(owner(), "one", subjects=["customer-2"]), a_cube(owner(), "two")
    actor = reader_of(owner, source)
    failing(gov.rooms.governor, "memos_gov/admission/verdict", UNLINKED)

    receipt = actor.revise(cube, "Two.")

    assert () == receipt.sources
    assert ["proofread"] == [o.reason for o in receipt.verdict.obligations if o.kind == "unlink"]
    assert not owner().audit("derived", cube=cube).rows


def test_imported_memory_that_is_revised_is_linked_like_any_other(owner: NewActor) -> None:
    """Where it came from once says nothing of the new words."""
    source = a_cube(owner(), "one")
    cube = a_cube(owner(), "from a file", origin="import")

    assert (source,) == reader_of(owner, source).revise(cube, "as in one").sources


# --- The end ----------------------------------------------------------------------------


def test_erasure_of_what_was_read_reaches_the_revised_memory(gov: Service, owner: NewActor) -> None:
    """A dry run says so before; whoever could read it reads it no more."""
    read, revised = a_cube(owner(), "one"), a_cube(owner(), "two")
    reader_of(owner, read).revise(revised, "two, as in one")

    asked = owner().forget(cube=read, reason=REASON, dry_run=True)
    done = owner().forget(cube=read, reason=REASON)

    assert {read, revised} == {*asked.erased} == {*done.erased}
    assert ["erased"] * 2 == [state(gov, x) for x in (read, revised)]
    assert isinstance(refusal(lambda: owner().get(revised)), DeniedError | NotFoundError)


def test_person_whose_memory_was_read_is_forgotten_with_the_revised_one(
    gov: Service, owner: NewActor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though that is older, about others too, and on a later page; only one fits each."""
    monkeypatch.setattr("memos_gov.erasure.pages.PAGE_CUBES_MAX", 1)
    revised = a_cube(owner(), "two", subjects=["customer-1", "customer-2"])
    read = a_cube(owner(), "one")
    reader_of(owner, read).revise(revised, "two, as in one")

    done = owner().forget(subject="customer-1", reason=REASON)

    assert ({read, revised}, ()) == ({*done.erased}, done.kept)
    assert ["erased"] * 2 == [state(gov, x) for x in (read, revised)]


def test_erasure_of_a_memory_that_went_into_more_than_one_record_narrows_goes_through(
    gov: Service, owner: NewActor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Older ones stand on later pages, so the last resort is a page of one with all of them."""
    revised = [a_cube(owner(), f"two {n}") for n in range(4)]
    read = a_cube(owner(), "one")
    for cube in revised:
        reader_of(owner, read).revise(cube, "as in one")
    monkeypatch.setattr("memos_gov.erasure.pages.PAGE_CUBES_MAX", 2)
    monkeypatch.setattr("memos_gov.erasure.pages.DESCENDANTS_MAX", 1)

    done = owner().forget(subject="customer-1", reason=REASON)

    assert {read, *revised} == {*done.erased}


def test_memories_that_were_carried_into_each_other_end_together(
    gov: Service, owner: NewActor, folder: Path
) -> None:
    """A circle is narrowed whole, asked about to the end, examined clean, and made again equal."""
    one, two = a_cube(owner(), "one"), a_cube(owner(), "two")
    actor = reader_of(owner, one, two)
    assert ((two,), (one,)) == (
        actor.revise(one, "one, as in two").sources,
        actor.revise(two, "two, as in one").sources,
    )
    assert {one, two} == {row[2] for row in owner().audit("derived", cube=one).rows}

    owner().relabel(one, "confidential")
    assert ["confidential"] * 2 == [facts(gov, x).label for x in (one, two)]
    done = owner().forget(cube=two, reason=REASON)

    assert {one, two} == {*done.erased}
    gov.close()
    assert fsck(folder).clean
    rebuild(folder)
    assert fsck(folder).clean


# --- A log of before --------------------------------------------------------------------


@pytest.mark.parametrize("signed", [False, True], ids=["not signed", "signed"])
def test_log_of_a_program_without_links_keeps_its_tree_and_links_from_now_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, signed: bool
) -> None:
    """What was revised before stays as it was decided, through a rebuild and an examination."""
    folder, linked = tmp_path / "data", e.type_name(e.CubeLinked)
    with monkeypatch.context() as older:
        types_then = tuple(x for x in founding.event_types() if x != linked)
        older.setattr(founding, "event_types", lambda: types_then)
        older.setattr("memos_gov.admission.new_sources", lambda *_: ())
        with memos_gov.init(folder) as gov:
            actor = gov.acting_as("owner", purpose=PURPOSE)
            read, before = a_cube(actor, "one"), a_cube(actor, "two")
            actor.get(read)
            assert () == actor.revise(before, "two, as in one").sources
            if signed:
                gov.rooms.notary.checkpoint("default")
    with memos_gov.open(folder) as gov:
        actor = gov.acting_as("owner", purpose=PURPOSE, session="s-1")
        assert not actor.audit("derived", cube=before).rows
        actor.get(read)
        assert (read,) == actor.revise(before, "again, as in one").sources
        gov.rooms.follower.catch_up()
    live = rows_of(folder / "tables.db")

    rebuild(folder)

    assert live == rows_of(folder / "tables.1.db")
    assert fsck(folder).clean
