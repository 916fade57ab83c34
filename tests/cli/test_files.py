"""Files in: `ingest` and `map`, their counts, their bad rows, and how they stop."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from memos_gov.cli.demo import examples
from memos_gov.errors import UnavailableError
from memos_gov.governor import Governor
from tests.cli.conftest import Answer, Run

COMPLAINTS = str(examples() / "complaints.csv")
MAP = ("--map", str(examples() / "complaints.toml"))
NOTES = 'map = "n"\nrow_key = ["id"]\n[content]\ntemplate = "{text}"\n[cube]\n'


def notes(folder: Path, count: int) -> tuple[str, ...]:
    """Write a sheet of `count` rows and its map, and return the words that ingest it."""
    sheet, rules = folder / "notes.csv", folder / "notes.toml"
    sheet.write_text("id,text\n" + "".join(f"{n},note {n}\n" for n in range(count)))
    rules.write_text(NOTES)
    return ("ingest", str(sheet), "--map", str(rules))


def test_ingest_that_is_repeated_adds_nothing(run: Run) -> None:
    """Forty rows are added once."""
    assert "40 rows: 40 added\n" == run("ingest", COMPLAINTS, *MAP).stdout
    assert "40 rows: 40 there already\n" == run("ingest", COMPLAINTS, *MAP).stdout


def test_ingest_with_a_bad_row_reports_its_line_and_goes_on(run: Run, tmp_path: Path) -> None:
    """Exit code 1: some are in, one is not, and it is said which."""
    lines = Path(COMPLAINTS).read_text(encoding="utf-8").splitlines(keepends=True)[:5]
    lines[2] = lines[2].replace("2025-01-07", "someday")
    bad = tmp_path / "bad.csv"
    bad.write_text("".join(lines), encoding="utf-8")

    done = run("ingest", str(bad), *MAP)

    assert 1 == done.exit_code
    assert "4 rows: 3 added, 1 failed" in done.stdout
    assert "line 3: valid_from" in done.stdout


def test_ingest_as_a_dry_run_adds_nothing(run: Run, answer: Answer) -> None:
    """Policy is asked about every row."""
    done = run("ingest", COMPLAINTS, *MAP, "--dry-run")

    assert "40 rows: 40 would be added\n" == done.stdout
    assert [] == answer("list")["hits"]


@pytest.mark.usefixtures("interruptible")
def test_ingest_that_is_interrupted_says_how_far_it_came(
    run: Run, answer: Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the second batch: two batches are in, and the same words go on."""
    words = notes(tmp_path, 450)
    batches, handle_many = list[int](), Governor.handle_many

    def pressed(governor: Governor, *given: Any) -> Any:
        batches.append(1)
        if len(batches) == 2:
            signal.raise_signal(signal.SIGINT)
        return handle_many(governor, *given)

    monkeypatch.setattr(Governor, "handle_many", pressed)

    done = run(*words)

    assert 130 == done.exit_code
    assert "stopped after 400 of 450 rows; type it again to go on\n" == done.stderr.lstrip("\n")
    report = answer(*words)
    assert (400, 50) == (report["unchanged"], report["added"])


def test_ingest_that_fails_on_the_way_says_how_far_it_came(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows before it are in."""
    words = notes(tmp_path, 250)
    batches, handle_many = list[int](), Governor.handle_many

    def failing(governor: Governor, *given: Any) -> Any:
        batches.append(1)
        if len(batches) == 2:
            raise UnavailableError("the disk is full")
        return handle_many(governor, *given)

    monkeypatch.setattr(Governor, "handle_many", failing)

    done = run(*words)

    assert 6 == done.exit_code
    assert "stopped after 200 of 250 rows" in done.stderr
    assert "error: the disk is full" in done.stderr


def test_ingest_report_in_json_counts_rows(answer: Answer) -> None:
    """A script reads the counts."""
    report = answer("ingest", COMPLAINTS, *MAP)

    assert (40, 40, []) == (report["rows"], report["added"], report["failed"])


def test_ingest_of_a_file_that_is_not_there_is_one_error(run: Run) -> None:
    """The file is named."""
    done = run("ingest", "nowhere.csv", *MAP)

    assert 2 == done.exit_code
    assert "nowhere.csv" in done.stderr


def test_map_check_shows_cubes_and_adds_none(run: Run, answer: Answer) -> None:
    """An author of maps sees what comes of the first rows."""
    done = run("map", "check", COMPLAINTS, *MAP, "--rows", "2")

    assert 0 == done.exit_code, done.stderr
    assert "line 2" in done.stdout
    assert "customer-1002" in done.stdout
    assert [] == answer("list")["hits"]
