"""Writers that do not certify wait for whoever does; threads of a process wait together."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import memos_gov
from memos_gov.deciding import Deciding, Found
from memos_gov.domain.history import LogPosition, Outcome
from memos_gov.errors import UnavailableError
from memos_gov.follow import Certifier
from memos_gov.service import Service
from tests.workers import Process


def outcome(position: LogPosition) -> Outcome:
    """Return some outcome of a record."""
    return Outcome(
        tenant="default",
        index=position.offset,
        code="accepted",
        detail={},
        command_id="",
        actor="",
        command="",
        leaf=b"",
    )


def test_one_leads_and_every_thread_gets_its_own_outcome() -> None:
    """Rounds never overlap, and one serves whoever waits by then."""
    busy, rounds = threading.Lock(), list[int]()

    def a_round(wanted: Collection[LogPosition]) -> Found:
        assert busy.acquire(blocking=False), "two lead at once"
        time.sleep(0.01)
        rounds.append(len(wanted))
        busy.release()
        return {position: outcome(position) for position in wanted}

    deciding = Deciding(a_round)
    with ThreadPoolExecutor(16) as pool:
        positions = [LogPosition(0, offset) for offset in range(64)]
        found = list(pool.map(lambda each: deciding.outcomes([each])[0], positions))

    assert list(range(64)) == [each.index for each in found]
    assert 64 == sum(rounds)
    assert len(rounds) < 32


def test_leader_that_fails_leaves_the_lead_to_the_next() -> None:
    """Its own caller gets the error; nobody else waits for ever."""
    failed = threading.Event()

    def a_round(wanted: Collection[LogPosition]) -> Found:
        if not failed.is_set():
            time.sleep(0.05)
            failed.set()
            msg = "the tables do not answer"
            raise UnavailableError(msg, backend="tables")
        return {position: outcome(position) for position in wanted}

    deciding = Deciding(a_round)
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(deciding.outcomes, [LogPosition(0, n)]) for n in range(4)]
        failures = [one.exception() for one in asked]

    assert 1 == sum(isinstance(each, UnavailableError) for each in failures)
    assert 3 == failures.count(None)


def test_writer_without_a_certifier_says_that_the_outcome_is_unknown(folder: Path) -> None:
    """The record stands; sent again under its id once somebody certifies, it is done once."""
    command_id = "018f3a3e-0000-7000-8000-000000000001"
    with memos_gov.open(folder, certifies=False, decision_deadline_s=0.2) as gov:
        with pytest.raises(UnavailableError, match="outcome is unknown") as caught:
            gov.acting_as("owner").remember("a note", command_id=command_id)
        assert "same command id" in (caught.value.remedy or "")
    with pytest.raises(UnavailableError, match="no certifier decided yet"):
        memos_gov.open(folder, certifies=False, decision_deadline_s=0.2)

    with memos_gov.open(folder) as gov:
        receipt = gov.acting_as("owner").remember("a note", command_id=command_id)
        assert receipt.repeated
        assert 1 == len(gov.acting_as("owner").recall("note").hits)


def test_writer_never_certifies_and_never_signs(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening, writing, reading and forgetting leave that to the worker; nothing is lost."""
    worker = Process(folder, "certifier")
    try:
        worker.until("listens")

        def never(*_: object, **__: object) -> None:
            raise AssertionError("it certified")

        monkeypatch.setattr(Certifier, "_certify_batch", never)
        with memos_gov.open(folder, certifies=False) as gov:
            a_life_of_a_writer(gov)
    finally:
        code = worker.end(signal.SIGTERM)

    assert 0 == code


def a_life_of_a_writer(gov: Service) -> None:
    """Write from many threads, read, and forget; then nothing of the person is left."""
    owner = gov.acting_as("owner")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: owner.remember(f"note {n}", subjects=["ann"]), range(16)))
    assert 16 == len(owner.recall("note", k=30).hits)
    keys = gov.rooms.governor.keys
    with gov.rooms.governor.tables.snapshot() as snapshot:
        newest = snapshot.newest_events("default", 40)
    assert "completed" == owner.forget(subject="ann", reason="asked").state
    sealed = {event.key_id for event in newest if event.type == "CubeRemembered"}
    assert 16 == len(sealed)
    assert {} == keys.open("default", [str(each) for each in sealed])
