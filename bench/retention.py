"""
Retention: what is due among 200,000 cubes, and doing it.

The view is filled with rows as its follower writes them, their dates spread
over twenty years by a fixed seed, and asked as a run of the schedule asks: a
page of 200 cubes by their time, counted, and the last page of a day's work.
The limit is that of the project's targets. Then a run of the schedule on cubes
that are all due, which is told: it asks policy about each, writes a record
each, and erases a page at a time.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import memos_gov
from bench import folders
from bench.complaints import complaints
from bench.measure import Bench, Figure, at_most, latency, seconds, spread, told
from memos_gov.backends.sqlite import migrate
from memos_gov.backends.sqlite.tables import SqliteTables
from memos_gov.projections.tables import DueRow, table_of
from memos_gov.projections.upsert import upsert
from memos_gov.schedule.candidates import count_due, due_by

CUBES, LIMIT_MS, REPEATS = 200_000, 20.0, 200
TENANT, POLICY = "acme", "a" * 64
NOW, DAY_S = 1_800_000_000, 86_400
AHEAD_DAYS = 7_305
RULES = "retention/schedule"
STEPS = "not_held counted_from_creation maximum_at expire"


def measure(bench: Bench) -> Iterator[Figure]:
    """Yield the time of the question, and the rate of what follows from it."""
    count, times = bench.size(CUBES, 2000), bench.size(REPEATS, 5)
    with closing(_filled(bench.folder / "due.db", count)) as tables:
        month = NOW + 30 * DAY_S
        first = partial(due_by, tables, TENANT, POLICY, month)
        yield from latency(f"due within 30 days of {count:,} cubes", spread(first, times), LIMIT_MS)
        later = partial(first, (month - DAY_S, ""))
        taken = spread(later, times)
        yield at_most("the same, a later page", taken.median * 1000, "ms", LIMIT_MS)
        taken = spread(partial(count_due, tables, TENANT, month), times)
        yield at_most("the same, counted", taken.median * 1000, "ms", LIMIT_MS)
    yield from running(bench)


def _filled(path: Path, count: int) -> SqliteTables:
    """Return tables whose view of what is due has `count` rows."""
    migrate.upgrade(path, "tables")
    tables, chance = SqliteTables(path), random.Random(11)
    rows = [
        {
            "tenant": TENANT,
            "cube": f"c_{chance.getrandbits(128):026x}"[:28],
            "due_at": NOW + chance.randrange(AHEAD_DAYS * DAY_S)
            if chance.random() < 0.95
            else None,
            "action": "expire",
            "retention_class": "complaint",
            "policy": POLICY,
            "held": False,
            "rules": RULES,
            "steps": STEPS,
            "idx": number,
        }
        for number in range(count)
    ]
    with tables.connection(write=True) as connection:
        upsert(connection, table_of(DueRow), rows)
    return tables


class Later:
    """The machine's clock, as far ahead as is said."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        """Return the time of then."""
        return datetime.now(UTC) + self.ahead


def running(bench: Bench) -> Iterator[Figure]:
    """Yield how many cubes a second a run expires, and erases once their grace is over."""
    count, clock = bench.size(2000, 20), Later()
    folders.founded(bench.folder / "run").close()
    with memos_gov.open(bench.folder / "run", clock=clock) as gov:
        actor = gov.acting_as("owner", purpose=folders.PURPOSE)
        texts = complaints(count, seed=5)
        folders.fill(gov, actor, (folders.remember(text, n) for n, text in enumerate(texts)))
        for days, done in ((8 * 366, "expired"), (31, "erased")):
            clock.ahead += timedelta(days=days)
            taken = seconds(lambda: gov.schedule(clock.now()))
            yield told(f"cubes {done} by a run, policy asked about each", count / taken, "/s")
