"""Custodians: what each looked for can be recomputed, and what is left is found and named."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

import memos_gov
from memos_gov.backends.sqlite.index import SqliteCubeIndex
from memos_gov.domain import codec
from memos_gov.domain.verdicts import Custodian
from memos_gov.erasure.custodians import Erased, read_back
from memos_gov.errors import UnavailableError
from memos_gov.materializers.plan import index_entry
from memos_gov.service import Actor, Service
from tests.erasure.conftest import PERSON, PURPOSE
from tests.erasure.memories import facts, open_erasures, remembered, state

REASON = "asked by letter"
EVERY: tuple[Custodian, ...] = ("vault", "directory", "index", "tensors", "tables", "log")


def digest(*named: str) -> str:
    """Return the SHA-256 of sorted ids as canonical JSON."""
    return hashlib.sha256(codec.canonical(sorted(named))).hexdigest()


def erased(gov: Service, *cubes: str, subject: str | None = None) -> Erased:
    """Return what custodians are asked about."""
    governor = gov.rooms.governor
    return Erased(
        tenant="default",
        subject=subject,
        cubes=cubes,
        log=governor.log,
        tables=governor.tables,
        keys=governor.keys,
        index=gov.rooms.index,
        tensors=lambda _: [set(cubes)],
    )


def key_ids(folder: Path, cube: str) -> list[str]:
    """Return the keys that the events of a cube name, read behind everybody's back."""
    with closing(sqlite3.connect(folder / "tables.db")) as connection:
        query = "SELECT key_id FROM events WHERE stream = ? AND key_id IS NOT NULL"
        return [key for (key,) in connection.execute(query, (f"default/cube/{cube}",))]


def test_receipts_of_an_erasure_can_be_recomputed_by_anybody(
    gov: Service, owner: Actor, folder: Path
) -> None:
    """The digests are those of the sorted ids; every revision's key is among them."""
    one, two = remembered(owner, "one", "two", subjects=(PERSON,))
    owner.revise(one, "one again")
    person = str(getattr(facts(gov, f"cube/{one}/governance"), "subjects")[0])  # noqa: B009

    done = owner.forget(subject=PERSON, reason=REASON)

    found = {receipt.custodian: receipt.digest for receipt in done.custodians}
    keys = [*key_ids(folder, one), *key_ids(folder, two)]
    assert 3 == len(keys)
    assert digest(*keys) == found["vault"] == found["log"]
    assert digest(one, two) == found["index"] == found["tensors"] == found["tables"]
    assert digest(person) == found["directory"]
    assert all(x.started_at <= x.ended_at for x in done.custodians)


def test_custodian_of_what_was_never_erased_finds_all_of_it(gov: Service, owner: Actor) -> None:
    """Reading back is no formality: each of them sees what is there."""
    one, two = remembered(owner, "one", "two", subjects=(PERSON,))
    owner.recall("one")
    person = str(getattr(facts(gov, f"cube/{one}/governance"), "subjects")[0])  # noqa: B009
    there = erased(gov, one, two, subject=person)

    found = {name: read_back(name, there) for name in EVERY}

    assert {"vault": 2, "directory": 1, "index": 2, "tensors": 2, "tables": 2, "log": 2} == {
        name: x.remaining for name, x in found.items()
    }
    assert all(x.checked == x.remaining for x in found.values())


def left_behind(gov: Service, owner: Actor) -> tuple[str, str]:
    """Ask for an erasure, then put an entry of the cube back; return both ids."""
    (cube,) = remembered(owner, "left behind", subjects=(PERSON,))
    owner.recall("left")
    asked = owner.forget(subject=PERSON, reason=REASON, wait=False)
    content: Any = facts(gov, f"cube/{cube}")
    governance: Any = facts(gov, f"cube/{cube}/governance")
    ahead = gov.rooms.governor.log.end(0) + 1_000
    entry = index_entry("default", cube, content, replace(governance), "left behind")
    gov.rooms.index.apply(ahead, [entry])
    return asked.id, cube


def test_erasure_with_an_entry_left_in_the_index_does_not_complete(
    gov: Service, owner: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names who still holds what, stays open, and completes once that is gone."""
    asked, cube = left_behind(gov, owner)
    with monkeypatch.context() as deaf:
        deaf.setattr(SqliteCubeIndex, "remove", lambda *_: None)

        with pytest.raises(UnavailableError, match="index still holds 1 of 1"):
            gov.rooms.eraser.go_on("default", asked)

    assert "checking" == owner.erasure(asked).state
    assert (asked,) == open_erasures(gov)
    assert "erased" == state(gov, cube)
    gov.rooms.index.clear()
    assert "completed" == gov.rooms.eraser.go_on("default", asked).state


def test_entry_that_came_back_is_removed_before_the_index_is_read_back(
    gov: Service, owner: Actor
) -> None:
    """An erasure takes its cubes out itself, whatever the index has followed."""
    asked, cube = left_behind(gov, owner)

    assert "completed" == gov.rooms.eraser.go_on("default", asked).state
    assert set() == gov.rooms.index.present("default", [cube])


def test_erasure_in_a_vault_that_was_put_back_is_done_again_before_it_completes(
    folder: Path, tmp_path: Path
) -> None:
    """Keys that came back from a copy are destroyed again, and found destroyed."""
    with memos_gov.open(folder) as gov:
        owner = gov.acting_as("owner", purpose=PURPOSE)
        (cube,) = remembered(owner, "from a copy", subjects=(PERSON,))
    copy = (folder / "vault.db").read_bytes()
    with memos_gov.open(folder) as gov:
        owner = gov.acting_as("owner", purpose=PURPOSE)
        asked = owner.forget(subject=PERSON, reason=REASON, wait=False)
        gov.rooms.eraser.pages.propose("default", asked.id)
    for name in ("vault.db-wal", "vault.db-shm"):
        (folder / name).unlink(missing_ok=True)
    (folder / "vault.db").write_bytes(copy)

    with memos_gov.open(folder) as gov:
        done = gov.acting_as("owner", purpose=PURPOSE).erasure(asked.id)
        assert ("completed", (cube,)) == (done.state, done.erased)
        assert {} == gov.rooms.governor.keys.open("default", key_ids(folder, cube))
