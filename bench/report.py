"""What a run prints and keeps: the machine, the table, and one JSON file a subject."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.measure import Figure, spread

WIDTH = 130
_SYNCS = 100
_PAGE = bytes(4096)


def machine(folder: Path) -> str:
    """Name the machine, the versions that matter, and how long an fsync takes in `folder`."""
    return (
        f"{_cpu()}, {len(os.sched_getaffinity(0))} cores, {platform.system()}"
        f" {platform.release()}, Python {platform.python_version()},"
        f" SQLite {sqlite3.sqlite_version}, fsync of 4 kB {fsync_ms(folder):.2f} ms (median),"
        f" load {os.getloadavg()[0]:.1f} before the run"
    )


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def fsync_ms(folder: Path) -> float:
    """Return the median milliseconds until 4 kB appended to a file of `folder` are on the disk."""
    path = folder / "fsync"
    handle = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)

    def append() -> None:
        os.write(handle, _PAGE)
        os.fsync(handle)

    try:
        return spread(append, _SYNCS).median * 1000
    finally:
        os.close(handle)
        path.unlink()


def printer(*, to_stderr: bool) -> Console:
    """Return where tables go: as wide as the terminal, or wide enough where there is none."""
    console = Console(stderr=to_stderr, highlight=False)
    if not console.is_terminal:
        console.width = WIDTH
    return console


def table(subject: str, figures: Sequence[Figure], console: Console) -> None:
    """Print the figures of a subject; a missed floor is red and says so."""
    grid = Table(title=subject, title_justify="left", title_style="bold", pad_edge=False)
    grid.add_column("figure")
    for heading in ("value", "ratio", "floor"):
        grid.add_column(heading, justify="right", no_wrap=True)
    grid.add_column("held against")
    for figure in figures:
        grid.add_row(*_row(figure), style=None if figure.holds else "bold red")
    console.print(grid)


def _row(figure: Figure) -> tuple[str, str, str, str, str]:
    floor = "" if figure.floor is None else f"{figure.floor:g}"
    return (
        figure.name,
        f"{_readable(figure.value)} {figure.unit}",
        "" if figure.ratio is None else f"{figure.ratio:.2f}",
        floor if figure.holds else f"{floor} MISSED",
        figure.peer or "",
    )


def _readable(value: float) -> str:
    """Return a value with three digits, or whole where it has more."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def as_markdown(subject: str, figures: Sequence[Figure]) -> str:
    """Return the figures of a subject as a table for a page."""
    head = (f"## {subject}", "", "| figure | value | ratio | floor | held against |")
    rows = ("| " + " | ".join(_row(figure)) + " |" for figure in figures)
    return "\n".join([*head, "| --- | ---: | ---: | ---: | --- |", *rows])


def as_json(figures: Sequence[Figure]) -> list[dict[str, object]]:
    """Return figures as JSON has them: name, value, unit, peer, ratio, floor."""
    return [asdict(figure) for figure in figures]


def keep(subject: str, figures: Sequence[Figure], results: Path) -> Path:
    """Write `<subject>.json` into `results`, in place of that of an earlier run."""
    path = results / f"{subject}.json"
    path.write_text(json.dumps(as_json(figures), indent=2) + "\n", encoding="utf-8")
    return path
