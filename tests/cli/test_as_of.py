"""The past on the command line: `--as-of`, `--valid-at`, `history --diff`, `audit state`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import PURPOSE, Answer, Run

OLD, NEW = "The zebra crossed.", "The giraffe crossed."


@pytest.fixture
def cube(answer: Answer) -> str:
    """Return a memory of two revisions, the first at index 3 and true since 2020."""
    made = answer("remember", OLD, "--valid-from", "2020-01-01T00:00:00Z")
    answer("revise", made["cube_id"], NEW)
    assert 3 == made["index"]
    return str(made["cube_id"])


def test_get_as_of_an_index_or_about_a_time_shows_that_revision(answer: Answer, cube: str) -> None:
    """And without either the newest."""
    shown = [
        answer("get", cube, *words)["content"]
        for words in ((), ("--as-of", "3"), ("--valid-at", "2021-01-01T00:00:00+01:00"))
    ]

    assert [NEW, OLD, OLD] == shown


def test_recall_and_list_as_of_an_index_know_what_was_there_then(
    answer: Answer, run: Run, cube: str
) -> None:
    """Nothing of what came later."""
    later = answer("remember", "One more zebra.")["cube_id"]

    assert [] == answer("recall", "zebra", "--as-of", "4")["hits"]
    assert [cube] == [h["cube_id"] for h in answer("recall", "zebra", "--as-of", "3")["hits"]]
    assert [cube] == [h["cube_id"] for h in answer("list", "--as-of", "3")["hits"]]
    assert {cube, later} == {h["cube_id"] for h in answer("list")["hits"]}
    assert OLD in run("recall", "zebra", "--as-of", "3").stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--as-of", "soon"), 2, "no ISO 8601 time"),
        (("--as-of", "2026-01-01T00:00:00"), 2, "lacks a time zone"),
        (("--as-of", "99999"), 2, "as_of: lies beyond the end of the history"),
        (("--as-of", "2999-01-01T00:00:00Z"), 2, "as_of: lies in the future"),
        (("--valid-at", "2999-01-01T00:00:00Z"), 2, "as_of: lies in the future"),
        (("--valid-at", "7"), 2, "no ISO 8601 time"),
        (("--as-of", "0"), 3, "nothing here that you may know of"),
        (("--valid-at", "2019-01-01T00:00:00Z"), 3, "nothing here that you may know of"),
    ],
)
def test_moment_that_cannot_be_ends_with_its_exit_code(
    run: Run, cube: str, words: tuple[str, ...], code: int, said: str
) -> None:
    """One line says what is wrong with it."""
    done = run("get", cube, *words)

    assert code == done.exit_code
    assert said in done.stderr


def test_history_with_differences_is_drawn_plain_in_a_pipe(run: Run, cube: str) -> None:
    """Both times, and the lines that came and went."""
    done = run("history", cube, "--diff")

    lines = done.stdout.splitlines()
    assert 0 == done.exit_code, done.stderr
    assert lines[0].startswith("revision 1  recorded ")
    assert lines[0].endswith("at index 3 by owner")
    assert "    true from 2020-01-01T00:00:00Z" == lines[1]
    assert [f"    -{OLD}", f"    +{NEW}"] == lines[-2:]
    assert "\x1b" not in done.stdout


def test_history_with_differences_is_coloured_on_a_terminal(
    run: Run, cube: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came is green, what went is red."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")

    shown = run("history", cube, "--diff").stdout

    assert f"\x1b[31m    -{OLD}\x1b[0m" in shown
    assert f"\x1b[32m    +{NEW}\x1b[0m" in shown


def test_history_with_differences_in_json_has_its_promised_fields(
    answer: Answer, cube: str
) -> None:
    """Structured: a script draws its own."""
    found = answer("history", cube, "--diff")

    first, second = found["revisions"]
    promised = {"revision", "index", "recorded_at", "actor", "mode", "valid_from", "valid_to"}
    assert promised | {"diff", "redactions"} == set(first) == set(second)
    assert [f"-{OLD}", f"+{NEW}"] == second["diff"][-2:]
    assert ["CubeRemembered", "CubeRevised"] == [change["type"] for change in found["changes"]]
    assert 1 == len(answer("history", cube, "--diff", "--as-of", "3")["revisions"])


def test_history_with_differences_for_who_may_not_read_shows_headers_and_says_so(
    run: Run, answer: Answer, cube: str
) -> None:
    """That it was asked for is recorded as a refusal."""
    answer("principal", "add", "aud", "--role", "auditor", "--for", PURPOSE)

    done = run("history", cube, "--diff", "--as", "aud")

    assert 0 == done.exit_code, done.stderr
    assert "revision 2  recorded" in done.stdout
    assert "zebra" not in done.stdout
    assert "not shown to you" in done.stderr
    assert "content_not_for_auditors" in run("audit", "access", cube).stdout


def test_audit_of_a_state_draws_the_facts_and_the_events(
    run: Run, answer: Answer, cube: str
) -> None:
    """As of an index, and its last line says so."""
    done = run("audit", "state", cube, "--as-of", "3")

    assert 0 == done.exit_code, done.stderr
    assert "CubeRemembered" in done.stdout
    assert "CubeRevised" not in done.stdout
    assert "as recorded by index 3" in done.stdout.splitlines()[-1]
    assert "zebra" not in done.stdout
    found = answer("audit", "state", cube, "--valid-at", "2021-01-01T00:00:00Z")
    facts = {row[3]: row[4] for row in found["rows"] if row[0] == "state"}
    assert ("2021-01-01T00:00:00.000Z", 1) == (found["as_of"], facts["revision"])


@pytest.mark.parametrize(
    "question", [("subject", "nobody"), ("access", "c_none"), ("holds",), ("state", "{cube}")]
)
def test_every_audit_takes_a_moment(run: Run, cube: str, question: tuple[str, ...]) -> None:
    """The same two options everywhere."""
    words = [word.format(cube=cube) for word in question]

    done = run("audit", *words, "--as-of", "3", "--valid-at", "2021-01-01T00:00:00Z")

    assert 0 == done.exit_code, done.stderr
    assert "as recorded by index 3" in done.stdout


def test_audit_of_the_integrity_takes_no_moment(run: Run) -> None:
    """And says why."""
    done = run("audit", "integrity", "--as-of", "1")

    assert 2 == done.exit_code
    assert "as_of: the log is verified as it stands" in done.stderr


def test_label_and_basis_are_changed_by_their_verbs(run: Run, answer: Answer, cube: str) -> None:
    """With a beginning in the past, and with an end that corrects it."""
    answer("relabel", cube, "confidential", "--valid-from", "2022-01-01T00:00:00Z")
    answer("rebase", cube, "contract")
    then = ("--valid-from", "2021-01-01T00:00:00Z", "--valid-to", "2021-06-01T00:00:00Z")
    done = run("relabel", cube, "restricted", *then)

    assert 0 == done.exit_code, done.stderr
    assert "confidential" == answer("get", cube)["label"]
    labels = [
        answer("get", cube, "--valid-at", f"202{year}-03-01T00:00:00Z")["label"]
        for year in (0, 1, 3)
    ]
    assert ["internal", "restricted", "confidential"] == labels
    assert 2 == run("relabel", cube, "public", "--valid-to", "2021-06-01T00:00:00Z").exit_code


def test_share_takes_a_beginning_and_an_end(run: Run, cube: str) -> None:
    """And refuses an end before the beginning, by name."""
    future = ("--valid-from", "2998-01-01T00:00:00Z", "--valid-to", "2999-01-01T00:00:00Z")

    assert 0 == run("share", cube, "--with", "echo", *future).exit_code
    assert 3 == run("get", cube, "--as", "echo").exit_code
    done = run("share", cube, "--with", "echo", "--valid-to", "2020-01-01T00:00:00Z")
    assert (2, True) == (done.exit_code, "valid_to: is over already" in done.stderr)


def test_folder_of_this_page_stays_clean(run: Run, folder: Path, cube: str) -> None:
    """What was looked at of the past is in the log like any other read."""
    run("recall", "zebra", "--as-of", "3")
    run("history", cube, "--diff")

    assert 0 == run("fsck").exit_code
    assert folder.is_dir()
