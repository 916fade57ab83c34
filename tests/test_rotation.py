"""A rotation ends every older backup of the vault, loses nothing, and survives every kill."""

import json
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

import memos_gov
from memos_gov.backends.keyfiles import FileKeyring
from memos_gov.backends.sqlite.vault.rotation import VaultRotation
from memos_gov.bootstrap import fsck, rebuild
from memos_gov.cli.program import command_line
from memos_gov.errors import CorruptionError, DeniedError, UnavailableError
from memos_gov.service import Actor
from tests.erasing import copied, erase, erase_subject, keys_of, rows_of_keys

PURPOSE = "complaint-handling"
PERSON = "customer-17"
ROOT = Path(__file__).resolve().parents[1]


def owner_of(gov: memos_gov.Service) -> Actor:
    """Return the first principal."""
    return gov.acting_as("owner", purpose=PURPOSE)


def a_cube(actor: Actor, content: str = "The card was charged twice.", person: str = PERSON) -> str:
    """Remember a cube about a person."""
    cube = actor.remember(content, subjects=[person]).cube_id
    assert cube is not None
    return cube


def epochs_kept(folder: Path) -> set[int]:
    """Return the epochs that the key file holds."""
    return set(FileKeyring(folder / "keys").master().epochs)


def epochs_used(folder: Path) -> set[int]:
    """Return the epochs that something in a vault is under."""
    with closing(sqlite3.connect(folder / "vault.db")) as vault:
        queries = (
            f"SELECT epoch FROM {table}" for table in ("content_keys", "secrets", "directory")
        )
        return {row[0] for query in queries for row in vault.execute(query)}


@pytest.fixture
def cubes(gov: memos_gov.Service) -> list[str]:
    """Return some cubes about persons."""
    return [a_cube(owner_of(gov), f"Letter number {n}.", f"customer-{n}") for n in range(20)]


def check_whole(gov: memos_gov.Service, cubes: list[str]) -> None:
    """Check that every cube reads, is found, and is about whom it was."""
    owner = owner_of(gov)
    for n, cube in enumerate(cubes):
        hit = owner.get(cube)
        assert (f"Letter number {n}.", (f"customer-{n}",)) == (hit.content, hit.subjects)
    assert 1 == len(owner.list(subject="customer-3").hits)
    assert owner.recall("letter number").hits


def test_rotation_moves_everything_and_stands_in_the_log(
    gov: memos_gov.Service, folder: Path, cubes: list[str]
) -> None:
    """Judged, accepted, and nothing else than before for whoever asks afterwards."""
    owner, told = owner_of(gov), []
    report = owner.rotate_vault(progress=lambda *args: told.append(args))

    assert (2, (1,), False, False) == (report.epoch, report.ended, report.resumed, report.dry_run)
    assert report.moved >= 40
    assert ("vault", report.moved, report.moved) == told[-1]
    assert ({2}, {2}) == (epochs_kept(folder), epochs_used(folder))
    (entry,) = [e for e in owner.log_tail(5) if e.index == report.receipt.index]
    assert ("accepted", ["VaultRotated"]) == (entry.code, [e.type for e in entry.events])
    check_whole(gov, cubes)
    assert ("", 2) == (gov.status().vault.unfinished, gov.status().vault.epoch)
    gov.close()
    assert fsck(folder).clean
    rebuild(folder)
    with memos_gov.open(folder) as again:
        check_whole(again, cubes)
        assert 3 == owner_of(again).rotate_vault().epoch
        check_whole(again, cubes)


def test_rotation_that_policy_refuses_touches_nothing(
    gov: memos_gov.Service, folder: Path, cubes: list[str]
) -> None:
    """It is the steward's and the data protection officer's."""
    owner = owner_of(gov)
    for name, role in (("ann", "analyst"), ("dora", "dpo"), ("aud", "auditor")):
        owner.add_principal(name, roles=[role], purposes=[PURPOSE])
    before = (folder / "keys" / "kek").read_bytes()

    for name in ("ann", "aud"):
        for dry_run in (False, True):
            with pytest.raises(DeniedError):
                gov.acting_as(name, purpose=PURPOSE).rotate_vault(dry_run=dry_run)

    assert before == (folder / "keys" / "kek").read_bytes()
    assert {1} == epochs_used(folder)
    assert 2 == gov.acting_as("dora", purpose=PURPOSE).rotate_vault().epoch
    check_whole(gov, cubes)


def test_rotation_dry_run_says_what_would_be_and_changes_nothing(
    gov: memos_gov.Service, folder: Path, cubes: list[str]
) -> None:
    """As many as the rotation itself then moves."""
    owner = owner_of(gov)
    asked = owner.rotate_vault(dry_run=True)

    assert (2, (1,), True, -1) == (asked.epoch, asked.ended, asked.dry_run, asked.receipt.index)
    assert ({1}, {1}) == (epochs_kept(folder), epochs_used(folder))
    assert asked.moved == owner.rotate_vault().moved


def test_old_vault_put_back_after_a_rotation_opens_nothing(
    gov: memos_gov.Service, folder: Path, tmp_path: Path, cubes: list[str]
) -> None:
    """One error with the reason, from every way in; what was erased is readable nowhere."""
    owner = owner_of(gov)
    named = keys_of(owner, cubes[0])
    gov.close()
    copied(folder, tmp_path / "backup", "vault.db")
    with memos_gov.open(folder) as later:
        erase(owner_of(later), cubes[0])
        erase_subject(owner_of(later), "customer-0")
        destroyed_ms = round(later.rooms.governor.clock.now().timestamp() * 1000)
        keys = later.rooms.governor.keys
        assert keys.unreadable_since(destroyed_ms) is None
        owner_of(later).rotate_vault()
        since = keys.unreadable_since(destroyed_ms)
        assert since is not None
        assert since >= destroyed_ms
    copied(folder, tmp_path / "kept", "vault.db")
    copied(tmp_path / "backup", folder, "vault.db")
    assert named == rows_of_keys(folder, named).keys()

    reason = r"vault\.db is a copy from before the vault was rotated to epoch 2"
    for attempt in (memos_gov.open, rebuild):
        with pytest.raises(CorruptionError, match=reason) as caught:
            attempt(folder)
        assert ("vault.db", True) == (
            caught.value.place,
            "after that rotation" in caught.value.remedy,
        )
    found = [f for f in fsck(folder).findings if f.place == "vault.db"]
    assert 1 == len(found)
    assert "copy from before" in found[0].message

    copied(tmp_path / "kept", folder, "vault.db")
    with memos_gov.open(folder) as again:
        check_whole(again, [])


def test_old_key_file_put_back_after_a_rotation_is_named(
    gov: memos_gov.Service, folder: Path, cubes: list[str]
) -> None:
    """Not the vault is the older one then."""
    before = (folder / "keys" / "kek").read_bytes()
    owner_of(gov).rotate_vault()
    gov.close()
    (folder / "keys" / "kek").write_bytes(before)

    with pytest.raises(CorruptionError, match=r"keys/kek is older than vault\.db"):
        memos_gov.open(folder)


def test_services_that_are_open_beside_go_on_through_rotations(
    gov: memos_gov.Service, folder: Path, cubes: list[str]
) -> None:
    """With keys that they opened before, at every moment; names stay the same persons."""
    with memos_gov.open(folder) as beside:
        check_whole(beside, cubes)
        for number in range(2):
            owner_of(gov).rotate_vault()
            owner_of(beside).remember(f"More {number}.", subjects=["customer-3", f"new {number}"])
            assert 2 + number == len(owner_of(gov).list(subject="customer-3").hits)
            assert 1 == len(owner_of(gov).list(subject=f"new {number}").hits)
            for n, cube in enumerate(cubes):
                assert f"Letter number {n}." == owner_of(beside).get(cube).content
        assert "customer-3" in owner_of(beside).get(cubes[3]).subjects
    assert fsck(folder).clean


WRITER = """
import sys, memos_gov
gov = memos_gov.open(sys.argv[1])
actor = gov.acting_as("owner", purpose="complaint-handling")
print("open", flush=True)
for n in range(100_000):
    made = actor.remember(f"note {n}", subjects=[f"person {n % 40}"])
    print(made.cube_id, n, flush=True)
    if n % 5 == 0:
        reader = gov.acting_as("owner", purpose="complaint-handling")
        assert reader.get(made.cube_id).content == f"note {n}"
"""


@pytest.mark.slow
def test_rotations_under_a_writer_of_another_process_lose_nothing(
    gov: memos_gov.Service, folder: Path
) -> None:
    """Everything that it acknowledged opens, under one epoch, and nobody has two ids."""
    command = [sys.executable, "-c", WRITER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as writer:
        assert writer.stdout is not None
        assert "open\n" == writer.stdout.readline()
        lines = []
        for _ in range(4):
            lines += [writer.stdout.readline() for _ in range(15)]
            last = owner_of(gov).rotate_vault().epoch
        writer.send_signal(signal.SIGKILL)
        lines += writer.stdout.read().splitlines(keepends=True)
    done = [line.split() for line in lines if line.endswith("\n")]

    owner = owner_of(gov)
    for cube, n in done:
        hit = owner.get(cube)
        assert (f"note {n}", (f"person {int(n) % 40}",)) == (hit.content, hit.subjects)
    assert (5, True) == (last, len(done) >= 60)
    keys = gov.rooms.governor.keys
    known = keys.refer("default", "subject", [f"person {n}" for n in range(40)])
    with closing(sqlite3.connect(folder / "vault.db")) as vault:
        (count,) = vault.execute("SELECT count(*) FROM directory WHERE kind = 'subject'").fetchone()
    assert len(known) == count
    gov.close()
    assert fsck(folder).clean


def test_two_rotations_at_once_are_one_after_the_other(
    gov: memos_gov.Service, folder: Path, cubes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second is told to come again, and changes nothing."""
    begun, go_on = threading.Event(), threading.Event()
    rewrap = VaultRotation.rewrap

    def slow(self: VaultRotation, limit: int) -> int:
        begun.set()
        go_on.wait(60)
        return rewrap(self, limit)

    monkeypatch.setattr(VaultRotation, "rewrap", slow)
    first = threading.Thread(target=owner_of(gov).rotate_vault)
    first.start()
    assert begun.wait(60)
    with (
        memos_gov.open(folder) as beside,
        pytest.raises(UnavailableError, match="being rotated"),
    ):
        owner_of(beside).rotate_vault()
    go_on.set()
    first.join(60)

    assert {2} == epochs_kept(folder)
    check_whole(gov, cubes)


KILLED = """
import os, signal, sys
import memos_gov
from memos_gov import rotation
from memos_gov.backends.keyfiles import FileKeyring
from memos_gov.backends.sqlite.vault.file import VaultFile
from memos_gov.backends.sqlite.vault.rotation import VaultRotation

place, name, count = sys.argv[2].split(".")
owner, left = {k.__name__: k for k in (FileKeyring, VaultFile, VaultRotation)}[place], [int(count)]
step = getattr(owner, name)

def killing(*args, **kwargs):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(*args, **kwargs)

setattr(owner, name, killing)
rotation.BATCH_KEYS = 12
with memos_gov.open(sys.argv[1]) as gov:
    gov.acting_as("owner", purpose="complaint-handling").rotate_vault()
"""

STEPS = {
    "FileKeyring.begin.1": ("has not begun", {1}),
    "FileKeyring._replace.1": ("has not begun", {1}),
    "VaultRotation.begin.1": ("has not begun", {1, 2}),
    "VaultRotation.rewrap.1": ("not everything is under epoch 2", {1, 2}),
    "VaultRotation.rewrap.3": ("not everything is under epoch 2", {1, 2}),
    "VaultRotation._retire_secrets.1": ("not everything is under epoch 2", {1, 2}),
    "FileKeyring.end.1": ("not everything is under epoch 2", {1, 2}),
    "FileKeyring._replace.2": ("not everything is under epoch 2", {1, 2}),
    "VaultRotation.end.1": ("not everything is under epoch 2", {2}),
    "VaultFile._write_anew.1": ("", {2}),
    "VaultFile.empty_log.1": ("", {2}),
}


@pytest.mark.parametrize("step", STEPS)
def test_rotation_killed_at_any_step_is_noticed_and_finished_by_the_next(
    gov: memos_gov.Service, folder: Path, cubes: list[str], step: str
) -> None:
    """The folder opens and takes new memories between; afterwards the old epoch is nowhere."""
    owner_of(gov).recall("letter")
    gov.close()
    old = FileKeyring(folder / "keys").master().epochs[1]
    unfinished, held = STEPS[step]
    script = [sys.executable, "-c", KILLED, str(folder), step]
    done = subprocess.run(script, check=False, capture_output=True, cwd=ROOT)
    assert -signal.SIGKILL == done.returncode, done.stderr

    assert held == epochs_kept(folder)
    with memos_gov.open(folder) as between:
        status = between.status().vault
        assert unfinished in status.unfinished
        assert bool(unfinished) == bool(status.unfinished)
        check_whole(between, cubes)
        made = a_cube(owner_of(between), "Between the kill and the end.", "customer-3x")
    doctor = CliRunner().invoke(command_line, ["--data", str(folder), "doctor", "--json"])
    checks = {check["name"]: check for check in json.loads(doctor.stdout)}
    assert ("advice" if unfinished else "good") == checks["vault"]["state"]
    assert ("vault rotate" in checks["vault"]["remedy"]) == bool(unfinished)

    with memos_gov.open(folder) as resumed:
        report = owner_of(resumed).rotate_vault()
        assert (bool(unfinished), 2 if unfinished else 3) == (report.resumed, report.epoch)
        assert "" == resumed.status().vault.unfinished
        check_whole(resumed, cubes)
        assert "Between the kill and the end." == owner_of(resumed).get(made).content
        assert {report.epoch} == epochs_kept(folder) == epochs_used(folder)
    assert old not in "".join(p.read_text(errors="replace") for p in (folder / "keys").iterdir())
    assert fsck(folder).clean


def test_vault_of_an_interrupted_rotation_put_back_when_it_is_done_is_refused(
    gov: memos_gov.Service, folder: Path, tmp_path: Path, cubes: list[str]
) -> None:
    """Part of it is under an epoch that ended since: nothing is served by halves."""
    gov.close()
    script = [sys.executable, "-c", KILLED, str(folder), "VaultRotation.rewrap.4"]
    subprocess.run(script, check=False, capture_output=True, cwd=ROOT)
    assert {1, 2} == epochs_used(folder)
    copied(folder, tmp_path / "half", "vault.db")
    with memos_gov.open(folder) as resumed:
        assert owner_of(resumed).rotate_vault().resumed
    copied(tmp_path / "half", folder, "vault.db")

    with pytest.raises(CorruptionError, match="epoch 1 was destroyed"):
        memos_gov.open(folder)


def test_vault_verb_rotates_and_says_so(
    gov: memos_gov.Service, folder: Path, cubes: list[str]
) -> None:
    """For a reader and for machines."""
    gov.close()
    words = ["--data", str(folder), "vault", "rotate"]
    asked = CliRunner().invoke(command_line, [*words, "--dry-run", "--json"])
    shown = CliRunner().invoke(command_line, words)
    status = CliRunner().invoke(command_line, ["--data", str(folder), "status", "--json"])

    assert (0, 0, 0) == (asked.exit_code, shown.exit_code, status.exit_code), shown.output
    assert (2, [1], True) == tuple(
        json.loads(asked.stdout)[k] for k in ("epoch", "ended", "dry_run")
    )
    assert "rotated to epoch 2" in shown.stdout
    assert "Back up keys/ and vault.db again" in shown.stdout
    assert {"epoch": 2, "unfinished": ""}.items() <= json.loads(status.stdout)["vault"].items()
