"""A run of the schedule that is killed loses nothing, and the next one repeats nothing."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select

import memos_gov
from memos_gov.domain.commands import RememberCube, make
from memos_gov.projections.tables import EventRow, table_of
from memos_gov.proposer import new_command_id
from memos_gov.service import Service
from tests.clocks import YEAR, Turned

CUBES, KILLS_MAX = 700, 40
RUN = """
import sys
from datetime import UTC, datetime, timedelta
import memos_gov

class Ahead:
    def now(self):
        return datetime.now(UTC) + timedelta(days=2922)

with memos_gov.open(sys.argv[1], clock=Ahead()) as gov:
    print("open", flush=True)
    report = gov.schedule(Ahead().now(), progress=lambda *told: print(*told, flush=True))
print("done", flush=True)
"""


def fill(gov: Service) -> None:
    """Keep cubes that will all be due at once."""
    owner = gov.acting_as("owner", purpose="complaint-handling")
    command = make(
        RememberCube,
        content="a note",
        label="internal",
        purposes=("complaint-handling",),
        basis="contract",
        retention_class="complaint",
    )
    commands = [(new_command_id(), command) for _ in range(CUBES)]
    gov.rooms.governor.handle_many(owner.caller, commands)


def killed(folder: Path, chance: random.Random) -> bool:
    """Run the schedule in a process that is killed at some moment; return whether it ended."""
    command = [sys.executable, "-c", RUN, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert "open\n" == run.stdout.readline()
        time.sleep(chance.uniform(0.05, 0.5))
        run.send_signal(signal.SIGKILL)
        return "done" in run.stdout.read()


def expired(gov: Service) -> Counter[str]:
    """Return how often each cube expired."""
    table = table_of(EventRow)
    with gov.rooms.governor.tables.connection() as connection:
        rows = connection.execute(select(table.c.header).where(table.c.type == "CubeExpired"))
        return Counter(msgspec.json.decode(row.header)["cube"] for row in rows)


@pytest.mark.slow
def test_run_killed_at_any_moment_is_gone_on_with_and_ends(folder: Path) -> None:
    """Between and within pages: in the end each cube expired once, and nothing is due."""
    with memos_gov.open(folder) as gov:
        fill(gov)
    chance, ends, kills = random.Random(11), False, 0
    while not ends and kills < KILLS_MAX:
        ends = killed(folder, chance)
        kills += not ends

    clock = Turned()
    clock.turn(days=8 * YEAR.days + 9)
    with memos_gov.open(folder, clock=clock) as gov:
        left = gov.schedule(clock.now()).done
        counted = expired(gov)

    assert kills > 1
    assert ends or left
    assert (CUBES, {1}) == (len(counted), set(counted.values()))
