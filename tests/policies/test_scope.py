"""Allow implies in scope: the filter of the index never hides what a verdict would allow."""

from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from memos_gov.domain.verdicts import Scope, ScopeClause, Verdict
from tests.policies.conftest import Ask
from tests.policies.facts import LABELS, NOW, a_cube, an_actor, asked

PEOPLE = ("anna", "olga")
PURPOSES = ("complaint-handling", "research", "quality-assurance", "support", "oversight")
REGIONS = ("global", "eu", "us")
STATES = ("generated", "activated", "archived", "merged", "expired", "erased")
CLAUSES_MAX = 8

some_purposes = st.lists(st.sampled_from(PURPOSES), max_size=3, unique=True)
actors = st.builds(
    lambda roles, **attributes: an_actor(*roles, **attributes),
    st.lists(
        st.sampled_from(("steward", "dpo", "analyst", "agent", "auditor")), max_size=2, unique=True
    ),
    clearance=st.sampled_from(LABELS),
    purposes=some_purposes,
    regions=st.lists(st.sampled_from(("eu", "us", "*")), max_size=2, unique=True),
)
cubes = st.fixed_dictionaries(
    {
        "label": st.sampled_from(LABELS),
        "state": st.sampled_from(STATES),
        "owner": st.sampled_from(PEOPLE),
        "purposes": some_purposes,
        "basis": st.sampled_from(("consent", "contract")),
        "region": st.sampled_from(REGIONS),
        "quarantined": st.booleans(),
        "restricted": st.booleans(),
        "held": st.booleans(),
        "consent": st.fixed_dictionaries({"given": some_purposes, "withdrawn": some_purposes}),
        "grants": st.lists(
            st.fixed_dictionaries(
                {"principal": st.sampled_from(PEOPLE), "scope": st.sampled_from(("read", "write"))}
            ),
            max_size=2,
        ),
        "valid_to": st.sampled_from((None, NOW - 1, NOW + 1)),
    }
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    question=st.builds(
        asked, actors, st.sampled_from(("read", "recall", "list")), st.sampled_from(PURPOSES)
    ),
    place=st.sampled_from((None, "eu", "us")),
    facts=st.lists(cubes, min_size=1, max_size=8),
)
def test_cube_that_a_verdict_allows_is_in_scope(
    ask: Ask,
    question: dict[str, Any],
    place: str | None,
    facts: list[dict[str, Any]],
) -> None:
    """Whatever the actor and the cube, allow implies that some clause matches."""
    question["context"]["region"] = place
    asked_for = [a_cube(f"c{number}", **each) for number, each in enumerate(facts)]

    scope = ask("access/scope", question, Scope)
    verdicts = ask("access/verdicts", {**question, "cubes": asked_for}, dict[str, Verdict])

    allowed = [cube for cube in asked_for if verdicts[cube["id"]].allows]
    event("something is allowed" if allowed else "nothing is allowed")
    assert [] == [c for c in allowed if not any(matches(clause, c) for clause in scope.any)]
    assert len(scope.any) <= CLAUSES_MAX


def matches(clause: ScopeClause, cube: dict[str, Any]) -> bool:
    """Tell whether a cube's values stand in every list of the clause."""
    shared_with = [grant["principal"] for grant in cube["grants"]]
    pairs = [
        (clause.labels, [cube["label"]]),
        (clause.states, [cube["state"]]),
        (clause.owners, [cube["owner"]]),
        (clause.regions, [cube["region"]]),
        (clause.purposes, cube["purposes"]),
        (clause.shared_with, shared_with),
    ]
    return all(wanted is None or set(wanted) & set(values) for wanted, values in pairs)


def test_scope_of_an_agent_names_its_three_ways_to_a_cube(ask: Ask) -> None:
    """Own, shared and public cubes; nothing else is ever a candidate."""
    scope = ask("access/scope", asked(an_actor("agent"), "recall"), Scope)

    ways = [(clause.owners, clause.shared_with, clause.labels) for clause in scope.any]

    cleared = ("internal", "public")
    assert [(("anna",), None, cleared), (None, ("anna",), cleared), (None, None, ("public",))] == [
        *ways
    ]


def test_scope_of_an_auditor_is_empty(ask: Ask) -> None:
    """Content is not for auditors, so nothing is a candidate."""
    assert Scope(()) == ask("access/scope", asked(an_actor("auditor"), "recall"), Scope)
