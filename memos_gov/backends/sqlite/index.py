"""
A CubeIndex in one SQLite file: own postings, BM25 over the scope asked for.

This room promises that an answer depends on nothing outside its tenant and
scope, that `apply` is atomic, and that what was removed is gone from the file
and its write-ahead log when `apply` returns. The file is rebuilt from the log,
so a file of another format is emptied, never migrated.

Deliberately not here: verdicts (a hit may still be refused), and the order by speaker,
neighbours and meaning (`ranking.py`). Neither statistics nor vectors are cached between searches.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from memos_gov.backends.sqlite.connection import is_undecodable
from memos_gov.backends.sqlite.index_contents import (
    PAGE_CUBES,
    contradictions,
    digest_of,
    kept_after,
)
from memos_gov.backends.sqlite.index_searching import asking_of, having, inside, untimely
from memos_gov.backends.sqlite.index_vectors import drop_vectors, keep_vector, near_in, near_to
from memos_gov.domain.verdicts import Scope
from memos_gov.errors import CorruptionError, UnavailableError
from memos_gov.fsck.report import REBUILD
from memos_gov.ports import Akin, Candidate, IndexedCube, IndexEntry, Meaning, ParkedCube
from memos_gov.relevance import ranked, scored, stems, terms_of

FORMAT = 5  # of the file, in PRAGMA user_version

_TABLES = ("posting", "vector", "entry", "facts", "place", "state")
# `facts` holds each distinct combination once, with how many entries share it and
# how many texts and words they have: N and the mean length of a scope are then
# sums over few rows. `state` holds the position in partition 0, `place` those in
# the others, of which one machine has none. `removals` above `swept` means that a
# sweep is still due.
_DDL = """
CREATE TABLE state (position INTEGER NOT NULL, removals INTEGER NOT NULL, swept INTEGER NOT NULL);
CREATE TABLE place (partition INTEGER PRIMARY KEY, position INTEGER NOT NULL);
CREATE TABLE facts (
    id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, body TEXT NOT NULL,
    entries INTEGER NOT NULL, texts INTEGER NOT NULL, words INTEGER NOT NULL,
    UNIQUE (tenant, body));
CREATE TABLE entry (
    tenant TEXT NOT NULL, cube TEXT NOT NULL, revision INTEGER NOT NULL,
    facts INTEGER NOT NULL, terms TEXT, words INTEGER NOT NULL,
    author TEXT, conversation TEXT, position INTEGER, asks INTEGER NOT NULL,
    valid_from INTEGER NOT NULL, valid_to INTEGER, model TEXT NOT NULL,
    parked TEXT NOT NULL,
    PRIMARY KEY (tenant, cube)) WITHOUT ROWID;
CREATE INDEX entry_place ON entry (tenant, conversation, position)
    WHERE conversation IS NOT NULL;
CREATE INDEX entry_asks ON entry (tenant) WHERE asks = 1;
CREATE INDEX entry_begins ON entry (tenant, valid_from);
CREATE INDEX entry_ends ON entry (tenant, valid_to) WHERE valid_to IS NOT NULL;
CREATE INDEX entry_parked ON entry (tenant, cube, parked) WHERE parked <> '';
CREATE INDEX entry_author ON entry (tenant, author, facts) WHERE author IS NOT NULL;
CREATE TABLE posting (
    tenant TEXT NOT NULL, term TEXT NOT NULL, cube TEXT NOT NULL,
    facts INTEGER NOT NULL, tf INTEGER NOT NULL, words INTEGER NOT NULL,
    PRIMARY KEY (tenant, term, cube)) WITHOUT ROWID;
CREATE TABLE vector (
    id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, cube TEXT NOT NULL, facts INTEGER NOT NULL,
    model TEXT NOT NULL, numbers BLOB NOT NULL, seal BLOB NOT NULL, UNIQUE (tenant, cube));
INSERT INTO state VALUES (-1, 0, 0);
"""
CACHE_READ_KIB = 32_768
_PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = NORMAL",  # a lost tail is applied again from the log
    "secure_delete = ON",
    "temp_store = MEMORY",  # nothing of the index is written outside its folder
    "cache_size = -8192",
)
_SHARED: dict[str, Any] = {"isolation_level": None, "check_same_thread": False}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}  # primary result codes


class SqliteCubeIndex:
    """
    CubeIndex in the SQLite file `path`, mode 0600, opened at first use.

    Threads may share one index and processes one file. A removal rewrites the whole file, as
    secure_delete alone leaves copies of moved rows in pages: remove many entries in one call.
    """

    supports_transactions = True
    supports_sweeping = True

    def __init__(
        self, path: Path | None, *, busy_timeout_s: float = 5.0, read_only: bool = False
    ) -> None:
        """
        Name the file; its folder must exist, and waiting for a lock ends in time.

        Without a path all is kept in memory, never on a disk; see `in_memory`.
        """
        self._read_only = read_only
        self._path = path
        self._busy_timeout_s = busy_timeout_s
        self._lock = threading.RLock()
        self._open: sqlite3.Connection | None = None

    def apply(
        self,
        position: int,
        put: Sequence[IndexEntry],
        remove: Iterable[tuple[str, str]] = (),
        *,
        partition: int = 0,
        still: Callable[[], None] | None = None,
    ) -> None:
        """
        Replace and remove entries and advance to `position` in `partition`, in one transaction.

        What is both put and removed ends removed; of two entries of one cube the last
        counts. Committed when this returns; a power failure may undo it with its position.

        Raises:
            UnavailableError: Busy, full or read-only. Apply again: what was
                committed is skipped, and a sweep that is still due is done.
            CorruptionError: The file is damaged; delete it and apply from -1.
        """
        with self._writing() as db:
            if position > _position(db, partition):
                self._replace(db, put, remove)
                _advance(db, partition, position)

    def mend(
        self,
        position: int,
        put: Sequence[IndexEntry],
        remove: Iterable[tuple[str, str]] = (),
        *,
        partition: int = 0,
        still: Callable[[], None] | None = None,
    ) -> bool:
        """See `CubeIndex.mend`; in one transaction."""
        with self._writing() as db:
            if stands := position == _position(db, partition):
                self._replace(db, put, remove)
        return stands

    def remove(self, tenant: str, cubes: Iterable[str]) -> None:
        """See `CubeIndex.remove`; in one transaction."""
        with self._writing() as db:
            self._replace(db, (), [(tenant, cube) for cube in cubes])

    def position(self, partition: int = 0) -> int:
        """Return how far this index has come in a partition; -1 before the first `apply`."""
        with self._database() as db:
            return _position(db, partition)

    def search(
        self,
        tenant: str,
        query: str,
        scope: Scope,
        now: int,
        akin: Mapping[str, Sequence[Akin]] | None = None,
    ) -> Iterator[Candidate]:
        """
        Yield all matching cubes within `scope` that are valid `now`, most relevant first.

        All are scored from one snapshot when the first is asked for; no lock
        is held between two of them. Entries without content do not count.

        Raises:
            UnavailableError: Busy or unreadable; ask again.
            CorruptionError: The file is damaged.
        """
        terms = terms_of(query, akin)
        with self._database() as db, _transaction(db, "DEFERRED"):
            found, texts, words = having(db, tenant, terms, scope, now)
            scores = scored(terms, found, texts, words)
            asking = asking_of(db, tenant)
        counts = [{hit.cube: hit for hit in each.hits} for each in found]
        for cube in ranked(scores):
            hits = [each.get(cube) for each in counts]
            times = tuple(0 if hit is None else hit.times for hit in hits)
            length = max(hit.words for hit in hits if hit is not None)
            yield Candidate(cube, scores[cube], times, length, cube in asking)

    def nearest(self, tenant: str, meaning: Meaning, scope: Scope, now: int) -> Iterator[Candidate]:
        """See `CubeIndex.nearest`; every vector in scope is compared, from one snapshot."""
        with self._database() as db, _transaction(db, "DEFERRED"):
            allowed, _, _ = inside(db, tenant, scope)
            found = near_in(db, tenant, meaning, allowed, untimely(db, tenant, now))
        yield from found

    def nearness(self, tenant: str, cubes: Collection[str], meaning: Meaning) -> dict[str, float]:
        """See `CubeIndex.nearness`; from one snapshot."""
        with self._database() as db, _transaction(db, "DEFERRED"):
            return near_to(db, tenant, cubes, meaning)

    def beside(
        self, tenant: str, places: Collection[tuple[str, int]], scope: Scope, now: int
    ) -> list[Candidate]:
        """See `CubeIndex.beside`; from one snapshot."""
        query = (
            "SELECT cube, words, asks, facts FROM entry INDEXED BY entry_place"
            " WHERE (tenant, conversation, position) = (?, ?, ?)"
            " AND conversation IS NOT NULL AND terms IS NOT NULL"
            " AND valid_from <= ? AND (valid_to IS NULL OR valid_to > ?)"
        )
        with self._database() as db, _transaction(db, "DEFERRED"):
            allowed, _, _ = inside(db, tenant, scope)
            rows = [
                row for place in places for row in db.execute(query, (tenant, *place, now, now))
            ]
        return sorted(Candidate(r[0], 0.0, (), r[1], bool(r[2])) for r in rows if r[3] in allowed)

    def authors(self, tenant: str, authors: Collection[str], scope: Scope) -> set[str]:
        """See `CubeIndex.authors`; from one snapshot."""
        query = (
            "SELECT DISTINCT facts FROM entry INDEXED BY entry_author"
            " WHERE (tenant, author) = (?, ?) AND author IS NOT NULL AND terms IS NOT NULL"
        )
        with self._database() as db, _transaction(db, "DEFERRED"):
            allowed, _, _ = inside(db, tenant, scope)
            return {
                author
                for author in authors
                if any(facts in allowed for (facts,) in db.execute(query, (tenant, author)))
            }

    def entries(self) -> Iterator[IndexedCube]:
        """See `CubeIndex.entries`; a page at a time."""
        after = ("", "")
        while True:
            with self._database() as db:
                page = list(kept_after(db, after, PAGE_CUBES))
            yield from page
            if not page:
                return
            after = (page[-1].tenant, page[-1].cube_id)

    def parked(self) -> list[ParkedCube]:
        """See `CubeIndex.parked`."""
        query = (
            "SELECT tenant, cube, parked FROM entry INDEXED BY entry_parked"
            " WHERE parked <> '' ORDER BY tenant, cube"
        )
        with self._database() as db:
            return [ParkedCube(*row) for row in db.execute(query)]

    def digest(self, entry: IndexEntry) -> bytes:
        """See `CubeIndex.digest`."""
        counts = None if entry.content is None else Counter(stems(entry.content))
        return digest_of(entry, counts, facts_body(entry))

    def damaged(self) -> Iterator[str]:
        """See `CubeIndex.damaged`; what was removed and not yet swept is left."""
        with self._database() as db:
            found = list(contradictions(db))
        yield from found

    def present(self, tenant: str, cubes: Iterable[str]) -> set[str]:
        """See `CubeIndex.present`; from one snapshot."""
        query = "SELECT 1 FROM entry WHERE (tenant, cube) = (?, ?)"
        with self._database() as db, _transaction(db, "DEFERRED"):
            return {cube for cube in cubes if db.execute(query, (tenant, cube)).fetchone()}

    def clear(self) -> None:
        """Remove every entry and every position; nothing of them stays in the file."""
        with self._writing() as db:
            for table in _TABLES[:-1]:
                db.execute(f"DELETE FROM {table}")
            db.execute("UPDATE state SET position = -1, removals = removals + 1")

    def close(self) -> None:
        """Release the files; nothing is lost, and the next call opens them again."""
        if self._path is not None:
            self._release()

    def _release(self) -> None:
        with self._lock, _translated(self._path):
            if self._open is not None:
                self._open.close()
                self._open = None

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _translated(self._path):
            if self._open is None:
                self._open = self._opened()
            yield self._open

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._database() as db:
            with _transaction(db, "IMMEDIATE"):
                yield db
            _sweep(db)

    def _opened(self) -> sqlite3.Connection:
        if self._path is None:
            return _made_ready(sqlite3.connect(":memory:", **_SHARED))
        opened = _opened_to_read if self._read_only else _opened
        return opened(self._path, self._busy_timeout_s)

    def _replace(
        self, db: sqlite3.Connection, put: Sequence[IndexEntry], remove: Iterable[tuple[str, str]]
    ) -> None:
        gone = set(remove)
        entries = {(e.tenant, e.cube_id): e for e in put}
        removed = _drop(db, gone | entries.keys())
        self._add(db, [e for key, e in entries.items() if key not in gone])
        db.execute("UPDATE state SET removals = removals + ?", (removed,))

    def _add(self, db: sqlite3.Connection, entries: Sequence[IndexEntry]) -> None:
        postings: list[tuple[str, str, str, int, int, int]] = []
        for e in entries:
            counts = Counter(stems(e.content or ""))
            words = counts.total()
            facts = _counted_facts(db, e, words)
            terms = None if e.content is None else " ".join(counts)
            row = (e.tenant, e.cube_id, e.revision, facts, terms, words)
            place = (e.author, e.conversation, e.position, e.asks, e.valid_from, e.valid_to)
            values = (*row, *place, e.model, e.parked)
            db.execute(f"INSERT INTO entry VALUES ({', '.join('?' * len(values))})", values)
            keep_vector(db, e, facts)
            postings += [(e.tenant, t, e.cube_id, facts, tf, words) for t, tf in counts.items()]
        postings.sort()  # in key order: each page is touched once
        db.executemany("INSERT INTO posting VALUES (?, ?, ?, ?, ?, ?)", postings)


@contextmanager
def in_memory() -> Iterator[SqliteCubeIndex]:
    """Enter an index that was never on a disk, and leave nothing of it behind."""
    index = SqliteCubeIndex(None)
    try:
        yield index
    finally:
        index._release()  # noqa: SLF001 (this is its only owner)


def _opened(path: Path, busy_timeout_s: float) -> sqlite3.Connection:
    if not path.exists():
        path.touch(mode=0o600)  # SQLite gives its -wal and -shm the same mode
    return _made_ready(sqlite3.connect(path, timeout=busy_timeout_s, **_SHARED))


def _made_ready(db: sqlite3.Connection) -> sqlite3.Connection:
    try:
        for pragma in _PRAGMAS:
            db.execute(f"PRAGMA {pragma}")
        if _format(db) != FORMAT:
            lay_out(db)
        _sweep(db)  # one that a crash left undone
    except BaseException:
        db.close()
        raise
    return db


def _opened_to_read(path: Path, busy_timeout_s: float) -> sqlite3.Connection:
    """Open a file whose bytes must not change; one of another format holds nothing."""
    mode = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "mode=ro&immutable=1"
    uri = f"file:{quote(str(path.absolute()))}?{mode}"
    db = sqlite3.connect(uri, uri=True, timeout=busy_timeout_s, check_same_thread=False)
    db.execute(f"PRAGMA cache_size = -{CACHE_READ_KIB}")  # postings lie all over the file
    if _format(db) != FORMAT:
        db.close()
        message = "the index has another format than this program's"
        raise CorruptionError(message, place=path.name, remedy=REBUILD)
    return db


def _format(db: sqlite3.Connection) -> int:
    (number,) = db.execute("PRAGMA user_version").fetchone()
    return int(number)


def lay_out(db: sqlite3.Connection) -> None:
    """Empty a database of another format, and make the tables of this one."""
    with _transaction(db, "IMMEDIATE"):
        if _format(db) == FORMAT:  # another process was first
            return
        names: list[tuple[str]] = db.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        for (name,) in names:
            db.execute(f'DROP TABLE "{name}"')
        for statement in filter(str.strip, _DDL.split(";")):
            db.execute(statement)
        db.execute("UPDATE state SET removals = ?", (len(names),))
        db.execute(f"PRAGMA user_version = {FORMAT}")


def _position(db: sqlite3.Connection, partition: int) -> int:
    query, wanted = "SELECT position FROM state", tuple[int, ...]()
    if partition:
        query, wanted = "SELECT position FROM place WHERE partition = ?", (partition,)
    row: tuple[int] | None = db.execute(query, wanted).fetchone()
    return -1 if row is None else int(row[0])


def _advance(db: sqlite3.Connection, partition: int, position: int) -> None:
    if partition:
        db.execute("INSERT OR REPLACE INTO place VALUES (?, ?)", (partition, position))
    else:
        db.execute("UPDATE state SET position = ?", (position,))


def _sweep(db: sqlite3.Connection) -> None:
    """Rewrite file and log if anything was removed since the last time."""
    removals, swept = db.execute("SELECT removals, swept FROM state").fetchone()
    if removals == swept:
        return
    # SQLite, btree.c rebuildPage(): cells that move leave a copy in the page's
    # unallocated part, which secure_delete no longer knows. VACUUM builds new pages.
    db.execute("VACUUM")
    (busy, _, _) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        message = "a reader holds the write-ahead log: removed, but not yet swept from the disk"
        raise UnavailableError(message, backend="index")
    db.execute("UPDATE state SET swept = max(swept, ?)", (removals,))


def _counted_facts(db: sqlite3.Connection, entry: IndexEntry, words: int) -> int:
    """Count `entry` into its combination of facts and return the combination's id."""
    (facts,) = db.execute(
        "INSERT INTO facts (tenant, body, entries, texts, words) VALUES (?, ?, 1, ?, ?)"
        " ON CONFLICT DO UPDATE SET entries = entries + 1, texts = texts + excluded.texts,"
        " words = words + excluded.words RETURNING id",
        (entry.tenant, facts_body(entry), entry.content is not None, words),
    ).fetchone()
    return int(facts)


def facts_body(entry: IndexEntry) -> str:
    """Return the facts a scope can name, as lists in the order of `_lists`; equal if equal."""
    purposes, shared_with = sorted(set(entry.purposes)), sorted(set(entry.shared_with))
    body = [[entry.label], purposes, [entry.state], [entry.owner], shared_with, [entry.region]]
    return msgspec.json.encode(body).decode()


def _drop(db: sqlite3.Connection, keys: Iterable[tuple[str, str]]) -> int:
    """Remove what is kept under `keys`, exactly, and return how many entries that were."""
    removed, dropped = 0, sorted(keys)
    drop_vectors(db, dropped)
    for key in dropped:
        row: tuple[int, str | None, int] | None = db.execute(
            "DELETE FROM entry WHERE (tenant, cube) = (?, ?) RETURNING facts, terms, words", key
        ).fetchone()
        if row is None:
            continue
        facts, terms, words = row
        removed += 1
        db.executemany(
            "DELETE FROM posting WHERE (tenant, cube, term) = (?, ?, ?)",
            [(*key, term) for term in (terms or "").split()],
        )
        db.execute(
            "UPDATE facts SET entries = entries - 1, texts = texts - ?, words = words - ?"
            " WHERE id = ?",
            (terms is not None, words, facts),
        )
    db.execute("DELETE FROM facts WHERE entries = 0")
    return removed


@contextmanager
def _transaction(db: sqlite3.Connection, kind: str) -> Iterator[None]:
    db.execute(f"BEGIN {kind}")
    try:
        yield
    except BaseException:
        with suppress(sqlite3.Error):  # the first error is the one to report
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


@contextmanager
def _translated(path: Path | None) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED or is_undecodable(error):
            message = f"the index is damaged ({name})"
            raise CorruptionError(message, place=str(path), remedy=REBUILD) from error
        message = f"the index did not answer ({name})"
        raise UnavailableError(message, backend="index") from error
