"""`evidence verify`: yes or no, with the reason, and without any data folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from memos_gov.cli.program import command_line
from memos_gov.transparency.notes import Signer
from tests.transparency.certificates import INDEX, KIND, SIGNER, SIZE, STATEMENT, a_pair

VKEY = str(SIGNER.vkey)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Return a certificate, its proof and a checkpoint, in a folder with nothing else."""
    certificate, proof = a_pair()
    texts = {
        "certificate.json": certificate,
        "certificate.tlog-proof": proof.text.encode(),
        "checkpoint": proof.checkpoint.encode(),
    }
    for name, raw in texts.items():
        (tmp_path / name).write_bytes(raw)
    return {name: tmp_path / name for name in texts}


def verify(*words: object) -> Result:
    """Run `evidence verify`."""
    return CliRunner().invoke(command_line, ["evidence", "verify", *map(str, words)])


def answers(*words: object) -> list[dict[str, Any]]:
    """Run `evidence verify` for a machine."""
    return list(json.loads(verify(*words, "--json").stdout))


def test_every_kind_of_file_is_verified_with_the_key_alone(files: dict[str, Path]) -> None:
    """Certificate, proof and checkpoint, in one call."""
    done = verify(*files.values(), "--vkey", VKEY)

    assert 0 == done.exit_code, done.output
    assert 3 == done.stdout.count(": verified")
    assert KIND in done.stdout
    assert SIGNER.vkey.name in done.stdout


def test_answer_for_a_machine_has_statement_index_and_head(files: dict[str, Path]) -> None:
    """What was certified, where, and under which tree."""
    certificate, proof, checkpoint = answers(*files.values(), "--vkey", VKEY)

    assert STATEMENT == certificate["found"]["statement"]
    assert (INDEX, SIZE, "accepted") == tuple(
        proof["found"][name] for name in ("index", "size", "outcome")
    )
    assert "checkpoint" == checkpoint["found"]["what"]
    assert all(each["verified"] for each in (certificate, proof, checkpoint))


def test_key_in_a_file_is_as_good(files: dict[str, Path], tmp_path: Path) -> None:
    """A line break at its end does not matter."""
    pinned = tmp_path / "pinned"
    pinned.write_text(f"{VKEY}\n")

    assert 0 == verify(files["certificate.json"], "--vkey-file", pinned).exit_code


def test_file_under_another_key_is_not_verified_and_ends_with_7(files: dict[str, Path]) -> None:
    """Each file is answered, with the reason."""
    other = Signer(SIGNER.vkey.name, b"x" * 32).vkey

    done = verify(*files.values(), "--vkey", other)

    assert 7 == done.exit_code
    assert 3 == done.stdout.count("NOT verified: ")


def test_one_bad_file_among_good_ones_ends_with_7(files: dict[str, Path]) -> None:
    """The good ones are said to be good."""
    files["checkpoint"].write_bytes(files["checkpoint"].read_bytes().replace(b"\n7\n", b"\n8\n"))

    found = answers(*files.values(), "--vkey", VKEY)

    assert [True, True, False] == [each["verified"] for each in found]
    assert "does not verify" in found[2]["reason"]
    assert 7 == verify(*files.values(), "--vkey", VKEY).exit_code


def test_certificate_without_its_proof_is_not_verified(files: dict[str, Path]) -> None:
    """A signature alone is no place in the log."""
    files["certificate.tlog-proof"].unlink()

    (found,) = answers(files["certificate.json"], "--vkey", VKEY)

    assert (False, "the certificate lacks its .tlog-proof") == (found["verified"], found["reason"])


@pytest.mark.parametrize("raw", [b"", b"hello\n", b"\xff\xfe", b"{}", b"c2sp.org/tlog-proof@v1\n"])
def test_file_that_is_no_evidence_is_not_verified(tmp_path: Path, raw: bytes) -> None:
    """Never a silent yes, and never a crash."""
    path = tmp_path / "file.json"
    path.write_bytes(raw)
    path.with_suffix(".tlog-proof").write_bytes(raw)

    for file in (path, path.with_suffix(".tlog-proof")):
        assert 7 == verify(file, "--vkey", VKEY).exit_code


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--vkey", "nonsense"],
        ["--vkey", VKEY, "--vkey-file", "also"],
        ["--vkey-file", "nowhere"],
        ["--vkey", VKEY.replace("+", "-")],
    ],
)
def test_call_without_one_sound_key_is_refused_with_2(
    files: dict[str, Path], words: list[str]
) -> None:
    """The key is the reader's own, and must be one."""
    done = verify(files["checkpoint"], *words)

    assert 2 == done.exit_code, done.output
    assert "vkey" in done.stderr or "no file" in done.stderr


def test_file_that_is_not_there_is_named_with_2(tmp_path: Path) -> None:
    """A wrong path is no verdict about evidence."""
    for path in (tmp_path / "none", tmp_path):
        done = verify(path, "--vkey", VKEY)
        assert 2 == done.exit_code
        assert str(path) in done.stderr


def test_verification_works_where_there_is_no_data_folder(files: dict[str, Path]) -> None:
    """Another process, an empty home, no setting: the files and the key are all."""
    program = "from memos_gov.cli import main; main()"
    command = [sys.executable, "-c", program, "evidence", "verify", files["certificate.json"]]
    home = files["certificate.json"].parent / "home"
    home.mkdir()
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}

    done = subprocess.run(
        [*command, "--vkey", VKEY],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (0, "") == (done.returncode, done.stderr)
    assert [] == list(home.iterdir())
