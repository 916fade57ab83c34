"""What became of an erasure, read again from its facts and from the records of its pages."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from memos_gov.certify import parse
from memos_gov.domain import codec, ids
from memos_gov.domain import events as e
from memos_gov.domain.facts import ErasureFacts
from memos_gov.erasure.report import Erasure, Kept
from memos_gov.errors import NotFoundError
from memos_gov.governor import Governor
from memos_gov.ports import EventLog, Tables


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What the pages of an erasure decided in the end, and under which policies."""

    erased: tuple[str, ...]
    kept: tuple[Kept, ...]
    policies: tuple[str, ...]


def facts_of(governor: Governor, tenant: str, erasure: str) -> ErasureFacts:
    """
    Return how far an erasure has come.

    Raises:
        NotFoundError: The tenant has no such erasure.
    """
    stream = ids.erasure_stream(tenant, erasure)
    with governor.tables.snapshot() as snapshot:
        _, facts = snapshot.facts([stream]).get(stream, (0, None))
    if not isinstance(facts, ErasureFacts):
        raise NotFoundError
    return facts


def report_of(governor: Governor, tenant: str, erasure: str) -> Erasure:
    """Return an erasure as it stands; errors as `facts_of`."""
    facts = facts_of(governor, tenant, erasure)
    decided = told(governor.log, governor.tables, tenant, facts)
    return Erasure(
        id=erasure,
        state=facts.state,
        subject=facts.subject,
        cube=facts.cube,
        requested_at=facts.requested_at,
        completed_at=facts.completed_at,
        erased=decided.erased,
        kept=decided.kept,
        custodians=facts.receipts,
        statement=facts.statement,
        index=facts.index,
    )


def told(log: EventLog, tables: Tables, tenant: str, facts: ErasureFacts) -> Told:
    """Return what the pages of an erasure decided; of two words about a cube the newer counts."""
    erased: set[str] = set()
    kept: dict[str, Kept] = {}
    policies: dict[str, None] = {}
    for record, events in _pages(log, tables, tenant, facts):
        verdict = record.data.verdict
        assert verdict is not None
        policies[verdict.policy] = None
        for event in events:
            if isinstance(event, e.CubeErased):
                erased.add(event.cube)
            elif isinstance(event, e.CubeRestricted):
                rules = verdict.by_target[event.cube].rules
                kept[event.cube] = Kept(cube=event.cube, reasons=event.reasons, rules=rules)
    return Told(
        erased=tuple(sorted(erased)),
        kept=tuple(kept[cube] for cube in sorted(kept.keys() - erased)),
        policies=tuple(policies),
    )


def _pages(
    log: EventLog, tables: Tables, tenant: str, facts: ErasureFacts
) -> Iterator[tuple[codec.Record, tuple[e.Event, ...]]]:
    """Yield the records of the pages of an erasure, in order."""
    from sqlalchemy import select

    from memos_gov.projections.tables import OutcomeRow, table_of

    outcome = table_of(OutcomeRow)
    query = select(outcome.c.partition, outcome.c.log_offset).where(outcome.c.tenant == tenant)
    for index in facts.pages:
        with tables.connection() as connection:
            at = connection.execute(query.where(outcome.c.idx == index)).one()
        parsed = parse(log.read(at.partition, at.log_offset, 1)[0])
        assert parsed.record is not None
        yield parsed.record, parsed.events
