"""Memories of memories as they are typed: merge, summarise, split, roll-back, sessions, lineage."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.conftest import Answer, Run


@pytest.fixture
def cubes(answer: Answer) -> tuple[str, str]:
    """Return two memories of one class and basis."""
    made = [answer("remember", text, "--subject", "customer-1") for text in ("one two", "three")]
    return made[0]["cube_id"], made[1]["cube_id"]


def test_merge_says_what_it_made_and_of_what(run: Run, cubes: tuple[str, str]) -> None:
    """The new id can be typed on, and the old ones still are what they were called."""
    done = run("merge", *cubes)

    first, *rest = done.stdout.splitlines()
    assert (0, "merged into c_") == (done.exit_code, first[:14])
    assert f"made of  {', '.join(cubes)}" == rest[0]


def test_summary_reads_its_text_from_standard_input(
    run: Run, answer: Answer, cubes: tuple[str, str]
) -> None:
    """And every source is named."""
    made = answer("summarise", "-", *cubes, input="in short\n")

    assert list(cubes) == made["sources"]
    assert "in short" in run("get", made["cube_id"]).stdout


def test_split_names_each_memory_that_it_made(run: Run, answer: Answer, cubes: Any) -> None:
    """All of them, in order."""
    done = run("split", cubes[0], "one", "two", "--json")

    made = json.loads(done.stdout)["cube_ids"]
    assert ["one", "two"] == [answer("get", cube)["content"] for cube in made]


def test_split_into_what_is_no_piece_is_exit_2_and_names_the_part(run: Run, cubes: Any) -> None:
    """The call must be changed."""
    done = run("split", cubes[0], "two", "one")

    assert (2, True) == (done.exit_code, "parts.1" in done.stderr)


def test_roll_back_makes_a_new_revision(run: Run, answer: Answer, cubes: Any) -> None:
    """To what is no earlier one: exit 5, and where the revisions are shown."""
    run("revise", cubes[0], "another")

    assert 3 == answer("roll-back", cubes[0], "--to", "1", "--expect", "2")["revision"]
    done = run("roll-back", cubes[0], "--to", "9")
    assert (5, True) == (done.exit_code, "history" in done.stderr)


@pytest.mark.parametrize(
    "words",
    ["merge CUBES", "summarise short CUBES", "split CUBE one two", "roll-back CUBE --to 1"],
)
def test_dry_run_of_a_derivation_makes_nothing(
    run: Run, answer: Answer, cubes: Any, words: str
) -> None:
    """It says that policy would allow it."""
    run("revise", cubes[0], "one two, revised")
    typed = words.replace("CUBES", " ".join(cubes)).replace("CUBE", cubes[0]).split()

    done = run(*typed, "--dry-run")

    assert (0, True) == (done.exit_code, "nothing was done" in done.stdout)
    assert 2 == len(answer("list")["hits"])


def test_session_links_what_is_remembered_to_what_was_read(answer: Answer, cubes: Any) -> None:
    """Across calls, by its name; without one every call stands by itself."""
    answer("get", cubes[0], "--session", "call-7")
    answer("get", cubes[1])

    assert [cubes[0]] == answer("remember", "noted", "--session", "call-7")["sources"]
    assert [] == answer("remember", "noted")["sources"]


def test_audit_derived_shows_both_ways(run: Run, answer: Answer, cubes: Any) -> None:
    """What it was made of, and what was made of it."""
    whole = answer("merge", *cubes)["cube_id"]
    answer("summarise", "in short", whole)

    rows = answer("audit", "derived", whole)["rows"]

    assert ["made_of", "made_of", "made_into"] == [row[0] for row in rows]
    shown = run("audit", "derived", whole)
    assert (0, True) == (shown.exit_code, "summarise" in shown.stdout)
    assert "CubeDerived" in run("history", whole).stdout
