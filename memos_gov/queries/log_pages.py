"""
Pages of a tenant's decided history: what stands in the log, without sealed text.

Only records of the asking tenant are ever looked at. A record is shown whole
by `log_show`, its payloads as ciphertext.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from memos_gov.domain import codec
from memos_gov.domain.commands import make
from memos_gov.errors import NotFoundError
from memos_gov.queries.arguments import ShowArguments, TailArguments
from memos_gov.queries.asking import Evidence, ids_in

EXPORT_PAGE = 200


class EventLine(msgspec.Struct, frozen=True, kw_only=True):
    """An event of a record: its type and header, names in place of ids."""

    type: str
    header: dict[str, Any]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """
    One decided record; `detail` says more about its code.

    `events` are those that were accepted or refused; a rejected record has none.
    `leaf` is its hash in the tenant's tree, in hex.
    """

    index: int
    time_s: int
    command: str
    actor: str
    code: str
    detail: dict[str, list[str]]
    events: tuple[EventLine, ...]
    verdict_id: str
    leaf: str


class WholeEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A decided record with its canonical JSON, and where it stands."""

    entry: Entry
    partition: int
    log_offset: int
    leaf: str
    record: str


def log_tail(evidence: Evidence, count: int) -> tuple[Entry, ...]:
    """
    Return the newest `count` decided records, oldest first; the question is the last of them.

    Raises:
        InvalidCommandError: `count` is none, or below 1; nothing was written.
        DeniedError: Refused; recorded.
    """
    count = make(TailArguments, count=count).count
    last = evidence.ask("log-tail", "log_read")
    return tuple(_entries(evidence, max(last - count + 1, 0), last))


def log_export(evidence: Evidence) -> Iterator[WholeEntry]:
    """Yield every decided record of the tenant up to the question, in order; errors at once."""
    last = evidence.ask("log-export", "log_read")
    return _pages(evidence, last)


def _pages(evidence: Evidence, last: int) -> Iterator[WholeEntry]:
    for first in range(0, last + 1, EXPORT_PAGE):
        yield from _whole(evidence, first, min(first + EXPORT_PAGE - 1, last))


def log_show(evidence: Evidence, index: int) -> WholeEntry:
    """
    Return one decided record.

    Raises:
        InvalidCommandError: `index` can be none; nothing was written.
        DeniedError: Refused; recorded.
        NotFoundError: The tenant's history has no such index.
    """
    index = make(ShowArguments, index=index).index
    evidence.ask("log-show", "log_read", str(index))
    found = next(_whole(evidence, index, index), None)
    if found is None:
        raise NotFoundError
    return found


def _entries(evidence: Evidence, first: int, last: int) -> Iterator[Entry]:
    yield from (whole.entry for whole in _whole(evidence, first, last))


def _whole(evidence: Evidence, first: int, last: int) -> Iterator[WholeEntry]:
    outcomes = _outcomes(evidence, first, last)
    headers = _headers(evidence, first, last)
    opaque = {x for _, header in headers.values() for part in header for x in ids_in(part)}
    names = evidence.names({*opaque, *(row.actor for row in outcomes)})
    for row in outcomes:
        body = evidence.governor.log.read(row.partition, row.log_offset, 1)[0].body
        record = codec.decode(body)
        types, values = headers.get(row.idx, ((), ()))
        entry = Entry(
            index=row.idx,
            time_s=row.time_ms // 1000,
            command=record.type.removeprefix(codec.TYPE_PREFIX),
            actor=names[row.actor],
            code=row.code,
            detail=msgspec.json.decode(row.detail),
            events=tuple(
                EventLine(type=kind, header=names.shown(header))
                for kind, header in zip(types, values, strict=True)
            ),
            verdict_id=row.command_id,
            leaf=row.leaf.hex(),
        )
        yield WholeEntry(
            entry=entry,
            partition=row.partition,
            log_offset=row.log_offset,
            leaf=entry.leaf,
            record=body.decode(),
        )


def _outcomes(evidence: Evidence, first: int, last: int) -> list[Any]:
    from sqlalchemy import select

    from memos_gov.projections.tables import OutcomeRow, table_of

    table = table_of(OutcomeRow)
    query = select(table).where(table.c.tenant == evidence.tenant)
    query = query.where(table.c.idx.between(first, last)).order_by(table.c.idx)
    return list(evidence.rows(query))


def _headers(
    evidence: Evidence, first: int, last: int
) -> dict[int, tuple[list[str], list[dict[str, Any]]]]:
    """Return index -> (types, headers) of its events."""
    from sqlalchemy import select

    from memos_gov.projections.tables import EventRow, table_of

    table = table_of(EventRow)
    query = (
        select(table.c.idx, table.c.type, table.c.header)
        .where(table.c.tenant == evidence.tenant, table.c.idx.between(first, last))
        .order_by(table.c.idx, table.c.seq)
    )
    found: dict[int, tuple[list[str], list[dict[str, Any]]]] = {}
    for row in evidence.rows(query):
        types, values = found.setdefault(row.idx, ([], []))
        types.append(row.type)
        values.append(msgspec.json.decode(row.header))
    return found
