"""`log`: the decided history of a tenant, and whether it proves itself."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from memos_gov.cli.options import moment
from memos_gov.cli.output import Screen
from memos_gov.cli.session import Session, VerbGroup, pass_session
from memos_gov.cli.views import timed
from memos_gov.errors import SettingsError, UnavailableError

if TYPE_CHECKING:
    from memos_gov.queries.log_pages import Entry, WholeEntry

LEAF_CHARS = 8
SEALED_CHARS = 48
STANDARD_OUTPUT = "-"


@click.group("log", cls=VerbGroup)
def log_verb() -> None:
    """Read the log of what was decided, accepted or refused."""


@log_verb.command("tail")
@click.option("-n", "count", default=10, show_default=True, help="How many records.")
@pass_session
def tail(session: Session, count: int) -> None:
    """Show the newest decided records, oldest first."""
    with session.actor() as actor:
        session.show(actor.log_tail(count), _tail)


def _tail(screen: Screen, entries: tuple[Entry, ...]) -> None:
    rows = (
        (
            entry.index,
            moment(entry.time_s),
            entry.command,
            entry.actor,
            entry.code,
            ", ".join(event.type for event in entry.events),
            entry.leaf[:LEAF_CHARS],
        )
        for entry in entries
    )
    columns = ("index", "time", "command", "actor", "outcome", "events", "leaf")
    screen.table(columns, rows, spare=("events", "leaf", "outcome"))


@log_verb.command("show")
@click.argument("index", type=int)
@pass_session
def show(session: Session, index: int) -> None:
    """Show one decided record whole; its payloads are ciphertext."""
    with session.actor() as actor:
        session.show(actor.log_show(index), _whole)


def _whole(screen: Screen, whole: WholeEntry) -> None:
    import json

    entry = whole.entry
    screen.fields(
        [
            ("index", entry.index),
            ("time", moment(entry.time_s)),
            ("command", entry.command),
            ("actor", entry.actor),
            ("outcome", entry.code),
            ("detail", entry.detail),
            ("leaf", entry.leaf),
            ("stands at", f"partition {whole.partition}, offset {whole.log_offset}"),
        ]
    )
    sealed = [
        (f"  {event['type']}", _cut(event["sealed"]))
        for event in json.loads(whole.record)["data"]["events"]
    ]
    if any(text for _, text in sealed):
        screen.line("sealed, as ciphertext:", "heading")
        screen.fields(sealed)
    for event in entry.events:
        screen.line(f"{event.type}:", "heading")
        screen.fields((f"  {name}", value) for name, value in timed(event.header).items())
    screen.line("record:", "heading")
    screen.line(json.dumps(json.loads(whole.record), indent=2, ensure_ascii=False))


def _cut(ciphertext: str | None) -> str | None:
    """Return the beginning of a ciphertext; the record below has all of it."""
    if ciphertext is None or len(ciphertext) <= SEALED_CHARS:
        return ciphertext
    return f"{ciphertext[:SEALED_CHARS]}..."


@log_verb.command("verify")
@pass_session
def verify(session: Session) -> int:
    """
    Read the log from its beginning and prove it.

    Exit code 7 when it does not prove itself.
    """
    from memos_gov import bootstrap
    from memos_gov.cli.upkeep import progress, show_examination

    with progress() as told:
        report = bootstrap.verify_log(session.data, progress=told)
    return show_examination(session, report)


@log_verb.command("export")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@pass_session
def export(session: Session, file: Path) -> None:
    """
    Write every decided record as JSON lines to a new FILE.

    FILE of `-` is standard output, which then holds nothing else.
    """
    with session.actor() as actor:
        if str(file) == STANDARD_OUTPUT:
            _copy(sys.stdout.buffer, actor.log_export())
            return
        count = _write(file, actor.log_export())
    session.show({"file": str(file), "records": count}, _exported)


def _write(file: Path, records: Iterable[WholeEntry]) -> int:
    """
    Write records to a new file, whole or not at all, and return how many.

    Raises:
        SettingsError: The file exists; it is left alone.
        UnavailableError: It cannot be written.
    """
    try:
        with file.open("xb") as target:
            try:
                return _copy(target, records)
            except BaseException:
                file.unlink()
                raise
    except FileExistsError:
        msg = f"{file} exists already"
        raise SettingsError(msg, remedy="Name a new file.") from None
    except OSError as error:
        msg = f"{file} cannot be written ({error.strerror})"
        raise UnavailableError(msg, backend="files") from error


def _copy(target: IO[bytes], records: Iterable[WholeEntry]) -> int:
    """Write records a line each and return how many."""
    import msgspec

    count = 0
    for count, whole in enumerate(records, 1):  # noqa: B007 (counted, used below)
        target.write(msgspec.json.encode(whole) + b"\n")
    return count


def _exported(screen: Screen, made: dict[str, Any]) -> None:
    screen.line(f"wrote {made['records']} records to {made['file']}", "good")
