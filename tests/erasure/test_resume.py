"""Kill -9 at every step of an erasure: the next opening finishes it, as if nothing had been."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import memos_gov
from memos_gov.backends.clock import SystemClock
from memos_gov.bootstrap import fsck
from memos_gov.errors import NotFoundError
from memos_gov.leasing import LEASE_S
from memos_gov.service import Service
from tests.erasure.conftest import PERSON, PURPOSE
from tests.erasure.memories import open_erasures, remembered, state, story

CUBES, PAGE = 5, 2
LATER_S = LEASE_S + 1
# Places at which the process dies, by how often they are come to in one erasure.
REQUEST, PAGES, CUSTODIANS = 1, 3, 6
APPENDS = REQUEST + PAGES + CUSTODIANS + 1
PLACES = {
    "append": ("memos_gov.backends.sqlite.log", "SqliteEventLog", "append", APPENDS),
    "destroy": ("memos_gov.destroyer", "Destroyer", "_write", PAGES),
    "settle": ("memos_gov.destroyer", "Destroyer", "settle", 1),
    "index": ("memos_gov.materializers.plaintext", "IndexFollower", "catch_up", 1),
    "read back": ("memos_gov.erasure.eraser", "Eraser", "_read_back", CUSTODIANS),
    "complete": ("memos_gov.erasure.eraser", "Eraser", "_complete", 1),
}
STEPS = [
    (place, count, when)
    for place, (*_, times) in PLACES.items()
    for count in range(1, times + 1)
    for when in ("before", "after")
]
WORKER = f"""
import importlib, os, signal, sys
from datetime import timedelta
import memos_gov
from memos_gov.backends.clock import SystemClock
from memos_gov.erasure import pages

class Ahead(SystemClock):
    def now(self):
        return super().now() + timedelta(seconds=float(ahead))

folder, module, owner, name, count, when, ahead = sys.argv[1:]
kind, left = getattr(importlib.import_module(module), owner), [int(count)]
pages.PAGE_CUBES_MAX = {PAGE}

def killing(inner):
    def outer(*args, **named):
        left[0] -= 1
        if left[0] == 0 and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        done = inner(*args, **named)
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return done
    return outer

gov = memos_gov.open(folder, clock=Ahead())
actor = gov.acting_as("owner", purpose="{PURPOSE}")
setattr(kind, name, killing(getattr(kind, name)))
actor.forget(subject="{PERSON}", reason="asked by letter")
"""


@pytest.fixture(scope="module")
def lived(founded: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Return a closed folder with the memories of a person, in the index too."""
    folder = Path(shutil.copytree(founded, tmp_path_factory.mktemp("resume") / "data"))
    with memos_gov.open(folder) as gov:
        owner = gov.acting_as("owner", purpose=PURPOSE)
        cubes = remembered(owner, *(f"letter {n}" for n in range(CUBES)), subjects=(PERSON,))
        owner.revise(cubes[0], "letter 0, corrected")
        owner.recall("letter")
    return folder, cubes


@pytest.fixture(scope="module")
def undisturbed(
    lived: tuple[Path, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> list[tuple[str, dict[str, Any]]]:
    """Return what happens in an erasure that nobody disturbs."""
    folder = Path(shutil.copytree(lived[0], tmp_path_factory.mktemp("undisturbed") / "data"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("memos_gov.erasure.pages.PAGE_CUBES_MAX", PAGE)
        with memos_gov.open(folder) as gov:
            gov.acting_as("owner", purpose=PURPOSE).forget(subject=PERSON, reason="by letter")
            return story(gov)


class AfterLeases(SystemClock):
    """A clock at a time when the leases of the killed have expired."""

    def __init__(self, times: int = 1) -> None:
        self.ahead = timedelta(seconds=times * LATER_S)

    def now(self) -> datetime:
        """Return the time, so much later."""
        return super().now() + self.ahead


def killed(
    folder: Path, place: str, count: int, when: str, *, worker: str = WORKER, ahead_s: float = 0
) -> bool:
    """Run an erasure that dies at a place; return whether it came that far."""
    module, owner, name, _ = PLACES[place]
    words = [str(folder), module, owner, name, str(count), when, str(ahead_s)]
    command = [sys.executable, "-c", worker, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode != 0


def check_finished(gov: Service, cubes: list[str]) -> None:
    """Check that nothing of the person is left to be had."""
    owner = gov.acting_as("owner", purpose=PURPOSE)
    assert () == open_erasures(gov)
    assert {"erased"} == {state(gov, cube) for cube in cubes}
    assert () == owner.recall("letter").hits
    with pytest.raises(NotFoundError):
        owner.forget(subject=PERSON, reason="by letter")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "count", "when"), STEPS, ids=[f"{when} {p} {n}" for p, n, when in STEPS]
)
def test_erasure_killed_at_a_step_ends_like_one_that_was_not(
    lived: tuple[Path, list[str]],
    undisturbed: list[tuple[str, dict[str, Any]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    count: int,
    when: str,
) -> None:
    """The same events in the same order, each once; the folder is clean."""
    monkeypatch.setattr("memos_gov.erasure.pages.PAGE_CUBES_MAX", PAGE)
    folder = Path(shutil.copytree(lived[0], tmp_path / "data"))

    assert killed(folder, place, count, when)

    with memos_gov.open(folder, clock=AfterLeases()) as gov:
        if not story(gov):  # it died before it was asked for
            assert (place, count) == ("append", 1)
            gov.acting_as("owner", purpose=PURPOSE).forget(subject=PERSON, reason="by letter")
        assert undisturbed == story(gov)
        check_finished(gov, lived[1])
    report = fsck(folder)
    assert report.clean, report.findings


def test_every_step_of_an_erasure_is_among_those_tested(
    undisturbed: list[tuple[str, dict[str, Any]]],
) -> None:
    """A step that is added makes one of these counts wrong."""
    kinds = [kind for kind, _ in undisturbed]

    assert PAGES == kinds.count("ErasurePlanned")
    assert CUSTODIANS == kinds.count("CustodianErased")
    assert (1, 1, CUBES) == tuple(
        kinds.count(kind) for kind in ("ErasureRequested", "ErasureCompleted", "CubeErased")
    )


def test_erasure_of_a_killed_process_completes_once_its_lease_expired(
    lived: tuple[Path, list[str]], tmp_path: Path
) -> None:
    """Before that the killed process might still have something open, for all anybody knows."""
    folder = Path(shutil.copytree(lived[0], tmp_path / "data"))
    assert killed(folder, "settle", 1, "before")

    with memos_gov.open(folder) as gov:
        owner = gov.acting_as("owner", purpose=PURPOSE)
        (row,) = owner.audit("requests").rows
        assert "checking" == row[1]
        assert {"erased"} == {state(gov, cube) for cube in lived[1]}
    with memos_gov.open(folder, clock=AfterLeases()) as gov:
        assert () == gov.acting_as("owner", purpose=PURPOSE).audit("requests").rows


@pytest.mark.slow
def test_erasure_killed_again_and_again_ends_all_the_same(
    lived: tuple[Path, list[str]],
    undisturbed: list[tuple[str, dict[str, Any]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever goes on with it may be killed too: each opening comes further."""
    monkeypatch.setattr("memos_gov.erasure.pages.PAGE_CUBES_MAX", PAGE)
    folder = Path(shutil.copytree(lived[0], tmp_path / "data"))
    assert killed(folder, "append", 1, "after")
    opening, rest = WORKER.split("gov = memos_gov.open", 1)
    patching = next(line for line in rest.splitlines() if line.startswith("setattr"))
    again = f"{opening}{patching}\nmemos_gov.open(folder, clock=Ahead()).close()\n"
    deaths = 0
    while killed(folder, "append", 2, "before", worker=again, ahead_s=(deaths + 1) * LATER_S):
        deaths += 1

    assert deaths >= PAGES + CUSTODIANS
    with memos_gov.open(folder, clock=AfterLeases(deaths + 2)) as gov:
        assert undisturbed == story(gov)
        check_finished(gov, lived[1])
