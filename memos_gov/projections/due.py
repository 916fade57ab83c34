"""View `due`: what is due for each cube next, as the newest record that scheduled it says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection

from memos_gov.domain import events as e
from memos_gov.domain.history import Decided
from memos_gov.domain.verdicts import HELD, UNANSWERED
from memos_gov.projections.tables import DueRow, table_of
from memos_gov.projections.upsert import remove, upsert


class DueView:
    """One row a cube that is not erased; its last word within a batch is written."""

    name = "due"

    def apply(self, connection: Connection, batch: Sequence[Decided]) -> None:
        """Write the newest schedule of each cube, and forget erased ones."""
        rows: dict[tuple[str, str], dict[str, Any] | None] = {}
        for item in batch:
            rows |= _rows(item)
        upsert(connection, table_of(DueRow), [row for row in rows.values() if row is not None])
        ended = [key for key, row in rows.items() if row is None]
        remove(connection, table_of(DueRow), ("tenant", "cube"), ended)


def _rows(item: Decided) -> Iterator[tuple[tuple[str, str], dict[str, Any] | None]]:
    record = item.parsed.record
    if record is None or item.outcome.code != "accepted":
        return
    policy = record.data.verdict.policy if record.data.verdict else ""
    for event in item.parsed.events:
        if isinstance(event, e.RetentionScheduled):
            yield (record.data.tenant, event.cube), _row(item, event, policy)
        elif isinstance(event, e.CubeErased):
            yield (record.data.tenant, event.cube), None


def _row(item: Decided, event: e.RetentionScheduled, policy: str) -> dict[str, Any]:
    return {
        "tenant": item.outcome.tenant,
        "cube": event.cube,
        "due_at": event.due,
        "action": event.action,
        "retention_class": event.retention_class,
        # What policy did not answer was asked of none.
        "policy": "" if UNANSWERED in event.rules else policy,
        "held": HELD in event.rules,
        "rules": " ".join(event.rules),
        "steps": " ".join(step.code for step in event.steps),
        "idx": item.outcome.index,
    }
