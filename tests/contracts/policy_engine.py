"""
What every PolicyEngine promises, proved against any backend.

A subclass gives the fixtures `engine`, `digest` (of the shipped bundle, which
the engine can reach) and `broken` (the digest of a bundle that cannot be
evaluated).
"""

from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from memos_gov.domain.verdicts import ERROR, UNDEFINED, FormPlan, RetentionVerdict, Scope, Verdict
from memos_gov.errors import PolicyUnavailableError
from memos_gov.ports import PolicyEngine
from tests.policies.facts import a_cube, an_actor, asked, one_of_each

VERDICTS = "memos_gov/access/verdicts"
ANSWERS: dict[str, object] = {
    VERDICTS: dict[str, Verdict],
    "memos_gov/access/scope": Scope,
    "memos_gov/access/action": Verdict,
    "memos_gov/admission/verdict": Verdict,
    "memos_gov/retention/verdicts": dict[str, RetentionVerdict],
    "memos_gov/transformation/plans": dict[str, FormPlan],
}


class PolicyEngineContract:
    """The rules of the port `PolicyEngine`, as tests."""

    @pytest.mark.parametrize("entrypoint", ANSWERS)
    def test_entrypoint_of_the_bundle_answers_in_its_type(
        self, engine: PolicyEngine, digest: str, entrypoint: str
    ) -> None:
        """Every entrypoint is total and its answer decodes closed."""
        answer = engine.ask(digest, entrypoint, one_of_each()[entrypoint])

        assert msgspec.json.decode(answer, type=ANSWERS[entrypoint])

    def test_question_asked_again_gets_the_same_answer(
        self, engine: PolicyEngine, digest: str
    ) -> None:
        """Nothing of an earlier question shows in a later answer."""
        allowed = asked(an_actor("dpo"), cubes=[a_cube(f"c{n}") for n in range(50)])
        refused = asked(an_actor("agent"), cubes=[a_cube()])

        first = engine.ask(digest, VERDICTS, allowed)
        engine.ask(digest, VERDICTS, refused)

        assert first == engine.ask(digest, VERDICTS, allowed)

    def test_questions_asked_at_once_are_answered_apart(
        self, engine: PolicyEngine, digest: str
    ) -> None:
        """Each of many threads gets the answer to its own question."""

        def ids(number: int) -> set[str]:
            question = asked(an_actor("dpo"), cubes=[a_cube(f"c{number}"), a_cube("both")])
            return set(msgspec.json.decode(engine.ask(digest, VERDICTS, question)))

        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(ids, range(100)))

        assert answers == [{f"c{number}", "both"} for number in range(100)]

    def test_id_with_any_characters_comes_back_unchanged(
        self, engine: PolicyEngine, digest: str
    ) -> None:
        """JSON goes in and out without loss."""
        odd = 'é"\\\n\u2028😀'

        answer = engine.ask(digest, VERDICTS, asked(an_actor("dpo"), cubes=[a_cube(odd)]))

        assert {odd} == set(msgspec.json.decode(answer))

    def test_question_of_two_thousand_cubes_is_answered_whole(
        self, engine: PolicyEngine, digest: str
    ) -> None:
        """A long list gets as many verdicts."""
        cubes = [a_cube(f"c{number}") for number in range(2000)]

        answer = engine.ask(digest, VERDICTS, asked(an_actor("analyst"), cubes=cubes))

        assert len(msgspec.json.decode(answer, type=dict[str, Verdict])) == 2000

    def test_entrypoint_that_does_not_exist_gives_no_answer(
        self, engine: PolicyEngine, digest: str
    ) -> None:
        """Undefined is not false and not null: it is no answer."""
        with pytest.raises(PolicyUnavailableError) as caught:
            engine.ask(digest, "memos_gov/access/nothing", asked(an_actor("dpo")))

        assert UNDEFINED == caught.value.reason

    def test_facts_that_contradict_are_refused(self, engine: PolicyEngine, digest: str) -> None:
        """Two cubes under one id share one verdict, with the reasons of both."""
        cubes = [a_cube(), a_cube(tenant="other")]

        answer = engine.ask(digest, VERDICTS, asked(an_actor("dpo"), cubes=cubes))

        verdict = msgspec.json.decode(answer, type=dict[str, Verdict])["c1"]
        assert ["foreign_tenant"] == [reason.code for reason in verdict.reasons]

    def test_bundle_that_is_not_known_gives_no_answer(self, engine: PolicyEngine) -> None:
        """Another bundle never answers in the place of the one asked for."""
        with pytest.raises(PolicyUnavailableError):
            engine.ask("0" * 64, VERDICTS, asked(an_actor("dpo"), cubes=[]))

    def test_bundle_that_is_broken_gives_no_answer(self, engine: PolicyEngine, broken: str) -> None:
        """The driver's error is translated, and kept as the cause."""
        with pytest.raises(PolicyUnavailableError) as caught:
            engine.ask(broken, VERDICTS, asked(an_actor("dpo"), cubes=[]))

        assert ERROR == caught.value.reason
        assert caught.value.__cause__ is not None
