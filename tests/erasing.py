"""Erasing events proposed straight to the log, as the processes that own them would."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from msgspec.structs import replace

from memos_gov.assess import Assessed
from memos_gov.domain import commands as c
from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.decide import Situation
from memos_gov.domain.history import Outcome
from memos_gov.domain.verdicts import Verdict
from memos_gov.proposer import new_command_id
from memos_gov.receipts import Prepared
from memos_gov.service import Actor

ERASURE = "e_one"
_ENDINGS = (e.CubeErased, e.SubjectErased)


def prepared(actor: Actor, *events: e.Event) -> Prepared:
    """Return a record that policy allowed, naming everything it relies on, on its way."""
    governor, caller = actor.rooms.governor, actor.caller
    if any(isinstance(event, _ENDINGS) for event in events):
        caller = replace(caller, principal=ids.ERASER)
    with governor.tables.snapshot() as snapshot:
        attempt = governor.attempt(snapshot, caller)
        cubes = sorted({cube for event in events if (cube := getattr(event, "cube", None))})
        attempt.cubes(cubes)
        verdict = Verdict("allow", (), (), ("role/steward",), attempt.now + 60)
        command_id = new_command_id()
        situation = Situation(
            tenant=caller.tenant, actor=caller.principal, command_id=command_id, now=attempt.now
        )
        targets = dict.fromkeys(cubes or [caller.tenant], verdict)
        assessed = Assessed(situation, verdict, targets)
        command = c.ArchiveCube(cube="c_any")
        drafts = tuple(e.Draft(event) for event in events)
        return governor.propose(attempt, command, command_id, "", assessed, drafts)


def propose(actor: Actor, *events: e.Event) -> Outcome:
    """Append a record of these events and return what became of it."""
    return actor.rooms.governor.submit([prepared(actor, *events)])[0]


def erase(actor: Actor, *cubes: str) -> Outcome:
    """Have cubes erased."""
    outcome = propose(actor, *(e.CubeErased(cube=cube, erasure=ERASURE) for cube in cubes))
    assert "accepted" == outcome.code
    return outcome


def erase_subject(actor: Actor, name: str) -> str:
    """Have a person's name forgotten, and return the opaque id that it had."""
    keys = actor.rooms.governor.keys
    subject = keys.refer(actor.caller.tenant, "subject", [name])[name]
    asked = {"erasure": f"e_{subject.removeprefix('s_')}", "subject": subject}
    restricted = e.SubjectRestricted(**asked)
    requested = e.ErasureRequested(**asked, cube=None, cubes=())
    assert "accepted" == propose(actor, requested, restricted).code
    page = {"page": 1, "erased": 0, "kept": 0, "last": None, "custodians": ()}
    planned = e.ErasurePlanned(**asked, **page, state="checking")  # type: ignore[arg-type]
    outcome = propose(actor, planned, e.SubjectErased(**asked))
    assert "accepted" == outcome.code
    return subject


def keys_of(actor: Actor, cube: str) -> set[str]:
    """Return the ids of the keys that a cube's content named."""
    tenant = actor.caller.tenant
    with actor.rooms.governor.tables.snapshot() as snapshot:
        return snapshot.content_keys(tenant, cube, snapshot.index(tenant))


def rows_of_keys(folder: Path, key_ids: Iterable[str]) -> dict[str, bytes]:
    """Return what the vault of a closed folder keeps under these ids and has not destroyed."""
    with closing(sqlite3.connect(folder / "vault.db")) as vault:
        rows = dict(vault.execute("SELECT key_id, wrapped FROM content_keys").fetchall())
    return {name: rows[name] for name in key_ids if any(rows.get(name, b""))}


def names_kept(folder: Path) -> set[str]:
    """Return the opaque ids that the directory of a closed folder holds."""
    with closing(sqlite3.connect(folder / "vault.db")) as vault:
        return {row[0] for row in vault.execute("SELECT opaque FROM directory")}


def copied(folder: Path, to: Path, *names: str) -> None:
    """Copy databases of a closed folder, over what lies there."""
    to.mkdir(exist_ok=True)
    for name in names:
        for suffix in ("-wal", "-shm"):
            (to / f"{name}{suffix}").unlink(missing_ok=True)
        shutil.copy(folder / name, to / name)
