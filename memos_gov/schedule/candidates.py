"""
Which cubes to ask about: those due by the view, and those whose row is no longer today's.

A row is no longer today's where another policy decides now, where a hold kept
the cube and may be over, and where there is no row at all. Both are read a
page at a time, each page after the last one, so that a run ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from memos_gov.ports import Tables

if TYPE_CHECKING:
    from sqlalchemy import Select

PAGE_CUBES = 200


class Candidate(msgspec.Struct, frozen=True):
    """A cube and what its row says; of one without a row, nothing."""

    cube: str
    due: int | None = None
    action: str = ""
    policy: str = ""
    held: bool = False


def asked_again(tables: Tables, tenant: str, policy: str, after: str) -> list[Candidate]:
    """Return the next cubes, by id, whose rows are no longer today's under `policy`."""
    from sqlalchemy import or_, select

    from memos_gov.projections.tables import CubeRow, DueRow, table_of

    cube, due = table_of(CubeRow), table_of(DueRow)
    mine = (due.c.tenant == cube.c.tenant) & (due.c.cube == cube.c.cube)
    query = (
        select(cube.c.cube, *_said(due))
        .join(due, mine, isouter=True)
        .where(cube.c.tenant == tenant, cube.c.cube > after, cube.c.state != "erased")
        .where(or_(due.c.cube.is_(None), due.c.policy != policy, due.c.held))
        .order_by(cube.c.cube)
        .limit(PAGE_CUBES)
    )
    return _candidates(tables, query)


def due_by(
    tables: Tables, tenant: str, policy: str, until: int, after: tuple[int, str] = (-1, "")
) -> list[Candidate]:
    """Return the next cubes, by their time and id, of which something is due until a moment."""
    from sqlalchemy import select, tuple_

    from memos_gov.projections.tables import DueRow, table_of

    due = table_of(DueRow)
    query = (
        select(due.c.cube, *_said(due))
        .where(due.c.tenant == tenant, due.c.due_at <= until)
        .where(tuple_(due.c.due_at, due.c.cube) > after)
        .where(due.c.policy == policy, due.c.held.is_(False))
        .order_by(due.c.due_at, due.c.cube)
        .limit(PAGE_CUBES)
    )
    return _candidates(tables, query)


def rows_of(tables: Tables, tenant: str, cubes: Sequence[str]) -> list[Candidate]:
    """Return cubes with what their rows say now."""
    from sqlalchemy import select

    from memos_gov.projections.tables import DueRow, table_of

    due = table_of(DueRow)
    query = select(due.c.cube, *_said(due)).where(due.c.tenant == tenant, due.c.cube.in_(cubes))
    found = {one.cube: one for one in _candidates(tables, query)}
    return [found.get(cube, Candidate(cube)) for cube in cubes]


def count_due(tables: Tables, tenant: str, until: int) -> int:
    """Return of how many cubes something is due until a moment, by the view."""
    from sqlalchemy import func, select

    from memos_gov.projections.tables import DueRow, table_of

    due = table_of(DueRow)
    query = select(func.count()).where(due.c.tenant == tenant, due.c.due_at <= until)
    with tables.connection() as connection:
        return int(connection.execute(query).scalar() or 0)


def last_uses(tables: Tables, tenant: str, cubes: Sequence[str]) -> dict[str, int]:
    """Return cube -> when it was last read or recalled, of those that ever were."""
    from sqlalchemy import select

    from memos_gov.projections.tables import UsageRow, table_of

    usage = table_of(UsageRow)
    query = select(usage.c.cube, usage.c.last_read_at).where(
        usage.c.tenant == tenant, usage.c.cube.in_(cubes)
    )
    with tables.connection() as connection:
        return {row.cube: row.last_read_at for row in connection.execute(query)}


def _said(due: Any) -> tuple[Any, ...]:
    return (due.c.due_at, due.c.action, due.c.policy, due.c.held)


def _candidates(tables: Tables, query: Select[Any]) -> list[Candidate]:
    with tables.connection() as connection:
        return [
            Candidate(row.cube, row.due_at, row.action or "", row.policy or "", bool(row.held))
            for row in connection.execute(query)
        ]
