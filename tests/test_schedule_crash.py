"""A run of the schedule that is killed loses nothing, and the next one repeats nothing."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select

import memos_gov
from memos_gov.domain.commands import RememberCube, make
from memos_gov.projections.tables import EventRow, table_of
from memos_gov.proposer import new_command_id
from memos_gov.service import Service
from tests.clocks import Turned

CUBES, KILLS_MAX = 450, 40
EXPIRED, ERASED = 2922, 2955
RUN = """
import sys
from datetime import UTC, datetime, timedelta
import memos_gov

class Ahead:
    def now(self):
        return datetime.now(UTC) + timedelta(days=int(sys.argv[2]))

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


def killed(folder: Path, chance: random.Random, days: int) -> bool:
    """Run the schedule in a process that is killed at some moment; return whether it ended."""
    command = [sys.executable, "-c", RUN, str(folder), str(days)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert "open\n" == run.stdout.readline()
        time.sleep(chance.uniform(0, 0.2))
        run.send_signal(signal.SIGKILL)
        return "done" in run.stdout.read()


def counted(gov: Service, event_type: str) -> Counter[str]:
    """Return how often each cube has an event of a type."""
    table = table_of(EventRow)
    with gov.rooms.governor.tables.connection() as connection:
        rows = connection.execute(select(table.c.header).where(table.c.type == event_type))
        return Counter(msgspec.json.decode(row.header)["cube"] for row in rows)


@pytest.mark.slow
def test_run_killed_at_any_moment_is_gone_on_with_and_ends(folder: Path) -> None:
    """Between and within pages, expiring and erasing: each cube once, and nothing is left."""
    with memos_gov.open(folder) as gov:
        fill(gov)
    chance, clock = random.Random(11), Turned()
    for days, event_type in ((EXPIRED, "CubeExpired"), (ERASED, "CubeErased")):
        ends, kills = False, 0
        while not ends and kills < KILLS_MAX:
            ends = killed(folder, chance, days)
            kills += not ends
        clock.ahead = timedelta(days=days, hours=1)
        with memos_gov.open(folder, clock=clock) as gov:
            left = gov.schedule(clock.now()).done
            found = counted(gov, event_type)
        assert kills
        assert ends or left
        assert (CUBES, {1}) == (len(found), set(found.values()))
