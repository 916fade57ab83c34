"""
Verdicts in process: the shipped policies, compiled to Wasm, through `Judge`.

What is timed is what a read pays: the question to JSON, the evaluation, and
the answer into its closed types. The facts are made beforehand by
`questions.cube_facts`, from cubes that differ in label, owner, purposes,
grants, consent and findings; the actor is an analyst who may read part of
them. The limits are those of the project's targets for a machine of this size.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench.measure import Bench, Figure, latency, spread
from memos_gov.backends.files import FilePolicyBundles, shipped_bundle
from memos_gov.backends.wasm import WasmPolicyEngine
from memos_gov.domain import questions
from memos_gov.domain.facts import (
    ConsentFact,
    ContentFacts,
    GovernanceFacts,
    Grant,
    PrincipalFacts,
    SubjectFacts,
)
from memos_gov.judge import Judge

NOW = 1_700_000_000
LIMITS_MS = {1: 0.15, 100: 1.5, 1000: 18.0}
REPEATS = {1: 2000, 100: 400, 1000: 60}
_PURPOSES = ("complaint-handling", "research", "marketing", "support")


def measure(bench: Bench) -> Iterator[Figure]:
    """Yield the time of one question about 1, 100 and 1,000 cubes."""
    judge = shipped_judge(bench.folder)
    asked = questions.asked(_caller(), _analyst(), "recall", NOW)
    facts = [questions.cube_facts(cube, "acme", NOW) for cube in cubes(1000)]
    for count, limit_ms in LIMITS_MS.items():
        times = bench.size(REPEATS[count], 5)
        taken = spread(partial(judge.cubes, asked, facts[:count]), times)
        named = f"verdicts on {count:,} cubes" if count > 1 else "verdict on 1 cube"
        yield from latency(named, taken, limit_ms)


def shipped_judge(folder: Path) -> Judge:
    """Return the judge of the shipped bundle, kept in `folder`."""
    bundles = FilePolicyBundles(folder / "policies")
    digest = bundles.put(shipped_bundle())
    return Judge(WasmPolicyEngine(bundles, folder / "wasm"), digest)


def _caller() -> questions.Caller:
    return questions.Caller(
        tenant="acme",
        principal="p_anna",
        via="key",
        purpose="complaint-handling",
        correlation="bench",
    )


def _analyst() -> PrincipalFacts:
    purposes = ("complaint-handling", "research")
    return PrincipalFacts(
        roles=("analyst",), clearance="internal", purposes=purposes, regions=("*",)
    )


def cubes(count: int) -> list[questions.Cube]:
    """Return cubes that differ in everything the rules look at."""
    chance = random.Random(7)
    return [_cube(f"c_{number:06}", chance) for number in range(count)]


def _cube(name: str, chance: random.Random) -> questions.Cube:
    return questions.Cube(name, _content(chance), _governance(chance), (_subject(chance),))


def _content(chance: random.Random) -> ContentFacts:
    return ContentFacts(
        revision=1,
        mode="overwrite",
        index="full",
        findings=chance.choice(((), (), ("email",), ("card", "phone"))),
        size_bytes=400,
        valid_from=NOW - 1000,
        valid_to=None,
        recorded_at=NOW - 1000,
        event_index=5,
        key_id="k",
    )


def _governance(chance: random.Random) -> GovernanceFacts:
    share = Grant(principal="p_anna", scope="read", valid_from=0, valid_to=None)
    return GovernanceFacts(
        form="plaintext",
        state="activated",
        frozen=False,
        quarantined=chance.random() < 0.02,
        label=chance.choice(("public", "internal", "internal", "confidential")),
        origin="import",
        semantic_type="episode",
        author=None,
        conversation=None,
        position=None,
        subjects=("s_1",),
        owner=chance.choice(("p_olga", "p_omar", "p_anna")),
        purposes=tuple(chance.sample(_PURPOSES, 2)),
        basis=chance.choice(("legitimate-interest", "consent")),
        region=chance.choice(("global", "eu")),
        retention_class="complaint",
        priority="normal",
        grants=(share,) if chance.random() < 0.2 else (),
        holds=(),
        sources=(),
        recorded_at=NOW - 1000,
    )


def _subject(chance: random.Random) -> SubjectFacts:
    if chance.random() < 0.5:
        return SubjectFacts()
    given = chance.random() < 0.7
    purpose = chance.choice(_PURPOSES)
    word = ConsentFact(purpose=purpose, given=given, valid_from=0, valid_to=None)
    return SubjectFacts(consents=(word,))
