"""
A writer that any moment may end: what it was told is on the disk before it goes on.

    python -m tests.connected.crash_writer DATA JOURNAL TENANT SEED

Each line of the journal is one JSON object. `begin` names a command and what it
says, `end` what became of one attempt. A writer that finds a `begin` without a
final `end`, because one before it was killed, sends that command again.
A file `stop` beside the journal lets it end after its command.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

import memos_gov
from memos_gov.domain import commands as c
from memos_gov.errors import (
    ConflictError,
    DeniedError,
    GovernanceError,
    NotFoundError,
    PolicyUnavailableError,
    UnavailableError,
)
from memos_gov.proposer import new_command_id
from memos_gov.service import Actor

PURPOSE = "complaint-handling"
PAUSE_S = 0.03
FINAL = ("ok", "policy", "denied", "not_found", "conflict")


class Journal:
    """Lines that are on the disk when `note` returns."""

    def __init__(self, path: Path) -> None:
        halved = path.exists() and not path.read_text(encoding="utf-8").endswith("\n")
        self._file = path.open("a", encoding="utf-8")
        if halved:
            self._file.write("\n")

    def note(self, **said: Any) -> None:
        """Write one line."""
        self._file.write(json.dumps(said) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a journal; one that a kill halved is none."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    found = []
    for line in text.splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


class Writer:
    """Remembers, revises and reads as one principal, each command under an id of its own."""

    def __init__(self, actor: Actor, path: Path, seed: int) -> None:
        lines = lines_of(path)
        self._path = path
        self._actor = actor
        self._journal = Journal(path)
        self._random = random.Random(f"{seed}/{len(lines)}")
        self._count = len(lines)
        ended = {line["end"] for line in lines if line.get("what") in FINAL}
        self._left = [line for line in lines if "begin" in line and line["begin"] not in ended]
        self._cubes = [line["cube"] for line in lines if line.get("made")]

    def run(self) -> None:
        """Send commands until `stop` is there; what was left first."""
        for told in self._left:
            self._settle(told)
        while not self._stopped:
            self._settle(self._next())
            time.sleep(PAUSE_S)

    @property
    def _stopped(self) -> bool:
        return (self._path.parent / "stop").exists()

    def _next(self) -> dict[str, Any]:
        self._count += 1
        kind = self._random.choice(["remember", "revise", "revise", "get", "recall"])
        kind = kind if self._cubes else "remember"
        told = {"begin": new_command_id(), "kind": kind, "tag": f"+{self._count}+"}
        if kind in {"revise", "get"}:
            told["cube"] = self._random.choice(self._cubes[-8:])
        self._journal.note(**told)
        return told

    def _settle(self, told: dict[str, Any]) -> None:
        """Send one command until it has a final answer, or the writer is to end."""
        while True:
            began, at = time.monotonic(), time.time()
            answer = self._answer(told)
            took = time.monotonic() - began
            self._journal.note(end=told["begin"], at=at, took=took, kind=told["kind"], **answer)
            if answer["what"] in FINAL or told["kind"] in {"get", "recall"} or self._stopped:
                return
            time.sleep(0.1)

    def _answer(self, told: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._sent(told)
        except PolicyUnavailableError as error:
            return {"what": "policy", "why": error.reason}
        except UnavailableError as error:
            return {"what": "unavailable", "backend": error.backend, "why": str(error)}
        except (ConflictError, DeniedError, NotFoundError) as error:
            return {"what": error.code, "why": str(error)}
        except GovernanceError as error:
            return {"what": "fatal", "why": f"{error.code}: {error}"}
        except Exception as error:  # noqa: BLE001 - the test fails by it
            return {"what": "fatal", "why": f"{type(error).__name__}: {error}"}

    def _sent(self, told: dict[str, Any]) -> dict[str, Any]:
        match told["kind"]:
            case "get":
                hit = self._actor.get(told["cube"])
                return {"what": "ok", "read": hit.content}
            case "recall":
                return {"what": "ok", "hits": len(self._actor.recall("card charged").hits)}
            case "remember":
                content = f"The card was charged {told['tag']}"
                receipt = self._actor.remember(content, command_id=told["begin"])
                self._cubes.append(receipt.cube_id or "")
                return {"what": "ok", "index": receipt.index, "cube": receipt.cube_id} | {
                    "made": True,
                    "repeated": receipt.repeated,
                }
        command = c.make(c.ReviseCube, cube=told["cube"], content=told["tag"], mode="append")
        receipt = self._actor.handle(command, command_id=told["begin"])
        return {"what": "ok", "index": receipt.index, "repeated": receipt.repeated}


def main() -> None:
    """Open the folder as soon as its engines answer, and write."""
    folder, journal, tenant, seed = sys.argv[1:]
    while True:
        try:
            service = memos_gov.open(folder)
            break
        except UnavailableError:
            time.sleep(0.2)
    with service:
        while True:
            try:
                actor = service.acting_as("owner", tenant=tenant, purpose=PURPOSE)
                break
            except UnavailableError:
                time.sleep(0.2)
        Writer(actor, Path(journal), int(seed)).run()


if __name__ == "__main__":
    main()
