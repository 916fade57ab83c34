"""
The connected set-up as one service: Kafka, Postgres, OPA, and clients that wait for receipts.

- Producer: records of 500 bytes into a topic of its own, acknowledged by all
  replicas, by an append of 1,000 at a time.
- Command to receipt: `Actor.remember` for a known customer; OPA asked, sealed,
  appended to Kafka, certified into Postgres. By one client that sends the next
  when it has its receipt; then 150 a second by the clock, each timed from the
  moment that it was due, so that a queue counts; then by 64 clients at once.
  Clients are threads of one process here, which bears the work of all of them.
- A certifier as a process of its own: the peak of its memory when it has decided
  a log that was appended meanwhile, and shown it to every view.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import memos_gov
from bench import engines, folders
from bench.complaints import complaints
from bench.measure import Bench, Figure, Spread, at_least, at_most, seconds, spread, told
from bench.process import COMMAND
from memos_gov.ports import Proposal

ROOT = Path(__file__).resolve().parents[1]
RECORD_BYTES = 500
PRODUCED_AT_ONCE = 1000
OFFERED_PER_S = 150
CLIENTS = 64
KNOWN = 20
CERTIFIER_S_MAX = 60


def measure(bench: Bench) -> Iterator[Figure]:
    """Yield every figure of the service on engines; none where one does not answer."""
    if not engines.answer("connected"):
        return
    with engines.founded(bench.folder / "producer") as gov:
        yield from _producing(bench, gov)
    with engines.founded(bench.folder / "service") as gov:
        remember = _remembering(gov)
        for _ in range(2 * KNOWN):
            remember()
        yield from _one_client(bench, remember)
        yield from _offered(bench, remember)
        yield from _many_clients(bench, remember)
    with engines.founded(bench.folder / "certifier") as gov:
        yield from _certifier(bench, gov)


def _producing(bench: Bench, gov: memos_gov.Service) -> Iterator[Figure]:
    log, tenant = gov.rooms.governor.log, gov.acting_as("owner").caller.tenant
    total = bench.size(100_000, 2000)

    def produce() -> None:
        for _ in range(0, total, PRODUCED_AT_ONCE):
            now_ms = round(time.time() * 1000)
            body = bytes(RECORD_BYTES)
            log.append([Proposal(tenant, now_ms, body) for _ in range(PRODUCED_AT_ONCE)])

    taken = spread(produce, bench.size(3, 1), warm_up=1)
    named = f"appends of {PRODUCED_AT_ONCE:,} records of {RECORD_BYTES} B, in Kafka"
    yield at_least(named, total / taken.median, "records/s", 15_000)


def _remembering(gov: memos_gov.Service) -> Callable[[], object]:
    """Return what one client does: a complaint of a customer of KNOWN."""
    actor, numbers = gov.acting_as("owner"), count()
    texts = list(complaints(500, seed=6))

    def remember() -> object:
        number = next(numbers)
        return actor.remember(texts[number % len(texts)], subjects=[f"customer-{number % KNOWN}"])

    return remember


def _one_client(bench: Bench, remember: Callable[[], object]) -> Iterator[Figure]:
    alone = spread(remember, bench.size(500, 5))
    yield at_most("command to receipt, 1 client, p50", alone.median * 1000, "ms", 25)
    yield told("command to receipt, 1 client, p99", alone.within(0.99) * 1000, "ms")


def _offered(bench: Bench, remember: Callable[[], object]) -> Iterator[Figure]:
    total = bench.size(20 * OFFERED_PER_S, 20)
    begin = time.perf_counter() + 0.1

    def client(number: int) -> float:
        due = begin + number / OFFERED_PER_S
        time.sleep(max(due - time.perf_counter(), 0))
        remember()
        return time.perf_counter() - due

    with ThreadPoolExecutor(CLIENTS) as pool:
        taken = Spread(tuple(pool.map(client, range(total))))
    named = f"command to receipt, {OFFERED_PER_S} a second offered"
    yield told(f"{named}, p50", taken.median * 1000, "ms")
    yield at_most(f"{named}, p99", taken.within(0.99) * 1000, "ms", 200)


def _many_clients(bench: Bench, remember: Callable[[], object]) -> Iterator[Figure]:
    each = bench.size(50, 1)

    def client(_: int) -> None:
        for _ in range(each):
            remember()

    def at_once() -> None:
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(client, range(CLIENTS)))

    taken = spread(at_once, bench.size(3, 1), warm_up=bench.size(1, 0))
    rate = CLIENTS * each / taken.median
    yield at_least(f"commands of {CLIENTS} clients", rate, "commands/s", 300)


def _certifier(bench: Bench, gov: memos_gov.Service) -> Iterator[Figure]:
    """Yield what a certifier took, and its peak, for a log that is appended while it runs."""
    total = bench.size(5000, 100)
    actor, texts = gov.acting_as("owner"), complaints(total, seed=8)
    commands = [folders.remember(next(texts), number % KNOWN) for number in range(total)]
    made = [item.proposal for item in folders.prepared(gov, actor, commands)]
    with _worker(bench.folder / "certifier") as worker:
        gov.rooms.governor.log.append(made)
        took = seconds(lambda: _wait(gov, worker))
        yield told("a certifier's process, tables and views", total / took, "records/s")
        yield at_most("its peak of resident memory", peak_of(worker.pid) / 1e6, "MB", 250)


@contextmanager
def _worker(data: Path) -> Iterator[subprocess.Popen[str]]:
    """Enter the time of a certifier that has begun to wait for records."""
    command = [sys.executable, "-c", COMMAND, "--data", str(data), "worker", "certifier"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as worker:
        try:
            assert worker.stderr is not None
            assert "listens" in worker.stderr.readline()
            yield worker
        finally:
            worker.send_signal(signal.SIGTERM)
            worker.communicate(timeout=60)


def _wait(gov: memos_gov.Service, worker: subprocess.Popen[str]) -> None:
    """Wait until all tables are where the log ends, the views' too."""
    governor, until = gov.rooms.governor, time.monotonic() + CERTIFIER_S_MAX
    end = governor.log.end(0)
    while _least_followed(gov) < end:
        if worker.poll() is not None or time.monotonic() > until:
            msg = "the certifier did not decide the log"
            raise RuntimeError(msg)
        time.sleep(0.1)


def _least_followed(gov: memos_gov.Service) -> int:
    with gov.rooms.governor.tables.connection() as connection:
        found = connection.exec_driver_sql(
            "SELECT count(*), min(next_offset) FROM checkpoints WHERE partition = 0"
        ).one()
    return int(found[1]) if found[0] > 1 else 0


def peak_of(process: int) -> int:
    """Return the peak of a process's resident memory in bytes (Linux)."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    (mark,) = (line.split() for line in lines if line.startswith("VmHWM:"))
    return int(mark[1]) * 1024
