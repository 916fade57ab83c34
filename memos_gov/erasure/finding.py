"""
Finding the cubes of an erasure, the newest first, and when each was last used.

What was made of a cube is newer than the cube, so it is decided about first;
what cannot be decided yet is restricted by the record that ends its source.
"""

from __future__ import annotations

from collections.abc import Sequence

from memos_gov.ports import Tables


def about(tables: Tables, tenant: str, subject: str, after: str | None, limit: int) -> list[str]:
    """Return at most `limit` cubes about a subject, newest first, those after the cube `after`."""
    from sqlalchemy import select, tuple_

    from memos_gov.projections.tables import CubeRow, CubeWordRow, table_of

    cube, word = table_of(CubeRow), table_of(CubeWordRow)
    query = (
        select(cube.c.cube)
        .join(word, (word.c.tenant == cube.c.tenant) & (word.c.cube == cube.c.cube))
        .where(word.c.tenant == tenant, word.c.kind == "subject", word.c.value == subject)
        .order_by(cube.c.recorded_at.desc(), cube.c.cube.desc())
        .limit(limit)
    )
    with tables.connection() as connection:
        if after is not None:
            born = select(cube.c.recorded_at).where(cube.c.tenant == tenant, cube.c.cube == after)
            place = (connection.execute(born).scalar_one(), after)
            query = query.where(tuple_(cube.c.recorded_at, cube.c.cube) < place)
        return [row.cube for row in connection.execute(query)]


def last_uses(tables: Tables, tenant: str, cubes: Sequence[str]) -> dict[str, int]:
    """Return cube -> when it was last returned, of those that ever were."""
    from sqlalchemy import select

    from memos_gov.projections.tables import UsageRow, table_of

    usage = table_of(UsageRow)
    query = select(usage.c.cube, usage.c.last_read_at).where(
        usage.c.tenant == tenant, usage.c.cube.in_(cubes)
    )
    with tables.connection() as connection:
        return {row.cube: row.last_read_at for row in connection.execute(query)}
