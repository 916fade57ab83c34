"""`ingest` and `map`: rows of a file become cubes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from memos_gov.cli.errors import UNEXPECTED
from memos_gov.cli.output import Screen
from memos_gov.cli.session import Session, VerbGroup, pass_session, verb
from memos_gov.errors import GovernanceError

if TYPE_CHECKING:
    from memos_gov.ingest import IngestReport, Mapping, Preview, RowFailure

SOME_FAILED = UNEXPECTED
COUNTED_BYTES_MAX = 100_000_000

_FILE = click.argument("file", type=click.Path(path_type=Path))
_MAP = click.option(
    "--map",
    "map_file",
    type=click.Path(path_type=Path),
    required=True,
    metavar="MAP.toml",
    help="Which columns become what.",
)


@verb("ingest")
@_FILE
@_MAP
@click.option("--dry-run", is_flag=True, help="Ask policy about every row and add none.")
def ingest_verb(session: Session, file: Path, map_file: Path, dry_run: bool) -> int:
    """
    Make memories of the rows of a CSV or JSONL file.

    Each row becomes one, once. A bad row is reported with its line and the rest
    goes on; the exit code is then 1. Ctrl-C stops after the rows under way; type
    it again to go on.
    """
    from memos_gov.ingest import ingest, load_map

    mapping = load_map(map_file)
    done = [0]
    with session.actor() as actor, _progress(file) as advance:

        def told(rows: int, bytes_read: int) -> None:
            done[0] = rows
            advance(bytes_read)

        try:
            report = ingest(actor, file, mapping, dry_run=dry_run, progress=told)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(_stopped(done[0], file, mapping)) from None
        except GovernanceError:
            if done[0]:
                session.note(_stopped(done[0], file, mapping))
            raise
    session.show(report, _report)
    return SOME_FAILED if report.failed else 0


def _stopped(rows: int, file: Path, mapping: Mapping) -> str:
    """Return how far an ingest came; all rows are counted where that takes no time."""
    from memos_gov.ingest.rows import open_rows

    total = ""
    if file.stat().st_size <= COUNTED_BYTES_MAX:
        with open_rows(file, mapping.columns) as reader:
            total = f" of {sum(1 for _ in reader)}"
    return f"stopped after {rows}{total} rows; type it again to go on"


@contextmanager
def _progress(file: Path) -> Iterator[Callable[[int], None]]:
    """Enter a progress bar on standard error where somebody looks at it."""
    if not sys.stderr.isatty() or os.environ.get("NO_COLOR") or not file.is_file():
        yield lambda _: None
        return
    total = file.stat().st_size
    with click.progressbar(length=total, file=sys.stderr, label="reading") as bar:
        yield lambda bytes_read: bar.update(bytes_read - bar.pos)


def _report(screen: Screen, report: IngestReport) -> None:
    counts = {
        "would be added" if report.dry_run else "added": report.added,
        "there already": report.unchanged,
        "changed since, left as they are": report.changed,
        "refused by policy": report.refused,
        "failed": len(report.failed),
    }
    said = [f"{count} {what}" for what, count in counts.items() if count]
    screen.line(f"{report.rows} rows: {', '.join(said) or 'nothing to do'}", "good")
    for problem in sorted((*report.failed, *report.notices)):
        screen.line(_problem(problem), "remedy")


def _problem(problem: RowFailure) -> str:
    return f"line {problem.line}: {problem.message}"


@click.group("map", cls=VerbGroup)
def map_verb() -> None:
    """Look at what a map makes of a file."""


@map_verb.command("check")
@_FILE
@_MAP
@click.option("--rows", default=5, show_default=True, help="How many rows to show.")
@pass_session
def check(session: Session, file: Path, map_file: Path, rows: int) -> int:
    """Show what the first rows would become; writes nothing."""
    from memos_gov.ingest import check_map, load_map

    mapping = load_map(map_file)
    with session.actor() as actor:
        previews = check_map(actor, file, mapping, rows=rows)
    session.show(previews, _previews)
    return SOME_FAILED if any(preview.problem for preview in previews) else 0


def _previews(screen: Screen, previews: list[Preview]) -> None:
    for preview in previews:
        if preview.problem is not None:
            screen.line(_problem(preview.problem), "remedy")
        if preview.cube is not None:
            screen.line(f"line {preview.line}", "heading")
            screen.fields(pair for pair in preview.cube.items() if pair[0] != "content")
            screen.paragraph(str(preview.cube["content"]), indent=2)
