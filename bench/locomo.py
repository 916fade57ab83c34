"""
Recall of ten long conversations, asked as a caller: are the turns found that answer?

Each conversation of LoCoMo is a tenant of its own, each turn a cube with its
author, conversation (one for each session), position and day. The 1,536 questions of
categories 1 to 4 that name their evidence are asked through `Actor.recall`,
once for the best ten and once for what fits into 4,800 characters. Any: some
turn of the evidence is there; all: every one is. Asked by words alone, and by
meaning with the embedder `minilm`, each against gates of its own. Weights were
tuned on the conversations at even places; both halves are printed, all of them
are judged.

Needs `../shared/data/locomo10.json` beside the checkout; meaning needs the extra
`models`, and is left out with a word on stderr without it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import memos_gov
from bench import engines, folders, vectors
from bench.measure import Bench, Figure, at_most
from memos_gov.domain import commands as c
from memos_gov.recall import Hit

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "locomo10.json"
K = 10
BUDGET = 4_800
LIMIT_MS = 60.0
MARKS = ("any@10", "all@10", "any in budget", "all in budget")
GATES = {"": (0.83, 0.70, 0.90, 0.78), "minilm": (0.88, 0.75, 0.935, 0.82)}  # by embedder
CALLED = {"": "by words", "minilm": "by meaning"}
ASKED = {1, 2, 3, 4}  # categories; the fifth asks about what was never said
_ID = re.compile(r"D(\d+):(\d+)")


class Turn(NamedTuple):
    """One turn of a conversation: its session, its place there, and what was said when."""

    session: int
    place: int
    speaker: str
    content: str
    moment: datetime


class Asking(NamedTuple):
    """A question and the (session, place) of each turn that answers it."""

    query: str
    evidence: frozenset[tuple[int, int]]


def measure(bench: Bench) -> Iterator[Figure]:
    """Yield how often the evidence is found, by words and by meaning, on both halves and on all."""
    for embedder in _embedders():
        folder = bench.folder / (embedder or "words")
        with vectors.remembered(), folders.founded(folder, embedder=embedder) as gov:
            yield from found_in(gov, bench, embedder)


def measure_connected(bench: Bench) -> Iterator[Figure]:
    """Yield the same of the connected set-up; nothing where an engine is away."""
    if not engines.answer("locomo-connected"):
        return
    for embedder in _embedders():
        folder = bench.folder / (embedder or "words")
        with vectors.remembered(), engines.founded(folder, embedder=embedder) as gov:
            yield from found_in(gov, bench, embedder)


def _embedders() -> Iterator[str]:
    yield ""
    if vectors.installed():
        yield "minilm"
    else:
        print("locomo: by words alone, the extra `models` is not installed", file=sys.stderr)


def found_in(gov: memos_gov.Service, bench: Bench, embedder: str) -> Iterator[Figure]:
    """Yield how often the evidence is found by a service."""
    found: dict[str, list[list[float]]] = {"tuned on": [], "held out": []}
    taken: list[float] = []
    for number, one in enumerate(conversations(DATA)[: bench.size(10, 1)]):
        half = found["held out" if number % 2 else "tuned on"]
        turns, asked = one
        actor = remembered(gov, f"conversation-{number}", turns)
        for question in asked[: bench.size(len(asked), 5)]:
            half.append(marks(actor, question, taken))
    everything = [*found["tuned on"], *found["held out"]]
    for name, rows in (*found.items(), ("all", everything)):
        means = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
        for mark, floor, value in zip(MARKS, GATES[embedder], means, strict=False):
            told_of = f"{CALLED[embedder]}, {mark}, {name} ({len(rows):,})"
            yield _reached(told_of, value, floor, judged=name == "all")
    taken.sort()
    p50 = taken[len(taken) // 2] * 1000
    named = f"{CALLED[embedder]}, recall of ten turns, p50"
    yield at_most(named, p50, "ms", LIMIT_MS, judged=False)


def conversations(path: Path) -> list[tuple[list[Turn], list[Asking]]]:
    """Return the turns of each conversation, and the questions about them that are asked."""
    return [
        (turns := [*_turns(sample["conversation"])], [*_asked(sample["qa"], turns)])
        for sample in json.loads(path.read_text(encoding="utf-8"))
    ]


def _turns(told_of: Mapping[str, Any]) -> Iterator[Turn]:
    for key, said in told_of.items():
        if not re.fullmatch(r"session_\d+", key) or not said:
            continue
        written = f"{told_of[f'{key}_date_time']} +0000"
        moment = datetime.strptime(written, "%I:%M %p on %d %B, %Y %z")
        for each in said:
            session, place = _places(each["dia_id"])[0]
            caption = each.get("blip_caption")
            content = f"[{caption}] {each['text']}" if caption else each["text"]
            yield Turn(session, place, each["speaker"], content, moment)


def _asked(questions: list[dict[str, Any]], turns: list[Turn]) -> Iterator[Asking]:
    there = {(turn.session, turn.place) for turn in turns}
    for each in questions:
        places = _places(" ".join(each.get("evidence") or ()))
        evidence = frozenset(places) & there  # some of them name turns that are not there
        if each["category"] in ASKED and evidence:
            yield Asking(each["question"], evidence)


def _places(text: str) -> list[tuple[int, int]]:
    return [(int(session), int(place)) for session, place in _ID.findall(text)]


def remembered(gov: memos_gov.Service, tenant: str, turns: list[Turn]) -> memos_gov.Actor:
    """Return somebody who may recall a conversation that a new tenant remembers."""
    gov.add_tenant(tenant, principal="owner")
    actor = gov.acting_as("owner", tenant=tenant, purpose=folders.PURPOSE)
    folders.fill(gov, actor, (_command(turn) for turn in turns))
    gov.rooms.index_follower.catch_up()
    return actor


def _command(turn: Turn) -> c.RememberCube:
    return c.make(
        c.RememberCube,
        content=turn.content,
        label="internal",
        purposes=(folders.PURPOSE,),
        basis="legitimate-interest",
        retention_class="complaint",
        author=turn.speaker,
        conversation=f"session {turn.session}",
        position=turn.place,
        valid_from=int(turn.moment.timestamp()),
    )


def marks(actor: memos_gov.Actor, asked: Asking, taken: list[float]) -> list[float]:
    """Return any and all of the best ten, and any and all of what fits the budget."""
    begun = perf_counter()
    ten = actor.recall(asked.query, k=K)
    taken.append(perf_counter() - begun)
    packed = actor.recall(asked.query, budget=BUDGET)
    assert len(packed.text or "") <= BUDGET, len(packed.text or "")
    found = [frozenset(_place(hit) for hit in read.hits) for read in (ten, packed)]
    there = [(bool(asked.evidence & each), asked.evidence <= each) for each in found]
    return [float(mark) for each in there for mark in each]


def _place(hit: Hit) -> tuple[int, int]:
    assert hit.conversation is not None
    assert hit.position is not None
    return int(hit.conversation.removeprefix("session ")), hit.position


def _reached(name: str, share: float, floor: float, *, judged: bool) -> Figure:
    peer = f"gate {floor:g}"
    return Figure(
        name=name,
        value=share,
        unit="",
        peer=peer,
        ratio=share / floor,
        floor=1.0 if judged else None,
    )
