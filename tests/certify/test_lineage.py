"""Lineage at certification: who descends from whom is derived, and no record's word is taken."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from memos_gov.domain import codec, ids
from memos_gov.domain import events as e
from memos_gov.domain.facts import GovernanceFacts, LineageFacts, Source
from memos_gov.domain.lineage import SOURCES_MAX
from memos_gov.domain.verdicts import Obligation
from tests.certify.cases import GOVERNANCE, OTHER_CUBE, read, revised, why
from tests.domain.given import ANN, CUBE, NOW, OWNER, SUBJECT, derived, remembered
from tests.domain.test_derivations import narrowed
from tests.records import SESSION, TENANT, TYPES, History, allowing

CHILD, GRANDCHILD = "c_child", "c_grandchild"
RELABELLED = e.CubeRelabelled(cube=CUBE, label="secret")
INVALID = ("invalid", {"why": ["lineage"]})
LINEAGE = ids.lineage_stream(TENANT, CUBE)
READS = ids.correlation_stream(TENANT, OWNER, SESSION)


def child(*sources: str, cube: str = CHILD, **changes: Any) -> tuple[e.Event, ...]:
    """Return the events of a summary of cubes."""
    return remembered(cube=cube, sources=sources, **changes), derived(cube, *sources)


@pytest.fixture
def family(lived: History) -> History:
    """Return a history with a cube, a child of it and a grandchild."""
    assert "accepted" == lived.propose(*child(CUBE)).code
    assert "accepted" == lived.propose(*child(CHILD, cube=GRANDCHILD)).code
    return lived


def governance(history: History, cube: str) -> GovernanceFacts:
    """Return what rules a cube now."""
    facts = history.known.facts[ids.governance_stream(TENANT, cube)]
    assert isinstance(facts, GovernanceFacts)
    return facts


# --- Narrowing --------------------------------------------------------------------


def test_narrowing_of_every_descendant_is_covered_by_the_permission_of_the_source(
    family: History,
) -> None:
    """Policy was asked about the source; what follows from it needs no second word."""
    told = [narrowed(x, label="secret") for x in (CHILD, GRANDCHILD)]

    outcome = family.propose(RELABELLED, *told, verdict=allowing([CUBE]))

    assert "accepted" == outcome.code
    assert {"secret"} == {governance(family, x).label for x in (CUBE, CHILD, GRANDCHILD)}


@pytest.mark.parametrize(
    ("told", "forgotten"),
    [
        ((), [CHILD, GRANDCHILD]),
        ((CHILD,), [GRANDCHILD]),
        ((GRANDCHILD,), [CHILD]),
    ],
    ids=["all", "the last", "the one between"],
)
def test_record_that_forgets_a_descendant_is_incomplete(
    family: History, told: tuple[str, ...], forgotten: list[str]
) -> None:
    """Wherever it stands in the lineage, and whatever the record says it relied on."""
    outcome = family.propose(RELABELLED, *(narrowed(x, label="secret") for x in told))

    assert ("incomplete", {"cubes": forgotten}) == why(outcome)
    assert "internal" == governance(family, CUBE).label


NARROWING: dict[str, e.Event] = {
    "label": RELABELLED,
    "consent": e.CubeRebased(cube=CUBE, basis="consent", valid_from=NOW, valid_to=None),
    "quarantine": e.CubeQuarantined(cube=CUBE),
    "restriction": e.CubeRestricted(cube=CUBE, erasure="e_1", reasons=()),
    "expiry": e.CubeExpired(cube=CUBE),
    "erasure": e.CubeErased(cube=CUBE, erasure="e_1"),
    "validity": replace(revised(), valid_to=NOW + 60),
    "validity on the way back": e.CubeRolledBack(
        cube=CUBE,
        revision=2,
        to_revision=1,
        findings=(),
        index="full",
        size_bytes=5,
        valid_from=NOW,
        valid_to=NOW + 60,
    ),
}


@pytest.mark.parametrize("event", NARROWING.values(), ids=NARROWING)
def test_narrowing_of_any_kind_reaches_descendants_or_is_incomplete(
    family: History, event: e.Event
) -> None:
    """Each of them is known to the certifier."""
    actor = ids.ERASER if isinstance(event, e.CubeErased) else OWNER

    assert ("incomplete", {"cubes": [CHILD, GRANDCHILD]}) == why(family.propose(event, actor=actor))


@pytest.mark.parametrize(
    "event",
    [
        revised(),
        e.CubeFrozen(cube=CUBE),
        e.CubeArchived(cube=CUBE),
        replace(RELABELLED, valid_from=NOW - 9, valid_to=NOW - 5),
        e.CubeRebased(cube=CUBE, basis="public-task", valid_from=NOW, valid_to=None),
    ],
    ids=lambda event: type(event).__name__,
)
def test_act_that_narrows_nothing_leaves_descendants_alone(family: History, event: e.Event) -> None:
    """And needs to know nothing of them."""
    assert "accepted" == family.propose(event).code


@pytest.mark.parametrize(
    "told",
    [
        narrowed(OTHER_CUBE, label="secret"),
        narrowed(CUBE, label="secret"),
        narrowed(CHILD, source=OTHER_CUBE, label="secret"),
        narrowed(CHILD, source=GRANDCHILD, label="secret"),
    ],
    ids=["a stranger", "the source itself", "by a stranger", "by its own child"],
)
def test_narrowing_of_what_is_no_descendant_is_invalid(
    family: History, told: e.CubeNarrowed
) -> None:
    """A permission on one cube is none on another."""
    family.propose(remembered(cube=OTHER_CUBE))
    right = [narrowed(x, label="secret") for x in (CHILD, GRANDCHILD)]

    assert INVALID == why(family.propose(RELABELLED, *right, told))


@pytest.mark.parametrize(
    "more",
    [
        {"label": "top"},
        {"basis": "consent"},
        {"quarantined": True},
        {"restricted": True},
        {"expires_at": NOW},
        {"valid_to": NOW},
    ],
    ids=str,
)
def test_narrowing_by_more_than_befell_the_source_is_invalid(
    family: History, more: dict[str, Any]
) -> None:
    """Nobody restricts a memory through a label of another."""
    told = narrowed(CHILD, **({"label": "secret"} | more))

    assert INVALID == why(family.propose(RELABELLED, told, narrowed(GRANDCHILD, label="secret")))


@pytest.mark.parametrize("kind", ["quarantine", "restriction", "expiry", "validity", "consent"])
def test_narrowing_by_less_than_befell_the_source_is_invalid(family: History, kind: str) -> None:
    """A descendant that is named and spared is forgotten all the same."""
    told = [narrowed(x) for x in (CHILD, GRANDCHILD)]

    assert INVALID == why(family.propose(NARROWING[kind], *told))


def test_narrowing_without_a_source_that_is_narrowed_is_invalid(family: History) -> None:
    """By itself it would be an act without a permission."""
    told = narrowed(CHILD, label="secret")

    assert INVALID == why(family.propose(told, verdict=allowing([CUBE, CHILD])))
    assert INVALID == why(family.propose(e.CubeFrozen(cube=CUBE), told))


def test_narrowing_told_twice_is_invalid(family: History) -> None:
    """One event a pair."""
    told = narrowed(CHILD, label="secret")

    outcome = family.propose(RELABELLED, told, told, narrowed(GRANDCHILD, label="secret"))

    assert INVALID == why(outcome)


@pytest.mark.parametrize("cube", [CUBE, CHILD, GRANDCHILD])
def test_narrowing_that_leaves_a_lineage_out_is_incomplete(family: History, cube: str) -> None:
    """So that whatever is made of any of them meanwhile shows."""
    events = (RELABELLED, *(narrowed(x, label="secret") for x in (CHILD, GRANDCHILD)))
    relied = family.relied_on(*events)
    stream = ids.lineage_stream(TENANT, cube)
    del relied[stream]

    outcome = family.propose(*events, relied_on=relied)

    assert ("incomplete", {"streams": [stream]}) == why(outcome)


@pytest.mark.parametrize("source", [CUBE, CHILD, GRANDCHILD])
def test_derivation_in_between_makes_a_narrowing_stale(family: History, source: str) -> None:
    """It is tried again, and then reaches the newcomer too."""
    events = (RELABELLED, *(narrowed(x, label="secret") for x in (CHILD, GRANDCHILD)))
    relied = family.relied_on(*events)
    family.propose(*child(source, cube="c_newcomer"))

    outcome = family.propose(*events, relied_on=relied)

    assert ("stale", {"streams": [ids.lineage_stream(TENANT, source)]}) == why(outcome)


def test_narrowing_in_between_makes_a_derivation_stale(family: History) -> None:
    """A new cube is never made of facts that have become stricter."""
    late = child(CUBE, cube="c_late")
    relied = family.relied_on(*late)
    told = [narrowed(x, label="secret") for x in (CHILD, GRANDCHILD)]
    family.propose(RELABELLED, *told)

    assert "stale" == family.propose(*late, relied_on=relied).code


# --- Erasure and restriction ---------------------------------------------------------


def test_erasure_of_a_whole_lineage_in_one_record_is_accepted(family: History) -> None:
    """Each ends by its own event, under its own permission."""
    events = [e.CubeErased(cube=x, erasure="e_1") for x in (CUBE, CHILD, GRANDCHILD)]

    assert "accepted" == family.propose(*events, actor=ids.ERASER).code


def test_erasure_that_restricts_descendants_first_is_accepted(family: History) -> None:
    """They are erased in their turn, or kept for a hold of their own."""
    told = [narrowed(x, restricted=True) for x in (CHILD, GRANDCHILD)]

    outcome = family.propose(
        NARROWING["erasure"], *told, verdict=allowing([CUBE]), actor=ids.ERASER
    )

    assert "accepted" == outcome.code
    assert governance(family, GRANDCHILD).restricted
    later = e.CubeErased(cube=CHILD, erasure="e_1")
    assert "accepted" == family.propose(later, actor=ids.ERASER).code


def test_lineage_is_erased_leaf_by_leaf_without_a_word_on_the_rest(family: History) -> None:
    """A process that takes pages of any size begins with what was made last."""
    for cube in (GRANDCHILD, CHILD, CUBE):
        erased = e.CubeErased(cube=cube, erasure="e_1")
        assert "accepted" == family.propose(erased, actor=ids.ERASER).code


def test_restriction_of_a_held_descendant_lets_its_source_go(family: History) -> None:
    """One of three is held: it is restricted with what was made of it, the source is erased."""
    held = e.CubeRestricted(cube=CHILD, erasure="e_1", reasons=("legal_hold",))

    outcome = family.propose(
        NARROWING["erasure"],
        held,
        narrowed(GRANDCHILD, restricted=True),
        narrowed(GRANDCHILD, source=CHILD, restricted=True),
        actor=ids.ERASER,
    )

    assert "accepted" == outcome.code
    assert ["erased", "activated"] == [governance(family, x).state for x in (CUBE, CHILD)]


@pytest.mark.parametrize("kind", ["restriction", "erasure"])
def test_nothing_is_made_of_what_is_restricted_or_erased(family: History, kind: str) -> None:
    """So everything made of it stays reached."""
    told = [narrowed(x, restricted=True) for x in (CHILD, GRANDCHILD)]
    outcome = family.propose(NARROWING[kind], *told, actor=ids.ERASER)

    assert "accepted" == outcome.code
    for source in (CUBE, CHILD, GRANDCHILD):
        assert INVALID == why(family.propose(*child(source, cube="c_late")))


# --- Derivations ----------------------------------------------------------------------


def test_derivation_moves_the_lineage_of_its_sources_alone(family: History) -> None:
    """Their facts, and whoever relies on them, stay as they were."""
    assert LineageFacts(descendants=1) == family.known.facts[LINEAGE]
    assert 1 == family.known.versions[GOVERNANCE]
    rows = [row for rows in family.rows for row in rows.lineage]
    assert [
        (TENANT, CUBE, CHILD, "summarise", 1, 2),
        (TENANT, CHILD, GRANDCHILD, "summarise", 1, 3),
    ] == rows


def test_derivation_needs_a_permission_on_every_source(lived: History) -> None:
    """To make something of a memory is to read it."""
    outcome = lived.propose(*child(CUBE), verdict=allowing([CHILD]))

    assert ("invalid", {"why": ["verdict"]}) == why(outcome)


@pytest.mark.parametrize(
    "events",
    [
        child("c_nobody"),
        child(CHILD),
        (remembered(cube=CHILD), derived(CHILD, CUBE)),
        (remembered(cube=CHILD, sources=(CUBE,)),),
        (derived(OTHER_CUBE, CUBE),),
        (remembered(cube=CHILD, sources=(CUBE, OTHER_CUBE)), derived(CHILD, CUBE)),
        (remembered(cube=CHILD), derived(CHILD)),
        (remembered(cube=CHILD, sources=(CUBE,)), derived(CHILD, CUBE), derived(CHILD, CUBE)),
        (
            remembered(cube=CHILD, sources=(CUBE,)),
            replace(derived(CHILD, CUBE), sources=(Source(cube=CUBE, revision=7),)),
        ),
    ],
    ids=[
        "unknown ancestor",
        "itself",
        "not named at birth",
        "not derived",
        "born before",
        "one left out",
        "of nothing",
        "twice",
        "a revision that never was",
    ],
)
def test_ancestor_that_is_invented_or_concealed_is_invalid(
    lived: History, events: tuple[e.Event, ...]
) -> None:
    """What a cube is made of is said once, of cubes that are there, when it comes to be."""
    lived.propose(remembered(cube=OTHER_CUBE))

    assert INVALID == why(lived.propose(*events))


def test_circle_of_lineage_is_impossible(family: History) -> None:
    """A cube that is there is never made anew, of its own descendants least of all."""
    assert INVALID == why(family.propose(*child(GRANDCHILD, cube=CUBE)))


STRICT: dict[str, Any] = {
    "subjects": (SUBJECT, "s_two"),
    "purposes": ("research",),
    "basis": "consent",
    "region": "eu",
    "valid_to": NOW + 60,
    "quarantined": True,
    "state": "generated",
}
LOOSER: dict[str, dict[str, Any]] = {
    "a subject less": {"subjects": (SUBJECT,)},
    "a purpose more": {"purposes": ("research", "marketing")},
    "without consent": {"basis": "contract"},
    "elsewhere": {"region": "us"},
    "anywhere": {"region": "global"},
    "valid for longer": {"valid_to": NOW + 61},
    "valid for ever": {"valid_to": None},
    "out of quarantine": {"quarantined": False},
}


def strict_child(**changes: Any) -> tuple[e.Event, ...]:
    """Return a child of a strict source that inherits everything but what `changes` say."""
    ends = replace(derived(CHILD, OTHER_CUBE), valid_to=NOW + 60)
    return remembered(cube=CHILD, sources=(OTHER_CUBE,), **(STRICT | changes)), ends


@pytest.mark.parametrize("looser", LOOSER.values(), ids=LOOSER)
def test_cube_that_is_looser_than_its_source_is_invalid(
    lived: History, looser: dict[str, Any]
) -> None:
    """Whatever a proposer lets through."""
    lived.propose(remembered(cube=OTHER_CUBE, **STRICT))

    assert INVALID == why(lived.propose(*strict_child(**looser)))
    assert "accepted" == lived.propose(*strict_child()).code


@pytest.mark.parametrize("field", ["valid_to", "expires_at"])
def test_inherited_end_is_never_lost_in_the_next_generation(lived: History, field: str) -> None:
    """A grandchild ends no later than the first of its line."""
    born, made = child(CUBE)
    lived.propose(replace(born, valid_to=NOW + 9), replace(made, **{field: NOW + 9}))
    heir, said = child(CHILD, cube=GRANDCHILD)
    heir = replace(heir, valid_to=NOW + 9)
    good = replace(said, valid_to=NOW + 9, expires_at=NOW + 9)

    assert INVALID == why(lived.propose(heir, replace(good, **{field: NOW + 10})))
    assert INVALID == why(lived.propose(heir, replace(good, **{field: None})))
    assert "accepted" == lived.propose(heir, good).code


def test_merge_without_what_became_of_its_sources_is_invalid(lived: History) -> None:
    """Both sides of a merge stand in one record, and name each other."""
    born, made = child(CUBE)
    merge = replace(made, pathway="merge")
    elsewhere = e.CubeMerged(cube=CUBE, into=OTHER_CUBE)

    assert INVALID == why(lived.propose(born, merge))
    assert INVALID == why(lived.propose(born, merge, elsewhere))
    assert INVALID == why(lived.propose(e.CubeMerged(cube=CUBE, into=OTHER_CUBE)))
    assert INVALID == why(lived.propose(born, made, e.CubeMerged(cube=CUBE, into=CHILD)))
    assert "accepted" == lived.propose(born, merge, e.CubeMerged(cube=CUBE, into=CHILD)).code
    assert "merged" == governance(lived, CUBE).state


def test_split_without_the_archived_whole_is_invalid(lived: History) -> None:
    """A whole that stays would stand beside its parts."""
    born, made = child(CUBE)
    split = replace(made, pathway="split")

    assert INVALID == why(lived.propose(born, split))
    assert "accepted" == lived.propose(born, split, e.CubeArchived(cube=CUBE)).code


# --- Sessions ---------------------------------------------------------------------------

IN_SESSION = (
    remembered(cube=CHILD, sources=(CUBE,)),
    replace(derived(CHILD, CUBE), pathway="correlation"),
)


def unlinked(*cubes: str) -> codec.RecordedVerdict:
    """Return a permission under which the session is no source."""
    verdict = allowing([*cubes])
    obligation = Obligation("unlink", reason="imported")
    answers = {x: replace(y, obligations=(obligation,)) for x, y in verdict.by_target.items()}
    return replace(verdict, by_target=answers)


def test_memory_in_a_session_that_read_has_it_as_a_source(lived: History) -> None:
    """The permission of the read is enough for it."""
    lived.propose(read(CUBE))

    assert "accepted" == lived.propose(*IN_SESSION, verdict=allowing([CHILD])).code


def test_memory_that_conceals_what_was_read_is_incomplete(lived: History) -> None:
    """The certifier knows what the session read."""
    lived.propose(read(CUBE))

    outcome = lived.propose(remembered(cube=CHILD))

    assert ("incomplete", {"sources": [CUBE]}) == why(outcome)


def test_summary_that_conceals_what_was_read_is_incomplete(lived: History) -> None:
    """Naming one source hides no other."""
    lived.propose(remembered(cube=OTHER_CUBE))
    lived.propose(read(CUBE, OTHER_CUBE))

    outcome = lived.propose(*child(CUBE))

    assert ("incomplete", {"sources": [OTHER_CUBE]}) == why(outcome)


def test_memory_that_policy_unlinks_needs_no_source(lived: History) -> None:
    """With a reason, on record; for that cube alone."""
    lived.propose(read(CUBE))

    assert "accepted" == lived.propose(remembered(cube=CHILD), verdict=unlinked(CHILD)).code
    other = replace(unlinked(OTHER_CUBE), by_target=unlinked(OTHER_CUBE).by_target)
    allowed = allowing([GRANDCHILD]).by_target
    verdict = replace(other, by_target=other.by_target | allowed)
    assert "incomplete" == lived.propose(remembered(cube=GRANDCHILD), verdict=verdict).code


def test_memory_that_leaves_the_session_out_is_incomplete(lived: History) -> None:
    """Also where nothing was read: that is a version too."""
    event = remembered(cube=CHILD)
    relied = lived.relied_on(event)
    del relied[READS]

    outcome = lived.propose(event, relied_on=relied)

    assert ("incomplete", {"streams": [READS]}) == why(outcome)


def test_read_that_races_with_a_memory_makes_it_stale(lived: History) -> None:
    """Whoever reads while they write is asked again."""
    event = remembered(cube=CHILD)
    relied = lived.relied_on(event)
    lived.propose(read(CUBE))

    assert ("stale", {"streams": [READS]}) == why(lived.propose(event, relied_on=relied))


def test_read_that_was_struck_is_no_source(lived: History) -> None:
    """What was not returned was not read."""
    relied = lived.relied_on(read(CUBE))
    lived.propose(e.CubeFrozen(cube=CUBE))
    struck = lived.propose(read(CUBE), relied_on=relied)

    assert {"struck": [CUBE]} == struck.detail
    assert "accepted" == lived.propose(remembered(cube=CHILD)).code


def test_source_that_the_session_never_read_is_invented(lived: History) -> None:
    """Nobody hangs a memory onto a cube of others."""
    assert INVALID == why(lived.propose(*IN_SESSION))
    lived.propose(read(CUBE))
    lived.propose(revised())
    newer = replace(IN_SESSION[1], sources=(Source(cube=CUBE, revision=2),))
    assert INVALID == why(lived.propose(IN_SESSION[0], newer))


@pytest.mark.parametrize("elsewhere", [{"actor": ANN}, {"correlation": "another"}], ids=str)
def test_session_of_somebody_else_or_of_another_time_is_no_source(
    lived: History, elsewhere: dict[str, Any]
) -> None:
    """What one read, another did not."""
    lived.propose(read(CUBE), **elsewhere)

    assert "accepted" == lived.propose(remembered(cube=CHILD)).code


def test_merge_in_a_session_is_made_of_what_it_names_alone(lived: History) -> None:
    """Its content is theirs, word by word."""
    lived.propose(remembered(cube=OTHER_CUBE))
    lived.propose(read(OTHER_CUBE))
    born, made = child(CUBE)

    outcome = lived.propose(
        born, replace(made, pathway="merge"), e.CubeMerged(cube=CUBE, into=CHILD)
    )

    assert "accepted" == outcome.code


def test_session_that_read_more_than_is_kept_lets_nothing_in(lived: History) -> None:
    """What it read beyond that could not be named."""
    many = [f"c_{n}" for n in range(SOURCES_MAX + 1)]
    for cube in many:
        lived.propose(remembered(cube=cube))
    lived.propose(read(*many))

    assert "incomplete" == lived.propose(remembered(cube=CHILD), verdict=allowing([CHILD])).code
    assert "accepted" == lived.propose(remembered(cube=CHILD), correlation="a new one").code


# --- A log of before --------------------------------------------------------------------


def test_record_of_a_log_that_knows_no_lineage_is_judged_as_it_was() -> None:
    """Rules hold from the control record that permits what they are about."""
    history = History(founded=False)
    history.found_log(event_types=tuple(t for t in TYPES if t != "CubeDerived.v1"))
    history.found_tenant()
    history.propose(remembered())
    history.propose(read(CUBE))
    event = remembered(cube=CHILD)
    relied = history.relied_on(event)
    del relied[READS]

    assert "accepted" == history.propose(event, relied_on=relied).code
    relied = history.relied_on(RELABELLED)
    del relied[LINEAGE]
    assert "accepted" == history.propose(RELABELLED, relied_on=relied).code
    assert READS not in history.known.facts
