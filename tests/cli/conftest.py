"""A data folder made once, and a copy of it for every test."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from memos_gov.cli.program import command_line

PURPOSE = "complaint-handling"

Run = Callable[..., Result]
Answer = Callable[..., Any]


@pytest.fixture(scope="session")
def made_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an analyst cleared to internal; nobody writes to it."""
    folder = tmp_path_factory.mktemp("cli") / "data"
    for words in (
        ["init", "--purpose", PURPOSE],
        ["principal", "add", "anna", "--role", "analyst", "--for", PURPOSE],
        ["principal", "add", "echo", "--role", "agent", "--clearance", "confidential"],
    ):
        done = CliRunner().invoke(command_line, ["--data", str(folder), *words])
        assert done.exit_code == 0, done.stderr
    return folder


@pytest.fixture
def folder(made_folder: Path, tmp_path: Path) -> Path:
    """Return a data folder of the test's own."""
    return Path(shutil.copytree(made_folder, tmp_path / "data"))


@pytest.fixture
def run(folder: Path) -> Run:
    """Return a function that runs one command on the folder."""

    def runs(*words: str, **how: Any) -> Result:
        return CliRunner().invoke(command_line, ["--data", str(folder), *words], **how)

    return runs


@pytest.fixture
def answer(run: Run) -> Answer:
    """Return a function that runs one command with `--json` and returns its document."""

    def answers(*words: str, **how: Any) -> Any:
        done = run(*words, "--json", **how)
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)

    return answers
