"""The verifier in examples/: it says what ours says, and imports nothing of ours."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from memos_gov.domain import codec
from memos_gov.transparency.notes import Signer
from tests.architecture.source import ROOT
from tests.transparency.certificates import SIGNER, a_pair, a_proof, a_stating_record, an_entry

VERIFIER = ROOT / "examples" / "verify_certificate.py"
LINES_MAX = 60


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """Return a certificate on disk, its proof beside it."""
    if shutil.which("openssl") is None:
        pytest.skip("the example needs the openssl command, which is not on this machine")
    certificate, proof = a_pair()
    (tmp_path / "certificate.tlog-proof").write_text(proof.text, encoding="utf-8")
    (tmp_path / "certificate.json").write_bytes(certificate)
    return tmp_path / "certificate.json"


def run(certificate: Path, vkey: object = SIGNER.vkey) -> subprocess.CompletedProcess[str]:
    """Run the example outside of this environment: without site-packages and elsewhere."""
    command = [sys.executable, "-I", "-S", VERIFIER, certificate, str(vkey)]
    return subprocess.run(
        command, cwd=certificate.parent, capture_output=True, text=True, check=False
    )


def test_example_verifies_a_certificate_with_the_key_alone(pair: Path) -> None:
    """Each link of the chain is told."""
    done = run(pair)

    assert (0, "") == (done.returncode, done.stderr), done.stdout
    assert ["ok"] * 7 == [line.split()[0] for line in done.stdout.splitlines()]


def test_example_refuses_another_key(pair: Path) -> None:
    """Same name, other key."""
    done = run(pair, Signer(SIGNER.vkey.name, b"x" * 32).vkey)

    assert 7 == done.returncode
    assert "FAIL the key signed the certificate" in done.stdout


def test_example_refuses_an_edited_statement(pair: Path) -> None:
    """Neither signature nor digest fit any more."""
    document = json.loads(pair.read_bytes())
    document["statement"]["cubes"] += 1
    pair.write_bytes(codec.canonical(document) + b"\n")

    done = run(pair)

    assert 7 == done.returncode
    assert "FAIL the record is about the statement" in done.stdout


def test_example_refuses_the_proof_of_another_tree(pair: Path) -> None:
    """The checkpoint is signed, but over another root."""
    proof, other = a_pair()[1], a_proof(an_entry(a_stating_record()), size=9)
    text = proof.text.replace(proof.checkpoint, other.checkpoint)
    pair.with_suffix(".tlog-proof").write_text(text, encoding="utf-8")

    done = run(pair)

    assert 7 == done.returncode
    assert "FAIL the log has the entry" in done.stdout


def test_example_never_says_yes_to_a_changed_certificate(pair: Path) -> None:
    """A bit in every part of the file."""
    raw = pair.read_bytes()
    for at in range(0, len(raw), len(raw) // 24):
        pair.write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
        assert 0 != run(pair).returncode, at


def test_example_never_says_yes_to_a_changed_proof(pair: Path) -> None:
    """Entry, index, each hash, and origin, size, root and signature of the checkpoint."""
    path = pair.with_suffix(".tlog-proof")
    lines = path.read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines):
        if number == 0 or not line:
            continue
        at = len(line) // 2 if len(line) > 8 else len(line) - 1
        other = f"{line[:at]}{'3' if line[at] != '3' else '2'}{line[at + 1 :]}"
        path.write_text("\n".join([*lines[:number], other, *lines[number + 1 :]]), "utf-8")
        assert 0 != run(pair).returncode, line


def test_example_is_short_and_needs_nothing_of_ours() -> None:
    """Sixty lines of the standard library: to be read by whoever trusts nobody."""
    source = VERIFIER.read_text(encoding="utf-8")
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import)]
    named = {alias.name for node in nodes for alias in node.names}
    froms = {n.module for n in ast.walk(ast.parse(source)) if isinstance(n, ast.ImportFrom)}

    assert len(source.splitlines()) <= LINES_MAX
    assert {n.split(".")[0] for n in named | froms if n} <= sys.stdlib_module_names
