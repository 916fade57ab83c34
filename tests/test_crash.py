"""Acknowledged means durable and applied once: threads, processes, and kill -9 at any moment."""

import multiprocessing
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from multiprocessing.queues import Queue
from pathlib import Path

import pytest

import memos_gov
from memos_gov.errors import ConflictError, UnavailableError
from memos_gov.transparency import merkle

KILLS = 6
PURPOSE = "complaint-handling"


def outcomes(folder: Path) -> list[tuple[int | None, str, str, bytes]]:
    """Return (index, code, command id, leaf) of the tenant's records, in order of the log."""
    with closing(sqlite3.connect(folder / "tables.db")) as connection:
        return connection.execute(
            "SELECT idx, code, command_id, leaf FROM outcomes WHERE tenant = 'default'"
            " ORDER BY log_offset"
        ).fetchall()


def check_history(folder: Path) -> dict[str, list[int]]:
    """Check gapless indexes and the tree; return command id -> indexes it was accepted at."""
    rows = [row for row in outcomes(folder) if row[1] != "duplicate"]
    with closing(sqlite3.connect(folder / "tables.db")) as connection:
        size, frontier = connection.execute(
            "SELECT size, frontier FROM trees WHERE tenant = 'default'"
        ).fetchone()
    assert list(range(len(rows))) == [row[0] for row in rows]
    assert len(rows) == size
    assert merkle.root_of([row[3] for row in rows]) == merkle.root(merkle.unpack(frontier))
    accepted: dict[str, list[int]] = {}
    for index, code, command_id, _ in rows:
        if code == "accepted":
            assert index is not None
            accepted.setdefault(command_id, []).append(index)
    return accepted


def check_acknowledged(folder: Path, acknowledged: list[tuple[str, int]]) -> None:
    """Check that every acknowledged command has exactly its one accepted index."""
    accepted = check_history(folder)
    assert {cid: [index] for cid, index in acknowledged} == {
        cid: accepted.get(cid) for cid, _ in acknowledged
    }
    assert [] == [cid for cid, indexes in accepted.items() if len(indexes) != 1]


def test_threads_that_revise_the_same_cubes_lose_no_update(
    gov: memos_gov.Service, folder: Path
) -> None:
    """Each revision that was acknowledged follows the one it expected, and stands once."""
    owner = gov.acting_as("owner", purpose=PURPOSE)
    cubes = [owner.remember(f"cube {n}").cube_id or "" for n in range(2)]

    def revise(thread: int) -> list[tuple[str, int, str, int]]:
        actor, done = gov.acting_as("owner", purpose=PURPOSE), []
        for n in range(6):
            cube = cubes[(thread + n) % 2]
            try:
                hit = actor.get(cube)
                made = actor.revise(
                    cube, f"{hit.content} +{thread}.{n}", expected_revision=hit.revision
                )
            except (ConflictError, UnavailableError):
                continue
            done.append((cube, made.revision or 0, made.command_id, made.index))
        return done

    with ThreadPoolExecutor(8) as threads:
        done = [one for many in threads.map(revise, range(8)) for one in many]

    assert done
    for cube in cubes:
        hit, mine = owner.get(cube), [d for d in done if d[0] == cube]
        assert list(range(2, len(mine) + 2)) == sorted(d[1] for d in mine)
        assert len(mine) == (hit.content or "").count("+")
    check_acknowledged(folder, [(d[2], d[3]) for d in done])


def test_threads_that_write_without_an_expectation_all_get_in(
    gov: memos_gov.Service, folder: Path
) -> None:
    """What went stale is tried again from the start, under the same command id."""
    owner = gov.acting_as("owner", purpose=PURPOSE)
    cube = owner.remember("start").cube_id or ""

    def append(thread: int) -> list[tuple[str, int]]:
        actor, done = gov.acting_as("owner", purpose=PURPOSE), []
        for n in range(3):
            made = actor.remember(f"mine {thread}.{n}", subjects=["customer-1"])
            done.append((made.command_id, made.index))
            try:
                made = actor.revise(cube, f"+{thread}.{n}", mode="append")
            except UnavailableError:
                continue
            done.append((made.command_id, made.index))
        return done

    with ThreadPoolExecutor(4) as threads:
        done = [one for many in threads.map(append, range(4)) for one in many]

    check_acknowledged(folder, done)
    revisions = owner.get(cube).revision - 1
    assert revisions == len(done) - 12
    assert revisions == (owner.get(cube).content or "").count("+")


def test_reader_beside_writers_sees_no_half_state(gov: memos_gov.Service) -> None:
    """Content and revision of an answer are those of one moment."""
    owner = gov.acting_as("owner", purpose=PURPOSE)
    cube = owner.remember("revision 1").cube_id or ""

    def write() -> None:
        actor = gov.acting_as("owner", purpose=PURPOSE)
        for n in range(2, 25):
            actor.revise(cube, f"revision {n}")

    seen = []
    with ThreadPoolExecutor(1) as threads:
        writer = threads.submit(write)
        while not writer.done():
            try:
                hit = owner.get(cube)
            except UnavailableError:
                continue  # it moved each time between verdict and acceptance
            seen.append((hit.revision, hit.content))
        writer.result()

    assert seen == [(revision, f"revision {revision}") for revision, _ in seen]
    assert [r for r, _ in seen] == sorted(r for r, _ in seen)


def _write_many(folder: Path, process: int, answers: "Queue[list[tuple[str, int]]]") -> None:
    with memos_gov.open(folder) as gov:
        actor = gov.acting_as("owner", purpose=PURPOSE)
        made = [
            actor.remember(f"process {process} note {n}", subjects=["shared"]) for n in range(12)
        ]
    answers.put([(receipt.command_id, receipt.index) for receipt in made])


def test_processes_that_write_at_once_share_one_history(folder: Path) -> None:
    """Three processes, one folder: every command once, indexes without gaps."""
    spawn = multiprocessing.get_context("spawn")
    answers: Queue[list[tuple[str, int]]] = spawn.Queue()
    processes = [spawn.Process(target=_write_many, args=(folder, n, answers)) for n in range(3)]
    for process in processes:
        process.start()

    done = [pair for _ in processes for pair in answers.get(timeout=60)]
    for process in processes:
        process.join(60)

    assert 36 == len(done)
    check_acknowledged(folder, done)
    with memos_gov.open(folder) as gov:
        assert 36 == len(gov.acting_as("owner", purpose=PURPOSE).list(limit=100).hits)


WRITER = """
import sys, memos_gov
gov = memos_gov.open(sys.argv[1])
actor = gov.acting_as("owner", purpose="complaint-handling")
print("open", flush=True)
cube = None
for n in range(10_000):
    made = actor.remember(f"note {n} " + "x" * (n % 7) * 400, subjects=[f"customer-{n % 3}"])
    print(made.command_id, made.index, made.cube_id, flush=True)
    if cube is None:
        cube = made.cube_id
    made = actor.revise(cube, f"again {n}")
    print(made.command_id, made.index, cube, flush=True)
"""


def _killed(folder: Path, chance: random.Random) -> list[tuple[str, int, str]]:
    """Start a writer, kill it at some moment, and return what it had acknowledged."""
    command = [sys.executable, "-c", WRITER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert "open\n" == writer.stdout.readline()
        lines = [writer.stdout.readline()]
        time.sleep(chance.uniform(0, 0.15))
        writer.send_signal(signal.SIGKILL)
        lines += writer.stdout.read().splitlines(keepends=True)
    whole = [line.split() for line in lines if line.endswith("\n")]
    return [(cid, int(index), cube) for cid, index, cube in whole]


@pytest.mark.slow
def test_writer_killed_at_any_moment_loses_nothing_acknowledged(folder: Path) -> None:
    """After each kill the folder opens, and everything printed stands exactly once."""
    chance, acknowledged = random.Random(7), []
    for _ in range(KILLS):
        acknowledged += _killed(folder, chance)
        with memos_gov.open(folder) as gov:
            actor = gov.acting_as("owner", purpose=PURPOSE)
            for _, _, cube in acknowledged[-2:]:
                assert actor.get(cube).content
        check_acknowledged(folder, [(cid, index) for cid, index, _ in acknowledged])

    assert acknowledged
    assert 1 == max(Counter(cid for cid, _, _ in acknowledged).values())
