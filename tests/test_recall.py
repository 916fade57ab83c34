"""Reading: what a caller gets, what stays invisible, and that the log knew first."""

from datetime import UTC, datetime, timedelta

import pytest

import memos_gov
from memos_gov.domain import codec
from memos_gov.domain.events import CubesRead
from memos_gov.recall import READ_DEADLINE_S
from memos_gov.service import Actor

PURPOSE = "complaint-handling"
CARD = "4111 1111 1111 1111"


class SetClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        """Return the time it was set to."""
        return self.time


def newcomer(gov: memos_gov.Service, name: str, role: str, **attributes: object) -> Actor:
    """Add a principal and act as it."""
    owner = gov.acting_as("owner", purpose=PURPOSE)
    known = {"clearance": "internal", "purposes": [PURPOSE, "research"], **attributes}
    owner.add_principal(name, roles=[role], **known)  # type: ignore[arg-type]
    return gov.acting_as(name, purpose=PURPOSE)


def test_recall_behind_many_refused_cubes_finds_every_allowed_one(gov: memos_gov.Service) -> None:
    """Refused cubes take no place, however many of them rank above."""
    owner = gov.acting_as("owner", purpose=PURPOSE)
    analyst = newcomer(gov, "ann", "analyst")
    for number in range(150):
        owner.remember(f"refund refund refund {number}", label="confidential")
    allowed = [owner.remember(f"a refund among other things {n}").cube_id for n in range(3)]

    hits = analyst.recall("refund", k=3).hits

    assert set(allowed) == {hit.cube_id for hit in hits}


def test_recall_of_refused_cubes_returns_nothing_about_them(gov: memos_gov.Service) -> None:
    """No count, no score, no gap in the ranks."""
    owner = gov.acting_as("owner", purpose=PURPOSE)
    analyst = newcomer(gov, "ann", "analyst")
    owner.remember("refund refund", label="confidential")
    owner.remember("a refund for the second time, with many other words around it")

    reading = analyst.recall("refund")

    assert [1] == [hit.rank for hit in reading.hits]
    said = {"hits", "index", "snapshot", "verdict", "verdict_id", "partial", "text"}
    assert said == set(reading.__struct_fields__)


def test_recall_by_three_principals_gives_three_answers(gov: memos_gov.Service) -> None:
    """Each sees what policy opens to it."""
    owner = gov.acting_as("owner", purpose=PURPOSE)
    analyst, agent = newcomer(gov, "ann", "analyst"), newcomer(gov, "bot", "agent")
    owner.remember("refund for a confidential matter", label="confidential")
    owner.remember("refund for an internal matter")
    shared = owner.remember("refund for a shared matter").cube_id
    assert shared is not None
    owner.share(shared, with_="bot")

    counts = [len(actor.recall("refund").hits) for actor in (owner, analyst, agent)]

    assert [3, 2, 1] == counts


def test_recall_with_masks_returns_redacted_content(gov: memos_gov.Service) -> None:
    """An obligation to mask is fulfilled before anything is returned."""
    owner = gov.acting_as("owner", purpose=PURPOSE)
    analyst = newcomer(gov, "ann", "analyst", clearance="confidential")
    owner.remember(f"charged twice on {CARD}", metadata={"note": f"card {CARD}"})

    (hit,) = analyst.list().hits
    read = analyst.get(hit.cube_id)

    assert "charged twice on [card]" == read.content
    assert {"note": "card [card]"} == read.metadata
    assert {"card": 1} == read.redactions


def test_read_of_a_cube_is_recorded_before_content_leaves(gov: memos_gov.Service) -> None:
    """The log holds the read event at the index that the reading names."""
    owner = gov.acting_as("owner", purpose=PURPOSE)
    cube = owner.remember("something to read").cube_id
    assert cube is not None

    reading = owner.recall("read")

    records = gov.rooms.governor.log.read(0, 0, 1000)
    last = codec.decode(records[-1].body)
    event = codec.decode_header(last.data.events[0])
    assert isinstance(event, CubesRead)
    assert [cube] == [read.cube for read in event.cubes]
    assert reading.verdict_id == last.id


def test_recall_after_withdrawal_of_consent_no_longer_finds_the_cube(
    gov: memos_gov.Service,
) -> None:
    """No read overtakes a revocation."""
    owner = gov.acting_as("owner", purpose=PURPOSE)
    analyst = newcomer(gov, "ann", "analyst")
    owner.remember("refund for a person", subjects=["customer-1"])
    before = len(analyst.recall("refund").hits)

    owner.consent("customer-1", PURPOSE, given=False)

    assert (1, 0) == (before, len(analyst.recall("refund").hits))


def test_recall_asks_the_index_for_what_is_valid(folder: object) -> None:
    """What ended takes no verdict and no place, from the second of its end on."""
    clock = SetClock()
    clock.time = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
    with memos_gov.open(str(folder), clock=clock) as gov:
        owner = gov.acting_as("owner", purpose=PURPOSE)
        ends = clock.time + timedelta(hours=1)
        owner.remember("the lift is out of order", valid_to=ends)
        lasting = owner.remember("the lift goes to the roof").cube_id

        before = [hit.cube_id for hit in owner.recall("lift").hits]
        clock.time = ends
        after = [hit.cube_id for hit in owner.recall("lift").hits]

        records = gov.rooms.governor.log.read(0, 0, 1000)
    event = codec.decode_header(codec.decode(records[-1].body).data.events[0])
    assert (2, [lasting]) == (len(before), after)
    assert isinstance(event, CubesRead)
    assert {} == event.refused


def test_recall_of_a_revised_cube_finds_the_new_words_only(gov: memos_gov.Service) -> None:
    """The index holds the current revision and nothing of the former."""
    owner = gov.acting_as("owner", purpose=PURPOSE)
    cube = owner.remember("the customer wants a zebra").cube_id
    assert cube is not None
    owner.recall("zebra")

    owner.revise(cube, "the customer wants a giraffe")

    assert [] == list(owner.recall("zebra").hits)
    assert [2] == [hit.revision for hit in owner.recall("giraffe").hits]


def test_recall_of_archived_quarantined_and_unindexed_cubes_finds_none(
    gov: memos_gov.Service,
) -> None:
    """Only what is admitted, active and planned for the index is recalled."""
    owner = gov.acting_as("owner", purpose=PURPOSE)
    archived = owner.remember("pelican in the archive").cube_id
    assert archived is not None
    owner.archive(archived)
    owner.remember("pelican under seal", label="restricted")

    assert [] == list(owner.recall("pelican").hits)


def test_read_accepted_after_the_deadline_returns_nothing(folder: object) -> None:
    """A verdict that waited too long vouches for nothing any more."""
    clock = SetClock()
    clock.time = datetime.now(UTC) + timedelta(seconds=1)
    with memos_gov.open(str(folder), clock=clock) as gov:
        owner = gov.acting_as("owner", purpose=PURPOSE)
        cube = owner.remember("patience").cube_id
        assert cube is not None
        catch_up = gov.rooms.governor.certifier.batches

        def slow(*arguments: object) -> object:
            clock.time += timedelta(seconds=READ_DEADLINE_S + 1)
            return catch_up(*arguments)  # type: ignore[arg-type]

        gov.rooms.governor.certifier.batches = slow  # type: ignore[method-assign, assignment]
        with pytest.raises(memos_gov.UnavailableError, match="too late"):
            owner.get(cube)


def test_list_over_several_pages_returns_each_cube_once(gov: memos_gov.Service) -> None:
    """`after` continues where the page before ended."""
    owner = gov.acting_as("owner", purpose=PURPOSE)
    made = {owner.remember(f"page {number}").cube_id for number in range(7)}

    seen: list[str] = []
    after = None
    while hits := owner.list(limit=3, after=after).hits:
        seen += [hit.cube_id for hit in hits]
        after = seen[-1]

    assert sorted(made, key=str) == sorted(seen)


def test_list_by_an_auditor_is_refused_with_the_reason(gov: memos_gov.Service) -> None:
    """Evidence, never content."""
    auditor = newcomer(gov, "aud", "auditor")

    with pytest.raises(memos_gov.DeniedError) as refused:
        auditor.list()

    assert "content_not_for_auditors" in refused.value.verdict.public_reasons
