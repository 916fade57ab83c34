"""`evidence`: files of evidence, checked with nothing but a verifier key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from memos_gov.cli.errors import FOUND_WRONG
from memos_gov.cli.options import moment
from memos_gov.cli.output import Screen
from memos_gov.cli.session import Session, VerbGroup, pass_session
from memos_gov.errors import (
    InvalidCommandError,
    NotVerifiedError,
    UnavailableError,
    remedy_of,
)

if TYPE_CHECKING:
    from memos_gov.transparency.evidence import Verified
    from memos_gov.transparency.notes import VerifierKey

FILE_BYTES_MAX = 4_000_000
NAMING = ("cube", "custodian", "what")


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """A file, and what it proves or why it proves nothing."""

    file: str
    verified: bool
    found: Verified | None = None
    reason: str | None = None
    remedy: str | None = None


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """Where the certificate of an erasure was written, and where it stands in the log."""

    erasure: str
    index: int
    file: str


@click.group("evidence", cls=VerbGroup)
def evidence_verb() -> None:
    """Certificates: make one, or check one without a data folder."""


@evidence_verb.command("verify")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--vkey", metavar="KEY", help="The log's verifier key, name+id+base64.")
@click.option(
    "--vkey-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A file that holds the verifier key.",
)
@pass_session
def verify(
    session: Session, files: tuple[Path, ...], vkey: str | None, vkey_file: Path | None
) -> int:
    """
    Verify certificates, .tlog-proof files and checkpoints offline.

    A certificate's proof is the file of the same name that ends in .tlog-proof.
    No key in a file is trusted: get the verifier key from whoever keeps the log,
    by another way. Exit code 7 if a file does not verify.
    """
    key = _key(vkey, vkey_file)
    checked = tuple(_checked(file, key) for file in files)
    session.show(checked, _results)
    return 0 if all(each.verified for each in checked) else FOUND_WRONG


@evidence_verb.command("certificate")
@click.argument("erasure")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="DIR",
    help="Where its two files go.",
)
@pass_session
def certificate(session: Session, erasure: str, out: Path) -> None:
    """
    Write the certificate of a completed erasure, and its proof.

    It names ids, reasons and times, no person and no content. Check it with
    `memos-gov evidence verify`, or with nothing of ours.
    """
    with session.service() as service:
        made = service.certificate(erasure)
        saved = Saved(erasure=erasure, index=made.index, file=str(made.save(out)))
    session.show(saved, _saved)


def _saved(screen: Screen, saved: Saved) -> None:
    screen.line(f"certificate {saved.file}", "good")
    screen.line(f"of {saved.erasure}, which completed at index {saved.index}", "aside")


def _key(vkey: str | None, file: Path | None) -> VerifierKey:
    from memos_gov.transparency.notes import parse_vkey

    if (vkey is None) == (file is None):
        msg = "vkey: give the verifier key by --vkey or by --vkey-file"
        raise InvalidCommandError(msg, field="vkey")
    if file is not None:
        vkey = _read(file).decode(errors="replace").strip()
    assert vkey is not None
    return parse_vkey(vkey)


def _checked(file: Path, key: VerifierKey) -> Checked:
    from memos_gov.transparency.evidence import verify_evidence
    from memos_gov.transparency.tlog_proof import SUFFIX

    raw, beside = _read(file), file.with_suffix(SUFFIX)
    proof = _read(beside) if beside != file and beside.exists() else None
    try:
        return Checked(file=str(file), verified=True, found=verify_evidence(raw, key, proof=proof))
    except NotVerifiedError as error:
        return Checked(file=str(file), verified=False, reason=str(error), remedy=error.remedy)


def _read(file: Path) -> bytes:
    """
    Return what a file holds.

    Raises:
        InvalidCommandError: There is no such file, or it is too large to be evidence.
        UnavailableError: It cannot be read.
    """
    try:
        with file.open("rb") as opened:
            raw = opened.read(FILE_BYTES_MAX + 1)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        msg = f"file: {file} is no file"
        raise InvalidCommandError(msg, field="file") from None
    except OSError as error:
        msg = f"{file} cannot be read ({error.strerror})"
        raise UnavailableError(msg, backend="files", remedy=remedy_of(error)) from error
    if len(raw) > FILE_BYTES_MAX:
        msg = f"file: {file} is over {FILE_BYTES_MAX} bytes (FILE_BYTES_MAX)"
        raise InvalidCommandError(msg, field="file")
    return raw


def _results(screen: Screen, checked: tuple[Checked, ...]) -> None:
    for each in checked:
        if each.found is None:
            screen.line(f"{each.file}: NOT verified: {each.reason}", "error")
            screen.line(f"remedy: {each.remedy}", "remedy")
        else:
            screen.line(f"{each.file}: verified", "good")
            screen.fields(_found(each.found))


def _found(found: Verified) -> list[tuple[str, object]]:
    return [
        ("is", found.what),
        ("log", found.origin),
        ("index", found.index),
        ("outcome", found.outcome),
        ("time", None if found.time_ms is None else moment(found.time_ms // 1000)),
        ("event", found.event),
        *_stated(found.statement or {}),
        ("under the head of", f"{found.size} records, root {found.root}"),
    ]


def _stated(statement: dict[str, Any]) -> Iterator[tuple[str, object]]:
    """Yield what a certificate states, a line each; of a list of many fields what names each."""
    for name, value in statement.items():
        parts = value if isinstance(value, list) else [value]
        named = [part[k] for part in parts if isinstance(part, dict) for k in NAMING if k in part]
        yield name.replace("_", " "), named or value
