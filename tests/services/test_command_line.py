"""The command line names what is wrong once, and asks before it removes anything."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.services.__main__ import ENGINES, up
from scripts.services.network import is_free
from scripts.services.places import Places
from tests.services.web import Web, places

ROOT = Path(__file__).resolve().parents[2]
BASE = next(port for port in range(23000, 60000, 10) if all(map(is_free, range(port, port + 10))))


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the program with places of its own and without a terminal."""
    moved = {
        "TMPDIR": str(folder),
        "XDG_CACHE_HOME": str(folder),
        "MEMOS_GOV_SERVICES_PORT": str(BASE),
    }
    return subprocess.run(
        [sys.executable, "-m", "scripts.services", *arguments],
        cwd=ROOT,
        env={**os.environ, **moved, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_status_of_engines_that_are_stopped_is_a_document_and_an_exit_status(
    tmp_path: Path,
) -> None:
    """A machine reads every field, with null where there is no process."""
    done = run(tmp_path, "status", "--json")
    found: list[dict[str, Any]] = json.loads(done.stdout)

    assert 3 == done.returncode
    assert list(ENGINES) == [one["engine"] for one in found]
    assert {("stopped", None, None)} == {(one["state"], one["pid"], one["since"]) for one in found}
    assert f"127.0.0.1:{BASE}" == found[0]["address"]
    assert "4.3.1" == found[0]["version"]


def test_status_for_people_is_a_line_an_engine(tmp_path: Path) -> None:
    """Only the engines that were asked for are shown."""
    done = run(tmp_path, "status", "weaviate", "opa")

    lines = done.stdout.splitlines()
    assert [["opa", "1.22.0", "stopped"], ["weaviate", "1.39.0", "stopped"]] == [
        line.split()[:3] for line in lines
    ]


def test_up_on_a_machine_that_lacks_programs_names_all_of_them_at_once(tmp_path: Path) -> None:
    """Nothing is started before everything can be."""
    done = run(tmp_path, "up", "kafka", "opa", "weaviate", PATH=str(tmp_path), MEMOS_GOV_OPA="")

    assert 1 == done.returncode
    assert "error: this machine lacks: go, java, mvn\n" in done.stderr
    assert [] == list(tmp_path.iterdir())


class LackingWeb(Web):
    """Could not be started here."""

    def lacks(self) -> list[str]:
        """Return a program that no machine has."""
        return ["cheese"]


def test_up_of_an_engine_that_answers_already_needs_no_program_of_this_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever runs the containers needs neither Java nor Go to test against them."""
    mine, lacking = (Kind(places(tmp_path), print) for Kind in (Web, LackingWeb))
    asked = argparse.Namespace(use_existing=True)
    assert 1 == up([lacking], asked)
    assert "lacks: cheese" in capsys.readouterr().err

    mine.up()
    there = LackingWeb(Places(tmp_path / "other", tmp_path, mine.places.ports), print)
    assert 0 == up([there], asked)

    mine.down()


def test_reset_without_a_terminal_removes_nothing_unless_it_is_told_yes(tmp_path: Path) -> None:
    """A script that loses data says so itself."""
    folder = tmp_path / f"memos-gov-services-{os.getuid()}" / "opa"
    folder.mkdir(parents=True)

    declined = run(tmp_path, "reset", "opa")
    assert (2, True) == (declined.returncode, folder.exists())

    done = run(tmp_path, "reset", "opa", "--yes")
    assert (0, False) == (done.returncode, folder.exists())


@pytest.mark.parametrize("arguments", [("up", "redis"), ("restart",), ()])
def test_word_that_is_no_command_or_engine_is_refused_with_the_usage(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """Nothing is started on a guess."""
    done = run(tmp_path, *arguments)

    assert 2 == done.returncode
    assert "usage: python -m scripts.services" in done.stderr


def test_tool_runs_before_anything_is_installed(tmp_path: Path) -> None:
    """Python alone is enough: not one package of the environment is seen."""
    command = [sys.executable, "-S", "-m", "scripts.services", "status", "opa"]
    moved = {"TMPDIR": str(tmp_path), "MEMOS_GOV_SERVICES_PORT": str(BASE)}
    done = subprocess.run(command, cwd=ROOT, env=moved, capture_output=True, check=False)

    assert done.stdout.startswith(b"opa       1.22.0        stopped")
    assert done.stderr == b""
