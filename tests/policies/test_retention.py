"""The resolver of retention against an oracle of a few lines, for whatever facts there are."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from memos_gov.backends.files import shipped_bundle
from memos_gov.domain.lifecycle import STATES
from memos_gov.domain.verdicts import RetentionVerdict
from tests.policies.conftest import Ask
from tests.policies.facts import NOW

DATA = msgspec.json.decode(shipped_bundle().data)["memos_gov"]["retention"]
SCHEDULE, GRACE_S = DATA["schedule"], DATA["grace_s"]
MOMENTS = st.integers(0, 2 * NOW)
CUBES = st.fixed_dictionaries(
    {
        "retention_class": st.sampled_from([*SCHEDULE, "of nobody"]),
        "state": st.sampled_from(STATES),
        "created_at": MOMENTS,
        "changed_at": MOMENTS,
        "last_used_at": st.none() | MOMENTS,
        "triggered_at": st.none() | MOMENTS,
        "expires_at": st.none() | MOMENTS,
        "expired_at": st.none() | MOMENTS,
        "held": st.booleans(),
        "restricted": st.booleans(),
        "erasure_requested": st.booleans(),
        "approved": st.booleans(),
    }
)


def base(facts: dict[str, Any], trigger: str) -> int | None:
    """Return from when a cube's time is counted."""
    found: dict[str, int | None] = {
        "creation": facts["created_at"],
        "change": facts["changed_at"],
        "event": facts["triggered_at"],
        "last_use": max(facts["created_at"], facts["last_used_at"] or 0),
    }
    return found[trigger]


def resolved(facts: dict[str, Any]) -> tuple[str, int | None]:
    """Return (what is done, when) by the order of the resolver, written once more."""
    schedule = SCHEDULE.get(facts["retention_class"])
    if schedule is None or facts["state"] == "erased" or facts["held"]:
        return "keep", None
    start = base(facts, schedule["trigger"])
    longest = max(schedule["statutory_s"], schedule["min_s"])
    if start is None and longest > 0:
        return "keep", None
    ends = []
    if facts["erasure_requested"]:
        ends.append((facts["created_at"], 0, "erase"))
    if facts["state"] == "expired":
        if facts["expired_at"] is not None:
            ends.append((facts["expired_at"] + GRACE_S, 3, "erase"))
    else:
        if facts["expires_at"] is not None:
            cap = "erase" if schedule["then"] == "erase" else "expire"
            ends.append((facts["expires_at"], 1, cap))
        usable = schedule["then"] != "archive" or facts["state"] == "activated"
        if start is not None and usable:
            ends.append((start + schedule["max_s"], 2, schedule["then"]))
    floor = 0 if start is None or longest == 0 else start + longest
    due, _, action = min(((max(at, floor), r, a) for at, r, a in ends), default=(None, 0, "keep"))
    return action, due


@given(st.lists(CUBES, min_size=1, max_size=12))
def test_verdict_on_any_cube_is_that_of_the_oracle(ask: Ask, facts: list[dict[str, Any]]) -> None:
    """Total, and the same for a cube whatever stands beside it in the question."""
    cubes = [{"id": f"c{number}", **each} for number, each in enumerate(facts)]
    question = {"now": NOW, "tenant": "acme", "cubes": cubes}

    answers = ask("retention/verdicts", question, dict[str, RetentionVerdict])

    assert {c["id"]: resolved(c) for c in cubes} == {
        name: (answer.action, answer.due) for name, answer in answers.items()
    }
    assert all(answer.rules and answer.steps for answer in answers.values())


@given(CUBES)
def test_held_cube_loses_nothing_whatever_else_is_known(ask: Ask, facts: dict[str, Any]) -> None:
    """A hold wins over every other fact, and its steps still say what would be due."""
    cube = {"id": "c1", **facts, "held": True}
    question = {"now": NOW, "tenant": "acme", "cubes": [cube, {**cube, "id": "c2", "held": False}]}

    answers = ask("retention/verdicts", question, dict[str, RetentionVerdict])

    assert ("keep", None) == (answers["c1"].action, answers["c1"].due)
    if answers["c1"].rules[0] == "retention/hold":
        assert answers["c2"].steps[1:] == answers["c1"].steps[1:]
        assert ("retention/hold", *answers["c2"].rules) == answers["c1"].rules


@given(CUBES)
def test_review_is_asked_for_only_where_something_is_lost(ask: Ask, facts: dict[str, Any]) -> None:
    """Never for keeping or archiving, and never twice."""
    cube = {"id": "c1", **facts}
    question = {"now": NOW, "tenant": "acme", "cubes": [cube]}

    answer = ask("retention/verdicts", question, dict[str, RetentionVerdict])["c1"]

    if answer.review:
        assert answer.action in {"expire", "erase"}
        assert not facts["approved"]
        assert facts["state"] != "expired"
