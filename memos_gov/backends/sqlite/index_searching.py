"""What a search reads of an index file: combinations of facts within a scope, and postings."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from memos_gov.domain.verdicts import Scope, ScopeClause
from memos_gov.relevance import Found, Hit, Term


def inside(db: sqlite3.Connection, tenant: str, scope: Scope) -> tuple[set[int], int, int]:
    """Return the combinations of facts within `scope`, and their texts and words in all."""
    rows: list[tuple[int, str, int, int]] = db.execute(
        "SELECT id, body, texts, words FROM facts WHERE tenant = ?", (tenant,)
    ).fetchall()
    decode = msgspec.json.Decoder(list[list[str]]).decode
    clauses = [_lists(clause) for clause in scope.any]
    inside = []
    for row in rows:
        body = decode(row[1])
        if any(all(not want.isdisjoint(body[i]) for i, want in clause) for clause in clauses):
            inside.append(row)
    return {row[0] for row in inside}, sum(row[2] for row in inside), sum(row[3] for row in inside)


def asking_of(db: sqlite3.Connection, tenant: str) -> set[str]:
    """Return the cubes of a tenant whose content is a question."""
    query = "SELECT cube FROM entry INDEXED BY entry_asks WHERE tenant = ? AND asks = 1"
    return {cube for (cube,) in db.execute(query, (tenant,))}


def untimely(db: sqlite3.Connection, tenant: str, now: int) -> set[str]:
    """Return the cubes of a tenant that are not valid yet, or no longer."""
    query = (
        "SELECT cube FROM entry INDEXED BY entry_begins WHERE tenant = ? AND valid_from > ?"
        " UNION ALL SELECT cube FROM entry INDEXED BY entry_ends"
        " WHERE tenant = ? AND valid_to <= ? AND valid_to IS NOT NULL"
    )
    return {cube for (cube,) in db.execute(query, (tenant, now, tenant, now))}


def having(
    db: sqlite3.Connection, tenant: str, terms: Sequence[Term], scope: Scope, now: int
) -> tuple[list[Found], int, int]:
    """Return the valid cubes with each term, and how many texts and words the scope has."""
    allowed, texts, all_words = inside(db, tenant, scope)
    invalid = untimely(db, tenant, now)
    found: dict[str, Found] = {}
    for stem in {term.stem: None for term in terms}:
        rows: list[tuple[str, int, int, int]] = db.execute(
            "SELECT cube, tf, words, facts FROM posting WHERE (tenant, term) = (?, ?)",
            (tenant, stem),
        ).fetchall()
        hits = [Hit(*row[:3]) for row in rows if row[3] in allowed and row[0] not in invalid]
        found[stem] = Found(len(hits), hits)
    return [found[term.stem] for term in terms], texts, all_words


def _lists(clause: ScopeClause) -> list[tuple[int, frozenset[str]]]:
    """Return the lists that `clause` has, each with its place in a body of facts."""
    c = clause
    lists = (c.labels, c.purposes, c.states, c.owners, c.shared_with, c.regions)
    return [(i, frozenset(wanted)) for i, wanted in enumerate(lists) if wanted is not None]
