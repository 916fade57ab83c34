"""Every way out of the command line: its exit code, its two lines, and no content in them."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from memos_gov import errors
from memos_gov.cli.errors import EXIT_CODES, described
from memos_gov.cli.program import Program, command_line, report
from memos_gov.cli.session import Session, verb
from memos_gov.domain.verdicts import Reason, Verdict
from tests.cli.conftest import Answer, Run

SECRET = "the customer is ill"


def lines(text: str) -> list[str]:
    """Return the beginnings of the lines of an error."""
    return [line.partition(":")[0] for line in text.splitlines()]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["remember", ""], 2),
        (["remember", "x", "--label", "odd"], 2),
        (["remember", "x", "--valid-from", "2099-01-01T00:00:00Z"], 2),
        (["get", "c_unknown"], 3),
        (["get", "c_unknown", "--tenant", "nobody"], 3),
        (["freeze", "c_unknown", "--as", "anna"], 4),
        (["principal", "add", "anna", "--role", "agent"], 5),
        (["list", "--state", "foo"], 2),
        (["list", "--label", "foo"], 2),
    ],
)
def test_command_that_cannot_be_done_ends_with_the_code_of_its_error(
    run: Run, words: list[str], code: int
) -> None:
    """A script can tell what to do from the number alone."""
    done = run(*words)

    assert code == done.exit_code
    assert ["error", "remedy"] == lines(done.stderr)
    assert "" == done.stdout


def test_policy_that_is_gone_ends_with_six(run: Run, folder: Path) -> None:
    """No answer of policy is no, and a reason to retry later."""
    shutil.rmtree(folder / "policies")

    done = run("recall", "x")

    assert 6 == done.exit_code
    assert ["error", "remedy"] == lines(done.stderr)


def test_folder_without_its_vault_ends_with_seven(run: Run, folder: Path) -> None:
    """Stored state that contradicts itself is served to nobody."""
    (folder / "vault.db").unlink()

    done = run("recall", "x")

    assert 7 == done.exit_code
    assert "error: vault.db is missing" in done.stderr


def test_folder_that_does_not_exist_ends_with_eight_and_names_init(tmp_path: Path) -> None:
    """A newcomer is told how to begin."""
    done = CliRunner().invoke(command_line, ["--data", str(tmp_path / "none"), "list"])

    assert 8 == done.exit_code
    assert f"memos-gov --data {tmp_path / 'none'} init" in done.stderr


def test_command_without_any_folder_names_the_option_and_the_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the data lies can be said in two ways."""
    monkeypatch.delenv("MEMOS_GOV_DATA", raising=False)

    done = CliRunner().invoke(command_line, ["list"])

    assert 8 == done.exit_code
    assert "--data" in done.stderr
    assert "MEMOS_GOV_DATA" in done.stderr


def test_variable_that_names_the_folder_stands_for_the_option(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    """MEMOS_GOV_DATA is the default of --data."""
    monkeypatch.setenv("MEMOS_GOV_DATA", str(folder))

    assert 0 == CliRunner().invoke(command_line, ["list"]).exit_code


@pytest.mark.parametrize(
    "words",
    [
        ["share"],
        ["recall", "x", "-k", "many"],
        ["recall", "x", "--nothing"],
        ["nonsense"],
        ["remember", "x", "--valid-from", "2026-01-01"],
        ["remember", "x", "--valid-from", "yesterday"],
        ["remember", "x", "--meta", "channel"],
    ],
)
def test_command_that_cannot_be_understood_ends_with_two(run: Run, words: list[str]) -> None:
    """A misspelt call says how it is called."""
    done = run(*words)

    assert 2 == done.exit_code
    assert ["error", "remedy"] == lines(done.stderr)
    assert "--help" in done.stderr


@pytest.mark.parametrize(
    ("field", "known"), [("state", "activated, archived"), ("label", "confidential, internal")]
)
def test_list_of_a_word_that_no_cube_can_have_names_those_it_can(
    run: Run, field: str, known: str
) -> None:
    """An empty list would look like an answer."""
    assert f"{field}: unknown word; known are {known}" in run("list", f"--{field}", "foo").stderr


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["principal", "add", "anna", "--role", "agent"], "memos-gov principal grant"),
        (["tenant", "add", "default"], "memos-gov tenant list"),
        (["release", "M-9"], "memos-gov audit holds"),
    ],
)
def test_conflict_of_any_kind_says_what_fits(run: Run, words: list[str], remedy: str) -> None:
    """Only a revision that moved is loaded again."""
    done = run(*words)

    assert 5 == done.exit_code
    assert remedy in done.stderr
    assert "Load the cube" not in done.stderr


def test_demo_as_json_is_refused_before_it_begins(run: Run) -> None:
    """A story has no document."""
    done = run("demo", "--json")

    assert (2, "") == (done.exit_code, done.stdout)


def test_text_without_quotes_is_not_repeated(run: Run) -> None:
    """What was typed may be content, so the error only says what is wrong with it."""
    done = run("remember", "The", "customer", "is", "ill")

    assert 2 == done.exit_code
    assert "ill" not in done.stderr
    assert "quotes" in done.stderr


def test_verb_that_is_misspelt_is_met_with_the_nearest(run: Run) -> None:
    """A slip of the finger is seen at once."""
    assert "did you mean remember?" in run("rember", "x").stderr


@pytest.mark.parametrize("error_class", sorted(EXIT_CODES, key=lambda found: found.__name__))
def test_error_of_any_class_has_its_code_in_json(
    error_class: type[errors.GovernanceError], capsys: pytest.CaptureFixture[str]
) -> None:
    """A program reads the code, the remedy and the exit code from standard error."""
    code = report(made(error_class), as_json=True)

    document = json.loads(capsys.readouterr().err)["error"]
    assert EXIT_CODES[error_class] == code == document["exit_code"]
    assert error_class.code == document["code"]
    assert document["message"]
    assert document["remedy"]


def made(error_class: type[errors.GovernanceError]) -> errors.GovernanceError:
    """Return an error of a class."""
    refusal = Verdict("refuse", (Reason("role_lacks_action", public=True),), (), (), 0)
    fields = {
        errors.DeniedError: {"verdict": refusal, "verdict_id": "v", "index": 7},
        errors.PolicyUnavailableError: {"reason": "policy_error"},
        errors.CorruptionError: {"place": "log offset 3"},
    }
    return error_class("what happened", **fields.get(error_class, {}))


def test_refusal_in_json_names_reasons_and_place(run: Run) -> None:
    """Only what the refused caller may know, and where it is recorded."""
    done = run("freeze", "c_unknown", "--as", "anna", "--json")

    document = json.loads(done.stderr)["error"]
    assert "denied" == document["code"]
    assert ["role_lacks_action"] == document["reasons"]
    assert f"memos-gov explain {document['index']}" in document["remedy"]


def test_dry_run_that_is_refused_is_recorded_like_any_refusal(run: Run, answer: Answer) -> None:
    """A refusal is an event, and the error says how to have it explained."""
    cube = answer("remember", "x")["cube_id"]
    answer("hold", "M-1", "--cube", cube)

    done = run("archive", cube, "--dry-run")

    assert 4 == done.exit_code
    assert "explain" in done.stderr


def test_review_that_is_required_names_its_case_and_how_to_go_on(run: Run, answer: Answer) -> None:
    """Approved by another, the act is repeated with the case and done."""
    cube = answer("remember", "x", "--label", "confidential", "--as", "echo")["cube_id"]
    share = ("share", cube, "--with", "anna", "--as", "echo")
    refusal = json.loads(run(*share, "--json").stderr)["error"]
    case = refusal["case_id"]
    assert f"on record at index {refusal['index']}" in refusal["remedy"]

    approved = run("review", "approve", case)
    done = run(*share, "--approval", case)

    assert (0, 0) == (approved.exit_code, done.exit_code), done.stderr
    assert done.stdout.startswith("shared")


def test_error_that_nobody_foresaw_ends_with_one_and_without_its_text() -> None:
    """A message from below could hold content, so only type and place leave."""

    @verb("breaks")
    def breaks(session: Session) -> None:
        raise ValueError(SECRET)

    class Broken(Program):
        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
            return breaks

    program = Broken("memos-gov")

    done = CliRunner().invoke(program, ["breaks"])

    assert 1 == done.exit_code
    assert SECRET not in done.stderr
    assert "ValueError" in done.stderr
    assert "Traceback" not in done.stderr
    assert ["error", "remedy"] == lines(done.stderr)


def test_place_of_an_unforeseen_error_is_a_line_of_the_package() -> None:
    """Whoever reports it says where it happened."""
    try:
        Session(screen=None).show("x", None)  # type: ignore[arg-type]
    except TypeError as error:
        message = described(error)["message"]

    assert "TypeError at memos_gov/cli/session.py:" in message


@pytest.mark.usefixtures("interruptible")
def test_interrupt_at_any_time_ends_with_130(folder: Path) -> None:
    """Ctrl-C is no error, and prints no traceback."""
    program = "from memos_gov.cli import main; print('ready', flush=True); main()"
    words = ["--data", str(folder), "remember", "-"]
    with subprocess.Popen(
        [sys.executable, "-c", program, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert "ready\n" == process.stdout.readline()
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, printed = process.communicate(timeout=30)

    assert 130 == process.returncode
    assert "Traceback" not in printed


def test_reader_that_leaves_early_meets_no_traceback(folder: Path) -> None:
    """`memos-gov ... | head` ends quietly."""
    program = "from memos_gov.cli import main; main()"
    words = [sys.executable, "-c", program, "--data", str(folder), "--help"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        printed = process.stderr.read().decode()

    assert "Traceback" not in printed
    assert "Exception" not in printed
