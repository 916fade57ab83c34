"""`schedule`: what is due by policy, done or only shown."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from memos_gov.cli import options
from memos_gov.cli.options import moment
from memos_gov.cli.output import Screen
from memos_gov.cli.session import Session, VerbGroup, pass_session
from memos_gov.cli.upkeep import progress
from memos_gov.cli.views import derivation

if TYPE_CHECKING:
    from memos_gov.schedule import ScheduleReport

COLUMNS = ("cube", "class", "action", "due", "standing", "rule", "steps")


@click.group("schedule", cls=VerbGroup)
def schedule_verb() -> None:
    """Follow the retention schedule."""


@schedule_verb.command("run")
@options.timed("--now", "By when things are due; the clock's time by default.")
@click.option("--dry-run", is_flag=True, help="Show what is due and how that follows; do nothing.")
@pass_session
def run(session: Session, now: datetime | None, dry_run: bool) -> None:
    """
    Archive, expire or erase what is due.

    Policy is asked about each memory again, with the facts of today; record
    classes wait for a review. Stopped at any moment, the next run goes on.
    With --dry-run, --now may lie in the future.
    """
    with session.service() as service, progress() as told:
        report = service.schedule(now, dry_run=dry_run, progress=told)
    session.show(report, _looked if dry_run else _ran)


def _looked(screen: Screen, report: ScheduleReport) -> None:
    if not report.due:
        screen.line(f"nothing is due by {moment(report.now)}")
        return
    rows = (
        (
            one.cube,
            one.retention_class,
            one.action,
            moment(one.due),
            one.standing,
            one.rules[0],
            derivation((step.code, step.at) for step in one.steps),
        )
        for one in report.due
    )
    screen.table(COLUMNS, rows, spare=("steps", "standing", "class"))
    screen.line(f"{len(report.due)} due by {moment(report.now)}; nothing was done", "aside")


def _ran(screen: Screen, report: ScheduleReport) -> None:
    if not report.done:
        screen.line(f"nothing was due by {moment(report.now)}", "good")
    screen.fields(report.done.items())
    screen.line(f"recorded at index {report.index}", "aside")
