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
    """Return one row a target held now, by matter; of one person or about.cube only where named."""
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
    return index, sorted(_rows(evidence, targets))


def _rows(evidence: Evidence, targets: list[tuple[str, HeldTarget]]) -> Iterator[tuple[Any, ...]]:
    placed = {pair: _placed(evidence, *pair) for pair in targets}
    actors = {actor for _, actor in placed.values()}
    names = evidence.names({x for matter, t in targets for x in (matter, t.id)} | actors)
    for (matter, target), (since, actor) in placed.items():
        count = 1 if target.kind == "cube" else _cubes_of(evidence, target.id)
        yield names[matter], target.kind, names[target.id], count, since, names[actor]


def _placed(evidence: Evidence, matter: str, target: HeldTarget) -> tuple[int, str]:
    """Return when a target was last placed under a matter (seconds), and by whom."""
    from sqlalchemy import select

    from memos_gov.projections.tables import EventRow, OutcomeRow, table_of

    event, outcome = table_of(EventRow), table_of(OutcomeRow)
    query = (
        select(event.c.version, event.c.header, outcome.c.time_ms, outcome.c.actor)
        .join(outcome, (outcome.c.tenant == event.c.tenant) & (outcome.c.idx == event.c.idx))
        .where(event.c.stream == ids.matter_stream(evidence.tenant, matter))
        .where(event.c.type == HoldPlaced.__name__)
        .order_by(event.c.idx.desc(), event.c.seq.desc())
    )
    for row in evidence.rows(query):
        placed = decode_stored_header(HoldPlaced.__name__, row.version, row.header)
        if isinstance(placed, HoldPlaced) and placed.target == target:
            return row.time_ms // 1000, row.actor
    return 0, ""


def _cubes_of(evidence: Evidence, subject: str) -> int:
    from sqlalchemy import func, select

    from memos_gov.projections.tables import CubeWordRow, table_of

    word = table_of(CubeWordRow)
    query = select(func.count()).where(
        word.c.tenant == evidence.tenant, word.c.kind == "subject", word.c.value == subject
    )
    return int(evidence.rows(query)[0][0])
