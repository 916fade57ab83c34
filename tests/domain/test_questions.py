"""Facts into questions: consents, holds and shares resolved at one moment."""

import pytest
from msgspec.structs import replace

from memos_gov.domain import commands as c
from memos_gov.domain import events as e
from memos_gov.domain import ids, questions
from memos_gov.domain.facts import (
    ConsentFact,
    ContentFacts,
    GovernanceFacts,
    HeldTarget,
    Hold,
    HoldScope,
    PrincipalFacts,
    ScopedHold,
    SubjectFacts,
)
from memos_gov.domain.policy_inputs import ENTRYPOINTS
from memos_gov.domain.questions import Caller, Cube
from tests.domain.given import ANN, CUBE, MATTER, NOW, OWNER, SUBJECT, TENANT, fold, remembered

CALLER = Caller(tenant=TENANT, principal=ANN, via="key", purpose="research", correlation="x")


def the_cube(*events: e.Event, subjects: tuple[SubjectFacts, ...] = ()) -> Cube:
    """Return a cube after events."""
    known = fold(remembered(), *events)
    content = known[ids.content_stream(TENANT, CUBE)]
    governance = known[ids.governance_stream(TENANT, CUBE)]
    assert isinstance(content, ContentFacts)
    assert isinstance(governance, GovernanceFacts)
    return Cube(CUBE, content, governance, subjects)


def word(
    purpose: str, *, given: bool = True, start: int = NOW, end: int | None = None
) -> ConsentFact:
    """Return a consent or withdrawal."""
    return ConsentFact(purpose=purpose, given=given, valid_from=start, valid_to=end)


def person(*words: ConsentFact) -> SubjectFacts:
    """Return a subject who said this."""
    return SubjectFacts(consents=words)


@pytest.mark.parametrize(
    ("subjects", "given", "withdrawn"),
    [
        ((), [], []),
        ((person(),), [], []),
        ((person(word("a"), word("b")),), ["a", "b"], []),
        ((person(word("a")), person()), [], []),
        ((person(word("a"), word("b")), person(word("a"))), ["a"], []),
        ((person(word("a"), word("a", given=False)),), [], ["a"]),
        ((person(word("a")), person(word("a", given=False))), [], ["a"]),
        ((person(word("a", start=NOW + 1)),), [], []),
        ((person(word("a", end=NOW)),), [], []),
        ((person(word("a", end=NOW + 1)),), ["a"], []),
    ],
)
def test_consent_is_what_all_gave_and_what_any_withdrew(
    subjects: tuple[SubjectFacts, ...], given: list[str], withdrawn: list[str]
) -> None:
    """One subject who said nothing is enough for no consent."""
    assert {"given": given, "withdrawn": withdrawn} == questions.consent(subjects, NOW)


@pytest.mark.parametrize(
    ("start", "end", "holds"),
    [(NOW, None, True), (NOW + 1, None, False), (NOW - 9, NOW, False), (NOW, NOW + 1, True)],
)
def test_share_is_shown_only_while_it_is_in_force(start: int, end: int | None, holds: bool) -> None:
    """From its start, until before its end."""
    shared = e.CubeShared(cube=CUBE, principal=ANN, scope="read", valid_from=start, valid_to=end)

    facts = questions.cube_facts(the_cube(shared), TENANT, NOW)

    assert ([{"principal": ANN, "scope": "read"}] if holds else []) == facts["grants"]


def a_hold(start: int = NOW, end: int | None = None) -> Hold:
    """Return a hold over its time."""
    return Hold(matter=MATTER, valid_from=start, valid_to=end)


def a_scope(**parts: object) -> ScopedHold:
    """Return a hold on a scope of these parts."""
    nothing = dict.fromkeys(("label", "retention_class", "recorded_from", "recorded_to"))
    scope = HoldScope(**(nothing | parts))  # type: ignore[arg-type]
    return ScopedHold(matter=MATTER, valid_from=NOW, valid_to=None, id="h_1", scope=scope)


def test_cube_is_held_by_its_own_matter_by_a_subjects_or_by_scope() -> None:
    """Any of them is enough."""
    target = HeldTarget(kind="cube", id=CUBE)
    cube, person = the_cube(), SubjectFacts(holds=(a_hold(),))

    assert not cube.held_at(NOW)
    assert the_cube(e.HoldPlaced(matter=MATTER, target=target)).held_at(NOW)
    assert the_cube(subjects=(SubjectFacts(), person)).held_at(NOW)
    assert replace(cube, scoped=(a_scope(label="internal"),)).held_at(NOW)


@pytest.mark.parametrize(
    ("parts", "covered"),
    [
        ({"label": "internal"}, True),
        ({"label": "public"}, False),
        ({"retention_class": "standard"}, True),
        ({"retention_class": "other"}, False),
        ({"recorded_from": NOW}, True),
        ({"recorded_from": NOW + 1}, False),
        ({"recorded_to": NOW + 1}, True),
        ({"recorded_to": NOW}, False),
        ({"label": "internal", "retention_class": "standard", "recorded_from": NOW - 9}, True),
        ({"label": "internal", "retention_class": "other"}, False),
    ],
)
def test_scope_covers_a_cube_that_fits_every_part_it_names(
    parts: dict[str, object], covered: bool
) -> None:
    """A cube that was never named is held where all of them fit; the last moment is outside."""
    assert covered == replace(the_cube(), scoped=(a_scope(**parts),)).held_at(NOW)


@pytest.mark.parametrize(
    ("start", "end", "held"),
    [
        (NOW, None, True),
        (NOW + 1, None, False),
        (NOW - 9, NOW, False),
        (NOW - 9, NOW + 1, True),
    ],
)
def test_hold_is_in_force_from_its_beginning_until_before_its_end(
    start: int, end: int | None, held: bool
) -> None:
    """What is asked about is a moment."""
    cube = the_cube(subjects=(SubjectFacts(holds=(a_hold(start, end),)),))

    assert held == cube.held_at(NOW)
    assert held == questions.cube_facts(cube, TENANT, NOW)["held"]
    assert held == questions.retained(cube, NOW)["held"]


@pytest.mark.parametrize(
    ("hold", "edge"),
    [
        (a_hold(NOW + 5), NOW + 5),
        (a_hold(NOW - 5, NOW + 7), NOW + 7),
        (a_hold(NOW - 5), None),
        (a_hold(NOW - 5, NOW), None),
    ],
)
def test_answer_about_a_cube_ends_where_a_hold_on_it_begins_or_ends(
    hold: Hold, edge: int | None
) -> None:
    """A verdict does not outlive the hold it was given under."""
    scope = a_scope(label="internal")
    scoped = replace(scope, valid_from=hold.valid_from, valid_to=hold.valid_to)

    assert edge == questions.next_edge(the_cube(subjects=(SubjectFacts(holds=(hold,)),)), NOW)
    assert edge == questions.next_edge(replace(the_cube(), scoped=(scoped,)), NOW)
    elsewhere = replace(scoped, scope=a_scope(label="public").scope)
    assert questions.next_edge(replace(the_cube(), scoped=(elsewhere,)), NOW) is None


def test_question_about_retention_fits_its_closed_model() -> None:
    """What goes to policy is what the schema promises."""
    asked = questions.retained(the_cube(), NOW, last_used_at=NOW, approved=True)
    question = {"now": NOW, "tenant": TENANT, "cubes": [asked]}

    model = ENTRYPOINTS["memos_gov/retention/verdicts"].model_validate(question)

    assert [asked] == model.model_dump()["cubes"]


def test_erasure_is_asked_for_where_one_could_not_be_done() -> None:
    """Restriction of the cube itself says so, unless the question is another one."""
    restricted = the_cube(e.CubeRestricted(cube=CUBE, erasure="e_1", reasons=()))

    assert questions.retained(restricted, NOW)["erasure_requested"]
    assert not questions.retained(the_cube(), NOW)["erasure_requested"]
    assert questions.retained(the_cube(), NOW, erasure_requested=True)["erasure_requested"]


def test_cube_is_restricted_by_any_of_its_subjects() -> None:
    """One person's word counts for the whole cube."""
    assert the_cube(subjects=(SubjectFacts(), SubjectFacts(restricted=True))).restricted
    assert not the_cube(subjects=(SubjectFacts(),)).restricted


def test_question_about_cubes_fits_its_closed_model() -> None:
    """What goes to policy is what the schema promises, for real and missing cubes."""
    asked = questions.asked(CALLER, PrincipalFacts(roles=("analyst",)), "read", NOW)
    cubes = [
        questions.cube_facts(the_cube(), TENANT, NOW),
        questions.missing_cube("c_none", CALLER, NOW),
    ]

    asked["becomes"] = questions.becomes(c.make(c.RelabelCube, cube="c_cube", label="public"))

    model = ENTRYPOINTS["memos_gov/access/verdicts"].model_validate({**asked, "cubes": cubes})

    assert {"c_cube", "c_none"} == {cube.id for cube in model.cubes}  # type: ignore[attr-defined]
    assert cubes[0].keys() == cubes[1].keys()


def test_act_that_changes_no_word_leaves_label_and_basis() -> None:
    """What an act would make of a cube is asked about for the two that do."""
    rebase = c.make(c.RebaseCube, cube="c_cube", basis="contract")

    assert {"label": None, "basis": "contract"} == questions.becomes(rebase)
    assert questions.STAYS == questions.becomes(c.make(c.FreezeCube, cube="c_cube"))


def test_missing_cube_is_one_that_nothing_but_the_actor_could_refuse() -> None:
    """So a refusal of it says nothing about any cube."""
    facts = questions.missing_cube("c_none", CALLER, NOW)

    assert (ANN, TENANT, "activated") == (facts["owner"], facts["tenant"], facts["state"])
    assert [CALLER.purpose] == facts["purposes"]
    assert not any(facts[flag] for flag in ("frozen", "quarantined", "held", "restricted"))
    assert (OWNER, SUBJECT) != (facts["owner"], facts["id"])
