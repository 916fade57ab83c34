"""
Ingest of 10,000 rows of a CSV, in a process of its own.

The rows go through the shipped map of the sample complaints, so label,
retention class and consents differ; each becomes a cube by way of policy,
sealing, a durable append and certification, before the clock stops. Views and
index follow afterwards and are told apart. The peak of resident memory is the
process's own, from start to end, the catch-up included.
"""

from __future__ import annotations

import csv
import json
import random
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench import folders
from bench.complaints import complaints
from bench.measure import Bench, Figure, at_least, at_most, seconds, told

ROWS = 10_000
ROOT = Path(__file__).resolve().parents[1]
MAP = ROOT / "examples" / "complaints.toml"
_PRODUCTS = ("Credit report", "Debt collection", "Mortgage", "Personal loan", "Credit card")
_TAGS = ("", "", "", "Older American", "Servicemember")
_CONSENTS = ("", "Consent provided", "Consent not provided", "N/A")
_COLUMNS = (
    "complaint_id",
    "date_received",
    "product",
    "issue",
    "narrative",
    "customer",
    "channel",
    "consent",
    "tags",
    "company",
)


def measure(bench: Bench) -> Iterator[Figure]:
    """Yield rows certified a second, catch-up apart, and the peak of memory."""
    rows = bench.size(ROWS, 60)
    source = bench.folder / "rows.csv"
    write_rows(source, rows)
    runs = [_run(source, bench.folder / f"data-{turn}") for turn in range(bench.size(3, 1))]
    rate = rows / median(run["ingest_s"] for run in runs)
    yield at_least(f"ingest of {rows:,} rows, certified", rate, "rows/s", 1200)
    yield told("views caught up", rows / median(run["views_s"] for run in runs), "rows/s")
    yield told("index caught up", rows / median(run["index_s"] for run in runs), "rows/s")
    peak = max(run["peak_bytes"] for run in runs) / 1e6
    yield at_most("peak of resident memory", peak, "MB", 250)


def write_rows(path: Path, rows: int) -> None:
    """Write a CSV with the columns of the sample complaints."""
    chance = random.Random(9)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for number, text in enumerate(complaints(rows, seed=4)):
            writer.writerow(_row(number, text, chance))


def _row(number: int, text: str, chance: random.Random) -> tuple[str, ...]:
    return (
        f"G-{number}",
        f"2025-{1 + number % 12:02}-{1 + number % 28:02}",
        chance.choice(_PRODUCTS),
        "Charged twice",
        text,
        f"customer-{number}",
        chance.choice(("web", "phone", "letter")),
        chance.choice(_CONSENTS),
        chance.choice(_TAGS),
        "Northmere Bank",
    )


def _run(source: Path, data: Path) -> dict[str, float]:
    """Ingest in a fresh process; return what it measured of itself."""
    command = [sys.executable, "-m", "bench.ingest", str(source), str(data)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main(source: str, data: str) -> None:
    """Ingest `source` into a new folder `data`, and print the seconds and the peak as JSON."""
    from memos_gov.ingest import ingest, load_map

    with folders.founded(Path(data)) as gov:
        actor, mapping = gov.acting_as("owner"), load_map(MAP)
        took = seconds(lambda: _all_added(ingest(actor, Path(source), mapping)))
        views = seconds(gov.rooms.follower.catch_up)
        index = seconds(gov.rooms.index_follower.catch_up)
    measured = {"ingest_s": took, "views_s": views, "index_s": index, "peak_bytes": peak_bytes()}
    print(json.dumps(measured))


def _all_added(report: object) -> None:
    assert report.added == report.rows, report  # type: ignore[attr-defined]


def peak_bytes() -> int:
    """
    Return this process's peak of resident memory.

    `getrusage` of a child counts what its parent held when it was started
    (Linux carries the mark over `exec`), so /proc is asked first.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text(encoding="utf-8").splitlines()
        marks = [line.split() for line in lines if line.startswith("VmHWM:")]
        if marks:
            return int(marks[0][1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
