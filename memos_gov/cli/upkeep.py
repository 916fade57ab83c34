"""`fsck` and `rebuild`: whether everything follows from the log, and making it follow again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from memos_gov.cli.calling import as_typed
from memos_gov.cli.errors import FOUND_WRONG
from memos_gov.cli.output import Screen
from memos_gov.cli.session import Session, verb

if TYPE_CHECKING:
    from memos_gov.fsck import FsckReport
    from memos_gov.rebuild import RebuildReport

Progress = Callable[[str, int, int], None]
PROGRESS_CHARS = 60


@verb("fsck")
def fsck_verb(session: Session) -> int:
    """
    Examine the whole folder against its log; writes nothing.

    Canonical bytes, MACs, outcomes, indexes, roots, tables made again and
    compared row by row, keys that open, policies, the index. Exit code 7 when
    anything is found.
    """
    from memos_gov import bootstrap

    with progress() as told:
        report = bootstrap.fsck(session.data, progress=told)
    return show_examination(session, report)


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
    if report.clean:
        screen.line("clean: nothing was found", "good")
    else:
        screen.fields([("found", report.found)])
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
