"""View `dispositions`: which cubes ended, when, under which rules, and who let it happen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection

from memos_gov.domain import codec, ids
from memos_gov.domain import events as e
from memos_gov.domain.history import Decided
from memos_gov.projections.tables import DispositionRow, table_of
from memos_gov.projections.upsert import upsert

Ends = e.CubeArchived | e.CubeExpired | e.CubeErased


class DispositionsView:
    """One row a cube that expired, was erased, or was archived by the schedule."""

    name = "dispositions"

    def apply(self, connection: Connection, batch: Sequence[Decided]) -> None:
        """Write the dispositions of a batch."""
        rows = [row for item in batch for row in _rows(item)]
        upsert(connection, table_of(DispositionRow), rows)


def _rows(item: Decided) -> Iterator[dict[str, Any]]:
    record = item.parsed.record
    if record is None or item.outcome.code != "accepted":
        return
    events, data = item.parsed.events, record.data
    review = next((x.case for x in events if isinstance(x, e.ReviewUsed)), None)
    scheduled: dict[str, tuple[str, ...]] = {}
    for event in events:
        if isinstance(event, e.RetentionScheduled):
            # The first one says why; what comes next stands behind.
            scheduled.setdefault(event.cube, event.rules)
        elif isinstance(event, Ends) and _disposes(event, data.actor):
            yield {
                "tenant": data.tenant,
                "idx": item.outcome.index,
                "cube": event.cube,
                "done": type(event).__name__.removeprefix("Cube").lower(),
                "rules": " ".join(scheduled.get(event.cube) or _judged(data, event.cube)),
                "actor": data.actor,
                "review": review,
                "erasure": getattr(event, "erasure", None),
                "time_s": codec.milliseconds(record.time) // 1000,
            }


def _disposes(event: Ends, actor: str) -> bool:
    """Whether it is the end of a cube; who archives by hand keeps it."""
    return not isinstance(event, e.CubeArchived) or actor == ids.SCHEDULER


def _judged(data: codec.RecordData, cube: str) -> tuple[str, ...]:
    """Return the rules of the record's verdict on a cube."""
    verdict = data.verdict.by_target.get(cube) if data.verdict else None
    return verdict.rules if verdict is not None else ()
