"""`schedule run`: what is due is shown with its derivation, or done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.cli.conftest import Answer, Run

LATER = (datetime.now(UTC) + timedelta(days=8 * 366)).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_dry_run_prints_the_class_the_rule_and_every_step(run: Run, answer: Answer) -> None:
    """A row a cube, on one line; nothing is done."""
    cube = answer("remember", "charged twice", "--class", "complaint")["cube_id"]

    done = run("schedule", "run", "--dry-run", "--now", LATER)

    assert 0 == done.exit_code, done.stderr
    row = next(line for line in done.stdout.splitlines() if line.startswith(cube))
    assert "retention/schedule" in row
    assert "not_held > counted_from_creation 20" in row
    assert "> maximum_at 20" in row
    assert "1 due by" in done.stdout
    assert "activated" == answer("get", cube)["state"]


def test_dry_run_as_json_is_the_whole_report(answer: Answer) -> None:
    """Steps with their moments, for programs."""
    cube = answer("remember", "charged twice", "--class", "complaint")["cube_id"]

    report = answer("schedule", "run", "--dry-run", "--now", LATER)

    (due,) = report["due"]
    assert (cube, "expire", "due") == (due["cube"], due["action"], due["standing"])
    assert {"code": "not_held"} == due["steps"][0]
    assert due["due"] == due["steps"][-1]["at"]


def test_dry_run_without_anything_due_says_so(run: Run) -> None:
    """Nothing is a result too."""
    assert "nothing is due by" in run("schedule", "run", "--dry-run").stdout


def test_run_does_what_is_due_and_says_where_that_is_recorded(run: Run, answer: Answer) -> None:
    """Today nothing is; the run itself is on record."""
    answer("remember", "charged twice")

    done = run("schedule", "run")

    assert 0 == done.exit_code, done.stderr
    assert "nothing was due by" in done.stdout
    assert "recorded at index" in done.stdout


def test_run_for_the_future_is_one_error(run: Run) -> None:
    """Only a dry run looks ahead."""
    done = run("schedule", "run", "--now", LATER)

    assert 2 == done.exit_code
    assert "now: lies in the future" in done.stderr
