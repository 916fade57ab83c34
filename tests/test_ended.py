"""What ended stays ended, and what would bring it back, or keep it from ending, is refused."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import memos_gov
from memos_gov.bootstrap import fsck
from memos_gov.errors import ConflictError, CorruptionError, DeniedError
from memos_gov.service import Actor

PURPOSE = "complaint-handling"
OLDER = ("log.db", "tables.db", "vault.db")


def test_review_approved_after_the_erasure_brings_nothing_back(
    gov: memos_gov.Service, owner: Actor, folder: Path
) -> None:
    """Who approves what was erased meanwhile is told, and the certificate stays true."""
    owner.add_principal("bot", roles=["agent"], purposes=(PURPOSE,))
    waiting = gov.acting_as("bot", purpose=PURPOSE).remember(
        "Card 4111 1111 1111 1111.", subjects=["customer-7"], label="public"
    )
    assert waiting.case_id
    assert waiting.cube_id
    assert "completed" == owner.forget(subject="customer-7", reason="asked").state

    with pytest.raises(ConflictError):
        owner.approve(waiting.case_id)

    with pytest.raises(DeniedError, match="erased"):
        owner.get(waiting.cube_id)
    gov.close()
    assert fsck(folder).clean


def test_review_approved_while_a_hold_keeps_the_memory_restricted_is_refused(
    gov: memos_gov.Service, owner: Actor
) -> None:
    """What an erasure restricts is used by nobody, however it would come to be used."""
    owner.add_principal("bot", roles=["agent"], purposes=(PURPOSE,))
    waiting = gov.acting_as("bot", purpose=PURPOSE).remember(
        "Card 4111 1111 1111 1111.", subjects=["customer-7"], label="public"
    )
    owner.hold(matter="M-1", subject="customer-7")
    assert "kept" == owner.forget(subject="customer-7", reason="asked").state

    with pytest.raises(ConflictError):
        owner.approve(waiting.case_id or "")


def test_hold_on_what_was_erased_is_refused(owner: Actor) -> None:
    """Nobody is told that something is held which is gone."""
    cube = owner.remember("a note").cube_id
    assert cube
    owner.forget(cube=cube, reason="asked")

    with pytest.raises((ConflictError, DeniedError)):
        owner.hold(matter="M-1", cube=cube)

    assert () == owner.audit("holds").rows


def test_program_that_calls_its_words_imported_is_linked_all_the_same(
    gov: memos_gov.Service, owner: Actor
) -> None:
    """What was read in the session is a source, and its erasure takes the words along."""
    owner.add_principal("bot", roles=["agent"], clearance="confidential", purposes=(PURPOSE,))
    secret = owner.remember("Zanzibar", label="confidential", subjects=["victim"]).cube_id
    assert secret
    owner.share(secret, with_="bot")
    bot = gov.acting_as("bot", purpose=PURPOSE)
    bot.get(secret)

    said = bot.remember("Zanzibar again", origin="import", subjects=["x"], label="public").cube_id

    erased = owner.forget(subject="victim", reason="asked").erased
    assert {secret, said} == set(erased)


def test_older_log_tables_and_vault_beside_a_newer_index_are_noticed(
    gov: memos_gov.Service, owner: Actor, folder: Path, tmp_path: Path
) -> None:
    """Nothing of what was erased since is served."""
    cube = owner.remember("Xylocarp").cube_id
    owner.recall("Xylocarp")
    gov.close()
    for name in OLDER:
        shutil.copyfile(folder / name, tmp_path / name)
    with memos_gov.open(folder) as again:
        actor = again.acting_as("owner", purpose=PURPOSE)
        actor.forget(cube=cube, reason="asked")
    for name in OLDER:
        shutil.copyfile(tmp_path / name, folder / name)

    with pytest.raises(CorruptionError, match="has followed the log"):
        memos_gov.open(folder)


def test_lease_of_a_clock_that_ran_ahead_keeps_no_erasure_waiting(
    owner: Actor, folder: Path
) -> None:
    """No process of today can have written it."""
    cube = owner.remember("a note").cube_id
    with closing(sqlite3.connect(folder / "operations.db")) as db, db:
        db.execute("INSERT INTO leases VALUES ('h_ghost', 'default', 0, 99999999999999)")

    assert "completed" == owner.forget(cube=cube, reason="asked").state
