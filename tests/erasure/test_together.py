"""Erasures beside readers, writers, holds and each other: nothing of the erased gets out."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.queues import Queue
from pathlib import Path
from threading import Barrier, Event

import pytest

import memos_gov
from memos_gov.bootstrap import fsck
from memos_gov.errors import ConflictError, DeniedError, GovernanceError, NotFoundError
from memos_gov.service import Actor, Service
from tests.erasure.conftest import PERSON, PURPOSE
from tests.erasure.memories import events, open_erasures, remembered, state

REASON = "asked by letter"
MET = (ConflictError, DeniedError, NotFoundError)


def forgotten(actor: Actor, barrier: Barrier, **target: str) -> str:
    """Forget at the same moment as others; return what came of it."""
    barrier.wait()
    try:
        return actor.forget(**target, reason=REASON).state  # type: ignore[arg-type]
    except MET as error:
        return type(error).__name__


@pytest.mark.parametrize("by", ["subject", "cube"])
def test_erasure_asked_for_by_two_threads_at_once_happens_once(
    gov: Service, owner: Actor, folder: Path, by: str
) -> None:
    """One goes through; the other meets it, or comes when all is done."""
    cubes = remembered(owner, *"abcdef", subjects=(PERSON,))
    target = {"subject": PERSON} if by == "subject" else {"cube": cubes[0]}
    barrier = Barrier(2)

    with ThreadPoolExecutor(2) as threads:
        done = [threads.submit(forgotten, owner, barrier, **target) for _ in range(2)]
        found = Counter(future.result() for future in done)

    assert 1 == found["completed"], found
    ended = Counter(header["cube"] for _, kind, header in events(gov) if kind == "CubeErased")
    assert {1} == set(ended.values())
    assert "erased" == state(gov, cubes[0])
    assert () == open_erasures(gov)


def _forget(folder: Path, barrier: object, answers: Queue[str]) -> None:
    with memos_gov.open(folder) as gov:
        owner = gov.acting_as("owner", purpose=PURPOSE)
        answers.put(forgotten(owner, barrier, subject=PERSON))  # type: ignore[arg-type]


def test_erasure_asked_for_by_two_processes_at_once_happens_once(folder: Path) -> None:
    """Both go on with the one that was asked for; each step stands once."""
    with memos_gov.open(folder) as gov:
        owner = gov.acting_as("owner", purpose=PURPOSE)
        cubes = remembered(owner, *"abcdef", subjects=(PERSON,))
    spawn = multiprocessing.get_context("spawn")
    answers: Queue[str] = spawn.Queue()
    barrier = spawn.Barrier(2)
    processes = [spawn.Process(target=_forget, args=(folder, barrier, answers)) for _ in range(2)]
    for process in processes:
        process.start()
    found = Counter(answers.get(timeout=60) for _ in processes)
    for process in processes:
        process.join(60)

    assert found["completed"] >= 1, found
    with memos_gov.open(folder) as gov:
        kinds = Counter(kind for _, kind, _ in events(gov))
        assert (6, 1, 6, 1) == tuple(
            kinds[kind]
            for kind in ("CubeErased", "ErasurePlanned", "CustodianErased", "ErasureCompleted")
        )
        assert {"erased"} == {state(gov, cube) for cube in cubes}
    assert fsck(folder).clean


def test_readers_beside_an_erasure_get_nothing_above_its_restriction(
    gov: Service, owner: Actor
) -> None:
    """Whatever was judged before is struck out, whatever comes after is refused."""
    cubes = remembered(owner, *(f"charged {n}" for n in range(12)), subjects=(PERSON,))
    started, over = Event(), Event()

    def read(number: int) -> list[int]:
        reader, got = gov.acting_as("owner", purpose=PURPOSE), []
        while not over.is_set():
            for act in (lambda: reader.get(cubes[number]), lambda: reader.recall("charged", k=12)):
                try:
                    found = act()
                except GovernanceError:
                    continue
                if getattr(found, "hits", (found,)):
                    got.append(1)
            started.set()
        return got

    with ThreadPoolExecutor(3) as threads:
        readers = [threads.submit(read, number) for number in range(2)]
        assert started.wait(30)
        done = owner.forget(subject=PERSON, reason=REASON)
        over.set()
        read_before = sum(len(reader.result()) for reader in readers)

    assert ("completed", 12) == (done.state, len(done.erased))
    assert read_before
    restricted = next(i for i, kind, _ in events(gov) if kind == "SubjectRestricted")
    after = [(i, x) for i, kind, x in events(gov) if kind == "CubesRead" and i > restricted]
    assert [] == [index for index, read in after if _returned(gov, index, read)]


def _returned(gov: Service, index: int, read: dict[str, object]) -> set[str]:
    """Return the cubes of a read that were not struck out of it."""
    from sqlalchemy import select

    from memos_gov.projections.tables import OutcomeRow, table_of

    outcome = table_of(OutcomeRow)
    query = select(outcome.c.detail).where(outcome.c.tenant == "default", outcome.c.idx == index)
    with gov.rooms.governor.tables.connection() as connection:
        (detail,) = connection.execute(query).one()
    named = {cube["cube"] for cube in read["cubes"]}  # type: ignore[attr-defined]
    return {cube for cube in named if cube.encode() not in detail}


def test_hold_placed_beside_an_erasure_is_obeyed_or_too_late(gov: Service, owner: Actor) -> None:
    """Never both: what is held when its page is decided is kept, with its key."""
    cubes = remembered(owner, *(f"letter {n}" for n in range(30)), subjects=(PERSON,))
    barrier = Barrier(2)

    def hold() -> int | None:
        barrier.wait()
        with suppress(ConflictError):  # (it was erased already)
            return owner.hold(matter="M-1", cube=cubes[-1]).index
        return None

    with ThreadPoolExecutor(2) as threads:
        held, forgot = (
            threads.submit(hold),
            threads.submit(forgotten, owner, barrier, subject=PERSON),
        )
        index = held.result()
        assert "completed" == forgot.result()

    decided = next(
        (i, kind)
        for i, kind, x in events(gov)
        if kind in {"CubeErased", "CubeRestricted"} and x["cube"] == cubes[-1]
    )
    in_time = index is not None and index < decided[0]
    assert ("restricted" if in_time else "erased") == state(gov, cubes[-1])
    if in_time:
        assert f"letter {29}" == owner.get(cubes[-1]).content
