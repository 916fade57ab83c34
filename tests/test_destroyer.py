"""What an accepted erasure ended is destroyed, and stays so whatever is killed or put back."""

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

import memos_gov
from memos_gov import destroyer as destroyer_module
from memos_gov.bootstrap import fsck, rebuild
from memos_gov.domain import codec
from memos_gov.domain import commands as c
from memos_gov.domain import events as e
from memos_gov.domain.history import LogPosition
from memos_gov.errors import CorruptionError, GovernanceError, UnavailableError
from memos_gov.naming import Names
from memos_gov.ports import Checkpoint, Proposal
from memos_gov.proposer import new_command_id
from memos_gov.service import Actor
from tests.erasing import (
    ERASURE,
    copied,
    erase,
    erase_subject,
    keys_of,
    names_kept,
    prepared,
    rows_of_keys,
)

PURPOSE = "complaint-handling"
PERSON = "customer-17"
ROOT = Path(__file__).resolve().parents[1]


def owner_of(gov: memos_gov.Service) -> Actor:
    """Return the first principal."""
    return gov.acting_as("owner", purpose=PURPOSE)


def a_cube(actor: Actor, content: str = "The card was charged twice.") -> str:
    """Remember a cube with a second revision, so that it has two keys."""
    cube = actor.remember(content, subjects=[PERSON]).cube_id
    assert cube is not None
    actor.revise(cube, f"{content} Again.")
    return cube


def vault_checkpoint(gov: memos_gov.Service) -> Checkpoint:
    """Return how far the vault says that it has followed the log."""
    return gov.rooms.governor.keys.checkpoint(0)


def test_cube_erased_loses_every_key_that_it_ever_had(gov: memos_gov.Service, folder: Path) -> None:
    """At once, all revisions, in one transaction with the checkpoint; other cubes keep theirs."""
    owner = owner_of(gov)
    gone, stays = a_cube(owner), a_cube(owner)
    named = keys_of(owner, gone)
    assert named == rows_of_keys(folder, named).keys()

    erase(owner, gone)

    assert 2 == len(named)
    assert {} == rows_of_keys(folder, named)
    assert {} == gov.rooms.governor.keys.open("default", named)
    assert vault_checkpoint(gov).next_offset == gov.rooms.governor.log.end(0)
    assert owner.get(stays).content
    with pytest.raises(GovernanceError):
        owner.get(gone)


def test_cube_erased_by_a_record_that_was_rejected_keeps_its_keys(
    gov: memos_gov.Service, folder: Path
) -> None:
    """Never before acceptance, and never without it."""
    owner = owner_of(gov)
    cube = a_cube(owner)
    named = keys_of(owner, cube)
    late = prepared(owner, e.CubeErased(cube=cube, erasure=ERASURE))
    owner.freeze(cube)

    assert "stale" == owner.rooms.governor.submit([late])[0].code
    gov.rooms.destroyer.settle()

    assert named == rows_of_keys(folder, named).keys()


def test_record_that_repeats_an_id_with_other_events_destroys_nothing(
    gov: memos_gov.Service, folder: Path
) -> None:
    """It has the outcome of the first one, and what it brings was never accepted."""
    governor, owner = gov.rooms.governor, owner_of(gov)
    cube, other = a_cube(owner), a_cube(owner)
    named = keys_of(owner, cube)
    first = prepared(owner, e.CubeFrozen(cube=other))
    second = prepared(owner, e.CubeErased(cube=cube, erasure=ERASURE))
    record = codec.decode(second.proposal.body)
    data = replace(record.data, actor=owner.caller.principal)
    body = governor.proposer.sign(data, first.command_id, "ArchiveCube", record.time)
    governor.submit([first])

    proposal = Proposal("default", second.proposal.time_ms, body)
    assert "accepted" == governor.proposer.submit([proposal])[0].code

    gov.close()
    with memos_gov.open(folder) as again:
        assert owner_of(again).get(cube).content
    assert named == rows_of_keys(folder, named).keys()


def test_person_erased_loses_the_name_and_comes_back_as_somebody_else(
    gov: memos_gov.Service, folder: Path
) -> None:
    """The opaque id leads nowhere any more; the events stay as they are."""
    owner = owner_of(gov)
    a_cube(owner)
    subject = erase_subject(owner, PERSON)

    assert {} == gov.rooms.governor.keys.names("default", [subject])
    again = owner.remember("Another letter.", subjects=[PERSON]).cube_id
    assert again is not None
    assert PERSON in owner.get(again).subjects
    gov.close()
    assert subject not in names_kept(folder)
    assert subject.encode() not in (folder / "vault.db").read_bytes()


def test_command_that_ends_nothing_costs_the_vault_no_write(
    gov: memos_gov.Service, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkpoint moves every so many records, when something ends, and at the end."""
    monkeypatch.setattr(destroyer_module, "STEP_RECORDS", 10)
    owner = owner_of(gov)
    cube, before = a_cube(owner), vault_checkpoint(gov)
    for _ in range(6):
        owner.list()
    assert before == vault_checkpoint(gov)

    for _ in range(6):
        owner.list()
    stepped = vault_checkpoint(gov).next_offset
    assert before.next_offset < stepped
    erase(owner, cube)
    assert stepped < vault_checkpoint(gov).next_offset
    owner.list()
    end = gov.rooms.governor.log.end(0)
    gov.close()
    with memos_gov.open(folder) as again:
        assert end == vault_checkpoint(again).next_offset


def test_content_of_a_record_that_came_too_late_loses_its_key(
    gov: memos_gov.Service, folder: Path
) -> None:
    """The log keeps the rejected record for ever, so what it brought must not open."""
    governor, owner = gov.rooms.governor, owner_of(gov)
    cube = a_cube(owner)
    command = c.ReviseCube(cube=cube, content="A third time.")
    with governor.tables.snapshot() as snapshot:
        names = Names(governor.keys, "default")
        late = governor.prepare(snapshot, owner.caller, command, new_command_id(), names)
    (envelope,) = codec.decode(late.proposal.body).data.events
    assert envelope.key_id is not None
    owner.freeze(cube)
    owner.thaw(cube)
    assert "stale" == governor.submit([late])[0].code
    assert {envelope.key_id} == rows_of_keys(folder, [envelope.key_id]).keys()

    gov.rooms.destroyer.settle()

    assert {} == rows_of_keys(folder, [envelope.key_id])
    assert owner.get(cube).content


def test_record_that_nobody_vouches_for_destroys_no_key(
    gov: memos_gov.Service, folder: Path
) -> None:
    """A forged one names the key of a living cube, in content and in an erasure."""
    governor, owner = gov.rooms.governor, owner_of(gov)
    cube, other = a_cube(owner), a_cube(owner)
    (named, *_) = sorted(keys_of(owner, cube))
    record = codec.decode(governor.log.read(0, governor.log.end(0) - 1, 1)[0].body)
    envelope = msgspec.structs.replace(record.data.events[0], key_id=named)
    assert f"default/cube/{other}" == envelope.stream
    erased = codec.envelope(e.CubeErased(cube=cube, erasure=ERASURE), "default", None, None)
    for events in ((envelope,), (erased,)):
        data = msgspec.structs.replace(record.data, events=events)
        forged = msgspec.structs.replace(record, id=new_command_id(), data=data)
        body = codec.sign(forged, b"x" * 32)
        proposal = Proposal("default", round(governor.clock.now().timestamp() * 1000), body)
        assert "forged" == governor.proposer.submit([proposal])[0].code

    gov.rooms.destroyer.settle()

    assert owner.get(cube).content
    assert {named} == rows_of_keys(folder, [named]).keys()


def test_old_vault_put_back_destroys_again_before_anything_is_served(
    gov: memos_gov.Service, folder: Path, tmp_path: Path
) -> None:
    """The keys and the name are back with the backup, and gone when the folder is open."""
    owner = owner_of(gov)
    cube, stays = a_cube(owner), a_cube(owner)
    named = keys_of(owner, cube)
    gov.close()
    copied(folder, tmp_path / "backup", "vault.db")
    with memos_gov.open(folder) as later:
        erase(owner_of(later), cube)
        subject = erase_subject(owner_of(later), PERSON)
    assert ({}, False) == (rows_of_keys(folder, named), subject in names_kept(folder))

    copied(tmp_path / "backup", folder, "vault.db")
    assert (named, True) == (rows_of_keys(folder, named).keys(), subject in names_kept(folder))
    with memos_gov.open(folder) as restored:
        assert {} == rows_of_keys(folder, named)
        keys = restored.rooms.governor.keys
        assert ({}, {}) == (keys.open("default", named), keys.names("default", [subject]))
        assert owner_of(restored).get(stays).content
    assert subject.encode() not in (folder / "vault.db").read_bytes()


def test_rebuild_over_an_old_vault_destroys_again(
    gov: memos_gov.Service, folder: Path, tmp_path: Path
) -> None:
    """Making the tables again is serving too."""
    cube = a_cube(owner_of(gov))
    named = keys_of(owner_of(gov), cube)
    gov.close()
    copied(folder, tmp_path / "backup", "vault.db")
    with memos_gov.open(folder) as later:
        erase(owner_of(later), cube)
    copied(tmp_path / "backup", folder, "vault.db")

    rebuild(folder)

    assert {} == rows_of_keys(folder, named)
    assert fsck(folder).clean


def test_old_vault_that_lacks_keys_of_living_cubes_is_noticed(
    gov: memos_gov.Service, folder: Path, tmp_path: Path
) -> None:
    """That some were destroyed on purpose hides none that is missing."""
    owner = owner_of(gov)
    cube = a_cube(owner)
    gov.close()
    copied(folder, tmp_path / "backup", "vault.db")
    with memos_gov.open(folder) as later:
        erase(owner_of(later), cube)
        living = a_cube(owner_of(later))
        lacks = sorted(keys_of(owner_of(later), living))
    copied(tmp_path / "backup", folder, "vault.db")

    with pytest.raises(CorruptionError, match="the vault is older than the log") as caught:
        memos_gov.open(folder)

    assert any(key in str(caught.value) for key in lacks)


@pytest.mark.parametrize("forked", [False, True])
def test_old_log_under_a_newer_vault_is_refused(
    gov: memos_gov.Service, folder: Path, tmp_path: Path, forked: bool
) -> None:
    """Log and tables agree with each other, so the vault alone knows better; both are named."""
    cube = a_cube(owner_of(gov))
    gov.close()
    copied(folder, tmp_path / "backup", "log.db", "tables.db", "vault.db")
    with memos_gov.open(folder) as later:
        erase(owner_of(later), cube)
        end = later.rooms.governor.log.end(0)
    if forked:
        copied(folder, tmp_path / "kept", "vault.db")
        copied(tmp_path / "backup", folder, "log.db", "tables.db", "vault.db")
        with memos_gov.open(folder) as other:
            while other.rooms.governor.log.end(0) < end:
                owner_of(other).list()
        copied(tmp_path / "kept", folder, "vault.db")
    else:
        copied(tmp_path / "backup", folder, "log.db", "tables.db")

    for attempt in (memos_gov.open, rebuild):
        with pytest.raises(CorruptionError, match=r"vault\.db has followed the log") as caught:
            attempt(folder)
        assert f"vault.db, log.db offset {end - 1}" == caught.value.place
        assert "the newest" in caught.value.remedy
    assert ["vault"] == [f.kind for f in fsck(folder).findings if "vault.db" in f.place]


KILLED = """
import os, signal, sys
import memos_gov
from memos_gov.backends.sqlite.vault.destroying import Destruction
from memos_gov.backends.sqlite.vault.file import VaultFile
from memos_gov.destroyer import Destroyer
from tests.erasing import erase, erase_subject

def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)

place, method, cube = sys.argv[2:]
with memos_gov.open(sys.argv[1]) as gov:
    owner = gov.acting_as("owner", purpose="complaint-handling")
    if place == "before":
        Destroyer._write = kill
    elif place == "within":
        Destruction.advance = kill
    else:
        VaultFile.empty_log = kill
    if method == "cube":
        erase(owner, cube)
    else:
        erase_subject(owner, "customer-17")
"""


@pytest.mark.parametrize("method", ["cube", "person"])
@pytest.mark.parametrize("place", ["before", "within", "after"])
def test_destroyer_killed_at_any_step_ends_at_the_next_opening(
    gov: memos_gov.Service, folder: Path, place: str, method: str
) -> None:
    """Between acceptance and destruction, within it, and before the copies are swept."""
    owner = owner_of(gov)
    cube = a_cube(owner)
    named, subject = (
        keys_of(owner, cube),
        gov.rooms.governor.keys.refer("default", "subject", [PERSON])[PERSON],
    )
    gov.close()
    rows = rows_of_keys(folder, named)
    script = [sys.executable, "-c", KILLED, str(folder), place, method, cube]
    done = subprocess.run(script, check=False, capture_output=True, cwd=ROOT)
    assert -signal.SIGKILL == done.returncode, done.stderr
    if place != "after":
        assert (named, True) == (rows_of_keys(folder, named).keys(), subject in names_kept(folder))

    with memos_gov.open(folder) as gov_again:
        keys = gov_again.rooms.governor.keys
        kept = b"".join(path.read_bytes() for path in folder.glob("vault.db*"))
        if method == "cube":
            assert {} == keys.open("default", named)
            assert [] == [name for name, row in rows.items() if row[:40] in kept]
        else:
            assert {} == keys.names("default", [subject])
            assert subject.encode() not in kept
    assert fsck(folder).clean


def test_vault_that_fails_once_has_destroyed_with_the_next_command(
    gov: memos_gov.Service, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller is told that it is not done, and nothing is forgotten."""
    owner = owner_of(gov)
    cube = a_cube(owner)
    named = keys_of(owner, cube)

    def fail() -> None:
        raise UnavailableError("vault.db did not answer", backend="sqlite")

    with monkeypatch.context() as failing:
        failing.setattr(gov.rooms.governor.keys, "destroying", fail)
        with pytest.raises(UnavailableError):
            erase(owner, cube)
    assert named == rows_of_keys(folder, named).keys()

    owner.list()

    assert {} == rows_of_keys(folder, named)


def test_tables_that_fail_once_are_asked_again_with_the_next_command(
    gov: memos_gov.Service, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the destroyer could not look at is not passed over."""
    owner = owner_of(gov)
    cube = a_cube(owner)
    named = keys_of(owner, cube)

    def fail(*_: object) -> None:
        raise UnavailableError("tables.db did not answer", backend="sqlite")

    with monkeypatch.context() as failing:
        failing.setattr(gov.rooms.destroyer, "_note", fail)
        with pytest.raises(UnavailableError):
            erase(owner, cube)

    owner.list()

    assert {} == rows_of_keys(folder, named)


def test_erasure_that_a_process_certified_and_left_is_carried_out_by_who_asked(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between certification and destruction, while another waits for its record."""
    with memos_gov.open(folder) as one, memos_gov.open(folder) as two:
        owner = owner_of(one)
        cube = a_cube(owner)
        named = keys_of(owner, cube)
        log = one.rooms.governor.log
        append = log.append

        def overtaken(proposals: Sequence[Proposal]) -> list[LogPosition]:
            positions = append(proposals)
            two.rooms.governor.certifier.catch_up()
            return positions

        with monkeypatch.context() as racing:
            racing.setattr(log, "append", overtaken)
            erase(owner, cube)

        assert {} == rows_of_keys(folder, named)


def test_erasure_of_one_process_is_one_of_all(folder: Path) -> None:
    """Who has the same folder open finds no key either, whoever certified the record."""
    with memos_gov.open(folder) as one, memos_gov.open(folder) as two:
        cube, other = a_cube(owner_of(one)), a_cube(owner_of(two))
        named = keys_of(owner_of(one), cube) | keys_of(owner_of(two), other)
        waiting = prepared(owner_of(one), e.CubeErased(cube=cube, erasure=ERASURE))
        one.rooms.governor.log.append([waiting.proposal])
        erase(owner_of(two), other)

        for gov in (one, two):
            assert {} == gov.rooms.governor.keys.open("default", named)
    assert fsck(folder).clean


def test_erased_cube_leaves_a_folder_that_examines_clean_and_a_key_brought_back_does_not(
    gov: memos_gov.Service, folder: Path
) -> None:
    """A destroyed key is no finding; one that should be destroyed and is there is one."""
    owner = owner_of(gov)
    cube = a_cube(owner)
    named = keys_of(owner, cube)
    gov.close()
    rows = rows_of_keys(folder, named)
    with memos_gov.open(folder) as later:
        erase(owner_of(later), cube)
        erase_subject(owner_of(later), PERSON)
    assert fsck(folder).clean

    with closing(sqlite3.connect(folder / "vault.db", isolation_level=None)) as vault:
        for name, row in rows.items():
            values = (name, "default", 1, row)
            vault.execute("INSERT OR REPLACE INTO content_keys VALUES (?,?,?,?)", values)

    found = [(f.kind, f.message) for f in fsck(folder).findings]
    assert 2 == len(found)
    assert {"key_alive"} == {kind for kind, _ in found}
    assert all(f"{cube}, which was erased" in message for _, message in found)
