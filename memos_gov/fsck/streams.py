"""Every stream that has facts, in order, a page at a time."""

from __future__ import annotations

from collections.abc import Iterator

from memos_gov.ports import Tables

PAGE_STREAMS = 500


def pages_of(tables: Tables) -> Iterator[list[str]]:
    """Yield the names of all streams that have facts, sorted."""
    from sqlalchemy import select

    from memos_gov.projections.tables import StreamRow, table_of

    table, after = table_of(StreamRow), ""
    query = select(table.c.stream).order_by(table.c.stream).limit(PAGE_STREAMS)
    while True:
        with tables.connection() as connection:
            rows = connection.execute(query.where(table.c.stream > after))
            page = [str(row.stream) for row in rows]
        if not page:
            return
        yield page
        after = page[-1]
