"""What SECURITY.md tells to back up is enough: everything else is made again from it."""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import memos_gov
from memos_gov.backends.files import FilePolicyBundles, shipped_bundle
from memos_gov.bootstrap import current_tables, fsck, rebuild
from memos_gov.cli.program import command_line
from memos_gov.domain.bundle import PolicyBundle
from memos_gov.errors import (
    ConflictError,
    CorruptionError,
    InvalidCommandError,
    PolicyUnavailableError,
    SettingsError,
)
from memos_gov.service import Service
from tests.lives import OTHER_TENANT, PURPOSE, a_varied_life
from tests.test_rebuild import rows_of

SECURITY = Path(__file__).resolve().parents[1] / "SECURITY.md"


def backed_up() -> list[str]:
    """Return what the sentence about backups names, in order."""
    page = SECURITY.read_text()
    kept = page[page.index("\nBack up ") :].split("`operations.db`")[0]
    return list(dict.fromkeys(name.rstrip("/") for name in re.findall(r"`([\w.-]+/?)`", kept)))


def answers(gov: Service) -> dict[str, Any]:
    """Return what the first principals of two tenants see, and under which policy."""
    seen: dict[str, Any] = {}
    for tenant, principal in (("default", "owner"), (OTHER_TENANT, "zoe")):
        actor = gov.acting_as(principal, purpose=PURPOSE, tenant=tenant)
        seen[tenant] = [(h.cube_id, h.content, h.label) for h in actor.list().hits], actor.policy
    return seen


def roots(gov: Service) -> list[tuple[str, int, str]]:
    """Return size and root of every tenant's tree."""
    return [(t.tenant, t.index, t.root) for t in gov.status().tenants]


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a closed folder with a varied life, its views caught up."""
    folder = tmp_path_factory.mktemp("restore") / "data"
    with memos_gov.init(folder) as gov:
        a_varied_life(gov)
        gov.rooms.follower.catch_up()
    return folder


@pytest.fixture
def restored(lived: Path, tmp_path: Path) -> Path:
    """Return a new folder that holds what a backup does, and nothing else."""
    folder = tmp_path / "restored"
    folder.mkdir(mode=0o700)
    for name in ("log.db", "vault.db"):
        shutil.copy(lived / name, folder / name)
    for name in ("keys", "policies"):
        shutil.copytree(lived / name, folder / name)
    return folder


def test_sentence_about_backups_names_what_a_restore_needs(restored: Path) -> None:
    """The page and the tests below speak of the same files."""
    assert sorted(backed_up()) == sorted(path.name for path in restored.iterdir())


def test_restored_folder_names_the_rebuild_before_it_was_done(restored: Path) -> None:
    """What is missing is no truth, so nobody need bring it back; nothing is made by halves."""
    before = sorted(path.name for path in restored.iterdir())

    with pytest.raises(CorruptionError, match=r"operations\.db is missing") as caught:
        memos_gov.open(restored)

    assert "memos-gov rebuild" in caught.value.remedy
    assert before == sorted(path.name for path in restored.iterdir())
    found = {f.place: f.remedy for f in fsck(restored).findings}
    assert "memos-gov rebuild" in found["operations.db"]


def test_restored_folder_is_as_before_once_it_is_rebuilt(
    restored: Path, lived: Path, tmp_path: Path
) -> None:
    """Rows, roots, lists and content; and what is written next."""
    whole = shutil.copytree(lived, tmp_path / "whole")
    report = rebuild(restored)

    assert (None, rows_of(lived / "tables.db")) == (
        report.compared,
        rows_of(current_tables(restored)),
    )
    assert report.indexed > 0
    assert fsck(restored).clean
    with memos_gov.open(whole) as former, memos_gov.open(restored) as gov:
        assert roots(former) == roots(gov)
        assert answers(former) == answers(gov)
        owner = gov.acting_as("owner", purpose=PURPOSE)
        assert owner.recall("charged card").hits
        assert owner.remember("After the restore.").cube_id
    assert rebuild(restored).compared


def test_rebuild_verb_says_whether_there_was_something_to_compare_with(restored: Path) -> None:
    """Nothing to compare with is no difference."""
    shown = [
        CliRunner().invoke(command_line, ["--data", str(restored), "rebuild"]) for _ in range(2)
    ]

    assert [0, 0] == [done.exit_code for done in shown]
    first, second = (re.findall(r"same roots as before +(.*?) *\n", d.stdout) for d in shown)
    assert (["there were no tables to compare with"], ["yes"]) == (first, second)


def test_restored_folder_without_its_vault_is_refused_and_untouched(restored: Path) -> None:
    """An empty vault is not made in its place."""
    (restored / "vault.db").unlink()
    before = sorted(path.name for path in restored.iterdir())

    with pytest.raises(CorruptionError, match=r"vault\.db is missing"):
        rebuild(restored)

    assert before == sorted(path.name for path in restored.iterdir())


KILLED = """
import os, signal, sys
from memos_gov.bootstrap import upkeep

def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)

place, name = sys.argv[2].split(".")
setattr(getattr(upkeep, place), name, kill)
upkeep.rebuild(sys.argv[1])
"""


@pytest.mark.parametrize("point", ["migrate.upgrade", "SqlitePointers.set", "os.fsync"])
def test_restore_killed_at_any_moment_can_be_done_again(restored: Path, point: str) -> None:
    """There are pointers that can be read, or there are none."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(restored), point], check=False, capture_output=True
    )

    assert -signal.SIGKILL == done.returncode, done.stderr
    assert not (restored / "operations.db").exists()
    rebuild(restored)
    assert fsck(restored).clean


def test_folder_whose_pointers_were_never_finished_names_the_rebuild(restored: Path) -> None:
    """An empty database says so, and rebuilding replaces it."""
    with closing(sqlite3.connect(restored / "operations.db")) as db:
        db.execute("PRAGMA journal_mode=WAL")

    with pytest.raises(CorruptionError, match="never finished") as caught:
        memos_gov.open(restored)

    assert "memos-gov rebuild" in caught.value.remedy
    rebuild(restored)
    assert fsck(restored).clean


def test_restored_folder_without_policies_says_how_to_get_them(restored: Path) -> None:
    """Nothing is decided without the bundle, and the reader learns the ways out."""
    shutil.rmtree(restored / "policies")
    rebuild(restored)

    with memos_gov.open(restored) as gov:
        owner = gov.acting_as("owner", purpose=PURPOSE)
        with pytest.raises(PolicyUnavailableError, match="no policy bundle") as caught:
            owner.remember("x")

    expected = (
        "`memos-gov policy list` shows those that are kept; bring policies/ back from a backup, "
        "or roll back with the recovery key."
    )
    assert expected == caught.value.remedy


def test_tenant_is_founded_while_the_recovery_key_is_elsewhere(restored: Path) -> None:
    """Its public half stays, and is that of the key that was carried away."""
    private = bytes.fromhex((restored / "keys" / "recovery").read_text())
    (restored / "keys" / "recovery").unlink()
    rebuild(restored)

    with memos_gov.open(restored) as gov:
        assert 0 == gov.add_tenant("third", principal="tess")
        named = gov.rooms.recovery_key()

    public = Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
    assert public.hex() == named


def test_tenant_is_founded_where_only_the_private_half_lies(restored: Path) -> None:
    """Folders of before keep working."""
    (restored / "keys" / "recovery.pub").unlink()
    rebuild(restored)

    with memos_gov.open(restored) as gov:
        assert 0 == gov.add_tenant("third", principal="tess")


@pytest.mark.parametrize(
    ("text", "error"), [(None, SettingsError), ("zz", CorruptionError), ("00", CorruptionError)]
)
def test_tenant_without_a_recovery_key_is_not_founded(
    restored: Path, text: str | None, error: type[Exception]
) -> None:
    """Nobody is given a key that cannot bring anything back."""
    rebuild(restored)
    (restored / "keys" / "recovery").unlink()
    path = restored / "keys" / "recovery.pub"
    path.unlink() if text is None else path.write_text(text)

    with (
        memos_gov.open(restored) as gov,
        pytest.raises(error, match=r"keys/recovery\.pub"),
    ):
        gov.add_tenant("third", principal="tess")


def another_policy(folder: Path) -> str:
    """Keep a bundle that decides like the shipped one under another digest."""
    bundle = PolicyBundle({**shipped_bundle().files, "rego/note.rego": b"# another\n"})
    return FilePolicyBundles(folder / "policies").put(bundle)


@pytest.mark.parametrize("form", ["as the file lies", "raw"])
def test_recovery_key_file_as_it_lies_brings_a_policy_back(restored: Path, form: str) -> None:
    """Hex text with its newline, or the 32 bytes."""
    rebuild(restored)
    key = (restored / "keys" / "recovery").read_bytes()
    key = bytes.fromhex(key.decode()) if form == "raw" else key

    with memos_gov.open(restored) as gov:
        owner = gov.acting_as("owner", purpose=PURPOSE)
        former = owner.policy
        owner.activate_policy(another_policy(restored))
        gov.roll_back_policy(former, recovery_key=key)
        assert former == owner.policy


@pytest.mark.parametrize("key", [b"", b"zz" * 32, b"00" * 31, b"\xff" * 33, os.urandom(64)])
def test_recovery_key_of_another_form_is_named(restored: Path, key: bytes) -> None:
    """The caller learns which argument it was, and nothing is written."""
    rebuild(restored)

    with memos_gov.open(restored) as gov:
        before = roots(gov)
        with pytest.raises(InvalidCommandError) as caught:
            gov.roll_back_policy("0" * 64, recovery_key=key)
        assert ("recovery_key", before) == (caught.value.field, roots(gov))


def test_recovery_key_of_somebody_else_brings_nothing_back(restored: Path) -> None:
    """A key of the right form is not enough."""
    rebuild(restored)

    with memos_gov.open(restored) as gov, pytest.raises(ConflictError):
        gov.roll_back_policy("0" * 64, recovery_key=b"1" * 32)
