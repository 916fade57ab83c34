"""
Kill -9 of everything, under load, on engines of the test's own.

Nothing acknowledged is lost, nothing is applied twice, nothing is allowed while
policy is away, and whoever was not killed goes on without a restart.
"""

from __future__ import annotations

import gc
import ipaddress
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("kafka")
pytest.importorskip("psycopg")

import memos_gov
from memos_gov.bootstrap import fsck, rebuild
from memos_gov.domain.history import LogPosition, Outcome
from memos_gov.errors import PolicyUnavailableError, UnavailableError
from memos_gov.leasing import LEASE_S
from memos_gov.rebuild import RebuildReport
from memos_gov.service import Service
from memos_gov.transparency.evidence import verify_evidence
from memos_gov.transparency.notes import parse_vkey
from tests.connected.crash_writer import FINAL, PURPOSE, lines_of
from tests.connected.own_engines import OwnEngines

pytestmark = [
    pytest.mark.connected,
    pytest.mark.slow,
    # A client of a driver that reaches nobody leaves its sockets to the collector.
    pytest.mark.filterwarnings("ignore:unclosed <s:ResourceWarning"),
]
REPOSITORY = Path(__file__).resolve().parents[2]
SEED = int(os.environ.get("MEMOS_GOV_TEST_SEED", "7"))
LOOPS = int(os.environ.get("MEMOS_GOV_TEST_LOOPS", "1"))
ENGINES = ("kafka", "postgres", "weaviate", "opa")
PROCESSES = ("writer-0", "certifier", "all")
WRITERS = (("writer-0", "default"), ("writer-1", "default"), ("writer-2", "second"))
ANSWER_S_MAX = 60.0  # the log waits for 30 s, a lock of tables too, and the machine is busy
RESUME_S_MAX = 90.0
Line = dict[str, Any]


@pytest.fixture(scope="module")
def engines() -> Iterator[OwnEngines]:
    """Return engines that run; skip where this machine has not what they need."""
    folder = Path(tempfile.mkdtemp(prefix="memos-gov-crash-"))  # (the user postgres may enter)
    folder.chmod(0o755)
    found = OwnEngines(folder)
    if lacking := found.lacking():
        pytest.skip(f"this machine lacks {', '.join(lacking)}")
    try:
        found.up()
        yield found
    finally:
        found.reset()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    yield
    gc.collect()


class Load:
    """Writers and workers on one folder, each a process; any may be killed and started again."""

    def __init__(self, folder: Path, journals: Path) -> None:
        self._folder = folder
        self._journals = journals
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        for name in (*(name for name, _ in WRITERS), "certifier", "all"):
            self.start(name)

    def start(self, name: str) -> None:
        """Start one of them."""
        program = [sys.executable, "-m", "tests.connected.crash_writer", str(self._folder)]
        if name in dict(WRITERS):
            command = [*program, str(self._path(name)), dict(WRITERS)[name], str(SEED)]
        else:
            main = "from memos_gov.cli import main; main()"
            command = [sys.executable, "-c", main, "--data", str(self._folder), "worker", name]
            command += ["--every", "1"]
        with (self._journals / f"{name}.err").open("ab") as words:
            self._processes[name] = subprocess.Popen(
                command,
                cwd=REPOSITORY,
                stderr=words,
                env={**os.environ, "MEMOS_GOV_CHECKPOINT_S": "2", "PYTHONWARNINGS": "ignore"},
            )

    def kill(self, name: str) -> None:
        """End one with SIGKILL."""
        self._processes[name].kill()
        self._processes[name].wait(10)

    def ended(self) -> list[str]:
        """Return who ended without being killed, and their last words."""
        return [
            f"{name}: {(self._journals / f'{name}.err').read_text()[-1500:]}"
            for name, process in self._processes.items()
            if process.poll() is not None
        ]

    def stop(self) -> None:
        """Let writers end after their command, and workers after their step."""
        (self._journals / "stop").touch()
        for name, process in self._processes.items():
            if name not in dict(WRITERS):
                process.terminate()
        for process in self._processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(ANSWER_S_MAX)
        for process in self._processes.values():
            process.kill()
            process.wait(10)

    def lines(self, name: str) -> list[Line]:
        """Return the journal of a writer."""
        return lines_of(self._path(name))

    def all_lines(self) -> list[Line]:
        """Return the journals of all writers."""
        return [line for name, _ in WRITERS for line in self.lines(name)]

    def await_progress(self, since: float) -> None:
        """Wait until each writer had a command accepted that it sent after a moment."""
        left = {name for name, _ in WRITERS}
        deadline = time.monotonic() + RESUME_S_MAX
        while left:
            assert not self.ended()
            assert time.monotonic() < deadline, f"{left} did not go on: {self._newest(left)}"
            left -= {name for name in left if self._wrote(name, since)}
            time.sleep(0.1)

    def _wrote(self, name: str, since: float) -> bool:
        return any(
            line.get("what") == "ok" and "index" in line and line["at"] > since
            for line in self.lines(name)
        )

    def _newest(self, names: set[str]) -> list[list[Line]]:
        return [self.lines(name)[-3:] for name in sorted(names)]

    def _path(self, name: str) -> Path:
        return self._journals / f"{name}.jsonl"


@pytest.fixture
def folder(engines: OwnEngines, tmp_path: Path) -> Path:
    """Return a data folder on the engines, with two tenants."""
    name = f"c{random.Random(str(tmp_path)).randrange(10**9)}"
    made = memos_gov.init(tmp_path / "data", engines=engines.settings(name), purpose=PURPOSE)
    made.add_tenant("second", principal="owner")
    made.close()
    return tmp_path / "data"


def outcomes(service: Service) -> list[tuple[LogPosition, Outcome]]:
    """Return what became of every record of the log, in order."""
    log, found = service.rooms.governor.log, []
    with service.rooms.governor.tables.snapshot() as snapshot:
        for partition in range(log.partitions):
            for offset in range(log.end(partition)):
                position = LogPosition(partition, offset)
                outcome = snapshot.outcome(position)
                if outcome is not None:
                    found.append((position, outcome))
    return found


def require_kept(service: Service, lines: list[Line]) -> None:
    """Require one final outcome of each command: at the index it was acknowledged at."""
    final: dict[str, dict[int, str]] = {}
    indexes: dict[str, list[int]] = {}
    for _, outcome in outcomes(service):
        if outcome.final:
            final.setdefault(outcome.command_id, {})[outcome.index] = outcome.code
        if outcome.code != "duplicate":
            indexes.setdefault(outcome.tenant, []).append(outcome.index)
    for found in indexes.values():
        assert list(range(len(set(found)))) == sorted(set(found))
    assert {} == {key: many for key, many in final.items() if len(many) != 1}
    acknowledged = [line for line in lines if line.get("what") == "ok" and "index" in line]
    lost = [line for line in acknowledged if final.get(line["end"]) != {line["index"]: "accepted"}]
    assert [] == lost
    refused = [line["end"] for line in lines if line.get("what") == "policy"]
    allowed = [command for command in refused if "accepted" in final.get(command, {}).values()]
    assert [] == allowed


def require_once(service: Service, tenant: str, lines: list[Line]) -> None:
    """Require that what a writer was told is in its cubes once, and what was refused in none."""
    owner = service.acting_as("owner", tenant=tenant, purpose=PURPOSE)
    told = {line["begin"]: line for line in lines if "begin" in line}
    ended = {line["end"]: line for line in lines if line.get("what") in FINAL}
    due: dict[str, Counter[str]] = {
        line["cube"]: Counter([told[line["end"]]["tag"]]) for line in lines if line.get("made")
    }
    for command, line in ended.items():
        if line["kind"] == "revise" and line["what"] == "ok":
            due[told[command]["cube"]][told[command]["tag"]] += 1
    unfinished = {line["tag"] for line in told.values() if line["begin"] not in ended}
    for cube, tags in due.items():
        stands = Counter(re.findall(r"\+[0-9]+\+", owner.get(cube).content or ""))
        assert {1} == set(stands.values())
        assert tags == Counter(tag for tag in stands if tag not in unfinished)


def away(load: Load, engines: OwnEngines, name: str, seconds: float) -> tuple[float, float]:
    """Kill an engine, leave it away, start it again; return when it was surely away."""
    engines.kill(name)
    began = time.time()
    time.sleep(seconds)
    ended = time.time()
    engines.start(name)
    return began, ended


def told_within(lines: list[Line], what: str, began: float, ended: float) -> list[Line]:
    """Return the answers of a kind to commands that were sent between two moments."""
    return [line for line in lines if line.get("what") == what and began < line["at"] < ended]


def allowed_within(lines: list[Line], began: float, ended: float) -> list[Line]:
    """Return what was freshly allowed to a command that lived between two moments."""
    return [
        line
        for line in lines
        if line.get("what") == "ok"
        and line["at"] > began
        and line["at"] + line["took"] < ended
        and not line.get("repeated")
    ]


@pytest.mark.timeout(500 * LOOPS)
def test_kill_of_anything_under_load_loses_nothing_acknowledged_and_work_resumes(
    engines: OwnEngines, folder: Path, tmp_path: Path
) -> None:
    """Each victim at a moment of chance, in loops; then log, tables and writers agree."""
    chance = random.Random(SEED)
    all_once = [*ENGINES, *PROCESSES]
    victims = [one for _ in range(LOOPS) for one in chance.sample(all_once, len(all_once))]
    journals = tmp_path / "journals"
    journals.mkdir()
    load = Load(folder, journals)
    try:
        load.await_progress(time.time())
        for victim in victims:
            time.sleep(chance.uniform(0.2, 1.5))
            began = time.monotonic()
            if victim in ENGINES:
                window = away(load, engines, victim, chance.uniform(2.0, 3.0))
            else:
                load.kill(victim)
                load.start(victim)
            load.await_progress(time.time())
            sys.stderr.write(f"{victim}: on after {time.monotonic() - began:.1f} s\n")
            if victim in {"opa", "kafka", "postgres"}:  # (writing needs no index)
                assert [] == allowed_within(load.all_lines(), *window)
            if victim in {"opa", "postgres"}:  # (the log's client waits until its broker is back)
                what = "policy" if victim == "opa" else "unavailable"
                assert told_within(load.all_lines(), what, *window)
        assert [] == load.ended()
    finally:
        load.stop()

    lines = load.all_lines()
    assert [] == [line for line in lines if line.get("what") == "fatal"]
    slowest = max((line["took"], line["what"]) for line in lines if "took" in line)
    counts = Counter(line["what"] for line in lines if "what" in line)
    sys.stderr.write(f"{dict(counts)}, slowest {slowest}\n")
    assert slowest[0] < ANSWER_S_MAX
    with memos_gov.open(folder) as service:
        require_kept(service, lines)
        for name, tenant in WRITERS:
            require_once(service, tenant, load.lines(name))
    assert [] == list(fsck(folder).findings)
    assert rebuilt(folder).compared is True
    assert [] == list(fsck(folder).findings)


def test_weaviate_finds_itself_again_whatever_addresses_the_machine_has(
    engines: OwnEngines,
) -> None:
    """Its gossip and its consensus are on the loopback: no network comes or goes there."""
    ports = {engines.port(f"weaviate_{name}") for name in ("gossip", "raft", "raft_rpc")}
    loopback = f"{int.from_bytes(ipaddress.IPv4Address('127.0.0.1').packed, sys.byteorder):08X}"

    assert {(loopback, port) for port in ports} == {
        (address, port) for address, port in listening() if port in ports
    }


def listening() -> Iterator[tuple[str, int]]:
    """Yield address and port of everything that listens, as /proc/net has them (proc(5))."""
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            row = line.split()
            address, _, port = row[1].partition(":")
            if row[3] == "0A":
                yield address, int(port, 16)


@pytest.mark.timeout(200)
@pytest.mark.parametrize("engine", ["kafka", "postgres", "weaviate", "opa"])
def test_engine_that_is_away_is_said_in_time_and_not_for_ever(
    engines: OwnEngines, folder: Path, engine: str
) -> None:
    """One open service: an error while it is away, nothing allowed, work again afterwards."""
    with memos_gov.open(folder) as service:
        owner = service.acting_as("owner", purpose=PURPOSE)
        owner.remember("The card was charged twice")
        assert owner.recall("card charged").hits
        act: Callable[[], object] = (
            (lambda: owner.recall("card charged"))
            if engine == "weaviate"
            else (lambda: owner.remember("Another card"))
        )
        engines.kill(engine)
        kind = PolicyUnavailableError if engine == "opa" else UnavailableError
        began = time.monotonic()
        with pytest.raises(kind):
            act()
        took = time.monotonic() - began
        sys.stderr.write(f"{engine} is away: said after {took:.1f} s\n")
        assert took < ANSWER_S_MAX
        engines.start(engine)

        answered(act)
        assert owner.recall("card charged").hits
    assert [] == list(fsck(folder).findings)


@pytest.mark.timeout(200)
@pytest.mark.parametrize("engine", ["postgres", "weaviate"])
def test_erasure_that_a_kill_interrupts_completes_and_its_certificate_verifies(
    engines: OwnEngines, folder: Path, engine: str
) -> None:
    """Killed at the first stage that a step reports, and once more at a moment of chance."""
    chance = random.Random(f"{SEED}/{engine}")
    with memos_gov.open(folder) as service:
        owner = service.acting_as("owner", purpose=PURPOSE)
        for n in range(4):
            owner.remember(f"The card of Ann was charged {n} times", subjects=["customer-1"])
        assert owner.recall("card charged").hits
        erasure = owner.forget(subject="customer-1", reason="asked", wait=False).id

        killed: list[str] = []
        kill = _killing(engines, engine, killed)
        with pytest.raises(UnavailableError):
            service.rooms.eraser.go_on("default", erasure, progress=kill)
        assert killed
        engines.start(engine)
        timer = threading.Timer(chance.uniform(0.0, 0.1), engines.kill, [engine])
        timer.start()
        with suppress(UnavailableError):
            service.rooms.eraser.go_on("default", erasure)
        timer.join()
        engines.start(engine)

        deadline = time.monotonic() + RESUME_S_MAX
        while owner_erasure(service, erasure) != "completed":
            assert time.monotonic() < deadline
            service.rooms.eraser.resume()
        assert () == tuple(owner.recall("card charged").hits)
        proven = service.certificate(erasure)
        key = parse_vkey(owner.vkey)
    found = verify_evidence(proven.document.encode(), key, proof=proven.proof.encode())
    assert "erasure" in found.what
    assert [] == list(fsck(folder).findings)


def rebuilt(folder: Path) -> RebuildReport:
    """Rebuild, once the leases of those that were killed have ended."""
    deadline = time.monotonic() + LEASE_S + RESUME_S_MAX
    while True:
        try:
            return rebuild(folder)
        except UnavailableError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1.0)


@pytest.mark.timeout(200)
def test_rotation_that_a_kill_of_postgres_interrupts_is_finished_by_the_next(
    engines: OwnEngines, folder: Path
) -> None:
    """What was moved by then stays, and everything opens under the new epoch alone."""
    with memos_gov.open(folder) as service:
        owner = service.acting_as("owner", purpose=PURPOSE)
        cubes = [owner.remember(f"The card was charged {n} times").cube_id for n in range(4)]
        killed: list[str] = []

        with pytest.raises(UnavailableError):
            owner.rotate_vault(progress=_killing(engines, "postgres", killed))
        assert killed
        engines.start("postgres")

        answered(owner.rotate_vault)
        vault = service.status().vault
        assert ("", True) == (vault.unfinished, vault.epoch > 1)
        assert 4 == len([owner.get(cube or "").content for cube in cubes])
    assert [] == list(fsck(folder).findings)


@pytest.mark.timeout(200)
@pytest.mark.parametrize("engine", ["kafka", "postgres", "weaviate"])
def test_rebuild_that_a_kill_interrupts_leaves_what_lives_and_is_done_again(
    engines: OwnEngines, folder: Path, engine: str
) -> None:
    """The tables that serve are switched only when the new ones are whole."""
    with memos_gov.open(folder) as service:
        owner = service.acting_as("owner", purpose=PURPOSE)
        for n in range(4):
            owner.remember(f"The card was charged {n} times")
        assert owner.recall("card charged").hits

    killed: list[str] = []
    with pytest.raises(UnavailableError):
        rebuild(folder, progress=_killing(engines, engine, killed))
    assert killed
    engines.start(engine)

    assert 4 == answered(lambda: _found(folder))
    assert rebuilt(folder).compared is True
    assert [] == list(fsck(folder).findings)
    assert 4 == _found(folder)


def _killing(engines: OwnEngines, engine: str, killed: list[str]) -> Callable[..., None]:
    """Return what kills an engine at the first stage that it is told of."""

    def kill(stage: str, *_: int) -> None:
        if not killed:
            killed.append(stage)
            engines.kill(engine)

    return kill


def _found(folder: Path) -> int:
    with memos_gov.open(folder) as service:
        owner = service.acting_as("owner", purpose=PURPOSE)
        return len(owner.recall("card charged").hits)


def answered(ask: Callable[[], Any]) -> Any:
    """Return what is answered once the engines do."""
    deadline = time.monotonic() + RESUME_S_MAX
    while True:
        try:
            return ask()
        except UnavailableError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def owner_erasure(service: Service, erasure: str) -> str:
    """Return how far an erasure came, once the engines answer."""
    try:
        return str(service.acting_as("owner", purpose=PURPOSE).erasure(erasure).state)
    except UnavailableError:
        return json.dumps(None)
