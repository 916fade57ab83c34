"""
What an index file holds, read back for an examiner.

`kept_after` gives everything that is kept of a cube as one digest, of a vector
whether its seal is right; what no entry accounts for, such as a posting of a
cube that is gone, is found by `contradictions`. Values are compared as the file
keeps them, types included.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterator

from memos_gov.nearness import seal_of
from memos_gov.ports import IndexedCube, IndexEntry

PAGE_CUBES = 500

# How often each stem of an entry stands in it, as long as every posting agrees
# with the entry. CROSS JOIN keeps the order of the stems.
_ENTRIES = """
SELECT e.tenant, e.cube, e.revision, e.terms, e.words, e.author, e.conversation, e.position,
    e.asks, e.valid_from, e.valid_to, e.model, v.numbers, v.seal, e.parked, f.body, (
        SELECT group_concat(p.tf) FROM json_each(CASE WHEN json_valid(e.stems) THEN e.stems END) t
        CROSS JOIN posting p ON p.tenant = e.tenant AND p.term = t.value AND p.cube = e.cube
        WHERE p.words = e.words AND p.facts = e.facts
        AND typeof(p.tf) = 'integer' AND typeof(p.words) = 'integer'
        AND typeof(p.facts) = 'integer')
FROM (SELECT *, '["' || replace(terms, ' ', '","') || '"]' stems FROM entry
    WHERE (tenant, cube) > (?, ?) ORDER BY tenant, cube LIMIT ?) e
LEFT JOIN facts f ON f.id = e.facts AND f.tenant = e.tenant
LEFT JOIN vector v ON v.tenant = e.tenant AND v.cube = e.cube AND v.facts = e.facts
    AND v.model = e.model
ORDER BY e.tenant, e.cube
"""
_FACTS = "SELECT id, tenant, entries, texts, words FROM facts"
_ENTERED = (
    "SELECT facts, tenant, count(*), count(terms), sum(words) FROM entry GROUP BY facts, tenant"
)
_VECTORS = "SELECT count(*) FROM vector"
_EMBEDDED = "SELECT count(*) FROM entry WHERE model <> ''"
_STEMS = (
    "SELECT coalesce(sum(length(terms) - length(replace(terms, ' ', '')) + 1), 0)"
    " FROM entry WHERE terms <> ''"
)


def digest_of(entry: IndexEntry, counts: Counter[str] | None, facts: str) -> bytes:
    """Return the digest of an entry, of its words by stem and of its facts."""
    stems = counts or Counter[str]()
    return _digest(
        (entry.tenant, entry.cube_id, entry.revision, None if counts is None else " ".join(stems)),
        (stems.total(), entry.author, entry.conversation, entry.position),
        (int(entry.asks), entry.valid_from, entry.valid_to, entry.model, bool(entry.model)),
        (entry.parked, facts, ",".join(map(str, stems.values())) or None),
    )


def kept_after(db: sqlite3.Connection, after: tuple[str, str], limit: int) -> Iterator[IndexedCube]:
    """Yield at most `limit` cubes after a tenant and cube, in order."""
    for row in db.execute(_ENTRIES, (*after, limit)).fetchall():
        sealed = row[12] is not None and seal_of(*row[:3], *row[11:13]) == row[13]
        digest = _digest(row[:4], row[4:8], (*row[8:12], sealed), row[14:])
        yield IndexedCube(row[0], row[1], row[2], row[3] is not None, digest)


def _digest(*kept: tuple[object, ...]) -> bytes:
    return hashlib.sha256(repr(kept).encode(errors="surrogatepass")).digest()


def contradictions(db: sqlite3.Connection) -> Iterator[str]:
    """Yield the place of what the entries do not account for; few facts are shared by many."""
    (state,) = db.execute("SELECT position, removals, swept FROM state").fetchall()
    if not all(isinstance(value, int) for value in state) or state[0] < -1:
        yield "position"
    elif state[1] != state[2]:
        yield "sweep"
    for partition, position in db.execute("SELECT partition, position FROM place"):
        if partition <= 0 or not isinstance(position, int) or position < 0:
            yield f"position in partition {partition}"
    if db.execute(_STEMS).fetchone() != db.execute("SELECT count(*) FROM posting").fetchone():
        yield "postings"
    if db.execute(_VECTORS).fetchone() != db.execute(_EMBEDDED).fetchone():
        yield "vectors"
    if db.execute("PRAGMA integrity_check(entry)").fetchall() != [("ok",)]:
        yield "entry"
    if {*db.execute(_ENTERED)} != {*db.execute(_FACTS)}:
        yield "facts"
