"""
One bundle, several engines, the same answers: what must hold before a bundle decides.

A bundle's golden questions cover every entrypoint. They are put to every engine
that is configured, and answers are compared byte by byte in canonical JSON.
Where only one engine is configured there is nothing to compare.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from memos_gov.domain import codec
from memos_gov.domain.bundle import PolicyBundle
from memos_gov.errors import InvalidCommandError
from memos_gov.ports import PolicyEngine

_WHAT_TO_DO = (
    "Run the engines at the versions that the bundle was built for; "
    "if they still differ, another bundle must decide."
)


def require_parity(bundle: PolicyBundle, engines: Mapping[str, PolicyEngine]) -> int:
    """
    Return how many questions every engine answers alike.

    Raises:
        InvalidCommandError: Engines differ, or the bundle has no golden question
            to one of its entrypoints; nothing was changed.
        PolicyUnavailableError: An engine gave no answer to one of them.
    """
    if len(engines) < 2:  # noqa: PLR2004 - one engine agrees with itself
        return 0
    questions = bundle.golden
    asked = {each.entrypoint for each in questions}
    for entrypoint in bundle.entrypoints:
        if entrypoint not in asked:
            msg = f"policy: the bundle has no golden question to {entrypoint}"
            remedy = "Add one to golden.json beside the policies, and build them again."
            raise InvalidCommandError(msg, field="policy", remedy=remedy)
    for number, each in enumerate(questions):
        answers = {
            name: canonical_answer(engine.ask(bundle.digest, each.entrypoint, each.question))
            for name, engine in engines.items()
        }
        if len(set(answers.values())) > 1:
            names = " and ".join(answers)
            msg = f"policy: {names} differ on golden question {number}, to {each.entrypoint}"
            raise InvalidCommandError(msg, field="policy", remedy=_WHAT_TO_DO)
    return len(questions)


def canonical_answer(answer: bytes) -> bytes:
    """Return an answer in the form in which equal answers have equal bytes."""
    return codec.canonical(msgspec.json.decode(answer))
