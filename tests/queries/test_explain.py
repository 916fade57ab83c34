"""Why: the recorded verdict, its facts at their versions, and the same answer again."""

import pytest

from memos_gov.assess import Assessed
from memos_gov.domain import questions
from memos_gov.domain.commands import RecallCubes, make
from memos_gov.domain.decide import Situation, decide_read
from memos_gov.domain.events import ReadDetail
from memos_gov.errors import DeniedError, InvalidCommandError, NotFoundError
from memos_gov.proposer import new_command_id
from memos_gov.service import Actor, Service
from tests.lives import OTHER_TENANT, Life


def refusal_of(actor: Actor, cube: str) -> str:
    """Return the verdict id of a read that is refused for reasons that stay hidden."""
    owner_sees = actor.rooms.governor
    with owner_sees.tables.snapshot() as snapshot:
        before = snapshot.index(actor.caller.tenant)
    with pytest.raises(NotFoundError):
        actor.get(cube)
    return str(before + 1)


def test_explain_of_a_hidden_refusal_names_reason_text_rule_and_facts(
    gov: Service, owner: Actor, life: Life
) -> None:
    """What the refused caller may not know, whoever explains may."""
    verdict = refusal_of(gov.acting_as("ann", purpose="complaint-handling"), life.secret)

    why = owner.explain(verdict)

    assert ("ReadCube", "ann", "refused", "refuse") == (
        why.command,
        why.actor,
        why.outcome,
        why.effect,
    )
    assert ["label_above_clearance"] == [reason.code for reason in why.reasons]
    assert all(reason.text and not reason.public for reason in why.reasons)
    assert all(rule.title for rule in why.rules)
    governance = next(f for f in why.facts if f.stream.endswith("/governance"))
    assert governance.facts is not None
    assert "confidential" == governance.facts["label"]


def test_explain_of_an_old_verdict_relies_on_the_versions_of_that_day(
    owner: Actor, life: Life
) -> None:
    """What changed since does not show: the answer is about what was known."""
    first = owner.history(life.plain).changes[0].index

    why = owner.explain(str(first + 1))

    content = [f for f in why.facts if f.facts and "revision" in f.facts]
    assert all(f.version == 1 for f in content)
    assert True is why.same


def test_explain_of_any_verdict_that_can_be_rebuilt_gets_the_same_answer(
    owner: Actor, life: Life
) -> None:
    """The question is rebuilt from the log alone, and policy says the same again."""
    explained = [owner.explain(str(index)) for index in range(1, 45)]

    asked = [why for why in explained if why.same is not None]
    assert [] == [(why.index, why.command) for why in asked if not why.same]
    assert len(asked) > 30
    assert all(why.not_asked for why in explained if why.same is None)


def test_explain_of_a_target_is_about_that_target_alone(owner: Actor, life: Life) -> None:
    """A verdict id may name one of the cubes a recall returned."""
    reading = owner.recall("charged card", k=3)
    hit = reading.hits[0].cube_id

    why = owner.explain(f"{reading.verdict_id}/{hit}")

    assert (hit, "allow", True) == (why.target, why.effect, why.same)


def test_explain_of_an_index_may_name_a_target(owner: Actor, life: Life) -> None:
    """An index stands in place of a command id, with a target or without."""
    reading = owner.recall("charged card", k=3)
    hit, whole = reading.hits[0].cube_id, owner.explain(reading.verdict_id)

    why = owner.explain(f"{whole.index}/{hit}")

    assert (whole.index, hit, "allow") == (why.index, why.target, why.effect)


def test_explain_of_a_recall_that_found_nothing_shows_its_effect(owner: Actor, life: Life) -> None:
    """Nothing found is an answer too."""
    reading = owner.recall("xylophone zeppelin")
    assert () == reading.hits

    why = owner.explain(reading.verdict_id)

    assert ("allow", "accepted", ()) == (why.effect, why.outcome, why.reasons)
    assert [] == [target for target in why.targets if target.startswith("c_")]


def a_read_without_targets(actor: Actor) -> str:
    """Return the id of a recall whose record names no target, as early ones did."""
    governor, command_id = actor.rooms.governor, new_command_id()
    command = make(RecallCubes, query="xylophone zeppelin")
    with governor.tables.snapshot() as snapshot:
        attempt = governor.attempt(snapshot, actor.caller)
        target = questions.target("tenant", id=attempt.tenant)
        verdict = attempt.judge.action(attempt.asked("recall"), target)
        drafts = decide_read(
            command,
            (),
            snapshot=attempt.index,
            refused={},
            detail=ReadDetail(query="", candidates=()),
        )
        situation = Situation(
            tenant=attempt.tenant,
            actor=actor.caller.principal,
            command_id=command_id,
            now=attempt.now,
        )
        assessed = Assessed(situation, verdict, {})
        prepared = governor.propose(attempt, command, command_id, "", assessed, drafts)
    assert ["accepted"] == [outcome.code for outcome in governor.submit([prepared])]
    return command_id


def test_explain_of_a_verdict_without_targets_shows_its_effect_alone(
    owner: Actor, life: Life
) -> None:
    """There is no target to speak of, and the record is shown all the same."""
    why = owner.explain(a_read_without_targets(owner))

    assert ("allow", "accepted", {}) == (why.effect, why.outcome, why.targets)
    assert ((), (), ()) == (why.reasons, why.obligations, why.rules)
    assert why.same is None
    assert why.not_asked


@pytest.mark.parametrize("verdict_id", ["x", "", "01/02/03", "a b", "1/" + "c" * 80])
def test_explain_of_another_form_writes_nothing(owner: Actor, verdict_id: str) -> None:
    """What is no verdict id is the caller's mistake and no event."""
    before = owner.rooms.governor.log.end(0)

    with pytest.raises(InvalidCommandError):
        owner.explain(verdict_id)

    assert before == owner.rooms.governor.log.end(0)


def test_explain_of_a_foreign_verdict_is_not_found(gov: Service, owner: Actor) -> None:
    """A verdict of another tenant looks like none."""
    reading = owner.recall("charged card")
    zoe = gov.acting_as("zoe", tenant=OTHER_TENANT, purpose="complaint-handling")

    with pytest.raises(NotFoundError):
        zoe.explain(reading.verdict_id)


def test_explain_for_an_agent_is_refused_and_recorded(gov: Service, owner: Actor) -> None:
    """Evidence needs a role; the refusal is an event."""
    before = owner.rooms.governor.log.end(0)

    with pytest.raises(DeniedError):
        gov.acting_as("bot", purpose="complaint-handling").explain("1")

    assert before + 1 == owner.rooms.governor.log.end(0)
