"""`vault`: the keys of the data folder as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from memos_gov.cli import options
from memos_gov.cli.output import Screen
from memos_gov.cli.session import Session, VerbGroup, pass_session
from memos_gov.cli.upkeep import progress

if TYPE_CHECKING:
    from memos_gov.rotation import RotationReport


@click.group("vault", cls=VerbGroup)
def vault_verb() -> None:
    """The keys of the data folder: rotate them."""


@vault_verb.command("rotate")
@options.dry_run
@pass_session
def rotate_verb(session: Session, dry_run: bool) -> None:
    """
    Wrap all keys anew; older backups then open nothing.

    What was erased is unreadable in a copy of vault.db from before, too. A
    rotation that was interrupted goes on where it stopped. Back up keys/ and
    vault.db again when it is done.
    """
    with session.actor() as actor, progress() as told:
        session.show(actor.rotate_vault(dry_run=dry_run, progress=told), _rotated)


def _rotated(screen: Screen, report: RotationReport) -> None:
    if report.dry_run:
        screen.line(f"would be rotated to epoch {report.epoch}; nothing was changed", "good")
    elif report.resumed:
        screen.line(f"finished the rotation to epoch {report.epoch}", "good")
    else:
        screen.line(f"rotated to epoch {report.epoch}", "good")
    screen.fields(
        [
            ("epochs that end" if report.dry_run else "epochs ended", report.ended),
            ("to wrap anew" if report.dry_run else "wrapped anew", report.moved),
            ("index", None if report.dry_run else report.receipt.index),
        ]
    )
    if not report.dry_run:
        screen.line("Back up keys/ and vault.db again: older copies open nothing.", "remedy")
