"""
Asking policy, and failing closed.

An engine that gives no answer, another policy's answer, or an answer outside
the closed types of `domain.verdicts` has said *no*, with a reason code of its
own: `policy_undefined`, `policy_error`, `policy_timeout`, `policy_malformed`,
`obligation_unknown`. A cube the answer leaves out is refused too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from memos_gov.domain import verdicts as v
from memos_gov.domain.questions import STAYS, Question
from memos_gov.errors import PolicyUnavailableError
from memos_gov.ports import PolicyEngine

T = TypeVar("T")

_VERDICT = msgspec.json.Decoder(v.Verdict)
_VERDICTS = msgspec.json.Decoder(dict[str, v.Verdict])
_SCOPE = msgspec.json.Decoder(v.Scope)
_PLANS = msgspec.json.Decoder(dict[str, v.FormPlan])
_ERASURE = msgspec.json.Decoder(v.ErasurePlan)
_RETENTIONS = msgspec.json.Decoder(dict[str, v.RetentionVerdict])
NOTHING = v.Scope(any=())
CLAUSES_MAX = 8
KEPT_MAX = 1_000


class Judge:
    """Questions to one bundle of one engine, typed."""

    def __init__(self, engine: PolicyEngine, digest: str) -> None:
        self._engine = engine
        self.digest = digest
        self._depths: dict[tuple[object, ...], v.IndexDepth] = {}
        self._retentions: dict[tuple[object, ...], v.RetentionVerdict] = {}

    def cubes(
        self, asked: Question, cubes: Sequence[Question], becomes: Question = STAYS
    ) -> dict[str, v.Verdict]:
        """Return a verdict for each cube of the question; `becomes` is what would be made of it."""
        now = asked["now"]
        try:
            question = {**asked, "cubes": cubes, "becomes": becomes}
            raw = self._ask("memos_gov/access/verdicts", question)
            found = _decode(_VERDICTS, raw)
        except PolicyUnavailableError as error:
            return {c["id"]: v.refusal(error.reason, now + 1) for c in cubes}
        missing = v.refusal(v.UNDEFINED, now + 1)
        return {c["id"]: found.get(c["id"], missing) for c in cubes}

    def action(self, asked: Question, target: Question) -> v.Verdict:
        """Return the verdict on an act that is not about a set of cubes."""
        return self._one("memos_gov/access/action", {**asked, "target": target})

    def admission(self, asked: Question, candidate: Question) -> v.Verdict:
        """Return whether content may enter, and how."""
        return self._one("memos_gov/admission/verdict", {**asked, **candidate})

    def scope(self, asked: Question) -> v.Scope:
        """Return what the actor could see at all; nothing when policy does not answer."""
        try:
            scope = _decode(_SCOPE, self._ask("memos_gov/access/scope", asked))
        except PolicyUnavailableError:
            return NOTHING
        return scope if len(scope.any) <= CLAUSES_MAX else NOTHING

    def index_depth(self, tenant: str, now: int, cube: Question) -> v.IndexDepth:
        """
        Return how deep a cube is indexed; not at all when policy does not answer.

        Cubes with the same facts at the same second have the same plan, since
        a policy looks at nothing else: that is asked once.
        """
        return _once(self._depths, tenant, now, cube, self._index_depth)

    def _index_depth(self, tenant: str, now: int, cube: Question) -> v.IndexDepth:
        question = {"now": now, "tenant": tenant, "cubes": [cube]}
        try:
            plans = _decode(_PLANS, self._ask("memos_gov/transformation/plans", question))
            return plans[cube["id"]].index
        except (PolicyUnavailableError, KeyError):
            return "none"

    def retention(
        self, tenant: str, now: int, cubes: Sequence[Question]
    ) -> dict[str, v.RetentionVerdict]:
        """
        Return what should become of each cube.

        Raises:
            PolicyUnavailableError: No answer; nothing may be disposed of.
        """
        question = {"now": now, "tenant": tenant, "cubes": cubes}
        return _decode(_RETENTIONS, self._ask("memos_gov/retention/verdicts", question))

    def retention_of(self, tenant: str, now: int, cube: Question) -> v.RetentionVerdict:
        """
        Return what should become of a cube; kept, unscheduled, when policy does not answer.

        Asked once of cubes with the same facts at the same second, like `index_depth`.
        """
        return _once(self._retentions, tenant, now, cube, self._retention_of)

    def _retention_of(self, tenant: str, now: int, cube: Question) -> v.RetentionVerdict:
        try:
            return self.retention(tenant, now, [cube])[cube["id"]]
        except (PolicyUnavailableError, KeyError):
            return v.UNDECIDED

    def erasure(
        self, tenant: str, now: int, target: Question, cubes: Sequence[Question]
    ) -> v.ErasurePlan:
        """
        Return what becomes of each cube of a page, and of what the erasure was asked for.

        Raises:
            PolicyUnavailableError: No answer, or none about one of the cubes;
                nothing may be erased.
        """
        question = {"now": now, "tenant": tenant, "target": target, "cubes": cubes}
        plan = _decode(_ERASURE, self._ask("memos_gov/erasure/plan", question))
        if plan.cubes.keys() != {cube["id"] for cube in cubes}:
            msg = "policy gave no answer about a cube of the page"
            raise PolicyUnavailableError(msg, reason=v.UNDEFINED)
        return plan

    def _one(self, entrypoint: str, question: Question) -> v.Verdict:
        try:
            return _decode(_VERDICT, self._ask(entrypoint, question))
        except PolicyUnavailableError as error:
            return v.refusal(error.reason, question["now"] + 1)

    def _ask(self, entrypoint: str, question: Mapping[str, Any]) -> bytes:
        return self._engine.ask(self.digest, entrypoint, question)


def _once(
    kept: dict[tuple[object, ...], T],
    tenant: str,
    now: int,
    cube: Question,
    ask: Callable[[str, int, Question], T],
) -> T:
    """Return a kept answer about equal facts, or ask and keep it; never more than KEPT_MAX."""
    key = (now, tenant, *(str(value) for name, value in cube.items() if name != "id"))
    if key not in kept:
        if len(kept) >= KEPT_MAX:
            kept.clear()
        kept[key] = ask(tenant, now, cube)
    return kept[key]


def _decode(decoder: msgspec.json.Decoder[T], raw: bytes) -> T:
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        unknown = "obligations" in str(error) and ".kind" in str(error)
        reason = v.UNKNOWN_OBLIGATION if unknown else v.MALFORMED
        msg = "policy gave an answer outside its contract"
        raise PolicyUnavailableError(msg, reason=reason) from error
