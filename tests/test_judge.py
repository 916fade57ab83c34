"""No answer is no: every way an engine can fail has its own code, and none is a permission."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memos_gov.domain import verdicts as v
from memos_gov.errors import PolicyUnavailableError
from memos_gov.judge import CLAUSES_MAX, NOTHING, Judge

ASKED = {"now": 1000, "tenant": "acme"}
CUBES = [{"id": "c_one"}, {"id": "c_two"}]
GOOD = {
    "effect": "allow",
    "reasons": [],
    "obligations": [],
    "rules": ["role/x"],
    "valid_until": 1060,
}
REASONS = [v.UNDEFINED, v.ERROR, v.TIMED_OUT]


class Answering:
    """A policy engine that always gives the same answer, or the same failure."""

    def __init__(self, answer: object = None, reason: str = "") -> None:
        self._body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self._reason = reason

    def ask(self, digest: str, entrypoint: str, question: Mapping[str, object]) -> bytes:
        """Return the answer."""
        if self._reason:
            raise PolicyUnavailableError(reason=self._reason)
        return self._body


def judge(answer: object = None, reason: str = "") -> Judge:
    """Return a judge on such an engine."""
    return Judge(Answering(answer, reason), "a" * 64)


def codes(verdict: v.Verdict) -> list[str]:
    """Return why a verdict refuses."""
    assert not verdict.allows
    return [reason.code for reason in verdict.reasons]


MALFORMED: dict[str, object] = {
    "null": None,
    "list": [],
    "no JSON": b"garbage",
    "bad UTF-8": b'{"effect":"\xff"}',
    "lone surrogate": b'{"effect":"\\ud800"}',
    "nested deep": b"[" * 100_000,
    "empty": b"",
    "unknown effect": GOOD | {"effect": "maybe"},
    "capital effect": GOOD | {"effect": "ALLOW"},
    "bool effect": GOOD | {"effect": True},
    "missing rules": {k: x for k, x in GOOD.items() if k != "rules"},
    "unknown field": GOOD | {"also": 1},
    "reasons of text": GOOD | {"reasons": ["frozen"]},
    "validity of text": GOOD | {"valid_until": "1060"},
    "validity of a fraction": GOOD | {"valid_until": 1060.5},
    "validity beyond JSON": GOOD | {"valid_until": 2**53},
    "mask of an unknown kind": GOOD | {"obligations": [{"kind": "mask", "what": ["soul"]}]},
    "unknown field of an obligation": GOOD | {"obligations": [{"kind": "mask", "by": "x"}]},
}


@pytest.mark.parametrize("name", MALFORMED)
def test_answer_outside_its_contract_is_malformed(name: str) -> None:
    """To an act and to an admission alike."""
    asked = judge(MALFORMED[name])

    assert [v.MALFORMED] == codes(asked.action(ASKED, {}))
    assert [v.MALFORMED] == codes(asked.admission(ASKED, {}))


@pytest.mark.parametrize("name", MALFORMED)
def test_one_malformed_verdict_refuses_the_whole_answer(name: str) -> None:
    """An engine that got one wrong is not believed about the others."""
    bad = MALFORMED[name]
    answer = bad if isinstance(bad, bytes) else {"c_one": GOOD, "c_two": bad}

    found = judge(answer).cubes(ASKED, CUBES)

    assert {"c_one": [v.MALFORMED], "c_two": [v.MALFORMED]} == {
        cube: codes(verdict) for cube, verdict in found.items()
    }


@pytest.mark.parametrize("reason", REASONS)
def test_engine_that_does_not_answer_refuses_with_its_reason(reason: str) -> None:
    """Whatever was asked, and only for a second."""
    asked = judge(reason=reason)

    assert [reason] == codes(asked.action(ASKED, {}))
    assert [reason] == codes(asked.admission(ASKED, {}))
    assert {"c_one": [reason], "c_two": [reason]} == {
        cube: codes(verdict) for cube, verdict in asked.cubes(ASKED, CUBES).items()
    }
    assert 1001 == asked.action(ASKED, {}).valid_until


@pytest.mark.parametrize("kind", ["burn", "", "Mask", None, 1])
def test_obligation_that_is_unknown_refuses(kind: object) -> None:
    """What cannot be fulfilled cannot be promised."""
    asked = judge(GOOD | {"obligations": [{"kind": kind}]})

    expected = v.UNKNOWN_OBLIGATION if isinstance(kind, str) else v.MALFORMED
    assert codes(asked.action(ASKED, {})) in ([expected], [v.UNKNOWN_OBLIGATION])


def test_obligation_that_is_unknown_refuses_every_cube_of_the_answer() -> None:
    """With its own code."""
    bad = GOOD | {"obligations": [{"kind": "burn"}]}

    found = judge({"c_one": GOOD, "c_two": bad}).cubes(ASKED, CUBES)

    assert [[v.UNKNOWN_OBLIGATION]] * 2 == [codes(verdict) for verdict in found.values()]


def test_cube_that_the_answer_leaves_out_is_undefined() -> None:
    """Undefined is not allowed; the others stand."""
    found = judge({"c_one": GOOD}).cubes(ASKED, CUBES)

    assert found["c_one"].allows
    assert [v.UNDEFINED] == codes(found["c_two"])


def test_cube_that_nobody_asked_about_is_not_answered() -> None:
    """An engine cannot add a permission."""
    found = judge({"c_one": GOOD, "c_two": GOOD, "c_three": GOOD}).cubes(ASKED, CUBES)

    assert {"c_one", "c_two"} == found.keys()


def test_good_answer_is_taken_as_it_is() -> None:
    """What the defects above are made of is right."""
    assert judge(GOOD).action(ASKED, {}).allows


@pytest.mark.parametrize(
    "answer",
    [None, b"garbage", {"any": "all"}, {"any": [{}] * (CLAUSES_MAX + 1)}, {"any": [{"cubes": []}]}],
)
def test_scope_outside_its_contract_shows_nothing(answer: object) -> None:
    """Nothing is a scope too, and the safe one."""
    assert NOTHING == judge(answer).scope(ASKED)


@pytest.mark.parametrize("reason", REASONS)
def test_scope_without_an_answer_shows_nothing(reason: str) -> None:
    """An engine that is down opens nothing."""
    assert NOTHING == judge(reason=reason).scope(ASKED)


@pytest.mark.parametrize(
    "answer",
    [None, b"x", {}, {"c_two": {"index": "full", "rules": []}}, {"c_one": {"index": "all"}}],
)
def test_plan_that_does_not_come_keeps_content_out_of_the_index(answer: object) -> None:
    """Found less is safer than found too much."""
    assert "none" == judge(answer).index_depth("acme", 1000, {"id": "c_one"})


@pytest.mark.parametrize("asked", [judge(None), judge(b"x"), judge(reason=v.TIMED_OUT)])
def test_retention_without_an_answer_disposes_of_nothing(asked: Judge) -> None:
    """Nobody archives or erases on a guess."""
    with pytest.raises(PolicyUnavailableError):
        asked.retention("acme", 1000, CUBES)


@given(st.binary(max_size=60))
def test_answer_of_any_bytes_is_a_refusal(answer: bytes) -> None:
    """Garbage never allows and never raises."""
    assert [v.MALFORMED] == codes(judge(answer).action(ASKED, {}))
