"""
Certification and rebuild on Postgres, beside `eventsourcing` with its Postgres recorder.

The log is a file of SQLite, filled through the ordinary way in; what is measured
is the work that follows an append, into tables of a database of its own on the
server that `tests/engines.py` names. Without a server there, nothing is
measured, and that is said.

- Certification: batches of 500 records, each a command of its own, into fresh
  tables. The peer's like is one save a command. Its save commits synchronously,
  since it is its log; our tables do not, since the log is elsewhere and makes
  them again. Its save of 500 aggregates at once is told beside it.
- Rebuild: certification by COPY and every view, into fresh tables.
- SQLite's figures for the very same records are told beside, so that a busy machine shows.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

from psycopg.conninfo import conninfo_to_dict

from bench import folders, peer
from bench.complaints import complaints
from bench.measure import Bench, Figure, against, at_least, interleaved, told
from bench.replay import Replay
from memos_gov.backends.postgres import migrate
from memos_gov.backends.postgres.connection import connect
from memos_gov.backends.postgres.tables import PostgresTables
from memos_gov.errors import GovernanceError
from tests.databases import fresh_database
from tests.engines import POSTGRES

PEER = f"{peer.NAME} on Postgres"


def measure(bench: Bench) -> Iterator[Figure]:
    """Yield every figure of the tables on Postgres; none where no server answers."""
    try:
        connect(POSTGRES).close()
    except GovernanceError as error:
        print(f"postgres: skipped, {error}", file=sys.stderr)
        return
    total, turns = bench.size(5000, 20), bench.size(5, 1)
    texts = list(complaints(total, seed=3))
    with fresh_database() as url, folders.founded(bench.folder / "many") as gov:
        actor = gov.acting_as("owner")
        folders.fill(gov, actor, (folders.remember(text, n) for n, text in enumerate(texts)))
        ready = _ready(url, 2 * (turns + 1))
        with (
            closing(Replay(gov, bench.folder / "postgres", fresh=ready.pop)) as ours,
            closing(Replay(gov, bench.folder / "sqlite")) as files,
            closing(_application(url)) as notes,
        ):
            yield from _certifying(ours, files, notes, texts, turns)
            yield from _rebuilding(ours, files, turns)


def _ready(url: str, count: int) -> list[PostgresTables]:
    """Return as many empty tables as turns will ask for; making one is not what is measured."""
    names = [f"tables_{number}" for number in range(count)]
    for name in names:
        migrate.upgrade(url, "tables", schema=name)
    return [PostgresTables(url, schema=name) for name in names]


def _application(url: str) -> peer.Notes:
    known = conninfo_to_dict(url)
    words = ("dbname", "host", "port", "user", "password")
    database = {f"POSTGRES_{word.upper()}": str(known.get(word, "")) for word in words}
    return peer.Notes(env={"PERSISTENCE_MODULE": "eventsourcing.postgres", **database})


def _certifying(
    ours: Replay, files: Replay, notes: peer.Notes, texts: Sequence[str], turns: int
) -> Iterator[Figure]:
    few = texts[: len(texts) // 5]

    def one_by_one() -> None:
        for number, text in enumerate(few):
            notes.save(peer.note(text, f"customer-{number}"))

    def by_500() -> None:
        for start in range(0, len(texts), peer.BATCH):
            made: list[Any] = [peer.note(x, "c") for x in texts[start : start + peer.BATCH]]
            notes.save(*made)

    mine, theirs, many, beside = interleaved(
        turns, ours.certify, one_by_one, by_500, files.certify, warm_up=1
    )
    rate = ours.records / mine.median
    yield at_least("certification on Postgres, batches of 500", rate, "records/s", 5000)
    one = (f"{PEER}, a save a command", len(few) / theirs.median)
    yield against("certification beside saves", rate, "records/s", one, 8.0)
    more = (f"{PEER}, 500 events a save", len(texts) / many.median)
    yield against("certification beside saves of 500", rate, "records/s", more, None)
    yield told("the same records on SQLite", files.records / beside.median, "records/s")


def _rebuilding(ours: Replay, files: Replay, turns: int) -> Iterator[Figure]:
    mine, beside = interleaved(turns, ours.rebuild, files.rebuild, warm_up=1)
    rate = ours.records / mine.median
    yield at_least("full rebuild by COPY, all tables", rate, "events/s", 7000)
    yield told("the same rebuild on SQLite", files.records / beside.median, "events/s")
