"""
Questions of every shape that a policy can be asked, from one choice after another.

`python -m tests.policies.generated > policies/golden.json` writes the questions that
every engine must answer alike before a bundle is activated.
"""

from __future__ import annotations

import random
import sys
import types
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import orjson
from pydantic import BaseModel

from memos_gov.domain.policy_inputs import ENTRYPOINTS
from tests.policies.facts import LABELS, NOW

SEED = 20_240_501
PER_ENTRYPOINT = 8
LONGEST = 3
TIMES = (0, NOW - 40_000_000, NOW - 1000, NOW, NOW + 1, NOW + 100_000_000)
PEOPLE = ("anna", "olga", "bob")
PURPOSES = (
    "complaint-handling",
    "complaint-handling",
    "research",
    "quality-assurance",
    "support",
    "oversight",
    "odd",
)
REGIONS = ("global", "eu", "us", "*")
ACTIONS = (
    *(
        "read",
        "recall",
        "list",
        "read",
        "recall",
        "list",
        "read",
        "remember",
        "revise",
        "merge",
        "share",
        "hold",
        "freeze",
    ),
    *("archive", "expire", "erase", "relabel", "rebase", "audit", "grant", "odd"),
)
WORDS: dict[str, Sequence[object]] = {
    "label": LABELS,
    "clearance": LABELS[1:],
    "action": ACTIONS,
    "purpose": PURPOSES,
    "purposes": PURPOSES,
    "given": PURPOSES,
    "withdrawn": PURPOSES,
    "roles": ("steward", "dpo", "analyst", "agent", "analyst", "agent", "auditor", "odd"),
    "regions": REGIONS,
    "region": ("global", "global", *REGIONS),
    "basis": ("consent", "contract", "legitimate-interest"),
    "owner": PEOPLE,
    "principal": PEOPLE,
    "tenant": (*["acme"] * 15, "other"),
    "retention_class": ("general", "complaint", "odd"),
    "semantic_type": ("episode", "preference", "fact"),
    "priority": ("normal", "high"),
    "findings": ("card", "iban", "email", "phone"),
    "form": ("plaintext", "activation", "parametric"),
    "state": ("generated", *["activated"] * 5, "merged", "archived", "expired", "erased"),
    "session": ("s_1", 'é"\\\u2028😀'),
    "channel": ("mail",),
    "name": ("subject", "access"),
    "size_bytes": (0, 10, 1_000_000),
    "session_reads": (0, 1, 7),
    "kept": (0, 1),
    "others": (0, 1, 2),
}
Choose = Callable[[Sequence[Any]], Any]


def a_question(entrypoint: str, choose: Choose) -> dict[str, Any]:
    """Return a question to an entrypoint; `choose` takes one of what is possible, each time."""
    made = _model(ENTRYPOINTS[entrypoint], choose)
    for number, cube in enumerate(made.get("cubes", ())):
        cube["id"] = f"c{number}"
    return made


def _model(model: type[BaseModel], choose: Choose) -> dict[str, Any]:
    return {
        name: _value(name, field.annotation, choose) for name, field in model.model_fields.items()
    }


def _value(name: str, kind: Any, choose: Choose) -> Any:
    if get_origin(kind) in {types.UnionType, Union}:
        some = [each for each in get_args(kind) if each is not type(None)]
        return None if choose((True, False)) else _value(name, some[0], choose)
    if get_origin(kind) is Annotated:
        return _value(name, get_args(kind)[0], choose)
    if get_origin(kind) is Literal:
        return choose(get_args(kind))
    if get_origin(kind) is list:
        found = [_value(name, get_args(kind)[0], choose) for _ in range(choose(range(LONGEST + 1)))]
        return found if name == "cubes" else [*{repr(each): each for each in found}.values()]
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _model(kind, choose)
    if kind is bool:
        return choose((*[False] * 7, True))
    if name in WORDS:
        return choose(WORDS[name])
    return choose(TIMES) if kind is int else choose(PEOPLE)


def golden() -> bytes:
    """Return the golden questions, the same at every call."""
    chance = random.Random(SEED)
    questions = [
        {"entrypoint": name, "question": a_question(name, chance.choice)}
        for name in ENTRYPOINTS
        for _ in range(PER_ENTRYPOINT)
    ]
    return orjson.dumps(questions, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


if __name__ == "__main__":
    sys.stdout.buffer.write(golden())
