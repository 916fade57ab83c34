"""
What an index file holds, read back for an examiner.

`kept_after` gives everything that is kept of a cube as one digest; what no
entry accounts for, such as a posting of a cube that is gone, is found by
`contradictions`. Values are compared as the file keeps them, types included.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from memos_gov.ports import IndexedCube, IndexEntry

PAGE_CUBES = 500

_ENTRIES = """
SELECT e.tenant, e.cube, e.revision, e.terms, e.words, e.author, e.conversation, e.position,
    e.facts, f.tenant, f.body
FROM entry e LEFT JOIN facts f ON f.id = e.facts
WHERE (e.tenant, e.cube) > (?, ?) ORDER BY e.tenant, e.cube LIMIT ?
"""
_POSTINGS = """
SELECT term, tf, words, facts FROM posting
WHERE tenant = ? AND cube = ? AND term IN (SELECT value FROM json_each(?)) ORDER BY term
"""
_FACTS = "SELECT id, tenant, entries, texts, words FROM facts"


def digest_of(entry: IndexEntry, counts: Counter[str] | None, facts: str) -> bytes:
    """Return the digest of an entry, of its words by stem and of its facts."""
    stems = counts or Counter[str]()
    words = stems.total()
    return _digest(
        (entry.tenant, entry.cube_id, entry.revision, None if counts is None else " ".join(counts)),
        (words, entry.author, entry.conversation, entry.position),
        facts,
        [(stem, tf, words) for stem, tf in sorted(stems.items())],
    )


def kept_after(db: sqlite3.Connection, after: tuple[str, str], limit: int) -> Iterator[IndexedCube]:
    """Yield at most `limit` cubes after a tenant and cube, in order."""
    for row in db.execute(_ENTRIES, (*after, limit)).fetchall():
        tenant, cube, revision, terms, words, author, conversation, position = row[:8]
        facts, facts_tenant, body = row[8:]
        stems = json.dumps(terms.split()) if isinstance(terms, str) else "[]"
        postings = db.execute(_POSTINGS, (tenant, cube, stems)).fetchall()
        digest = _digest(
            (tenant, cube, revision, terms),
            (words, author, conversation, position),
            body if facts_tenant == tenant else None,
            [posting[:3] for posting in postings if posting[3] == facts],
        )
        yield IndexedCube(tenant, cube, revision, terms is not None, digest)


def _digest(*kept: Any) -> bytes:
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
    stems, entered = 0, defaultdict[object, Counter[str]](Counter)
    for facts, tenant, terms, words in db.execute("SELECT facts, tenant, terms, words FROM entry"):
        stems += len((terms or "").split())
        texts = terms is not None
        entered[facts, tenant].update({"entries": 1, "texts": texts, "words": words})
    if (stems,) != db.execute("SELECT count(*) FROM posting").fetchone():
        yield "postings"
    counted = {
        (facts, tenant): Counter(entries=entries, texts=texts, words=words)
        for facts, tenant, entries, texts, words in db.execute(_FACTS)
    }
    if counted != entered:
        yield "facts"
