"""`forget`: what would go and stay, a question, the erasure with its progress, and its end."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from memos_gov.cli.output import Screen
from memos_gov.cli.session import Session, verb
from memos_gov.cli.upkeep import progress
from memos_gov.erasure.report import Erasure
from memos_gov.errors import InvalidCommandError

if TYPE_CHECKING:
    from memos_gov.erasure import Kept
    from memos_gov.service import Service

SHOWN_MAX = 20
CERTIFICATES = "certificates"


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an erasure, and where its certificate lies; None before it is complete."""

    erasure: Erasure
    certificate: str | None


@verb("forget")
@click.option("--subject", help="Erase everything about this person, and the name.")
@click.option("--cube", help="Erase this memory, and what was made of it.")
@click.option("--reason", required=True, help="Why; it is sealed.")
@click.option("--dry-run", is_flag=True, help="Show what would go and what would stay, and why.")
@click.option("--no-wait", is_flag=True, help="Ask for it and go; the next opening goes on.")
@click.option("--yes", is_flag=True, help="Do not ask whether it is meant.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where the certificate goes; certificates/ERASURE in the data folder if not given.",
)
def forget_verb(
    session: Session,
    subject: str | None,
    cube: str | None,
    reason: str,
    dry_run: bool,
    no_wait: bool,
    yes: bool,
    out: Path | None,
) -> None:
    """
    Erase memories for ever, as far as policy releases them.

    What must be kept stays restricted: stored, used by nobody. It cannot be
    undone, so it is asked for once more unless --yes is given.
    """
    if not (dry_run or yes or sys.stdin.isatty()):
        msg = "yes: nobody can be asked here, so erasing needs --yes"
        remedy = "Type it with --yes, or with --dry-run to see what would be erased."
        raise InvalidCommandError(msg, field="yes", remedy=remedy)
    target = {"subject": subject, "cube": cube, "reason": reason}
    with session.service() as service:
        actor = session.acting(service)
        if dry_run or not yes:
            found = actor.forget(**target, dry_run=True)  # type: ignore[arg-type]
            if dry_run:
                session.show(found, _preview)
                return
            if not _is_meant(found):
                session.note("nothing was erased")
                return
        with progress() as told:
            done = actor.forget(**target, wait=not no_wait, progress=told)  # type: ignore[arg-type]
        session.show(_ended(session, service, done, out), _done)


def _ended(session: Session, service: Service, done: Erasure, out: Path | None) -> Ended:
    """Return what became of an erasure, its certificate written where it is complete."""
    if done.state != "completed":
        return Ended(erasure=done, certificate=None)
    folder = out or service.rooms.settings.data / CERTIFICATES / done.id
    made = service.certificate(done.id, tenant=session.tenant)
    return Ended(erasure=done, certificate=str(made.save(folder)))


def _is_meant(found: Erasure) -> bool:
    """Ask on the terminal whether it is meant."""
    what = f"erase {_counted(len(found.erased))} for ever"
    stays = f", and keep {len(found.kept)} restricted" if found.kept else ""
    return click.confirm(f"{what}{stays}?", err=True)


def _counted(count: int) -> str:
    return "1 memory" if count == 1 else f"{count} memories"


def _preview(screen: Screen, found: Erasure) -> None:
    screen.line(f"would erase {_counted(len(found.erased))}; nothing was done", "good")
    _cubes(screen, found.erased)
    if found.kept:
        screen.line(f"would keep {_counted(len(found.kept))}, restricted:", "heading")
        _kept(screen, found.kept)


def _done(screen: Screen, ended: Ended) -> None:
    found = ended.erasure
    said = {
        "completed": f"erased {_counted(len(found.erased))}",
        "kept": "nothing could be erased; it stays open until it is asked for again",
        "requested": "asked for; the next opening of the folder goes on with it",
    }
    others = "it goes on once other processes have let go; `memos-gov audit requests` shows it"
    screen.line(said.get(found.state, others), "good")
    screen.fields(
        [
            ("erasure", found.id),
            ("state", found.state),
            ("read back by", [receipt.custodian for receipt in found.custodians]),
            ("certificate", ended.certificate),
        ]
    )
    if found.kept:
        screen.line(f"kept {_counted(len(found.kept))}, restricted:", "heading")
        _kept(screen, found.kept)


def _cubes(screen: Screen, cubes: tuple[str, ...]) -> None:
    for cube in cubes[:SHOWN_MAX]:
        screen.line(f"  {cube}")
    if len(cubes) > SHOWN_MAX:
        screen.line(f"  and {len(cubes) - SHOWN_MAX} more; --json lists all", "aside")


def _kept(screen: Screen, kept: tuple[Kept, ...]) -> None:
    columns = ("cube", "reasons", "rules")
    rows = [(x.cube, x.reasons, x.rules) for x in kept[:SHOWN_MAX]]
    screen.table(columns, rows, spare=("rules",))
    if len(kept) > SHOWN_MAX:
        screen.line(f"and {len(kept) - SHOWN_MAX} more; --json lists all", "aside")
