"""`fsck` and `rebuild`: whether everything follows from the log, and making it follow again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from memos_gov.cli.calling import as_typed
from memos_gov.cli.errors import FOUND_WRONG
from memos_gov.cli.output import Screen
from memos_gov.cli.session import Session, verb

if TYPE_CHECKING:
    from memos_gov.bootstrap import RepairReport
    from memos_gov.fsck import FsckReport
    from memos_gov.rebuild import RebuildReport

Progress = Callable[[str, int, int], None]
PROGRESS_CHARS = 60
PARTS = ("log", "vault", "tables", "index", "tiles", "erasures", "policies", "folder")


@verb("fsck")
@click.option(
    "--part",
    "parts",
    multiple=True,
    type=click.Choice(PARTS),
    metavar="PART",
    help=f"Look at this alone; repeatable. One of {', '.join(PARTS)}.",
)
@click.option(
    "--repair", "repairs", is_flag=True, help="Make again what the log gives back, and look again."
)
@click.option("--dry-run", is_flag=True, help="With --repair: only say what would be done.")
def fsck_verb(session: Session, parts: tuple[str, ...], repairs: bool, dry_run: bool) -> int:
    """
    Examine the folder against its log, or repair it.

    Nothing is written without --repair, and then only what the log gives back.
    Canonical bytes, MACs, outcomes, indexes, trees, tables made again and
    compared row by row, keys and what they open, every entry of the index,
    tiles, certificates, policies, key files and defaults. Exit code 7 when
    anything is found and not repaired.
    """
    from memos_gov import bootstrap

    if parts and repairs:
        raise click.UsageError("--repair looks at everything, so it takes no --part")
    if dry_run and not repairs:
        raise click.UsageError("--dry-run belongs to --repair; fsck alone writes nothing")
    with progress() as told:
        if not repairs:
            given = {"parts": parts} if parts else {}
            return show_examination(session, bootstrap.fsck(session.data, progress=told, **given))
        report = bootstrap.repair(session.data, dry_run=dry_run, progress=told)
    session.show(report, _repaired)
    return 0 if report.clean else FOUND_WRONG


def _repaired(screen: Screen, report: RepairReport) -> None:
    """Draw what was found, what became of it, and what stays."""
    _examination(screen, report.before)
    plan = report.plan
    if plan.refused:
        screen.line(f"not repaired: {plan.refused}", "error")
    elif not plan.rebuilt:
        screen.line("nothing to rebuild", "aside")
    elif report.rebuilt is None:
        screen.line(f"would rebuild tables and index, for {len(plan.rebuilt)} findings", "aside")
    else:
        _rebuilt(screen, report.rebuilt)
    if plan.kept:
        screen.line("log, vault, keys, policies and defaults are never repaired here:", "remedy")
    for finding in plan.kept:
        screen.line(f"  {finding.place}: {as_typed(finding.remedy)}", "remedy")
    if report.after is not None:
        screen.line("examined again:", "aside")
        _examination(screen, report.after)


def show_examination(session: Session, report: FsckReport) -> int:
    """Show what an examination found, and return the exit code that it means."""
    session.show(report, _examination)
    return 0 if report.clean else FOUND_WRONG


def _examination(screen: Screen, report: FsckReport) -> None:
    for finding in report.findings:
        screen.line(f"{finding.place}: {finding.message} ({finding.kind})", "error")
        screen.line(f"  {as_typed(finding.remedy)}", "remedy")
    for skipped in report.skipped:
        screen.line(f"not examined: {skipped}", "remedy")
    made_again = sum(finding.rebuildable for finding in report.findings)
    if report.clean:
        screen.line("clean: nothing was found", "good")
    else:
        screen.fields([("found", report.found), ("of these --repair makes again", made_again)])
    screen.fields([("examined", report.counts)])
    screen.fields((f"root of {tenant}", root) for tenant, root in sorted(report.roots.items()))


@verb("rebuild")
def rebuild_verb(session: Session) -> None:
    """
    Make all tables and the index again from the log.

    The new tables are made beside the old ones, and go live only if their
    trees have the same roots. Nothing else may have the folder open.
    """
    from memos_gov import bootstrap

    with progress() as told:
        report = bootstrap.rebuild(session.data, progress=told)
    session.show(report, _rebuilt)


def _rebuilt(screen: Screen, report: RebuildReport) -> None:
    screen.line(f"rebuilt {report.tables} from {report.records} records", "good")
    screen.fields(
        [
            ("events", report.events),
            ("cubes indexed", report.indexed),
            ("same roots as before", report.compared or "there were no tables to compare with"),
            *((f"root of {tenant}", root) for tenant, root in sorted(report.roots.items())),
        ]
    )


@contextmanager
def progress() -> Iterator[Progress | None]:
    """Enter a line of progress on standard error, where somebody looks at it."""
    if not sys.stderr.isatty():
        yield None
        return

    def tell(stage: str, done: int, total: int) -> None:
        sys.stderr.write(f"\r{f'{stage}: {done} of {total}':<{PROGRESS_CHARS}}")
        sys.stderr.flush()

    try:
        yield tell
    finally:
        sys.stderr.write(f"\r{'':<{PROGRESS_CHARS}}\r")
