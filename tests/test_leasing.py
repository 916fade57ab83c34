"""An erasure knows who may still have open what it ended, and waits for no one else."""

import multiprocessing
import signal
import subprocess
import sys
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

import memos_gov
from memos_gov.backends.clock import SystemClock
from memos_gov.leasing import LEASE_S, RENEW_S, Leasing
from memos_gov.opened import OPENED_S_MAX
from memos_gov.service import Actor
from tests.erasing import erase, erase_subject

PURPOSE = "complaint-handling"
PERSON = "customer-17"
ROOT = Path(__file__).resolve().parents[1]


def owner_of(gov: memos_gov.Service) -> Actor:
    """Return the first principal."""
    return gov.acting_as("owner", purpose=PURPOSE)


def a_cube(actor: Actor) -> str:
    """Remember a cube about a person."""
    cube = actor.remember("The card was charged twice.", subjects=[PERSON]).cube_id
    assert cube is not None
    return cube


def hasten(gov: memos_gov.Service, seconds: float) -> None:
    """Let time pass for a service's lease, as if it had waited."""
    leasing = gov.rooms.governor.leasing
    before = leasing._now
    leasing._now = lambda: before() + seconds


def test_lease_covers_whatever_is_opened_until_it_is_renewed() -> None:
    """What is opened at the last moment of a renewal's time lives as long as the lease."""
    assert LEASE_S >= RENEW_S + OPENED_S_MAX


def test_erasure_alone_in_its_folder_waits_for_nobody(gov: memos_gov.Service) -> None:
    """At once."""
    owner = owner_of(gov)
    index = erase(owner, a_cube(owner)).index

    assert [] == gov.rooms.governor.leasing.waiting("default", index)


def test_service_that_is_open_beside_is_waited_for_until_it_begins_anew(
    gov: memos_gov.Service, folder: Path
) -> None:
    """It drops what it had opened when it renews, and not before."""
    with memos_gov.open(folder) as beside:
        cube, other = a_cube(owner_of(beside)), a_cube(owner_of(gov))
        assert owner_of(beside).get(cube).content
        holder = beside.rooms.governor.leasing.holder
        index = erase(owner_of(gov), cube).index
        leasing = gov.rooms.governor.leasing

        owner_of(beside).get(other)
        assert [holder] == leasing.waiting("default", index)
        assert [] == leasing.waiting("default", index - 1 - 9)
        hasten(beside, RENEW_S)
        owner_of(beside).get(other)
        assert [] == leasing.waiting("default", index)


def test_renewal_drops_what_was_opened_before(gov: memos_gov.Service, folder: Path) -> None:
    """The name of a person who was erased elsewhere leads nowhere from then on."""
    owner = owner_of(gov)
    cube = a_cube(owner)
    with memos_gov.open(folder) as beside:
        keys = beside.rooms.governor.keys
        assert keys.refer("default", "subject", [PERSON])
        erase_subject(owner, PERSON)
        assert keys.refer("default", "subject", [PERSON])
        hasten(beside, RENEW_S)
        owner_of(beside).history(cube)
        assert {} == keys.refer("default", "subject", [PERSON])


def test_renewal_says_no_more_than_was_seen_before_everything_was_dropped(
    gov: memos_gov.Service,
) -> None:
    """What ends between the look at the history and the drop is waited for."""
    governor, owner = gov.rooms.governor, owner_of(gov)
    cube = a_cube(owner)
    erased: list[int] = []

    class Keys:
        """A vault during whose drop somebody is erased."""

        def forget_opened(self) -> None:
            erased.append(erase(owner, cube).index)

    leases = governor.leasing._leases
    late = Leasing(leases, keys=Keys(), tables=governor.tables, clock=SystemClock())  # type: ignore[arg-type]
    late.hold()

    assert [late.holder] == governor.leasing.waiting("default", erased[0])
    late._leases.release(late.holder)


def _hold(folder: Path, cube: str, opened: Event, leave: Event) -> None:
    with memos_gov.open(folder) as gov:
        assert owner_of(gov).get(cube).content
        opened.set()
        leave.wait(60)


def test_other_process_is_waited_for_until_it_closes(gov: memos_gov.Service, folder: Path) -> None:
    """Two processes, one folder."""
    owner = owner_of(gov)
    cube = a_cube(owner)
    spawn = multiprocessing.get_context("spawn")
    opened, leave = spawn.Event(), spawn.Event()
    process = spawn.Process(target=_hold, args=(folder, cube, opened, leave))
    process.start()
    assert opened.wait(60)

    index = erase(owner, cube).index
    waiting = gov.rooms.governor.leasing.waiting("default", index)
    leave.set()
    process.join(60)

    assert 1 == len(waiting)
    assert [] == gov.rooms.governor.leasing.waiting("default", index)


HOLDER = """
import sys, time, memos_gov
gov = memos_gov.open(sys.argv[1])
gov.acting_as("owner", purpose="complaint-handling").get(sys.argv[2])
print("open", flush=True)
time.sleep(60)
"""


def test_process_that_was_killed_is_waited_for_no_longer_than_its_lease(
    gov: memos_gov.Service, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can say what a dead process had open, but that it has it no more by then."""
    owner = owner_of(gov)
    cube = a_cube(owner)
    command = [sys.executable, "-c", HOLDER, str(folder), cube]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as holder:
        assert holder.stdout is not None
        assert "open\n" == holder.stdout.readline()
        holder.send_signal(signal.SIGKILL)
    leasing = gov.rooms.governor.leasing
    index = erase(owner, cube).index

    assert 1 == len(leasing.waiting("default", index))
    now_ms = leasing._now_ms()
    monkeypatch.setattr(leasing, "_now_ms", lambda: now_ms + round(LEASE_S * 1000))
    assert [] == leasing.waiting("default", index)


def test_reading_again_and_again_renews_the_lease_rarely(
    gov: memos_gov.Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hot path looks at a clock and nothing else."""
    owner, renewed = owner_of(gov), []
    cube = a_cube(owner)
    leases = gov.rooms.governor.leasing._leases
    renew = leases.renew
    monkeypatch.setattr(leases, "renew", lambda *a, **k: (renewed.append(1), renew(*a, **k)))
    for _ in range(5):
        owner.get(cube)
    assert 0 == len(renewed)

    hasten(gov, RENEW_S)
    for _ in range(5):
        owner.get(cube)

    assert 1 == len(renewed)
