"""View `usage`: how often and when a cube was last returned; it versions nothing."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select, tuple_

from memos_gov.domain import codec
from memos_gov.domain import events as e
from memos_gov.domain.history import Decided
from memos_gov.projections.accesses import STRUCK
from memos_gov.projections.tables import UsageRow, table_of
from memos_gov.projections.upsert import upsert

_PIECE = 300


class UsageView:
    """Counts of reads by cube."""

    name = "usage"

    def apply(self, connection: Connection, batch: Sequence[Decided]) -> None:
        """Add the reads of a batch to what is there."""
        reads = _reads(batch)
        cubes = sorted(reads)
        table = table_of(UsageRow)
        for start in range(0, len(cubes), _PIECE):
            piece = cubes[start : start + _PIECE]
            key = tuple_(table.c.tenant, table.c.cube)
            before = {
                (r.tenant, r.cube): r.reads
                for r in connection.execute(select(table).where(key.in_(piece)))
            }
            rows = [
                {
                    "tenant": tenant,
                    "cube": cube,
                    "reads": before.get((tenant, cube), 0) + reads[tenant, cube][0],
                    "last_read_at": reads[tenant, cube][1],
                }
                for tenant, cube in piece
            ]
            upsert(connection, table, rows)


def _reads(batch: Sequence[Decided]) -> dict[tuple[str, str], tuple[int, int]]:
    """Return (tenant, cube) -> (how often, when last) within a batch."""
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for item in batch:
        record = item.parsed.record
        if record is None or item.outcome.code != "accepted":
            continue
        struck = set(item.outcome.detail.get(STRUCK, ()))
        when = codec.milliseconds(record.time) // 1000
        for event in item.parsed.events:
            if isinstance(event, e.CubesRead) and event.action != "list":
                for cube in {read.cube for read in event.cubes} - struck:
                    key = (record.data.tenant, cube)
                    found[key] = (found.get(key, (0, 0))[0] + 1, when)
    return found
