"""View `accesses`: who read or tried what, for which purpose, under which policy and rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection

from memos_gov.domain import codec
from memos_gov.domain import events as e
from memos_gov.domain.history import Decided
from memos_gov.domain.verdicts import Verdict
from memos_gov.projections.tables import AccessRow, table_of
from memos_gov.projections.upsert import upsert

STRUCK = "struck"


class AccessesView:
    """
    One row a cube that was read, struck out or refused, and one for a refusal without a cube.

    An erasure that had to keep a cube was refused for it.
    """

    name = "accesses"

    def apply(self, connection: Connection, batch: Sequence[Decided]) -> None:
        """Write the accesses of a batch."""
        rows = [row for item in batch for row in _rows(item)]
        upsert(connection, table_of(AccessRow), rows)


def _rows(item: Decided) -> Iterator[dict[str, Any]]:
    record = item.parsed.record
    if record is None or item.outcome.code not in {"accepted", "refused"}:
        return
    for event in item.parsed.events:
        if isinstance(event, e.CubesRead):
            yield from _read(item, record, event)
        elif isinstance(event, e.CommandRefused):
            yield from _refused(item, record, event)
        elif isinstance(event, e.CubeRestricted) and event.reasons:
            verdict = record.data.verdict.by_target.get(event.cube) if record.data.verdict else None
            yield _row(item, record, "erase", event.cube, "refuse", event.reasons, verdict)


def _read(item: Decided, record: codec.Record, event: e.CubesRead) -> Iterator[dict[str, Any]]:
    struck = set(item.outcome.detail.get(STRUCK, ()))
    for read in event.cubes:
        effect = STRUCK if read.cube in struck else "allow"
        verdict = record.data.verdict.by_target.get(read.cube) if record.data.verdict else None
        yield _row(item, record, event.action, read.cube, effect, (), verdict)


def _refused(
    item: Decided, record: codec.Record, event: e.CommandRefused
) -> Iterator[dict[str, Any]]:
    cubes = [t for t in event.targets if t.startswith("c_")] or [""]
    for cube in cubes:
        verdict = record.data.verdict.by_target.get(cube) if record.data.verdict else None
        yield _row(item, record, event.action, cube, "refuse", event.reasons, verdict)


def _row(
    item: Decided,
    record: codec.Record,
    action: str,
    cube: str,
    effect: str,
    reasons: Sequence[str],
    verdict: Verdict | None,
) -> dict[str, Any]:
    data = record.data
    return {
        "tenant": data.tenant,
        "idx": item.outcome.index,
        "cube": cube,
        "actor": data.actor,
        "on_behalf_of": data.on_behalf_of,
        "action": action,
        "purpose": data.context.purpose,
        "effect": effect,
        "reasons": " ".join(reasons),
        "rules": " ".join(verdict.rules if verdict else ()),
        "policy": data.verdict.policy if data.verdict else "",
        "time_s": codec.milliseconds(record.time) // 1000,
    }
