"""The global options: what a shell hands over is text of a known form, or one error."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from memos_gov.cli.program import command_line
from tests.cli.conftest import Answer, Run

NOT_UTF8 = b"\xff".decode(errors="surrogateescape")
OPTIONS = ("--as", "--purpose", "--tenant", "--approval", "--data")


@pytest.mark.parametrize("verb", ["whoami", "config show", "doctor", "init"])
@pytest.mark.parametrize("option", OPTIONS)
def test_global_option_that_is_not_utf8_is_one_error(run: Run, option: str, verb: str) -> None:
    """Bytes of another encoding end the call before anything is opened."""
    done = run(*verb.split(), option, NOT_UTF8)

    assert 2 == done.exit_code, done.stderr
    assert f"error: invalid value for '{option}': is not valid UTF-8" in done.stderr
    assert 2 == len(done.stderr.splitlines())
    assert "" == done.stdout


@pytest.mark.parametrize(
    ("option", "value", "field"),
    [
        ("--as", "", "principal"),
        ("--as", "a\nb", "principal"),
        ("--tenant", "Default", "tenant"),
        ("--purpose", "to find out", "purpose"),
        ("--approval", "yes please", "approval"),
    ],
)
def test_global_option_of_the_wrong_form_is_named(
    run: Run, option: str, value: str, field: str
) -> None:
    """The same words as from Python, and the exit code of a request to change."""
    done = run("whoami", option, value)

    assert 2 == done.exit_code, done.stderr
    assert f"error: {field}: " in done.stderr


def test_init_with_an_unknown_purpose_is_one_error_and_makes_nothing(tmp_path: Path) -> None:
    """The error lists the words that there are."""
    words = ["--data", str(tmp_path / "data"), "init", "--purpose", "nope"]

    done = CliRunner().invoke(command_line, words)

    assert 2 == done.exit_code, done.stderr
    assert "purpose: unknown word; known are" in done.stderr
    assert [] == list(tmp_path.iterdir())


def test_tenant_with_an_empty_first_principal_is_refused(run: Run) -> None:
    """An empty name is not the same as none: the default does not step in."""
    done = run("tenant", "add", "acme", "--principal", "")

    assert 2 == done.exit_code, done.stderr
    assert "principal" in done.stderr


def test_revision_takes_the_time_until_when_it_is_true(answer: Answer) -> None:
    """`--valid-to` stands in the history of the cube."""
    cube = answer("remember", "one")["cube_id"]

    answer("revise", cube, "two", "--valid-to", "2999-01-01T00:00:00Z")

    assert 32472144000 == answer("history", cube)["changes"][-1]["changes"]["valid_to"]
