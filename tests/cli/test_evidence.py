"""The verbs that look back: history, verdicts, audits, the log, examination, rebuild."""

from __future__ import annotations

import io
import json
import sqlite3
from pathlib import Path

import pytest

from memos_gov import fsck
from memos_gov.cli import upkeep
from memos_gov.cli.evidence import NO_TEXT, _section
from memos_gov.cli.output import PlainScreen
from tests.cli.conftest import Answer, Run

SECRET = "the customer is ill"


def test_history_of_a_cube_shows_changes_and_no_content(run: Run, answer: Answer) -> None:
    """Headers tell what happened; what was said stays sealed."""
    cube = answer("remember", SECRET, "--subject", "customer-17")["cube_id"]
    answer("freeze", cube)

    done = run("history", cube)

    assert 0 == done.exit_code, done.stderr
    assert "CubeRemembered by owner" in done.stdout
    assert "CubeFrozen by owner" in done.stdout
    assert "ill" not in done.stdout.split()


def test_explain_of_an_index_names_the_rules_and_the_facts(run: Run, answer: Answer) -> None:
    """The index of a receipt or an error is enough."""
    receipt = answer("remember", SECRET)

    done = run("explain", str(receipt["index"]))

    assert 0 == done.exit_code, done.stderr
    assert receipt["verdict_id"] in done.stdout
    assert "role/steward" in done.stdout
    assert "facts it relied on:" not in done.stdout
    assert SECRET not in done.stdout


def test_explain_with_facts_shows_each_stream_and_what_is_alike_once(
    run: Run, answer: Answer
) -> None:
    """The versions it looked at; streams that were never written share a line."""
    receipt = answer("remember", SECRET, "--subject", "customer-17")

    done = run("explain", str(receipt["index"]), "--facts")

    assert f"{receipt['cube_id']} version 0" in done.stdout
    assert "guard/policy version 1" in done.stdout
    assert 1 == done.stdout.count("never written")


def test_explain_of_a_reason_without_a_text_shows_its_code() -> None:
    """A policy's author may have forgotten it; the reader sees that."""
    shown = io.StringIO()

    _section(PlainScreen(shown), "reasons", (("odd_code", NO_TEXT),))

    assert "odd_code  (the policy has no text for this code)" in shown.getvalue()


@pytest.mark.parametrize(
    "words",
    [
        ["audit", "subject", "customer-17"],
        ["audit", "access", "--subject", "customer-17"],
        ["audit", "holds"],
        ["audit", "holds", "--subject", "customer-17"],
        ["audit", "integrity"],
    ],
)
def test_audit_of_any_question_answers_in_rows(run: Run, answer: Answer, words: list[str]) -> None:
    """To a reader and to a program, without content."""
    cube = answer("remember", SECRET, "--subject", "customer-17")["cube_id"]
    answer("get", cube)
    answer("hold", "M-1", "--subject", "customer-17")

    done = run(*words)
    document = answer(*words)

    assert 0 == done.exit_code, done.stderr
    assert SECRET not in done.stdout
    assert document["rows"]
    assert {len(document["columns"])} == {len(row) for row in document["rows"]}


def test_audit_by_somebody_who_may_not_ask_is_refused(run: Run) -> None:
    """Evidence is governed too."""
    assert 4 == run("audit", "holds", "--as", "anna").exit_code


def test_log_tail_shows_the_newest_records_with_their_leaves(run: Run, answer: Answer) -> None:
    """The last line is the question itself."""
    receipt = answer("remember", "x")

    lines = run("log", "tail", "-n", "2").stdout.splitlines()

    assert 3 == len(lines)
    assert str(receipt["index"]) == lines[1].split()[0]
    assert receipt["leaf"].startswith(lines[1].split()[-1])
    assert "AskAudit" in lines[2]


def test_log_show_of_a_record_shows_ciphertext_only(run: Run, answer: Answer) -> None:
    """The whole record, and no content in it."""
    receipt = answer("remember", SECRET)

    done = run("log", "show", str(receipt["index"]))

    assert 0 == done.exit_code, done.stderr
    assert receipt["leaf"] in done.stdout
    assert '"sealed"' in done.stdout
    assert "sealed, as ciphertext:\n  CubeRemembered  " in done.stdout
    assert SECRET not in done.stdout


def test_log_export_writes_every_record_once(answer: Answer, tmp_path: Path) -> None:
    """JSON lines in order of index, in a new file."""
    answer("remember", "x")
    file = tmp_path / "log.jsonl"

    made = answer("log", "export", str(file))

    indexes = [json.loads(line)["entry"]["index"] for line in file.read_text().splitlines()]
    assert list(range(made["records"])) == indexes


def test_log_export_to_standard_output_writes_records_only(run: Run, answer: Answer) -> None:
    """`memos-gov log export - | jq` works."""
    answer("remember", "x")

    done = run("log", "export", "-")

    indexes = [json.loads(line)["entry"]["index"] for line in done.stdout.splitlines()]
    assert 0 == done.exit_code, done.stderr
    assert list(range(len(indexes))) == indexes
    assert not Path("-").exists()


def test_log_export_to_a_file_that_exists_overwrites_nothing(run: Run, tmp_path: Path) -> None:
    """Evidence is not lost to a slip."""
    file = tmp_path / "log.jsonl"
    file.write_text("mine")

    assert 8 == run("log", "export", str(file)).exit_code
    assert "mine" == file.read_text()


def test_log_export_that_is_refused_leaves_no_file(run: Run, tmp_path: Path) -> None:
    """Nothing half-written."""
    file = tmp_path / "log.jsonl"

    assert 4 == run("log", "export", str(file), "--as", "anna").exit_code
    assert not file.exists()


def test_examination_of_a_sound_folder_is_clean(run: Run, answer: Answer) -> None:
    """Both the quick one and the whole one."""
    answer("remember", "x")

    for words in (("log", "verify"), ("fsck",)):
        done = run(*words)
        assert 0 == done.exit_code, done.stdout
        assert done.stdout.startswith("clean")


def test_fsck_of_a_changed_table_names_the_place_and_ends_with_seven(
    run: Run, answer: Answer, folder: Path
) -> None:
    """Tables that do not follow from the log are found, with the remedy."""
    answer("remember", "x")
    answer("list")
    changed = sqlite3.connect(folder / "tables.db")
    with changed:
        changed.execute("UPDATE cubes SET label = 'public'")
    changed.close()

    done = run("fsck")

    assert 7 == done.exit_code
    assert "cubes" in done.stdout
    assert "memos-gov rebuild" in done.stdout


def changed_labels(folder: Path) -> None:
    """Change every cube's label behind the log's back."""
    changed = sqlite3.connect(folder / "tables.db")
    with changed:
        changed.execute("UPDATE cubes SET label = 'public'")
    changed.close()


def test_fsck_that_repairs_shows_what_it_found_and_that_it_is_gone(
    run: Run, answer: Answer, folder: Path
) -> None:
    """Both examinations are shown; the second one decides the exit code."""
    answer("remember", "x", "--label", "confidential")
    answer("list")
    changed_labels(folder)

    told = run("fsck", "--repair", "--dry-run")
    assert (7, True) == (told.exit_code, "would rebuild tables and index" in told.stdout)
    done = run("fsck", "--repair")

    assert 0 == done.exit_code, done.stdout
    assert "another value than the log gives" in done.stdout
    assert done.stdout.index("rebuilt tables.1.db") < done.stdout.index("clean: nothing was found")
    assert ["confidential"] == [hit["label"] for hit in answer("list")["hits"]]
    again = answer("fsck", "--repair")
    assert (None, None) == (again["rebuilt"], again["after"])


def test_fsck_that_may_not_repair_says_what_it_leaves(run: Run, folder: Path) -> None:
    """What the log does not give back stays as it is, with its remedy."""
    (folder / "keys" / "operator").write_text("00\n")

    done = run("fsck", "--repair")

    assert 7 == done.exit_code
    assert "never repaired here" in done.stdout
    assert "keys/operator: Bring the key file back" in done.stdout
    assert "00\n" == (folder / "keys" / "operator").read_text()


def test_fsck_of_a_part_looks_at_that_alone(run: Run, answer: Answer, folder: Path) -> None:
    """A table that was changed is none of the log's business."""
    answer("remember", "x")
    answer("list")
    changed_labels(folder)

    assert 0 == run("fsck", "--part", "log", "--part", "vault").exit_code
    assert 7 == run("fsck", "--part", "tables").exit_code


def test_parts_of_the_command_line_are_those_of_an_examination() -> None:
    """They are written down twice, so that help costs no import."""
    assert fsck.PARTS == upkeep.PARTS


@pytest.mark.parametrize(
    "words", [("--repair", "--part", "log"), ("--dry-run",), ("--part", "loge")]
)
def test_fsck_with_options_that_do_not_fit_says_so(run: Run, words: tuple[str, ...]) -> None:
    """Nothing is examined and nothing is written."""
    done = run("fsck", *words)

    assert 2 == done.exit_code
    assert "--part" in done.stderr or "--dry-run" in done.stderr


def test_rebuild_of_a_changed_table_makes_it_right(run: Run, answer: Answer, folder: Path) -> None:
    """The log holds everything; afterwards nothing is found."""
    answer("remember", "x", "--label", "confidential")
    answer("list")
    changed = sqlite3.connect(folder / "tables.db")
    with changed:
        changed.execute("UPDATE cubes SET label = 'public'")
    changed.close()

    done = run("rebuild")

    assert 0 == done.exit_code, done.stderr
    assert ["confidential"] == [hit["label"] for hit in answer("list")["hits"]]
    assert 0 == run("fsck").exit_code


def test_review_list_shows_what_waits(run: Run) -> None:
    """A case has an id that can be typed back."""
    assert "nothing waits\n" == run("review", "list").stdout
    receipt = json.loads(
        run("remember", "x", "--label", "confidential", "--as", "echo", "--json").stdout
    )
    run("share", receipt["cube_id"], "--with", "anna", "--as", "echo")

    listed = run("review", "list").stdout

    case = listed.splitlines()[1].split()[0]
    assert "echo" in listed
    assert 0 == run("review", "reject", case).exit_code


def test_status_and_whoami_say_how_things_stand(run: Run, answer: Answer) -> None:
    """Counts without content, and the actor as the log knows it."""
    answer("remember", SECRET)
    answer("list")

    status, whoami = answer("status"), answer("whoami", "--as", "anna")

    assert {"activated": 1} == status["cubes"]
    assert ["analyst"] == whoami["roles"]
    assert SECRET not in run("status").stdout
    assert "internal" in run("whoami", "--as", "anna").stdout


def test_head_of_the_log_is_signed_and_verified_by_whoever_has_the_key(
    run: Run, tmp_path: Path
) -> None:
    """The printed note is a file of evidence."""
    note, vkey = run("log", "checkpoint"), run("log", "vkey")
    (tmp_path / "head").write_text(note.stdout, encoding="utf-8")

    done = run("evidence", "verify", str(tmp_path / "head"), "--vkey", vkey.stdout.strip())

    assert (0, 0, 0) == (note.exit_code, vkey.exit_code, done.exit_code), done.output
    assert "is                 checkpoint" in done.stdout


def test_record_of_the_log_is_proven_into_a_new_file(
    run: Run, answer: Answer, tmp_path: Path
) -> None:
    """What stands there already is left alone."""
    receipt, path = answer("remember", SECRET), tmp_path / "record.tlog-proof"
    index = str(receipt["index"])

    made = run("log", "prove", index, "--out", str(path))
    (found,) = answer("evidence", "verify", str(path), "--vkey", answer("log", "vkey")["vkey"])

    assert 0 == made.exit_code, made.output
    assert (receipt["index"], receipt["leaf"]) == (found["found"]["index"], found["found"]["leaf"])
    body = path.read_bytes()
    assert 8 == run("log", "prove", index, "--out", str(path)).exit_code
    assert body == path.read_bytes()


def test_proof_and_head_for_a_machine_have_their_texts(run: Run, answer: Answer) -> None:
    """As one document; printed, the proof is the file."""
    head, proof = answer("log", "checkpoint"), answer("log", "prove", "0")

    assert head["note"] in proof["text"]
    assert (0, head["origin"], head["size"]) == (proof["index"], proof["origin"], proof["size"])
    assert proof["text"] == run("log", "prove", "0").stdout


def test_proof_of_an_index_that_is_not_there_ends_with_3(run: Run) -> None:
    """And of none with 2."""
    assert 3 == run("log", "prove", "9999").exit_code
    assert 2 == run("log", "prove", "--", "-1").exit_code
