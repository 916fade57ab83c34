"""
The index against the log: of each cube the entry that the plan wants, words and all.

The content is opened with its key, one cube at a time, and what the index
would keep of it is compared by digest with what it keeps. A cube that changed
after the index's position may wait: the next recall brings it in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from memos_gov.domain import ids
from memos_gov.domain.events import CubeContent
from memos_gov.domain.facts import ContentFacts, Facts, GovernanceFacts, facts_type
from memos_gov.domain.history import LogPosition
from memos_gov.errors import CorruptionError, NotFoundError
from memos_gov.fsck.payloads import Payloads
from memos_gov.fsck.report import REBUILD, Findings
from memos_gov.fsck.walk import Ends
from memos_gov.materializers.plan import has_entry, index_entry, is_opened
from memos_gov.ports import (
    CubeIndex,
    IndexedCube,
    IndexEntry,
    KeyStore,
    StoredEvent,
    Tables,
)

PAGE_CUBES = 200
Name = tuple[str, str]


class Cube(NamedTuple):
    """A cube as it stands; `waits` where it changed after the index's position."""

    name: Name
    content: ContentFacts
    governance: GovernanceFacts
    waits: bool
    model: str

    @property
    def has_text(self) -> bool:
        """Whether the index should keep its words, or what they mean, by now."""
        return not self.waits and is_opened(self.content, self.governance, model=self.model)


class Wanted(NamedTuple):
    """What the index should hold of a cube: None where that cannot be told or may wait."""

    name: Name
    entry: IndexEntry | None


def check_index(
    tables: Tables,
    keys: KeyStore,
    index: CubeIndex,
    ends: Ends,
    findings: Findings,
    model: str = "",
) -> None:
    """
    Compare an index with what `tables`, which have come to the ends, say it should hold.

    A vector of `model` is not made again: it must be there, of that model, and whole.
    """
    for place in index.damaged():
        message = "contradicts the rest of the index"
        findings.add(f"index.db {place}", "index", message, REBUILD)
    positions = [index.position(partition) for partition in range(len(ends))]
    for position, end in zip(positions, ends, strict=True):
        if position >= end:
            message = f"has come to {position}, but the log ends at {end - 1}"
            findings.add("index.db position", "index", message, REBUILD)
            return
    wanted, kept = _wanted(tables, keys, positions, model), iter(index.entries())
    one, other = next(wanted, None), next(kept, None)
    while one is not None or other is not None:
        name = min(x for x in (one and one.name, other and _name(other)) if x is not None)
        mine = one if one is not None and one.name == name else None
        its = other if other is not None and _name(other) == name else None
        _compare(name, mine, its, index, findings)
        one = next(wanted, None) if mine is not None else one
        other = next(kept, None) if its is not None else other


def _name(cube: IndexedCube) -> Name:
    return cube.tenant, cube.cube_id


def _compare(
    name: Name,
    wanted: Wanted | None,
    kept: IndexedCube | None,
    index: CubeIndex,
    findings: Findings,
) -> None:
    """Compare what is wanted of one cube with what is kept of it."""
    place = f"index.db ({', '.join(name)})"
    if wanted is None:
        findings.add(place, "index", "is in the index and should not be", REBUILD)
    elif wanted.entry is None:
        findings.counts["index_waits"] += 1
    elif kept is None:
        findings.add(place, "index", "is not in the index and should be", REBUILD)
    elif index.digest(wanted.entry) != kept.digest:
        findings.add(place, "index", "is not in the index as the plan wants it", REBUILD)
    else:
        findings.counts["indexed"] += 1


def _wanted(
    tables: Tables, keys: KeyStore, positions: Sequence[int], model: str
) -> Iterator[Wanted]:
    """Yield every cube that the plan wants an entry of, in order of tenant and cube."""
    reached: dict[str, int] = {}
    for partition, position in enumerate(positions):
        reached |= _indexes_at(tables, LogPosition(partition, position))
    for page in _cubes(tables):
        cubes = list(_of_page(page, _newest(tables, page), reached, model))
        stored = _contents(tables, [cube for cube in cubes if cube.has_text])
        named = ((name[0], event.key_id) for name, event in stored.items() if event.key_id)
        payloads = Payloads(keys, named)
        for cube in cubes:
            yield from _of_cube(cube, stored.get(cube.name), payloads)


def _of_page(
    page: Sequence[Name],
    facts: Mapping[str, tuple[int, Facts]],
    reached: Mapping[str, int],
    model: str,
) -> Iterator[Cube]:
    """Yield the cubes of a page that have an entry, or may have."""
    for tenant, cube in page:
        c_at, content = facts.get(ids.content_stream(tenant, cube), (0, None))
        g_at, governance = facts.get(ids.governance_stream(tenant, cube), (0, None))
        waits = max(c_at, g_at) > reached.get(tenant, -1)
        if not isinstance(content, ContentFacts) or not isinstance(governance, GovernanceFacts):
            continue
        if waits or has_entry(governance):
            yield Cube((tenant, cube), content, governance, waits, model)


def _of_cube(cube: Cube, stored: StoredEvent | None, payloads: Payloads) -> Iterator[Wanted]:
    """Yield what the plan wants of a cube; nothing where its key is gone."""
    tenant, cube_id = cube.name
    waits, text = cube.waits, None
    if cube.has_text and stored is not None:
        try:
            text = _text(stored, tenant, payloads)
        except NotFoundError:
            return
        except CorruptionError:  # the payload is a finding of its own
            waits = True
    facts = (cube.content, cube.governance)
    entry = None if waits else index_entry(tenant, cube_id, *facts, text, model=cube.model)
    yield Wanted(cube.name, entry)


def _text(stored: StoredEvent, tenant: str, payloads: Payloads) -> str | None:
    raw = payloads.open_stored(stored, tenant)
    return None if raw is None else msgspec.json.decode(raw, type=CubeContent).content


def _contents(tables: Tables, cubes: Sequence[Cube]) -> dict[Name, StoredEvent]:
    """Return the events of those cubes' newest content that the index keeps words of."""
    with tables.snapshot() as snapshot:
        found = {x.name: snapshot.content_event(*x.name, x.content.event_index) for x in cubes}
    return {name: event for name, event in found.items() if event is not None}


def _indexes_at(tables: Tables, position: LogPosition) -> dict[str, int]:
    """Return the newest index of each tenant of a partition at an offset of it."""
    from sqlalchemy import func, select

    from memos_gov.projections.tables import OutcomeRow, table_of

    table = table_of(OutcomeRow)
    below = (table.c.partition == position.partition, table.c.log_offset <= position.offset)
    query = select(table.c.tenant, func.max(table.c.idx)).where(*below)
    with tables.connection() as connection:
        rows = connection.execute(query.group_by(table.c.tenant))
        return {tenant: -1 if idx is None else idx for tenant, idx in rows}


def _newest(tables: Tables, cubes: Sequence[Name]) -> dict[str, tuple[int, Facts]]:
    """Return stream -> (index since which they hold, facts) of some cubes."""
    from sqlalchemy import select

    from memos_gov.projections.tables import FactsRow, StreamRow, table_of

    facts, stream = table_of(FactsRow), table_of(StreamRow)
    named = [s for t, c in cubes for s in (ids.content_stream(t, c), ids.governance_stream(t, c))]
    current = (stream.c.stream == facts.c.stream) & (stream.c.version == facts.c.version)
    query = select(facts.c.stream, facts.c.idx, facts.c.doc).join(stream, current)
    with tables.connection() as connection:
        return {
            name: (idx, msgspec.json.decode(doc, type=facts_type(name)))
            for name, idx, doc in connection.execute(query.where(facts.c.stream.in_(named)))
        }


def _cubes(tables: Tables) -> Iterator[list[Name]]:
    """Yield the names of all cubes in order, a page at a time."""
    from sqlalchemy import select, tuple_

    from memos_gov.projections.tables import CubeRow, table_of

    table, after = table_of(CubeRow), ("", "")
    query = select(table.c.tenant, table.c.cube).order_by(table.c.tenant, table.c.cube)
    while True:
        beyond = tuple_(table.c.tenant, table.c.cube) > after
        with tables.connection() as connection:
            rows = connection.execute(query.where(beyond).limit(PAGE_CUBES))
            page = [(row.tenant, row.cube) for row in rows]
        if not page:
            return
        yield page
        after = page[-1]
