"""The history of a cube: everything that changed it, in order; headers only, never content."""

from __future__ import annotations

from typing import Any

import msgspec

from memos_gov.domain import codec, ids
from memos_gov.domain import commands as c
from memos_gov.domain.events import Event
from memos_gov.domain.evolve import touched
from memos_gov.errors import NotFoundError
from memos_gov.queries.asking import Evidence, ids_in

_MATTER = f"{ids.PREFIXES['matter']}_"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a cube: `changes` are the header fields that differ from before."""

    index: int
    time_s: int
    type: str
    actor: str
    revision: int | None
    changes: dict[str, Any]


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """
    One content revision in both clocks: recorded at `index`, true from `valid_from` to `valid_to`.

    `diff` is the unified diff of its lines against the revision before, masked
    as a read would be, None where the content may not be read; `redactions`
    counts what was masked.
    """

    revision: int
    index: int
    recorded_at: int
    actor: str
    mode: str
    valid_from: int
    valid_to: int | None
    diff: tuple[str, ...] | None
    redactions: dict[str, int]


class History(msgspec.Struct, frozen=True, kw_only=True):
    """
    The events of a cube in order; `index` is that of the question itself.

    `revisions` are its contents, where they were asked for.
    """

    cube_id: str
    changes: tuple[Change, ...]
    index: int
    revisions: tuple[Revision, ...] = ()


def history(evidence: Evidence, cube: str) -> History:
    """
    Return the events that changed a cube, oldest first.

    Holds on the cube are among them, with the id of their matter in place of
    its name (`audit holds`); reads are not (`audit access`).

    As of a moment, those that had been recorded by then.

    Raises:
        InvalidCommandError: `as_of` has not come yet; nothing was written.
        DeniedError, NotFoundError: Refused, or unknown, also at that moment; recorded.
    """
    command = c.make(c.ReadHistory, cube=cube, **evidence.of)
    index = evidence.governor.handle(evidence.caller, command).index
    changes = changes_of(evidence, cube)
    if not changes:
        raise NotFoundError
    return History(cube_id=cube, changes=changes, index=index)


def changes_of(evidence: Evidence, cube: str) -> tuple[Change, ...]:
    """Return what changed a cube up to the moment asked about, oldest first."""
    tenant = evidence.tenant
    streams = {ids.content_stream(tenant, cube), ids.governance_stream(tenant, cube)}
    found = [
        (row, msgspec.json.decode(row.header))
        for row in _events(evidence, streams)
        if streams & set(touched(_event(row), tenant))
    ]
    opaque = {x for row, header in found for x in (*ids_in(header), row.actor)} - {cube}
    named = {x for x in opaque if not x.startswith(_MATTER)}
    names, before = evidence.names(named), dict[str, Any]()
    changes = []
    for row, header in found:
        news = {k: v for k, v in header.items() if k != "cube" and before.get(k) != v}
        before |= news
        change = Change(
            index=row.idx,
            time_s=row.time_ms // 1000,
            type=row.type,
            actor=names[row.actor],
            revision=1 if row.type == "CubeRemembered" else header.get("revision"),
            changes=names.shown(news),
        )
        changes.append(change)
    return tuple(changes)


def _event(row: Any) -> Event:
    return codec.decode_stored_header(row.type, row.version, row.header)


def _events(evidence: Evidence, streams: set[str]) -> list[Any]:
    """Return the events of every record that made a version of these streams, in order."""
    from sqlalchemy import select

    from memos_gov.projections.tables import EventRow, FactsRow, OutcomeRow, table_of

    event, facts, outcome = table_of(EventRow), table_of(FactsRow), table_of(OutcomeRow)
    indices = select(facts.c.idx).where(facts.c.stream.in_(streams)).distinct()
    query = (
        select(
            event.c.idx,
            event.c.type,
            event.c.version,
            event.c.header,
            outcome.c.actor,
            outcome.c.time_ms,
        )
        .join(outcome, (outcome.c.tenant == event.c.tenant) & (outcome.c.idx == event.c.idx))
        .where(event.c.tenant == evidence.tenant, event.c.idx.in_(indices))
        .where(event.c.idx <= evidence.last_act())
        .order_by(event.c.idx, event.c.seq)
    )
    return list(evidence.rows(query))
