"""Facts into questions: consents, holds and shares resolved at one moment."""

import pytest

from memos_gov.domain import commands as c
from memos_gov.domain import events as e
from memos_gov.domain import ids, questions
from memos_gov.domain.facts import (
    ConsentFact,
    ContentFacts,
    GovernanceFacts,
    HeldTarget,
    PrincipalFacts,
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


def test_cube_is_held_by_its_own_matter_or_by_a_subjects() -> None:
    """Either is enough."""
    held = HeldTarget(kind="cube", id=CUBE)

    assert not the_cube().held
    assert the_cube(e.HoldPlaced(matter=MATTER, target=held)).held
    assert the_cube(subjects=(SubjectFacts(), SubjectFacts(matters=(MATTER,)))).held


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
