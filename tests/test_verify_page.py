"""docs/verify-without-us.md: its commands run as written, and its figures are those of the code."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from memos_gov.transparency.leaf import LEAF_BYTES
from tests.architecture.source import ROOT
from tests.transparency.certificates import SIGNER, a_pair

PAGE = (ROOT / "docs" / "verify-without-us.md").read_text(encoding="utf-8")


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a script of the page where a reader would."""
    environment = {"PATH": "/usr/bin:/bin:/usr/local/bin", "VKEY": str(SIGNER.vkey)}
    return subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_link_by_hand_verifies_a_checkpoint_and_refuses_another(tmp_path: Path) -> None:
    """With openssl and what every system has."""
    if shutil.which("openssl") is None:
        pytest.skip("the page needs the openssl command, which is not on this machine")
    (script,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    checkpoint = a_pair()[1].checkpoint
    (tmp_path / "checkpoint").write_text(checkpoint, encoding="utf-8")
    good = run(script, tmp_path)
    (tmp_path / "checkpoint").write_text(checkpoint.replace("\n7\n", "\n8\n"), encoding="utf-8")
    bad = run(script, tmp_path)

    assert 0 == good.returncode, good.stderr
    assert 0 != bad.returncode


def test_layout_of_the_page_is_that_of_the_entry() -> None:
    """The numbers of bytes add up to what the code packs."""
    (entry,) = re.findall(r"\*\*Leaf entry\*\*: (.*?)\n- ", PAGE, re.DOTALL)
    counts = [int(n) for n in re.findall(r"\((\d+)(?: byte)?(?:; 0 is\s+accepted)?\)", entry)]

    assert LEAF_BYTES == sum(counts) == int(re.findall(r"(\d+) bytes:", entry)[0])


def test_lines_of_the_page_are_those_that_the_example_prints() -> None:
    """Nobody looks for a line that never comes."""
    example = (ROOT / "examples" / "verify_certificate.py").read_text(encoding="utf-8")
    explained = re.findall(r"^\| (the [^|]+?) \|", PAGE, re.MULTILINE)

    assert re.findall(r'^    "(the [^"]+)":', example, re.MULTILINE) == explained
