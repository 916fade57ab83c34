"""
`demo`: the whole life of a memory on the embedded default, told step by step.

Each step is a command that a reader could type, run in this process through
the same verbs; what it prints is what they would see. The complaints are
invented. The folder is a temporary one, gone at the end unless `--keep` or
`--dir` says otherwise.
"""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

import memos_gov
from memos_gov.cli import output
from memos_gov.cli.calling import program
from memos_gov.cli.session import Session, verb
from memos_gov.cli.stage import Stage
from memos_gov.errors import DeniedError, SettingsError
from memos_gov.receipts import Receipt

NOTE = "Rang again about the double payment: charged twice, card 5555 5555 5555 4444. Upset."
PATH_CHARS_MAX = 30
LOG_LINES = 14
SINCE = "Refund promised by Friday."


@verb("demo")
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Make the data folder here, and keep it.",
)
@click.option("--keep", is_flag=True, help="Keep the temporary data folder.")
@click.option("--connected", is_flag=True, help="On the engines that `make services-up` starts.")
def demo_verb(session: Session, folder: Path | None, keep: bool, connected: bool) -> None:
    """
    Show the whole life of a memory in seconds; no service needed.

    With --connected on Kafka, Postgres, OPA and Weaviate, in a topic, databases
    and a collection of its own, which are removed at the end.
    """
    if connected and (keep or folder is not None):
        raise click.UsageError("--connected keeps nothing, so it takes no --dir and no --keep")
    if session.json:
        msg = "the demo is a story to read and has no JSON"
        raise click.UsageError(msg, click.get_current_context())
    started = time.monotonic()
    with _folder(folder, keep=keep) as data:
        stage = Stage(session.screen or output.screen(), data)
        if connected:
            with _engines(data) as engines:
                _play(stage, "--engines", str(engines))
        else:
            _play(stage)
        seconds = time.monotonic() - started
        summary = {"data": str(data), "commands": stage.commands, "seconds": round(seconds, 1)}
        session.answer = summary
        _farewell(stage, seconds, kept=keep or folder is not None)


@contextmanager
def _folder(folder: Path | None, *, keep: bool) -> Iterator[Path]:
    """Enter a folder that does not exist yet; a temporary one is removed at the end."""
    if folder is not None:
        yield folder
        return
    parent = Path(tempfile.mkdtemp(prefix="memos-gov-demo-"))
    try:
        yield parent / "data"
    finally:
        if not keep:
            shutil.rmtree(parent, ignore_errors=True)


@contextmanager
def _engines(data: Path) -> Iterator[Path]:
    """Enter a file that names engines for one demo; what it made there is removed at the end."""
    from memos_gov.bootstrap import remove_stores
    from memos_gov.engines import lines_of, local

    path = data.with_name("engines.toml")
    text = "\n".join(lines_of(local(f"demo{secrets.token_hex(4)}")))
    path.write_text(f"{text}\n", encoding="utf-8")
    try:
        yield path
    finally:
        if data.exists():
            remove_stores(data)


def examples() -> Path:
    """
    Return the folder of examples: in the package when installed, else in the checkout.

    Raises:
        SettingsError: Neither is there.
    """
    package = Path(memos_gov.__file__).parent
    for folder in (package / "examples", package.parent / "examples"):
        if (folder / "complaints.csv").is_file():
            return folder
    raise SettingsError("the examples are missing", remedy="Install the package again.")


def _play(stage: Stage, *made_with: str) -> None:
    _begin(stage, *made_with)
    made = _three_answers(stage)
    note = str(made.cube_id)
    _share_and_revise(stage, note)
    _refuse_and_explain(stage, note)
    _hold(stage, note)
    _withdraw(stage)
    _forget(stage)
    _prove(stage, made)


def _begin(stage: Stage, *made_with: str) -> None:
    stage.chapter(
        "1. A folder, forty complaints, three people",
        "Everything will lie in one folder. The complaints are invented.",
    )
    stage.screen.line("")
    stage.screen.line(f"$ export MEMOS_GOV_DATA={shlex.quote(str(stage.data))}", "command")
    stage.type("init", "--purpose", "complaint-handling", *made_with)
    folder = _samples(stage.data)
    stage.type("ingest", f"{folder}/complaints.csv", "--map", f"{folder}/complaints.toml")
    stage.say(
        "Dora is data protection officer, Anna an analyst, echo a program that answers calls."
    )
    stage.type("principal", "add", "dora", "--role", "dpo", "--clearance", "restricted")
    purposes = ("--for", "complaint-handling", "--for", "research")
    stage.type(
        "principal", "add", "anna", "--role", "analyst", "--clearance", "internal", *purposes
    )
    stage.type("principal", "add", "echo", "--role", "agent", "--clearance", "confidential")


def _three_answers(stage: Stage) -> Receipt:
    """Let three principals ask the same; return the receipt of what echo remembers."""
    stage.chapter(
        "2. The same question, three answers",
        "echo takes a note. Policy finds a card number: masked before it enters the log.",
    )
    note = stage.type("remember", NOTE, "--subject", "customer-1001", "--as", "echo")
    stage.say(
        "Dora sees everything. Anna is cleared to internal: nothing confidential, and",
        "addresses and numbers masked. echo sees what is its own. Nobody learns of the rest.",
    )
    for principal in ("dora", "anna", "echo"):
        stage.type("recall", "charged twice", "-k", "4", "--as", principal)
    assert isinstance(note, Receipt)
    return note


def _share_and_revise(stage: Stage, note: str) -> None:
    stage.chapter(
        "3. Shared, and revised",
        "The owner of the folder shares a confidential complaint with echo.",
    )
    found = stage.type("list", "--subject", "customer-1034")
    stage.type("share", found.hits[0].cube_id, "--with", "echo")
    stage.type("recall", "fuel at a motorway", "-k", "1", "--as", "echo")
    stage.say("echo adds to its note; whoever still has revision 1 in mind is told.")
    stage.type("revise", note, SINCE, "--append", "--expect", "1", "--as", "echo")
    stage.refused("revise", note, "Refund refused.", "--expect", "1", "--as", "echo")
    stage.type("history", note, "--as", "dora")


def _refuse_and_explain(stage: Stage, note: str) -> None:
    stage.chapter(
        "4. A refusal is a record too",
        "echo may share its own notes, but not confidential ones on its own.",
    )
    error = stage.refused("share", note, "--with", "anna", "--as", "echo")
    assert isinstance(error, DeniedError)
    stage.say("Dora asks why: the reasons, and the rules that spoke.")
    stage.type("explain", str(error.index), "--as", "dora")
    case = stage.type("review", "list", "--as", "dora")[0].case_id
    stage.type("review", "reject", case, "--as", "dora")


def _hold(stage: Stage, note: str) -> None:
    stage.chapter(
        "5. A legal hold stops what would change",
        "A matter holds everything about customer-1001, echo's note too.",
    )
    stage.type("hold", "M-2025-07", "--subject", "customer-1001", "--as", "dora")
    stage.refused("archive", note)
    stage.type("audit", "holds", "--as", "dora")
    stage.type("release", "M-2025-07", "--as", "dora")
    stage.type("archive", note)


def _withdraw(stage: Stage) -> None:
    stage.chapter(
        "6. Consent, given and withdrawn",
        "Some customers agreed to research. Anna finds one; then that customer thinks again.",
    )
    asked = ("interest on a balance that was paid", "-k", "1", "--as", "anna")
    research = ("--purpose", "research")
    found = stage.type("recall", *asked, *research).hits[0]
    stage.type("consent", found.subjects[0], "research", "--withdrawn", "--as", "dora")
    stage.say("From here on she finds another one, and this one is as if it had never been:")
    stage.type("recall", *asked, *research)
    stage.refused("get", found.cube_id, "--as", "anna", *research)
    stage.say("What happened to it stays on record: who read it, for what, under which rule.")
    stage.type("audit", "access", found.cube_id, "--as", "dora")


def _forget(stage: Stage) -> None:
    stage.chapter(
        "7. Forgotten, with proof",
        "customer-1002 asks to be forgotten; a matter holds what is kept about that person.",
    )
    stage.type("hold", "M-2025-09", "--subject", "customer-1002", "--as", "dora")
    asked = ("forget", "--subject", "customer-1002", "--reason", "request 2025-31")
    stage.type(*asked, "--yes", "--as", "dora")
    stage.say(
        "The hold won: kept, restricted, used by nobody. Its release lets the erasure through."
    )
    stage.type("release", "M-2025-09", "--as", "dora")
    stage.type(*asked, "--dry-run", "--as", "dora")
    done = stage.type(*asked, "--yes", "--as", "dora")
    stage.refused("get", done.erasure.erased[0], "--as", "dora")
    stage.say(
        "Keys are destroyed, and each custodian has read back. A stranger checks the certificate",
        "with these two files and the log's public key, without this folder:",
    )
    key = stage.type("log", "vkey", "--as", "dora")["vkey"]
    stage.type("evidence", "verify", done.certificate, "--vkey", key)


def _prove(stage: Stage, made: Receipt) -> None:
    stage.chapter(
        "8. A log that proves itself",
        "Every record has an index and a leaf in a Merkle tree.",
    )
    stage.type("log", "tail", "-n", "6", "--as", "dora")
    stage.say("echo's note, as it lies in the log: a header, and content as ciphertext.")
    stage.type("log", "show", str(made.index), "--as", "dora", head=LOG_LINES)
    stage.type("log", "verify")
    stage.say("Tables are only a consequence of the log: thrown away, and made again the same.")
    stage.type("rebuild")
    stage.type("fsck")


def _farewell(stage: Stage, seconds: float, *, kept: bool) -> None:
    stage.chapter(f"{stage.commands} commands in {seconds:.1f} seconds. Now yours:")
    folder = shlex.quote(str(stage.data)) if kept else "my-data"
    first = "status" if kept else "init"
    for words in (
        first,
        "remember 'Tea, no sugar.' --subject me",
        "recall tea",
    ):
        stage.screen.line(f"$ {program()} --data {folder} {words}", "command")


def _samples(data: Path) -> str:
    """Return a path of the examples that is short to type; else copy them beside the data."""
    folder = examples()
    shown = os.path.relpath(folder)
    if len(shown) <= PATH_CHARS_MAX:
        return shown
    beside = data.with_name(f"{data.name}-examples")
    beside.mkdir(parents=True, exist_ok=True)
    for name in ("complaints.csv", "complaints.toml"):
        shutil.copyfile(folder / name, beside / name)
    return str(beside)
