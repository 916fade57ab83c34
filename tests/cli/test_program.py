"""The program as a whole: its verbs, their help, and what a process loads for one of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from memos_gov import __version__
from memos_gov.cli.program import VERBS, command_line
from tests.cli.conftest import Answer, Run

NOT_FOR_GET = {"alembic", "numpy", "rich", "sqlalchemy", "sqlmodel"}
SECONDS_MAX = 1.2


def verbs() -> Iterator[tuple[str, click.Command]]:
    """Yield the path and the command of every verb, those of groups too."""
    context = click.Context(command_line)
    for name in VERBS:
        found = command_line.get_command(context, name)
        assert found is not None
        yield name, found
        if isinstance(found, click.Group):
            yield from ((f"{name} {sub}", command) for sub, command in found.commands.items())


def test_help_of_the_program_names_every_verb() -> None:
    """What can be done is found without a page."""
    done = CliRunner().invoke(command_line, ["--help"])

    shown = {line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")}
    assert 0 == done.exit_code
    assert set() == set(VERBS) - shown


@pytest.mark.parametrize("path", [path for path, _ in verbs()])
def test_verb_of_any_depth_says_what_it_does(path: str) -> None:
    """Each verb and each option has a sentence."""
    command = dict(verbs())[path]

    done = CliRunner().invoke(command_line, [*path.split(), "--help"])

    if not isinstance(command, click.Group):
        assert "And the options of `memos-gov --help`." in done.stdout
    options = [p for p in command.params if isinstance(p, click.Option) and not p.hidden]
    assert 0 == done.exit_code, done.stderr
    assert command.help
    assert [] == [option.name for option in options if not option.help]


def test_program_without_a_verb_shows_its_help() -> None:
    """A newcomer who types the name alone learns the verbs."""
    done = CliRunner().invoke(command_line, [])

    assert 2 == done.exit_code
    assert "remember" in done.output


def test_version_is_the_package_s() -> None:
    """One number, in one place."""
    done = CliRunner().invoke(command_line, ["--version"])

    assert (0, f"memos-gov {__version__}\n") == (done.exit_code, done.stdout)


def test_global_option_after_the_verb_wins_over_the_one_before(run: Run) -> None:
    """People add `--as` to the end of the line they have just typed."""
    done = run("--as", "owner", "freeze", "c_unknown", "--as", "anna")

    assert 4 == done.exit_code


def test_get_as_a_process_loads_nothing_that_is_heavy(folder: Path, answer: Answer) -> None:
    """The time of one `get` is that of the interpreter and of the corridor."""
    cube = answer("remember", "Tea, no sugar.")["cube_id"]
    program = (
        "import sys, json\n"
        "from memos_gov.cli import main\n"
        "try:\n    main()\n"
        "finally:\n    print(json.dumps(sorted(sys.modules)), file=sys.stderr)\n"
    )
    words = [sys.executable, "-c", program, "--data", str(folder), "get", cube]

    done = subprocess.run(words, capture_output=True, text=True, check=True)

    loaded = {name.split(".")[0] for name in json.loads(done.stderr)}
    assert "Tea, no sugar." in done.stdout
    assert set() == NOT_FOR_GET & loaded


@pytest.mark.parametrize("words", [[], *([n] for n, c in verbs() if isinstance(c, click.Group))])
def test_summary_of_every_verb_fits_in_80_columns(words: list[str]) -> None:
    """A list of verbs says all of each of them."""
    done = CliRunner().invoke(command_line, [*words, "--help"], terminal_width=80)

    summaries = done.stdout.partition("Commands:")[2].splitlines()
    assert summaries
    assert [] == [line for line in summaries if line.endswith("...")]


@pytest.mark.parametrize("on_path", [True, False])
def test_commands_that_are_shown_begin_as_the_program_was_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, on_path: bool
) -> None:
    """They can be typed as they stand, from here."""
    started = tmp_path / "bin" / "memos-gov"
    started.parent.mkdir()
    started.write_text("#!/bin/sh\n")
    started.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(started.parent) if on_path else "/nowhere")
    monkeypatch.setattr(sys, "argv", [str(started)])

    monkeypatch.delenv("MEMOS_GOV_DATA", raising=False)

    done = CliRunner().invoke(command_line, ["list"])

    name = "memos-gov" if on_path else "bin/memos-gov"
    assert f"`{name} --data DIR init`" in done.stderr
    assert f"Usage: {name} " in CliRunner().invoke(command_line, ["--help"]).stdout
