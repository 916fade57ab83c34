"""
Vectors of an index file, compared exactly: one product with every vector within the scope.

A vector has a row of its own, which goes with the entry's. It is sealed: a
digest over whose it is, of which revision and model, stands beside the
numbers, so that an examiner finds a byte that changed without running the model.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator

import numpy as np

from memos_gov.nearness import cosines, seal_of
from memos_gov.ports import Candidate, IndexEntry, Meaning

Key = tuple[str, str]


def keep_vector(db: sqlite3.Connection, entry: IndexEntry, facts: int) -> None:
    """Write the vector of an entry, if it has one."""
    if not entry.model:
        return
    key = (entry.tenant, entry.cube_id)
    seal = seal_of(*key, entry.revision, entry.model, entry.vector)
    db.execute(
        "INSERT INTO vector (tenant, cube, facts, model, numbers, seal) VALUES (?, ?, ?, ?, ?, ?)",
        (*key, facts, entry.model, entry.vector, seal),
    )


def drop_vectors(db: sqlite3.Connection, keys: Iterable[Key]) -> None:
    """Remove the vectors of some cubes."""
    db.executemany("DELETE FROM vector WHERE (tenant, cube) = (?, ?)", keys)


def near_in(
    db: sqlite3.Connection, tenant: str, meaning: Meaning, facts: set[int], without: set[str]
) -> Iterator[Candidate]:
    """Return the cubes that have one of some combinations of facts, nearest first, ties by id."""
    rows: list[tuple[str, bytes, int, int]] = [
        (cube, numbers, words, asks)
        for cube, numbers, of, words, asks in db.execute(
            "SELECT v.cube, v.numbers, v.facts, e.words, e.asks FROM vector v"
            " JOIN entry e ON (e.tenant, e.cube) = (v.tenant, v.cube)"
            " WHERE v.tenant = ? AND v.model = ? AND length(v.numbers) = ? ORDER BY v.cube",
            (tenant, meaning.model, len(meaning.vector)),
        )
        if of in facts and cube not in without
    ]
    near = cosines([row[1] for row in rows], meaning.vector)
    order = np.argsort(-near, kind="stable").tolist()
    return (Candidate(rows[n][0], 0.0, (), rows[n][2], bool(rows[n][3])) for n in order)


def near_to(
    db: sqlite3.Connection, tenant: str, cubes: Collection[str], meaning: Meaning
) -> dict[str, float]:
    """Return the cosines of some cubes, of those that have a vector."""
    query = (
        "SELECT numbers FROM vector"
        " WHERE (tenant, cube) = (?, ?) AND model = ? AND length(numbers) = ?"
    )
    found: dict[str, bytes] = {}
    for cube in cubes:
        if row := db.execute(query, (tenant, cube, meaning.model, len(meaning.vector))).fetchone():
            (found[cube],) = row
    return dict(zip(found, cosines([*found.values()], meaning.vector).tolist(), strict=True))
