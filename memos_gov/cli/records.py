"""`log`: the decided history of a tenant, and whether it proves itself."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from memos_gov.cli import output
from memos_gov.cli.options import moment
from memos_gov.cli.output import Screen
from memos_gov.cli.session import Session, VerbGroup, pass_session
from memos_gov.cli.views import timed
from memos_gov.errors import SettingsError, UnavailableError

if TYPE_CHECKING:
    from memos_gov.proving import Proof
    from memos_gov.queries.log_pages import Entry, WholeEntry
    from memos_gov.queries.proving import SignedHead

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


@log_verb.command("checkpoint")
@pass_session
def checkpoint(session: Session) -> None:
    """
    Sign the head of the log now and print the note.

    Keep it somewhere else: whoever has it notices a log that was changed or put back.
    """
    with session.actor() as actor:
        session.show(actor.checkpoint(), _note)


def _note(screen: Screen, head: SignedHead) -> None:
    for line in head.note.splitlines():
        screen.line(line)


@log_verb.command("prove")
@click.argument("index", type=int)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the .tlog-proof to a new FILE instead of printing it.",
)
@pass_session
def prove(session: Session, index: int, out: Path | None) -> None:
    """
    Prove that a record stands in the log.

    `memos-gov evidence verify` checks it with the verifier key alone.
    """
    with session.actor() as actor:
        proof = actor.prove(index)
    if out is None:
        session.show(proof, _proof)
        return
    _create(out, proof.text.encode())
    session.show({**output.fields_of(proof), "file": str(out)}, _proven)


def _proof(screen: Screen, proof: Proof) -> None:
    for line in proof.text.splitlines():
        screen.line(line)


def _proven(screen: Screen, made: dict[str, Any]) -> None:
    screen.line(f"wrote the proof of record {made['index']} to {made['file']}", "good")
    screen.fields([("log", made["origin"]), ("leaf", made["leaf"])])


@log_verb.command("vkey")
@pass_session
def vkey(session: Session) -> None:
    """
    Print the verifier key of the log, to be handed out.

    Whoever checks evidence needs it, by another way than the evidence.
    """
    with session.actor() as actor:
        session.show({"vkey": actor.vkey}, lambda screen, found: screen.line(found["vkey"]))


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
    """Write records to a new file, whole or not at all, and return how many."""
    with _new(file) as target:
        return _copy(target, records)


def _create(file: Path, body: bytes) -> None:
    with _new(file) as target:
        target.write(body)


@contextmanager
def _new(file: Path) -> Iterator[IO[bytes]]:
    """
    Enter a new file that is there only if it was written whole.

    Raises:
        SettingsError: The file exists; it is left alone.
        UnavailableError: It cannot be written.
    """
    try:
        with file.open("xb") as target:
            try:
                yield target
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
