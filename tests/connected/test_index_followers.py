"""Two processes that fill one index, one of them stopped or killed: no erased word stays."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("weaviate")

import memos_gov
from memos_gov.backends.postgres.turns import SETTLE_S, TURN_IDLE_S_MAX
from memos_gov.bootstrap import fsck
from memos_gov.errors import UnavailableError
from memos_gov.service import Service
from tests.connected_folders import own_engines, removed_afterwards

pytestmark = [pytest.mark.connected, pytest.mark.timeout(240)]
WORD, OTHERS = "zebra", "river"
SOON_S = 20.0


@pytest.fixture
def gov(tmp_path: Path) -> Iterator[Service]:
    """Return an open folder on the engines, with a memory in the index and one that waits."""
    with (
        removed_afterwards(tmp_path / "data") as folder,
        memos_gov.init(folder, engines=own_engines()) as service,
    ):
        owner = service.acting_as("owner")
        owner.remember(f"A quiet evening by the {OTHERS}.")
        owner.recall(OTHERS)
        yield service


@contextmanager
def stopped(gov: Service, moment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Enter with a follower in a process of its own that has stopped at a moment."""
    folder = str(gov.rooms.settings.data)
    command = [sys.executable, "-m", "tests.connected.stopped_follower", folder, moment]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + SOON_S
        while state_of(process.pid) != "T":
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait(SOON_S)


def state_of(pid: int) -> str:
    """Return the letter that the system has for what a process does."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def terms_of(gov: Service, cube: str) -> list[Any]:
    """Return the stems that Weaviate holds of a cube, asked behind the port's back."""
    with gov.rooms.index._opened() as opened:  # type: ignore[attr-defined]
        tenant = gov.rooms.settings.tenant
        kept = [each.properties for each in opened.objects(tenant)]
    return [each["terms"] for each in kept if each["cube"] == cube]


def completed(gov: Service, erasure: str, within_s: float) -> None:
    """Let the erasure go on as the worker of the schedule does, until it is complete."""
    owner, end = gov.acting_as("owner"), time.monotonic() + within_s
    while owner.erasure(erasure).state != "completed":
        assert time.monotonic() < end, "it never completed"
        gov.rooms.eraser.resume()
        time.sleep(0.2)


def asked(gov: Service, cube: str) -> str:
    """Ask for an erasure and let it go as far as it goes at once; return its id."""
    owner = gov.acting_as("owner")
    erasure = owner.forget(cube=cube, reason="asked by letter", wait=False).id
    with suppress(UnavailableError):
        gov.rooms.eraser.go_on(gov.rooms.settings.tenant, erasure, wait=False)
    return str(erasure)


def test_erasure_beside_a_stopped_follower_waits_and_says_for_whom(gov: Service) -> None:
    """Others go on with the index; no certificate says gone while it may be written again."""
    owner = gov.acting_as("owner")
    cube = owner.remember(f"The {WORD} launch code is quartz.").cube_id
    with stopped(gov, "before") as process:
        begun = time.monotonic()
        erasure = asked(gov, cube)
        said = owner.erasure(erasure).state
        assert time.monotonic() - begun < TURN_IDLE_S_MAX + SOON_S
        if said != "completed":
            with pytest.raises(UnavailableError, match=rf"-{process.pid} began to write") as told:
                gov.rooms.eraser.go_on(gov.rooms.settings.tenant, erasure)
            assert "end it" in told.value.remedy
        owner.remember(f"Another evening by the {OTHERS}.")
        assert 2 == len(owner.recall(OTHERS).hits)

        process.send_signal(signal.SIGCONT)
        process.wait(SOON_S)

    completed(gov, erasure, SETTLE_S + SOON_S)
    assert "completed" != said
    assert [] == terms_of(gov, cube)
    assert fsck(gov.rooms.settings.data).clean


@pytest.mark.parametrize("moment", ["before", "after"])
def test_follower_killed_in_its_turn_leaves_no_erased_word(gov: Service, moment: str) -> None:
    """What it had sent is removed, whether or not others knew of it; nobody has to help."""
    owner = gov.acting_as("owner")
    cube = owner.remember(f"The {WORD} launch code is quartz.").cube_id
    with stopped(gov, moment) as process:
        process.kill()
        process.wait(SOON_S)
        assert (moment == "after") == bool(terms_of(gov, cube))
    erasure = asked(gov, cube)

    completed(gov, erasure, SETTLE_S + SOON_S)

    assert [] == terms_of(gov, cube)
    assert fsck(gov.rooms.settings.data).clean


def test_follower_that_wrote_late_and_died_is_written_over(gov: Service) -> None:
    """Stopped, woken when the cube was revised, killed once it had sent the older words."""
    owner = gov.acting_as("owner")
    cube = owner.remember(f"The {WORD} launch code is quartz.").cube_id
    with stopped(gov, "before") as process:
        owner.revise(cube, "The launch code was changed.")
        assert [cube] == [hit.cube_id for hit in owner.recall("changed").hits]
        process.send_signal(signal.SIGCONT)
        process.wait(SOON_S)
    assert any(WORD in terms for terms in terms_of(gov, cube)), "it wrote late"

    end = time.monotonic() + SETTLE_S + SOON_S
    while any(WORD in terms for terms in terms_of(gov, cube)):
        assert time.monotonic() < end, "it was never written over"
        gov.rooms.index_follower.catch_up()
        time.sleep(0.5)
    assert fsck(gov.rooms.settings.data).clean
