"""Revisions in a session that read: what was read is among the cube's sources, or nothing is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given as forall
from hypothesis import strategies as st
from msgspec.structs import replace

from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.facts import GovernanceFacts, LineageFacts, Source
from memos_gov.domain.lineage import SOURCES_MAX, Barred, is_live, narrowed, walk
from tests.certify.cases import OTHER_CUBE, read, revised, why
from tests.certify.test_lineage import INVALID, NARROWING, READS, child, governance, unlinked
from tests.domain.given import ANN, CUBE, LABELS, NOW, OWNER, SUBJECT, remembered
from tests.domain.test_derivations import narrowed as told_of
from tests.records import TENANT, TYPES, History, a_record, allowing

CHILD = "c_child"


def linked(*sources: str, cube: str = CUBE, **changes: Any) -> e.CubeLinked:
    """Return that a revision of a cube was made of first revisions of others."""
    fields: dict[str, Any] = {
        "sources": tuple(Source(cube=source, revision=1) for source in sources),
        "expires_at": None,
        "valid_to": None,
    }
    return e.CubeLinked(cube=cube, **(fields | changes))


def again(cube: str = CUBE, revision: int = 2) -> e.CubeRevised:
    """Return a new revision of any cube."""
    return replace(revised(revision), cube=cube)


@pytest.fixture
def session(lived: History) -> History:
    """Return a history with two cubes, of which the session read one."""
    lived.propose(remembered(cube=OTHER_CUBE))
    lived.propose(read(OTHER_CUBE))
    return lived


# --- What must be said --------------------------------------------------------------


def test_revision_in_a_session_that_read_has_it_as_a_source(session: History) -> None:
    """The permission on the cube and that of the read are enough."""
    outcome = session.propose(revised(), linked(OTHER_CUBE), verdict=allowing([CUBE]))

    assert "accepted" == outcome.code
    assert (OTHER_CUBE,) == governance(session, CUBE).sources
    lineage = session.known.facts[ids.lineage_stream(TENANT, OTHER_CUBE)]
    assert LineageFacts(descendants=1) == lineage
    row = (TENANT, OTHER_CUBE, CUBE, "correlation", 1, outcome.index)
    assert [row] == session.rows[-1].lineage


def test_revision_that_conceals_what_was_read_is_incomplete(session: History) -> None:
    """Whoever made the record: the certifier knows what the session read."""
    outcome = session.propose(revised())

    assert ("incomplete", {"sources": [OTHER_CUBE]}) == why(outcome)
    assert () == governance(session, CUBE).sources


def test_revision_that_conceals_one_of_two_that_were_read_is_incomplete(session: History) -> None:
    """Naming one source hides no other."""
    session.propose(remembered(cube="c_third"))
    session.propose(read("c_third"))

    outcome = session.propose(revised(), linked(OTHER_CUBE))

    assert ("incomplete", {"sources": ["c_third"]}) == why(outcome)


def test_revision_of_what_was_read_itself_needs_no_source(lived: History) -> None:
    """To read a cube and write to it is no derivation."""
    lived.propose(read(CUBE))

    assert "accepted" == lived.propose(revised()).code


def test_revision_by_what_the_cube_was_made_of_already_adds_nothing(lived: History) -> None:
    """A source is linked once, however it came to be one."""
    lived.propose(*child(CUBE))
    lived.propose(read(CUBE))

    assert "accepted" == lived.propose(again(CHILD)).code
    assert INVALID == why(lived.propose(again(CHILD, 3), linked(CUBE, cube=CHILD)))


def test_revision_that_policy_unlinks_needs_no_source(session: History) -> None:
    """With a reason, on record, for that cube alone."""
    assert "accepted" == session.propose(revised(), verdict=unlinked(CUBE)).code
    assert () == governance(session, CUBE).sources
    other = unlinked(OTHER_CUBE).by_target | allowing([CUBE]).by_target
    verdict = replace(allowing([CUBE]), by_target=other)
    assert "incomplete" == session.propose(revised(3), verdict=verdict).code


def test_way_back_to_an_earlier_revision_is_no_word_of_the_actor(session: History) -> None:
    """It says again what the cube said, whose sources stay."""
    way_back = NARROWING["validity on the way back"]
    assert isinstance(way_back, e.CubeRolledBack)

    assert "accepted" == session.propose(replace(way_back, valid_to=None)).code


def test_revision_that_leaves_the_session_out_is_incomplete(lived: History) -> None:
    """Also where nothing was read: that is a version too."""
    relied = lived.relied_on(revised())
    del relied[READS]

    outcome = lived.propose(revised(), relied_on=relied)

    assert ("incomplete", {"streams": [READS]}) == why(outcome)


def test_revision_that_leaves_a_source_out_of_what_it_relied_on_is_incomplete(
    session: History,
) -> None:
    """So that a source that is narrowed meanwhile makes it stale."""
    events = (revised(), linked(OTHER_CUBE))
    relied = session.relied_on(*events)
    stream = ids.governance_stream(TENANT, OTHER_CUBE)
    del relied[stream]

    outcome = session.propose(*events, relied_on=relied)

    assert ("incomplete", {"streams": [stream]}) == why(outcome)


def test_read_that_races_with_a_revision_makes_it_stale(lived: History) -> None:
    """Whoever reads while they write is asked again."""
    lived.propose(remembered(cube=OTHER_CUBE))
    relied = lived.relied_on(revised())
    lived.propose(read(OTHER_CUBE))

    assert ("stale", {"streams": [READS]}) == why(lived.propose(revised(), relied_on=relied))


def test_narrowing_of_a_source_that_races_with_a_revision_makes_it_stale(
    session: History,
) -> None:
    """Nothing is linked to facts that have become stricter."""
    events = (revised(), linked(OTHER_CUBE))
    relied = session.relied_on(*events)
    session.propose(e.CubeRelabelled(cube=OTHER_CUBE, label="secret"))

    assert "stale" == session.propose(*events, relied_on=relied).code


def test_link_that_races_with_a_narrowing_of_the_source_makes_that_stale(
    session: History,
) -> None:
    """It is tried again, and then reaches the revised cube too."""
    event = e.CubeRelabelled(cube=OTHER_CUBE, label="secret")
    relied = session.relied_on(event)
    session.propose(revised(), linked(OTHER_CUBE))

    outcome = session.propose(event, relied_on=relied)

    assert ("stale", {"streams": [ids.lineage_stream(TENANT, OTHER_CUBE)]}) == why(outcome)


@pytest.mark.parametrize("elsewhere", [{"actor": ANN}, {"correlation": "another"}], ids=str)
def test_revision_in_another_session_has_no_source(
    session: History, elsewhere: dict[str, Any]
) -> None:
    """What one read, another did not."""
    assert "accepted" == session.propose(revised(), **elsewhere).code


def test_session_that_read_more_than_is_kept_revises_nothing(lived: History) -> None:
    """What it read beyond that could not be named."""
    many = [f"c_{n}" for n in range(SOURCES_MAX + 1)]
    for cube in many:
        lived.propose(remembered(cube=cube))
    lived.propose(read(*many))

    outcome = lived.propose(revised(), linked(*many[:SOURCES_MAX]))

    assert ("incomplete", {"sources": []}) == why(outcome)


# --- What must not be said -----------------------------------------------------------


@pytest.mark.parametrize(
    "events",
    [
        (linked(OTHER_CUBE),),
        (revised(), linked(OTHER_CUBE), linked(OTHER_CUBE)),
        (revised(), linked(OTHER_CUBE, OTHER_CUBE)),
        (revised(), linked()),
        (revised(), linked(OTHER_CUBE, CUBE)),
        (revised(), linked(OTHER_CUBE, "c_nobody")),
        (revised(), linked(OTHER_CUBE), linked(OTHER_CUBE, cube="c_nobody")),
        (revised(), linked(sources=(Source(cube=OTHER_CUBE, revision=7),))),
    ],
    ids=[
        "without a revision",
        "said twice",
        "named twice",
        "of nothing",
        "of itself",
        "of nobody",
        "into nobody",
        "a revision that never was",
    ],
)
def test_source_of_a_revision_that_is_invented_is_invalid(
    session: History, events: tuple[e.Event, ...]
) -> None:
    """What is added is real, was read, and is said once."""
    session.propose(read(CUBE))

    assert INVALID == why(session.propose(*events))


def test_source_of_what_comes_to_be_in_the_same_record_is_no_link(session: History) -> None:
    """A new cube is derived, which checks all of it."""
    events = (remembered(cube=CHILD), again(CHILD), linked(OTHER_CUBE, cube=CHILD))

    assert INVALID == why(session.propose(*events, verdict=unlinked(CHILD)))


def test_source_that_the_session_never_read_is_invalid(lived: History) -> None:
    """Nobody hangs a cube onto one of others."""
    lived.propose(remembered(cube=OTHER_CUBE))

    assert INVALID == why(lived.propose(revised(), linked(OTHER_CUBE)))


STRICTER: dict[str, dict[str, Any]] = {
    "about somebody else": {"subjects": (SUBJECT, "s_two")},
    "for another purpose": {"purposes": ("research",)},
    "on consent": {"basis": "consent"},
    "bound to a region": {"region": "eu"},
    "in quarantine": {"quarantined": True, "state": "generated"},
    "valid for less": {"valid_to": NOW + 60},
}


@pytest.mark.parametrize("stricter", STRICTER.values(), ids=STRICTER)
def test_cube_that_is_looser_than_what_is_carried_into_it_is_invalid(
    lived: History, stricter: dict[str, Any]
) -> None:
    """Whatever a proposer lets through."""
    lived.propose(remembered(cube=OTHER_CUBE, **stricter))
    lived.propose(read(OTHER_CUBE))

    assert INVALID == why(lived.propose(revised(), linked(OTHER_CUBE)))


def test_cube_that_is_stricter_than_what_is_carried_into_it_is_linked(lived: History) -> None:
    """About more persons, for less, on consent, in one region."""
    lived.propose(remembered(cube=OTHER_CUBE))
    more = {"subjects": (SUBJECT, "s_two"), "basis": "consent", "region": "eu"}
    lived.propose(remembered(cube=CHILD, **more))
    lived.propose(read(OTHER_CUBE))

    assert "accepted" == lived.propose(again(CHILD), linked(OTHER_CUBE, cube=CHILD)).code


@pytest.mark.parametrize("kind", ["expiry", "restriction", "erasure"])
@pytest.mark.parametrize("of", [CUBE, OTHER_CUBE])
def test_nothing_is_linked_to_or_from_what_has_ended(session: History, kind: str, of: str) -> None:
    """No walk through the lineage goes beyond what is restricted or erased."""
    ended = replace(NARROWING[kind], cube=of)  # type: ignore[call-arg]
    assert "accepted" == session.propose(ended, actor=ids.ERASER).code

    assert INVALID == why(session.propose(revised(), linked(OTHER_CUBE)))


@pytest.mark.parametrize("field", ["expires_at", "valid_to"])
def test_end_of_a_source_is_that_of_the_cube_it_goes_into(lived: History, field: str) -> None:
    """Neither later nor lost, and no later revision undoes it."""
    born, made = child(CUBE)
    lived.propose(
        replace(born, valid_to=NOW + 9), replace(made, valid_to=NOW + 9, expires_at=NOW + 9)
    )
    lived.propose(remembered(cube=OTHER_CUBE))
    lived.propose(read(CHILD))
    good = linked(CHILD, cube=OTHER_CUBE, valid_to=NOW + 9, expires_at=NOW + 9)

    for wrong in (NOW + 10, None):
        link = replace(good, **{field: wrong})
        assert INVALID == why(lived.propose(again(OTHER_CUBE), link))
    assert "accepted" == lived.propose(again(OTHER_CUBE), good).code
    assert NOW + 9 == getattr(governance(lived, OTHER_CUBE), field)


# --- What follows ----------------------------------------------------------------------


@pytest.mark.parametrize("event", NARROWING.values(), ids=NARROWING)
def test_narrowing_of_a_source_reaches_the_revised_cube_or_is_incomplete(
    session: History, event: e.Event
) -> None:
    """As it reaches what was made of it at birth; an erasure among them."""
    session.propose(revised(), linked(OTHER_CUBE))
    actor = ids.ERASER if isinstance(event, e.CubeErased) else OWNER

    outcome = session.propose(replace(event, cube=OTHER_CUBE), actor=actor)  # type: ignore[call-arg]

    assert ("incomplete", {"cubes": [CUBE]}) == why(outcome)


@pytest.mark.parametrize("field", ["expires_at", "valid_to"])
def test_end_that_a_link_brings_reaches_what_was_made_of_the_cube(
    session: History, field: str
) -> None:
    """A child ends no later than its parent, whenever that learns of its end."""
    assert "accepted" == session.propose(*child(CUBE), correlation="another").code
    ends: dict[str, Any] = {field: NOW + 9}
    events = (revised(), linked(OTHER_CUBE, **ends))

    assert ("incomplete", {"cubes": [CHILD]}) == why(session.propose(*events))
    later: dict[str, Any] = {field: NOW + 10}
    assert INVALID == why(session.propose(*events, told_of(CHILD, **later)))
    outcome = session.propose(*events, told_of(CHILD, **ends), verdict=allowing([CUBE]))
    assert "accepted" == outcome.code
    assert NOW + 9 == getattr(governance(session, CHILD), field)


def test_circle_of_two_is_narrowed_whole_and_once(lived: History) -> None:
    """What was carried both ways: each is a source of the other, and no walk runs for ever."""
    lived.propose(remembered(cube=OTHER_CUBE))
    lived.propose(read(OTHER_CUBE, CUBE))
    assert "accepted" == lived.propose(revised(), linked(OTHER_CUBE)).code
    assert "accepted" == lived.propose(again(OTHER_CUBE), linked(CUBE, cube=OTHER_CUBE)).code
    for one, other in ((CUBE, OTHER_CUBE), (OTHER_CUBE, CUBE)):
        event = e.CubeRelabelled(cube=one, label="secret")
        assert ("incomplete", {"cubes": [other]}) == why(lived.propose(event))
        itself = told_of(one, source=one, label="secret")
        right = told_of(other, source=one, label="secret")
        assert INVALID == why(lived.propose(event, right, itself))
        assert "accepted" == lived.propose(event, right).code

    events = [e.CubeErased(cube=x, erasure="e_1") for x in (CUBE, OTHER_CUBE)]
    assert "accepted" == lived.propose(*events, actor=ids.ERASER).code


CUBES = tuple(f"c_{n}" for n in range(5))
EDGES = st.lists(st.tuples(st.sampled_from(CUBES), st.sampled_from(CUBES)), max_size=12)


@forall(EDGES, st.sampled_from(CUBES), st.booleans())
def test_narrowing_in_any_lineage_reaches_exactly_what_is_reachable(
    edges: list[tuple[str, str]], root: str, ends: bool
) -> None:
    """Circles of any shape; what `narrowed` makes is what the certifier wants, and it is total."""
    history = History()
    for cube in CUBES:
        history.propose(remembered(cube=cube))
    made = {(source, cube) for source, cube in edges if source != cube}
    for place, (source, cube) in enumerate(sorted(made)):
        session: dict[str, Any] = {"correlation": f"s{place}"}
        history.propose(read(source), **session)
        link = linked(source, cube=cube)
        assert "accepted" == history.propose(again(cube, place + 2), link, **session).code
    event: e.Event = e.CubeQuarantined(cube=root)
    if ends:
        event = e.CubeRestricted(cube=root, erasure="e_1", reasons=())

    found = narrowed_in(history, event)
    assert "accepted" == history.propose(event, *found).code

    reached = reachable(root, made)
    stricter = {x for x in CUBES if is_strict(governance(history, x))}
    assert reached | {root} == stricter


def reachable(root: str, edges: set[tuple[str, str]]) -> set[str]:
    """Return what a narrowing must reach, by the plainest definition."""
    found: set[str] = set()
    while more := {x for s, x in edges if s in {root, *found}} - found:
        found |= more
    return found


def is_strict(facts: GovernanceFacts) -> bool:
    """Whether a cube was narrowed."""
    return facts.quarantined or facts.restricted


def narrowed_in(history: History, event: e.Event) -> tuple[e.Event, ...]:
    """Return what the Governor adds to an event of these tests."""
    known = history.known

    def step(cubes: Any) -> list[str]:
        found = [x for c in cubes for x in known.children.get(ids.lineage_stream(TENANT, c), ())]
        return [x for x in found if is_live(known.facts.get(ids.governance_stream(TENANT, x)))]

    events = narrowed(
        [event],
        tenant=TENANT,
        known=known.facts,
        descendants=lambda cube: walk(cube, step),
        labels=LABELS,
        depth=lambda *_: None,
        now=NOW,
        command_id="01a20996-a52e-7333-90d2-0b5b494901a1",
    )
    assert not isinstance(events, Barred)
    return events


# --- A log of before --------------------------------------------------------------------


def test_revision_in_a_log_that_knows_no_links_is_judged_as_it_was() -> None:
    """The rule holds from the control record that permits `CubeLinked` on."""
    history = History(founded=False)
    history.found_log(event_types=tuple(t for t in TYPES if t != "CubeLinked.v1"))
    history.found_tenant()
    history.propose(remembered())
    history.propose(remembered(cube=OTHER_CUBE))
    history.propose(read(OTHER_CUBE))
    relied = history.relied_on(revised())
    del relied[READS]
    outcome = history.propose(revised(), linked(OTHER_CUBE))

    assert ("unknown_type", {"types": ["CubeLinked.v1"]}) == why(outcome)
    assert "accepted" == history.propose(revised(), relied_on=relied).code
    extended = e.LogExtended(event_types=("CubeLinked.v1",), rules=1)
    history.append(a_record(extended, tenant=ids.INSTANCE, verdict=None), ids.INSTANCE)
    assert ("incomplete", {"sources": [OTHER_CUBE]}) == why(history.propose(revised(3)))
    assert "accepted" == history.propose(revised(3), linked(OTHER_CUBE)).code
