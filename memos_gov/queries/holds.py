"""Audit `holds`: what is held for which legal matter, since when, and who placed it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from memos_gov.domain import ids
from memos_gov.domain.codec import decode_stored_header
from memos_gov.domain.events import HoldPlaced
from memos_gov.domain.facts import HeldTarget, MatterFacts
from memos_gov.queries.arguments import AuditArguments
from memos_gov.queries.asking import Evidence

COLUMNS = ("matter", "kind", "target", "cubes", "since", "placed_by")


def held(evidence: Evidence, about: AuditArguments) -> tuple[int, list[tuple[Any, ...]]]:
    """
    Return one row a target that is held, by matter; of one person or cube only where named.

    As of a moment, what was held then and how many cubes of a person there were.
    """
    person = None if about.subject is None else evidence.opaque("subject", about.subject)
    wanted = person or about.cube
    index = evidence.ask("holds", target=wanted)
    evidence.follower.catch_up("cubes")
    targets = [
        (matter, target)
        for matter, facts in evidence.facts("matter").items()
        if isinstance(facts, MatterFacts)
        for target in facts.targets
        if wanted in (None, target.id)
    ]
    return index, sorted(_rows(evidence, targets, evidence.last_act()))


def _rows(
    evidence: Evidence, targets: list[tuple[str, HeldTarget]], last: int
) -> Iterator[tuple[Any, ...]]:
    placed = {pair: _placed(evidence, *pair, last) for pair in targets}
    actors = {actor for _, actor in placed.values()}
    names = evidence.names({x for matter, t in targets for x in (matter, t.id)} | actors)
    for (matter, target), (since, actor) in placed.items():
        count = 1 if target.kind == "cube" else _cubes_of(evidence, target.id, last)
        yield names[matter], target.kind, names[target.id], count, since, names[actor]


def _placed(evidence: Evidence, matter: str, target: HeldTarget, last: int) -> tuple[int, str]:
    """Return when a target was last placed under a matter, up to an index, and by whom."""
    from sqlalchemy import select

    from memos_gov.projections.tables import EventRow, OutcomeRow, table_of

    event, outcome = table_of(EventRow), table_of(OutcomeRow)
    query = (
        select(event.c.version, event.c.header, outcome.c.time_ms, outcome.c.actor)
        .join(outcome, (outcome.c.tenant == event.c.tenant) & (outcome.c.idx == event.c.idx))
        .where(event.c.stream == ids.matter_stream(evidence.tenant, matter))
        .where(event.c.type == HoldPlaced.__name__, event.c.idx <= last)
        .order_by(event.c.idx.desc(), event.c.seq.desc())
    )
    for row in evidence.rows(query):
        placed = decode_stored_header(HoldPlaced.__name__, row.version, row.header)
        if isinstance(placed, HoldPlaced) and placed.target == target:
            return row.time_ms // 1000, row.actor
    return 0, ""


def _cubes_of(evidence: Evidence, subject: str, last: int) -> int:
    """Return how many cubes about a person there were at an index."""
    from sqlalchemy import func, literal, select

    from memos_gov.projections.tables import CubeWordRow, FactsRow, table_of

    word, facts = table_of(CubeWordRow), table_of(FactsRow)
    first = literal(ids.content_stream(evidence.tenant, "")).concat(word.c.cube)
    query = (
        select(func.count())
        .select_from(word)
        .join(facts, (facts.c.stream == first) & (facts.c.version == 1))
        .where(word.c.tenant == evidence.tenant, facts.c.idx <= last)
        .where(word.c.kind == "subject", word.c.value == subject)
    )
    return int(evidence.rows(query)[0][0])
