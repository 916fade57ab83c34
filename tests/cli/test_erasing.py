"""`forget` as it is typed: what would go, whether it is meant, and the certificate at the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from memos_gov.cli.program import command_line
from tests.cli.conftest import Answer, Run

PERSON = "customer-17"
REASON = ("--reason", "letter of 3 March, rosebud-4711")
PROGRAM = "import sys; from memos_gov.cli import main; sys.exit(main())"


@pytest.fixture
def cubes(answer: Answer) -> dict[str, str]:
    """Return a memory that may go and one that the law keeps, both about one person."""
    made = {}
    for name, kind in (("free", "complaint"), ("kept", "loan")):
        words = ("remember", f"about {name}", "--subject", PERSON, "--class", kind)
        made[name] = answer(*words)["cube_id"]
    return made


def records(answer: Answer) -> int:
    """Return the newest index of the tenant."""
    return int(answer("status")["tenants"][0]["index"])


def test_forget_as_a_dry_run_lists_what_would_go_and_stay_and_why(
    run: Run, answer: Answer, cubes: dict[str, str]
) -> None:
    """And records the question alone."""
    before = records(answer)

    done = run("forget", "--subject", PERSON, *REASON, "--dry-run")

    assert 0 == done.exit_code, done.stderr
    lines = done.stdout.splitlines()
    assert "would erase 1 memory; nothing was done" == lines[0]
    assert cubes["free"] == lines[1].strip()
    assert "would keep 1 memory, restricted:" == lines[2]
    assert [cubes["kept"], "statutory_minimum"] == lines[4].split()[:2]
    assert before + 1 == records(answer)


def test_forget_with_yes_ends_with_a_certificate_that_verifies(
    run: Run, answer: Answer, cubes: dict[str, str]
) -> None:
    """Its path is printed; what was kept is named with its reason."""
    done = run("forget", "--subject", PERSON, *REASON, "--yes")

    assert 0 == done.exit_code, done.stderr
    assert "erased 1 memory" == done.stdout.splitlines()[0]
    assert f"{cubes['kept']}  statutory_minimum" in done.stdout
    fields = dict(line.split(maxsplit=1) for line in done.stdout.splitlines()[1:5])
    assert ("completed", True) == (fields["state"], Path(fields["certificate"]).exists())
    vkey = run("log", "vkey").stdout.strip()
    checked = CliRunner().invoke(
        command_line, ["evidence", "verify", fields["certificate"], "--vkey", vkey]
    )
    assert 0 == checked.exit_code, checked.stderr
    assert "rosebud" not in done.stdout + Path(fields["certificate"]).read_text()


def test_forget_as_json_is_one_document(
    answer: Answer, cubes: dict[str, str], tmp_path: Path
) -> None:
    """With the certificate where it was wanted."""
    out = str(tmp_path / "proof")

    found = answer("forget", "--cube", cubes["free"], *REASON, "--yes", "--out", out)

    erasure = found["erasure"]
    assert ("completed", [cubes["free"]], []) == (
        erasure["state"],
        erasure["erased"],
        erasure["kept"],
    )
    document = json.loads(Path(found["certificate"]).read_text())
    assert erasure["id"] == document["statement"]["erasure"]
    assert str(tmp_path / "proof" / "certificate.json") == found["certificate"]


def test_forget_where_nobody_can_be_asked_needs_yes(
    run: Run, answer: Answer, cubes: dict[str, str]
) -> None:
    """A script that forgot to say so erases nothing and records nothing."""
    before = records(answer)

    done = run("forget", "--cube", cubes["free"], *REASON)

    assert 2 == done.exit_code
    assert "--yes" in done.stderr
    assert before == records(answer)


@pytest.mark.parametrize(("typed", "state"), [("n\n", "activated"), ("y\n", "erased")])
def test_forget_on_a_terminal_asks_whether_it_is_meant(
    folder: Path, answer: Answer, cubes: dict[str, str], typed: str, state: str
) -> None:
    """With how much would go and stay; the answer decides."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-c", PROGRAM, "--data", str(folder)]
    command += ["forget", "--subject", PERSON, *REASON]
    with subprocess.Popen(
        command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        os.write(ours, typed.encode())
        out, err = program.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)

    assert 0 == program.returncode, err
    assert "erase 1 memory for ever, and keep 1 restricted?" in err
    assert ("nothing was erased" in err) == (state == "activated")
    assert ("erased 1 memory" in out) == (state == "erased")
    listed = {hit["cube_id"] for hit in answer("list", "--state", state)["hits"]}
    assert cubes["free"] in listed


def test_forget_without_waiting_is_gone_on_with_by_the_next_command(
    answer: Answer, cubes: dict[str, str], tmp_path: Path
) -> None:
    """It says so; the certificate is written when it is asked for."""
    found = answer("forget", "--cube", cubes["free"], *REASON, "--yes", "--no-wait")
    assert ("requested", None) == (found["erasure"]["state"], found["certificate"])

    assert [] == answer("audit", "requests")["rows"]
    made = answer("evidence", "certificate", found["erasure"]["id"], "--out", str(tmp_path))
    assert {"certificate.json", "certificate.tlog-proof"} <= {x.name for x in tmp_path.iterdir()}
    assert str(tmp_path / "certificate.json") == made["file"]


def test_forget_of_what_is_all_kept_says_that_it_stays_open(
    run: Run, answer: Answer, cubes: dict[str, str]
) -> None:
    """There is no certificate of nothing, and the error says what can be done."""
    done = run("forget", "--cube", cubes["kept"], *REASON, "--yes")

    assert 0 == done.exit_code, done.stderr
    assert done.stdout.startswith("nothing could be erased; it stays open")
    assert "certificate" not in done.stdout
    erasure = answer("audit", "requests")["rows"][0][0]
    refused = run("evidence", "certificate", erasure, "--out", "unused")
    assert (5, True) == (refused.exit_code, "memos-gov forget" in refused.stderr)


WRONG: list[tuple[tuple[str, ...], int]] = [
    (("--subject", "nobody", *REASON, "--yes"), 3),
    (("--cube", "c_unknown", *REASON, "--yes"), 3),
    ((*REASON, "--yes"), 2),
    (("--subject", PERSON, "--cube", "c_1", *REASON, "--yes"), 2),
    (("--subject", PERSON, "--reason", " ", "--yes"), 2),
    (("--subject", PERSON, "--yes"), 2),
    (("--subject", PERSON, *REASON, "--yes", "--as", "anna"), 4),
]


@pytest.mark.parametrize(("words", "code"), WRONG)
def test_forget_that_cannot_be_says_why_in_one_line(
    run: Run, answer: Answer, cubes: dict[str, str], words: tuple[str, ...], code: int
) -> None:
    """By exit code: change it, check the name, accept it. Nothing is lost."""
    done = run("forget", *words)

    assert code == done.exit_code
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert 1 == len(errors)
    assert "rosebud" not in done.stderr
    activated = answer("list", "--state", "activated")["hits"]
    assert set(cubes.values()) <= {hit["cube_id"] for hit in activated}


def test_audits_of_erasures_are_verbs(run: Run, answer: Answer, cubes: dict[str, Any]) -> None:
    """Of one erasure by its id, and of all."""
    found = answer("forget", "--cube", cubes["free"], *REASON, "--yes")
    erasure = found["erasure"]["id"]

    one = answer("audit", "erasure", erasure)
    every = answer("audit", "erasure")

    assert one["rows"] == every["rows"]
    assert {erasure} == {row[0] for row in one["rows"]}
    shown = run("audit", "erasure", erasure).stdout
    assert "not findable since  2" in shown
    assert "vault" in shown
