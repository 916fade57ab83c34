"""
Finding cubes by their governed facts, after the view has caught up.

What this finds is a candidate until policy has judged it. Nothing here opens
content.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from memos_gov.domain.commands import ListCubes
from memos_gov.domain.verdicts import Scope, ScopeClause
from memos_gov.follow import Follower
from memos_gov.ports import Tables

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

ERASED = "erased"
_PIECE = 200


class CubeFinder:
    """Finds cubes within a scope, newest first; what was erased only where it is asked for."""

    def __init__(self, tables: Tables, follower: Follower) -> None:
        self._tables = tables
        self._follower = follower

    def catch_up(self) -> None:
        """Bring the view this reads to where the certifier is."""
        self._follower.catch_up("cubes")

    def find(self, command: ListCubes, tenant: str, scope: Scope) -> Iterator[str]:
        """Yield the ids of matching cubes, newest first, after `command.after`."""
        after = self._place(tenant, command.after)
        while True:
            page = self._page(command, tenant, scope, after)
            yield from (cube for _, cube in page)
            if len(page) < _PIECE:
                return
            after = page[-1]

    def _place(self, tenant: str, cube: str | None) -> tuple[int, str] | None:
        from sqlalchemy import select

        from memos_gov.projections.tables import CubeRow, table_of

        if cube is None:
            return None
        table = table_of(CubeRow)
        query = select(table.c.recorded_at).where(table.c.tenant == tenant, table.c.cube == cube)
        with self._tables.connection(tenant=tenant) as connection:
            row = connection.execute(query).first()
        return None if row is None else (row.recorded_at, cube)

    def _page(
        self, command: ListCubes, tenant: str, scope: Scope, after: tuple[int, str] | None
    ) -> list[tuple[int, str]]:
        from sqlalchemy import select, tuple_

        from memos_gov.projections.tables import CubeRow, table_of

        table = table_of(CubeRow)
        query = select(table.c.recorded_at, table.c.cube).where(
            table.c.tenant == tenant, scope_filter(scope)
        )
        for field in ("label", "state"):
            if (value := getattr(command, field)) is not None:
                query = query.where(table.c[field] == value)
        if command.state is None:
            query = query.where(table.c.state != ERASED)
        if command.subject is not None:
            query = query.where(_has_word("subject", (command.subject,)))
        if after is not None:
            query = query.where(tuple_(table.c.recorded_at, table.c.cube) < after)
        query = query.order_by(table.c.recorded_at.desc(), table.c.cube.desc()).limit(_PIECE)
        with self._tables.connection(tenant=tenant) as connection:
            return [(row.recorded_at, row.cube) for row in connection.execute(query)]


def scope_filter(scope: Scope) -> ColumnElement[bool]:
    """Return a scope as a condition on the `cubes` view; bind parameters only."""
    from sqlalchemy import false, or_

    return or_(false(), *(_clause_filter(clause) for clause in scope.any))


def _clause_filter(clause: ScopeClause) -> ColumnElement[bool]:
    from sqlalchemy import and_, true

    from memos_gov.projections.tables import CubeRow, table_of

    table = table_of(CubeRow)
    columns = {
        table.c.label: clause.labels,
        table.c.state: clause.states,
        table.c.owner: clause.owners,
        table.c.region: clause.regions,
    }
    words = {"purpose": clause.purposes, "shared_with": clause.shared_with}
    conditions: list[Any] = [
        col.in_(values) for col, values in columns.items() if values is not None
    ]
    conditions += [_has_word(kind, values) for kind, values in words.items() if values is not None]
    return and_(true(), *conditions)


def _has_word(kind: str, values: tuple[str, ...]) -> ColumnElement[bool]:
    from sqlalchemy import exists

    from memos_gov.projections.tables import CubeRow, CubeWordRow, table_of

    cube, word = table_of(CubeRow), table_of(CubeWordRow)
    return exists().where(
        word.c.tenant == cube.c.tenant,
        word.c.cube == cube.c.cube,
        word.c.kind == kind,
        word.c.value.in_(values),
    )
