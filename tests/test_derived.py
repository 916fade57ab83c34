"""Memories of memories on a real folder: made, inherited, narrowed, asked about, made again."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

import memos_gov
from memos_gov.bootstrap import fsck, rebuild
from memos_gov.domain import commands as c
from memos_gov.domain import events as e
from memos_gov.domain.lineage import SOURCES_MAX
from memos_gov.errors import (
    ConflictError,
    DeniedError,
    GovernanceError,
    InvalidCommandError,
    NotFoundError,
    PolicyUnavailableError,
)
from memos_gov.ports import Proposal
from memos_gov.proposer import new_command_id
from memos_gov.service import Actor, Service
from tests.clocks import Turned
from tests.test_governor import failing, silent

PURPOSE = "complaint-handling"
CARD = "4111 1111 1111 1111"

NewActor = Callable[..., Actor]


@pytest.fixture
def folder(founded: Path, tmp_path: Path) -> Path:
    """Return a data folder of this test's own."""
    return Path(shutil.copytree(founded, tmp_path / "data"))


@pytest.fixture
def owner(gov: Service) -> NewActor:
    """Return what begins a session of the first principal."""
    return lambda **how: gov.acting_as("owner", purpose=PURPOSE, **how)


@pytest.fixture
def bot(gov: Service, owner: NewActor) -> Actor:
    """Return a program that may remember."""
    owner().add_principal("bot", roles=["agent"], clearance="confidential", purposes=[PURPOSE])
    return gov.acting_as("bot", purpose=PURPOSE)


def a_cube(actor: Actor, content: str = "The card was charged twice.", **named: Any) -> str:
    """Return a cube about a customer."""
    fields = {"subjects": ["customer-1"], "basis": "contract", "retention_class": "complaint"}
    receipt = actor.remember(content, **(fields | named))
    assert receipt.cube_id is not None
    return receipt.cube_id


def facts(gov: Service, cube: str) -> Any:
    """Return what rules a cube, names in place of ids."""
    return gov.acting_as("owner", purpose=PURPOSE).get(cube)


def types(actor: Actor, index: int) -> list[str]:
    """Return the types of the events at an index."""
    return [event.type for event in actor.log_show(index).entry.events]


def refusal(act: Callable[[], object]) -> GovernanceError:
    """Return the error that an act ends in."""
    with pytest.raises(GovernanceError) as caught:
        act()
    return caught.value


# --- Merge, summarise, split ------------------------------------------------------------


def test_merge_keeps_every_word_and_sets_the_sources_aside(gov: Service, owner: NewActor) -> None:
    """In the order given; the sources are merged, and come back when restored."""
    actor = owner()
    one, two = a_cube(actor, "one"), a_cube(actor, "two", subjects=["customer-2"])

    receipt = actor.merge([two, one])

    assert ((receipt.cube_id,), (two, one)) == (receipt.cube_ids, receipt.sources)
    found = facts(gov, receipt.cube_id or "")
    assert ("two\none", {}) == (found.content, found.metadata)
    assert {"customer-1", "customer-2"} == set(found.subjects)
    made = owner().audit("derived", cube=receipt.cube_id or "").rows
    assert {(two, "merged"), (one, "merged")} == {(row[3], row[6]) for row in made}
    owner().restore(one)
    assert "activated" == facts(gov, one).state


def test_summary_leaves_its_sources_as_they_are(gov: Service, owner: NewActor) -> None:
    """The caller supplies the words."""
    actor = owner()
    one, two = a_cube(actor, "one"), a_cube(actor, "two")

    summary = owner().summarise([one, two], "both").cube_id or ""

    assert ("both", "activated") == (facts(gov, summary).content, facts(gov, one).state)


def test_split_makes_a_memory_of_each_part(gov: Service, owner: NewActor) -> None:
    """Each with everything that rules the whole, which is archived."""
    actor = owner()
    whole = a_cube(actor, "First. Second. Third.", metadata={"channel": "phone"})

    receipt = actor.split(whole, ["First.", "Third."])

    assert 2 == len(receipt.cube_ids)
    found = [facts(gov, cube) for cube in receipt.cube_ids]
    assert ["First.", "Third."] == [hit.content for hit in found]
    assert [{"channel": "phone"}] * 2 == [hit.metadata for hit in found]
    assert "archived" == facts(gov, whole).state


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        (["Second.", "First."], "parts.1"),
        (["First.", "First."], "parts.1"),
        (["First. ", ". Second."], "parts.1"),
        (["Never said.", "First."], "parts.0"),
        (["First.", " "], "parts.1"),
        (["First."], "parts"),
    ],
)
def test_part_that_is_no_piece_in_its_order_is_named(
    owner: NewActor, parts: list[str], field: str
) -> None:
    """By its place, never by its words; nothing is made."""
    actor = owner()
    whole = a_cube(actor, "First. Second.")

    error = refusal(lambda: actor.split(whole, parts))

    assert isinstance(error, InvalidCommandError)
    assert field == error.field
    assert "Never" not in str(error)
    assert (whole,) == tuple(hit.cube_id for hit in owner().list().hits)


@pytest.mark.parametrize("cubes", [["a", "a"], ["c_1"], [], ["c_1"] * 51])
def test_merge_of_no_two_cubes_names_the_field(owner: NewActor, cubes: list[str]) -> None:
    """Two to fifty, each once."""
    if cubes == ["a", "a"]:
        cubes = [a_cube(owner())] * 2

    error = refusal(lambda: owner().merge(cubes))

    assert isinstance(error, InvalidCommandError)
    assert "cubes" == error.field


def test_merge_that_would_be_too_large_names_the_field(owner: NewActor) -> None:
    """The limit of content holds for what is put together too."""
    actor = owner()
    halves = [a_cube(actor, "x" * (c.CONTENT_BYTES_MAX // 2)) for _ in range(2)]

    error = refusal(lambda: actor.merge(halves))

    assert isinstance(error, InvalidCommandError)
    assert ("cubes", True) == (error.field, "CONTENT_BYTES_MAX" in str(error))


ACTS: dict[str, Callable[[Actor, str, str], Any]] = {
    "merge": lambda actor, one, two: actor.merge([one, two]),
    "summarise": lambda actor, one, two: actor.summarise([one, two], "both"),
    "split": lambda actor, one, _: actor.split(one, ["one", "again"]),
    "roll back": lambda actor, one, _: actor.roll_back(one, to_revision=1),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_act_on_a_source_that_may_not_be_read_is_as_if_there_were_none(
    owner: NewActor, bot: Actor, act: Callable[[Actor, str, str], Any]
) -> None:
    """A hidden source and a missing one give the same answer, and nothing is made."""
    mine, hidden = a_cube(bot, "one again"), a_cube(owner(), "one again")
    before = len(owner().list().hits)

    errors = [refusal(lambda x=x: act(bot, x, mine)) for x in (hidden, "c_" + "0" * 26)]

    assert [NotFoundError] * 2 == [type(error) for error in errors]
    assert 1 == len({(str(error), error.remedy) for error in errors})
    assert before == len(owner().list().hits)


@pytest.mark.parametrize("act", [ACTS["merge"], ACTS["split"], ACTS["roll back"]])
@pytest.mark.parametrize("how", ["hold", "freeze", "archive"])
def test_act_that_changes_a_source_needs_one_that_may_change(
    owner: NewActor, act: Callable[[Actor, str, str], Any], how: str
) -> None:
    """Held, frozen and archived cubes stay as they are, and the actor learns why."""
    actor = owner()
    one, two = a_cube(actor, "one again"), a_cube(actor, "two")
    actor.revise(one, "one again, revised")
    acts: dict[str, Callable[[], object]] = {
        "hold": lambda: actor.hold(matter="M-1", cube=one),
        "freeze": lambda: actor.freeze(one),
        "archive": lambda: actor.archive(one),
    }
    acts[how]()

    error = refusal(lambda: act(actor, one, two))

    assert isinstance(error, DeniedError)
    expected = {"hold": "legal_hold", "freeze": "frozen", "archive": "archived"}
    assert (expected[how],) == error.verdict.public_reasons


def test_summary_of_a_held_source_is_allowed(owner: NewActor) -> None:
    """It changes nothing of it."""
    cube = a_cube(owner())
    owner().hold(matter="M-1", cube=cube)

    assert owner().summarise([cube], "in short").cube_id


def test_what_an_actor_does_not_see_goes_into_nothing_it_makes(
    gov: Service, owner: NewActor, bot: Actor
) -> None:
    """Masks hold on the way into a new cube, and a split is no way to guess what is masked."""
    cube = a_cube(owner(), f"Card {CARD} was charged.")
    owner().share(cube, with_="bot", scope="write")
    other = a_cube(bot, "and again")

    guessed = refusal(lambda: bot.split(cube, [CARD, "charged."]))
    merged = bot.merge([cube, other]).cube_id or ""

    assert isinstance(guessed, InvalidCommandError)
    assert "Card [card] was charged.\nand again" == facts(gov, merged).content


def test_act_sent_again_under_its_id_makes_nothing_more(owner: NewActor) -> None:
    """The same cubes, the same receipt."""
    actor, cid = owner(), new_command_id()
    command = c.make(c.SplitCube, cube=a_cube(actor, "one two"), parts=["one", "two"])

    first = actor.handle(command, command_id=cid)

    assert msgspec.structs.replace(first, repeated=True) == actor.handle(command, command_id=cid)


def test_refused_merge_sent_again_is_refused_again(owner: NewActor, bot: Actor) -> None:
    """For the same reasons, whichever source gave them."""
    one, two = a_cube(bot, "one"), a_cube(bot, "two")
    owner().freeze(two)
    command, cid = c.make(c.MergeCubes, cubes=[one, two]), new_command_id()

    errors = [refusal(lambda: bot.handle(command, command_id=cid)) for _ in range(2)]

    assert 1 == len({(type(error), str(error)) for error in errors})


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_dry_run_of_an_act_makes_nothing(
    owner: NewActor, act: Callable[[Actor, str, str], Any]
) -> None:
    """Policy is asked, and that it was is recorded."""
    actor = owner()
    one, two = a_cube(actor, "one again"), a_cube(actor, "two")
    actor.revise(one, "one again")
    dry: dict[str, Callable[..., Any]] = {
        name: getattr(actor, name) for name in ("merge", "summarise", "split", "roll_back")
    }
    for name, verb in dry.items():
        setattr(actor, name, lambda *words, _verb=verb, **how: _verb(*words, dry_run=True, **how))

    receipt = act(actor, one, two)

    assert (-1, ()) == (receipt.index, receipt.cube_ids)
    assert {one, two} == {hit.cube_id for hit in owner().list().hits}


# --- Inheritance --------------------------------------------------------------------------


def test_memory_made_of_others_is_as_strict_as_all_of_them(gov: Service, owner: NewActor) -> None:
    """Label, persons, purposes, end of validity and of keeping."""
    actor, end = owner(), datetime.now(UTC).replace(microsecond=0) + timedelta(days=9)
    soon = a_cube(actor, "one", purposes=[PURPOSE, "research"], valid_to=end)
    secret = a_cube(actor, "two", label="confidential", subjects=["customer-2"])

    cube = actor.merge([soon, secret]).cube_id or ""

    hit = facts(gov, cube)
    assert ("confidential", (PURPOSE,)) == (hit.label, hit.purposes)
    assert {"customer-1", "customer-2"} == set(hit.subjects)
    made = {change.type: change.changes for change in owner().history(cube).changes}
    assert int(end.timestamp()) == made["CubeRemembered"]["valid_to"]
    begun = made["CubeDerived"]["expires_at"] - 220_903_200  # (what a complaint is kept for)
    assert hit.recorded_at - begun in range(60)


def test_sources_that_agree_on_nothing_are_refused_by_name(gov: Service, owner: NewActor) -> None:
    """The domain says what the caller can do; all of it is recorded."""
    one = a_cube(owner(), "one", region="eu", basis="contract", retention_class="card")
    other = {"region": "us", "basis": "public-task", "retention_class": "loan"}
    two = a_cube(owner(), "two", purposes=["support"], **other)
    actor = gov.acting_as("owner", purpose="quality-assurance")  # (compatible with both)

    error = refusal(lambda: actor.merge([one, two]))

    assert isinstance(error, ConflictError)
    assert error.remedy
    shown = actor.log_tail(2)[0].events[0]
    expected = ["basis_unclear", "purposes_disjoint", "regions_differ", "retention_class_unclear"]
    assert ("CommandRefused", expected) == (shown.type, shown.header["reasons"])


def test_caller_chooses_basis_and_class_among_the_sources_alone(
    gov: Service, owner: NewActor
) -> None:
    """Where they differ; another word is none."""
    actor = owner()
    one = a_cube(actor, "one", basis="contract", retention_class="card")
    two = a_cube(actor, "two", basis="public-task", retention_class="loan")

    other = refusal(lambda: actor.merge([one, two], basis="vital-interest"))
    merged = actor.merge([one, two], basis="public-task", retention_class="loan").cube_id

    assert "the one named is none of them" in str(other)
    changes = owner().history(merged or "").changes[0].changes
    assert ("public-task", "loan") == (changes["basis"], changes["retention_class"])


def test_derivation_without_an_answer_about_keeping_is_refused(
    gov: Service, owner: NewActor
) -> None:
    """How long the sources live is needed to say how long the new one does."""
    cube = a_cube(owner())
    failing(gov.rooms.governor, "memos_gov/retention/verdicts", silent("policy_error"))

    assert isinstance(refusal(lambda: owner().summarise([cube], "x")), PolicyUnavailableError)


# --- Sessions ------------------------------------------------------------------------------


def test_paraphrase_of_what_was_recalled_launders_nothing(gov: Service, owner: NewActor) -> None:
    """Label, purposes and persons follow, whatever the caller says."""
    secret = a_cube(owner(), "The merger was called off.", label="confidential")
    actor = owner()
    actor.recall("merger")

    receipt = actor.remember(
        "No deal then.", label="public", purposes=[PURPOSE, "marketing"], subjects=["customer-9"]
    )

    assert (secret,) == receipt.sources
    hit = facts(gov, receipt.cube_id or "")
    assert ("confidential", (PURPOSE,)) == (hit.label, hit.purposes)
    assert {"customer-1", "customer-9"} == set(hit.subjects)
    disjoint = refusal(lambda: actor.remember("For sale.", label="public", purposes=["marketing"]))
    assert isinstance(disjoint, ConflictError)


def test_session_that_is_named_goes_on_with_another_actor_object(owner: NewActor) -> None:
    """As a command line does, one call after the other; without a name each is its own."""
    cube = a_cube(owner())
    owner(session="s-1").get(cube)

    assert (cube,) == owner(session="s-1").remember("Noted.").sources
    assert () == owner(session="s-2").remember("Noted.").sources
    assert () == owner().remember("Noted.").sources


def test_session_is_one_actors_own(gov: Service, owner: NewActor, bot: Actor) -> None:
    """Two principals who use one name of a session share nothing."""
    cube = a_cube(owner())
    owner(session="s-1").get(cube)

    mine = gov.acting_as("bot", purpose=PURPOSE, session="s-1").remember("Noted.")

    assert () == mine.sources


def test_list_and_history_are_no_sources(owner: NewActor) -> None:
    """They give no content."""
    actor = owner()
    cube = a_cube(actor)
    actor.list()
    actor.history(cube)

    assert () == actor.remember("Noted.").sources


def test_import_is_unlinked_from_what_its_importer_read_for_a_reason(owner: NewActor) -> None:
    """Policy says so, and the record keeps its word."""
    actor = owner()
    actor.get(a_cube(actor))

    receipt = actor.remember("From a file.", origin="import", basis="contract")

    assert () == receipt.sources
    assert ["imported"] == [o.reason for o in receipt.verdict.obligations if o.kind == "unlink"]
    assert actor.explain(receipt.verdict_id).same


def test_read_that_races_with_a_memory_becomes_its_source(
    gov: Service, owner: NewActor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was decided without it is stale, and decided anew with it."""
    actor, governor = owner(session="s-1"), gov.rooms.governor
    cube, submit = a_cube(owner()), governor.proposer.submit
    reads: list[object] = []

    def racing(proposals: list[Proposal]) -> Any:
        if not reads:
            reads.append(None)
            owner(session="s-1").get(cube)
        return submit(proposals)

    monkeypatch.setattr(governor.proposer, "submit", racing)

    assert (cube,) == actor.remember("Noted.").sources


def test_source_that_ended_meanwhile_lets_nothing_be_said(owner: NewActor) -> None:
    """What is expired or restricted does not come back as a paraphrase."""
    cube, actor = a_cube(owner()), owner()
    actor.get(cube)
    _propose(owner(), e.CubeExpired(cube=cube), cube)

    error = refusal(lambda: actor.remember("As I recall."))

    assert isinstance(error, ConflictError)
    assert "new session" in (error.remedy or "")


def _propose(actor: Actor, event: e.Event, cube: str) -> None:
    """Have an event accepted, as the process that owns it would."""
    from tests.erasing import propose

    assert "accepted" == propose(actor, event).code


def test_session_that_read_too_much_remembers_nothing_more(gov: Service, owner: NewActor) -> None:
    """One clear error, whose remedy is a new session; imports go on."""
    actor = owner(session="s-1")
    commands = [_remember(f"parcel {n}") for n in range(SOURCES_MAX + 1)]
    gov.rooms.governor.handle_many(owner().caller, [(new_command_id(), x) for x in commands])
    for _ in range(3):
        found = [hit.cube_id for hit in actor.recall("parcel", k=100).hits]
        for cube in found:
            owner().archive(cube)

    error = refusal(lambda: actor.remember("So many."))

    assert isinstance(error, ConflictError)
    assert "Begin a new session" in (error.remedy or "")
    assert actor.remember("So many.", origin="import").cube_id
    assert owner(session="s-2").remember("So many.").cube_id


def _remember(content: str) -> c.RememberCube:
    fields: dict[str, Any] = {
        "content": content,
        "label": "internal",
        "purposes": (PURPOSE,),
        "basis": "contract",
        "retention_class": "complaint",
    }
    return c.make(c.RememberCube, **fields)


# --- Roll back -------------------------------------------------------------------------------


def test_roll_back_says_again_what_was_said_under_a_key_of_its_own(
    gov: Service, owner: NewActor, folder: Path
) -> None:
    """A new revision; the old key opens the old one and nothing else."""
    actor = owner()
    cube = a_cube(actor, "The first word.", metadata={"channel": "phone"})
    actor.revise(cube, "The second word.", metadata={"channel": "mail"})

    receipt = actor.roll_back(cube, to_revision=1, expected_revision=2)

    assert (cube, 3, ()) == (receipt.cube_id, receipt.revision, receipt.cube_ids)
    hit = facts(gov, cube)
    assert ("The first word.", {"channel": "phone"}) == (hit.content, hit.metadata)
    with closing(sqlite3.connect(folder / "tables.db")) as tables:
        query = "SELECT key_id FROM events WHERE stream = ? AND key_id IS NOT NULL"
        keys = tables.execute(query, (f"default/cube/{cube}",)).fetchall()
    assert (3, 3) == (len(keys), len(set(keys)))
    assert actor.recall("first word").hits


@pytest.mark.parametrize("revision", [2, 3, 99])
def test_roll_back_to_no_earlier_revision_is_one_clear_error(
    owner: NewActor, revision: int
) -> None:
    """The current, the next, one that never was."""
    actor = owner()
    cube = a_cube(actor)
    actor.revise(cube, "Another word.")

    error = refusal(lambda: actor.roll_back(cube, to_revision=revision))

    assert isinstance(error, ConflictError)
    assert "the cube has no such revision before the one it has" == str(error)


def test_roll_back_after_a_new_label_finds_the_revision(gov: Service, owner: NewActor) -> None:
    """What a label did to the index in between is no revision of content."""
    actor = owner()
    cube = a_cube(actor, "one")
    actor.relabel(cube, "confidential")
    actor.revise(cube, "two")
    actor.roll_back(cube, to_revision=1)

    assert ("one", 3) == (facts(gov, cube).content, facts(gov, cube).revision)


def test_roll_back_brings_the_label_of_then_back(gov: Service, owner: NewActor) -> None:
    """What was revised away before the label sank is no less secret than it was."""
    actor = owner()
    cube = a_cube(actor, "The merger is off.", label="internal")
    actor.relabel(cube, "confidential")
    actor.revise(cube, "Nothing to see.")
    _lower(gov, owner(), cube)
    assert "internal" == facts(gov, cube).label

    receipt = actor.roll_back(cube, to_revision=1)

    assert ("confidential", "The merger is off.") == (
        facts(gov, cube).label,
        facts(gov, cube).content,
    )
    assert owner().explain(receipt.verdict_id).same


def _lower(gov: Service, actor: Actor, cube: str) -> None:
    """Lower a label to internal, with a second person's approval."""
    actor.add_principal("zoe", roles=["steward"], clearance="restricted", purposes=[PURPOSE])
    case = _case(refusal(lambda: actor.relabel(cube, "internal")), actor)
    gov.acting_as("zoe", purpose=PURPOSE).approve(case)
    approved = gov.acting_as("owner", purpose=PURPOSE, approval=case)
    approved.relabel(cube, "internal")


def _case(error: GovernanceError, actor: Actor) -> str:
    assert isinstance(error, DeniedError)
    return actor.cases()[0].case_id


def test_session_that_read_under_a_higher_label_remembers_under_it(
    gov: Service, owner: NewActor
) -> None:
    """Also what was read of the past; a label that sinks later frees only what it is on."""
    cube, actor = a_cube(owner(), "The merger is off.", label="confidential"), owner()
    actor.get(cube)
    owner().revise(cube, "Nothing to see.")
    _lower(gov, owner(), cube)
    past = owner()
    assert "The merger is off." == past.get(cube, as_of=_first_index(owner(), cube)).content

    told = [x.remember("No merger.", label="public").cube_id or "" for x in (actor, past)]

    assert ["confidential"] * 2 == [facts(gov, x).label for x in told]
    assert "internal" == facts(gov, cube).label


def _first_index(actor: Actor, cube: str) -> int:
    return actor.history(cube).changes[0].index


def test_roll_back_to_a_card_number_is_admitted_like_any_other(
    gov: Service, owner: NewActor, bot: Actor
) -> None:
    """What a program may not bring in, it may not bring back."""
    cube = a_cube(owner(), f"Card {CARD}.")
    owner().share(cube, with_="bot", scope="write")
    owner().revise(cube, "No card.")

    bot.roll_back(cube, to_revision=1)

    assert "Card [card]." == facts(gov, cube).content


# --- Narrowing -----------------------------------------------------------------------------


def test_label_that_rises_reaches_what_was_made_in_the_same_record(
    gov: Service, owner: NewActor
) -> None:
    """An analyst who could read the summary reads it no more from that index on."""
    owner().add_principal("ann", roles=["analyst"], clearance="internal", purposes=[PURPOSE])
    ann = gov.acting_as("ann", purpose=PURPOSE)
    source = a_cube(owner())
    summary = owner().summarise([source], "Charged too often.").cube_id or ""
    again = owner().summarise([summary], "Often.").cube_id or ""
    assert ann.get(again).content

    receipt = owner().revise(source, f"Card {CARD} was charged twice.")

    narrowed = types(owner(), receipt.index).count("CubeNarrowed")
    assert 2 == narrowed
    for cube in (summary, again):
        assert "confidential" == facts(gov, cube).label
        assert isinstance(refusal(lambda x=cube: ann.get(x)), NotFoundError)
    assert {source} == {
        change.changes["source"]
        for change in owner().history(again).changes
        if change.type == "CubeNarrowed"
    }


def test_label_that_no_index_may_hold_takes_the_words_of_descendants_out(
    gov: Service, owner: NewActor
) -> None:
    """A word of a summary is found no more once its source is restricted."""
    source = a_cube(owner(), "quiet")
    owner().summarise([source], "kestrel")
    assert owner().recall("kestrel").hits

    owner().relabel(source, "restricted")

    assert not owner().recall("kestrel").hits
    gov.rooms.index_follower.catch_up()
    assert {False} == {entry.findable for entry in gov.rooms.index.entries()}


def test_quarantine_of_a_source_reaches_its_summary_until_a_review(
    gov: Service, owner: NewActor, bot: Actor
) -> None:
    """Each waits for a review of its own."""
    source = a_cube(bot, "harmless", label="public")
    summary = owner().summarise([source], "no harm").cube_id or ""

    bot.revise(source, f"Card {CARD}.")

    waiting = {case.target: case.case_id for case in owner().cases()}
    assert {source, summary} == waiting.keys()
    assert isinstance(refusal(lambda: bot.get(summary)), NotFoundError)
    owner().approve(waiting[summary])
    assert {source} == {case.target for case in owner().cases()}


def test_validity_that_ends_sooner_ends_that_of_what_was_made(
    gov: Service, owner: NewActor
) -> None:
    """And no revision of it makes it last longer."""
    source = a_cube(owner(), "osprey one")
    summary = owner().summarise([source], "osprey two").cube_id or ""
    soon = datetime.now(UTC) + timedelta(seconds=30)

    owner().revise(source, "osprey one", valid_to=soon)
    owner().revise(summary, "osprey three", valid_to=soon + timedelta(days=9))

    audit = owner().audit("subject", subject="customer-1")
    ends = {row[0]: row[audit.columns.index("valid_to")] for row in audit.rows}
    assert int(soon.timestamp()) == ends[source] == ends[summary]


def test_summary_is_kept_no_longer_than_the_first_of_its_sources(folder: Path) -> None:
    """Whatever its own class says; the schedule ends both, and examines clean."""
    clock = Turned()
    with memos_gov.open(folder, clock=clock) as gov:
        actor = gov.acting_as("owner", purpose=PURPOSE)
        short = a_cube(actor, "said on the phone", retention_class="conversation")
        long = a_cube(actor, "written in a letter")
        summary = actor.summarise([short, long], "said and written", retention_class="complaint")
        clock.turn(days=366)
        gov.schedule(clock.now())
        gov.rooms.follower.catch_up("cubes")
        told = [
            change.type
            for change in actor.history(summary.cube_id or "").changes
            if change.type in {"CubeNarrowed", "CubeExpired"}
        ]
        assert {"expired": 2, "activated": 1} == gov.status().cubes

    assert {"CubeNarrowed", "CubeExpired"} >= set(told) >= {"CubeExpired"}
    assert fsck(folder).clean


def test_memories_made_of_one_at_once_do_not_overtake_each_other(
    gov: Service, owner: NewActor, folder: Path
) -> None:
    """To be made something of is no change, so a popular memory makes nobody wait."""
    cube = a_cube(owner())
    commands = [c.make(c.SummariseCubes, cubes=[cube], content=f"note {n}") for n in range(9)]

    receipts = gov.rooms.governor.handle_many(
        owner().caller, [(new_command_id(), command) for command in commands]
    )

    assert 9 == len({receipt.cube_id for receipt in receipts if not isinstance(receipt, Exception)})
    with closing(sqlite3.connect(folder / "tables.db")) as tables:
        query = "SELECT count(*) FROM outcomes WHERE code = 'stale'"
        assert (0,) == tables.execute(query).fetchone()


def test_erasure_of_a_source_restricts_what_was_made_of_it(gov: Service, owner: NewActor) -> None:
    """By the hook of every command, in the record that erases."""
    source = a_cube(owner(), "one")
    summary = owner().summarise([source], "two").cube_id or ""
    drafts = _decided_erasure(gov, source)

    narrowed = [x.event for x in drafts if isinstance(x.event, e.CubeNarrowed)]

    assert [(summary, source, True)] == [(x.cube, x.source, x.restricted) for x in narrowed]


def _decided_erasure(gov: Service, cube: str) -> Any:
    """Return what an erasing command would decide, by the narrowing of every command."""
    from memos_gov.domain.lineage import narrowed

    actor = gov.acting_as("owner", purpose=PURPOSE)
    with gov.rooms.governor.tables.snapshot() as snapshot:
        attempt = gov.rooms.governor.attempt(snapshot, actor.caller)
        found = narrowed(
            [e.CubeErased(cube=cube, erasure="e_1")],
            tenant="default",
            known=attempt.known,
            descendants=attempt.descendants,
            labels={},
            depth=attempt.depth,
            now=attempt.now,
            command_id=new_command_id(),
        )
    assert isinstance(found, tuple)
    return [e.Draft(event) for event in found]


# --- Evidence --------------------------------------------------------------------------------


def test_audit_derived_goes_both_ways_to_the_end(owner: NewActor) -> None:
    """With pathway, revision and state; nearest first."""
    actor = owner()
    one, two = a_cube(actor, "one"), a_cube(actor, "two")
    whole = actor.merge([one, two]).cube_id or ""
    first, second = owner().split(whole, ["one", "two"]).cube_ids

    audit = owner().audit("derived", cube=whole)
    down, up = owner().audit("derived", cube=one).rows, owner().audit("derived", cube=second).rows

    assert ["made_of"] * 2 + ["made_into"] * 2 == [row[0] for row in audit.rows]
    assert {
        ("made_of", 1, whole, one, "merge", 1, "merged", "internal"),
        ("made_of", 1, whole, two, "merge", 1, "merged", "internal"),
        ("made_into", 1, first, whole, "split", 1, "activated", "internal"),
        ("made_into", 1, second, whole, "split", 1, "activated", "internal"),
    } == {row[:-1] for row in audit.rows}
    assert [1, 2, 2] == [row[1] for row in down]
    assert {("made_of", 1, whole), ("made_of", 2, one), ("made_of", 2, two)} == {
        (row[0], row[1], row[3]) for row in up
    }
    assert "AuditAsked" == owner().log_tail(1)[0].events[0].type


def test_audit_derived_of_another_tenant_shows_nothing(gov: Service, owner: NewActor) -> None:
    """A cube of others is one that nothing was made of."""
    gov.add_tenant("other", principal="zoe")
    cube = a_cube(owner())
    owner().summarise([cube], "short")

    zoe = gov.acting_as("zoe", tenant="other", purpose=PURPOSE)

    assert () == zoe.audit("derived", cube=cube).rows
    assert isinstance(refusal(lambda: zoe.summarise([cube], "theirs")), NotFoundError)


@pytest.mark.parametrize("about", [{}, {"subject": "customer-1"}, {"cube": "c_1", "subject": "x"}])
def test_audit_derived_takes_a_cube_and_nothing_else(
    owner: NewActor, about: dict[str, str]
) -> None:
    """One error names the field."""
    error = refusal(lambda: owner().audit("derived", **about))

    assert isinstance(error, InvalidCommandError)
    assert "cube" == error.field


def test_history_of_a_derived_memory_shows_its_derivation(owner: NewActor) -> None:
    """Pathway, sources at their revisions, and where it went."""
    actor = owner()
    one, two = a_cube(actor, "one"), a_cube(actor, "two")
    whole = actor.merge([one, two]).cube_id or ""

    history = owner().history(whole)

    derived = history.changes[1]
    assert ("CubeDerived", "merge") == (derived.type, derived.changes["pathway"])
    assert [{"cube": x, "revision": 1} for x in (one, two)] == derived.changes["sources"]


def test_verdicts_on_derivations_are_the_same_when_asked_again(owner: NewActor) -> None:
    """The record holds the whole question, about each source and about what came of them."""
    actor = owner()
    one, two = a_cube(actor, "one"), a_cube(actor, "two")
    receipts = [actor.merge([one, two])]
    whole = receipts[0].cube_id or ""
    actor.get(whole)
    receipts += [actor.remember("Noted."), actor.summarise([whole], "three")]
    receipts.append(actor.split(whole, ["one", "two"]))
    part = receipts[-1].cube_ids[0]
    actor.revise(part, "one more")
    receipts.append(actor.roll_back(part, to_revision=1))

    explained = [owner().explain(receipt.verdict_id) for receipt in receipts]

    assert [(True, "")] * 5 == [(x.same, x.not_asked) for x in explained]


def test_lineage_of_a_folder_is_made_again_alike_and_examines_clean(
    gov: Service, owner: NewActor, folder: Path
) -> None:
    """Tables are a consequence of the log, lineage and sessions too."""
    actor = owner()
    one, two = a_cube(actor, "one"), a_cube(actor, "two")
    whole = actor.merge([one, two]).cube_id or ""
    actor.get(whole)
    actor.remember("Noted.")
    owner().relabel(whole, "confidential")
    gov.close()

    assert fsck(folder).clean
    assert rebuild(folder).compared
    with memos_gov.open(folder) as again:
        assert 4 == len(again.acting_as("owner").audit("derived", cube=whole).rows) + 1
