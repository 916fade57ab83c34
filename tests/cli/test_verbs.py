"""Each verb on a real folder: what it does, what it prints, and its JSON."""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from memos_gov.cli.program import command_line
from tests.cli.conftest import Answer, Run

MADE = """\
made {folder}
tenant     default
principal  owner
policy     {policy}
"""
GOT = """\
cube        {cube}
revision    1
label       internal
state       activated
subjects    customer-17
purposes    complaint-handling
owner       owner
valid from  2026-01-05T09:00:00Z
recorded    {recorded}
metadata    channel=phone

The card was charged twice.
"""
RECALLED = """\
1. {cube}  confidential  customer-17
   Write to [email], charged twice.
recorded at index {index}; masked: 1 email
"""


def test_init_on_a_new_folder_says_what_it_made(tmp_path: Path) -> None:
    """The first answer a newcomer gets, word for word; the advice goes to standard error."""
    folder = tmp_path / "new"

    done = CliRunner().invoke(command_line, ["--data", str(folder), "init"])

    policy = next((folder / "policies").iterdir()).name
    assert MADE.format(folder=folder, policy=policy) == done.stdout
    assert "keys/recovery" in done.stderr


def test_init_on_a_used_folder_changes_nothing(run: Run, folder: Path) -> None:
    """Nobody loses a log to a repeated command."""
    before = (folder / "log.db").read_bytes()

    done = run("init")

    assert 8 == done.exit_code
    assert before == (folder / "log.db").read_bytes()


def test_init_keeps_the_options_as_the_folder_s_defaults(tmp_path: Path) -> None:
    """Who made the folder for a purpose need not say it again."""
    data = ["--data", str(tmp_path / "new"), "--json"]
    CliRunner().invoke(command_line, [*data, "init", "--as", "mia", "--purpose", "support"])

    shown = json.loads(CliRunner().invoke(command_line, [*data, "config", "show"]).stdout)

    assert ("mia", "support") == (shown["principal"], shown["purpose"])


def test_get_of_a_remembered_cube_shows_all_of_it(run: Run, answer: Answer) -> None:
    """Facts first, then the content."""
    cube = answer(
        "remember",
        "The card was charged twice.",
        *("--subject", "customer-17"),
        *("--valid-from", "2026-01-05T10:00:00+01:00"),
        *("--meta", "channel=phone"),
    )["cube_id"]

    done = run("get", cube)

    recorded = re.search(r"recorded +(\S+)", done.stdout)
    assert recorded is not None
    assert GOT.format(cube=cube, recorded=recorded[1]) == done.stdout


def test_recall_of_masked_content_says_what_was_masked(run: Run, answer: Answer) -> None:
    """The reader sees that something is missing, and of which kind."""
    answer("principal", "add", "carl", "--role", "analyst", "--clearance", "confidential")
    text = "Write to a@example.com, charged twice."
    receipt = answer("remember", text, "--subject", "customer-17", "--label", "confidential")

    done = run("recall", "charged", "--as", "carl")

    index = receipt["index"] + 1
    assert RECALLED.format(cube=receipt["cube_id"], index=index) == done.stdout


def test_recall_of_nothing_says_nothing_about_what_is_hidden(run: Run, answer: Answer) -> None:
    """Refused and missing look the same."""
    answer("remember", "charged twice", "--label", "confidential")

    hidden = run("recall", "charged", "--as", "anna").stdout.splitlines()[0]
    missing = run("recall", "unheard", "--as", "anna").stdout.splitlines()[0]

    assert hidden == missing == "nothing found"


def test_receipt_in_json_has_its_promised_fields(answer: Answer) -> None:
    """Scripts read the id, the revision and the place in the log."""
    receipt = answer("remember", "charged twice")

    promised = {"command_id", "tenant", "index", "code", "leaf", "verdict", "verdict_id"}
    assert promised | {"cube_id", "revision", "case_id"} <= set(receipt)
    assert ("accepted", 1) == (receipt["code"], receipt["revision"])


def test_reading_in_json_has_its_promised_fields(answer: Answer) -> None:
    """A hit carries what is needed to cite it."""
    cube = answer("remember", "charged twice")["cube_id"]

    reading = answer("recall", "charged")

    assert {"hits", "index", "snapshot", "verdict", "verdict_id", "partial", "text"} == set(reading)
    assert (cube, 1, "charged twice", {}) == tuple(
        reading["hits"][0][name] for name in ("cube_id", "rank", "content", "redactions")
    )


def test_list_in_pages_shows_every_cube_once(run: Run, answer: Answer) -> None:
    """The note says how to go on, with an id that can be typed back."""
    cubes = [answer("remember", f"note {n}")["cube_id"] for n in range(3)]

    first = run("list", "--limit", "2")
    after = re.search(r"more: --after (\S+)", first.stderr)
    assert after is not None
    second = answer("list", "--limit", "2", "--after", after[1])

    assert cubes[:1] == [hit["cube_id"] for hit in second["hits"]]
    assert cubes[1] in first.stdout
    assert cubes[2] in first.stdout


def test_content_from_standard_input_is_kept_without_its_last_line_break(answer: Answer) -> None:
    """`echo text | memos-gov remember -` keeps the text."""
    cube = answer("remember", "-", input="one\ntwo\n")["cube_id"]

    assert "one\ntwo" == answer("get", cube)["content"]


def test_content_from_standard_input_that_is_not_utf8_is_one_error(run: Run) -> None:
    """The place is named, the bytes are not."""
    done = run("remember", "-", input=b"ab\xff")

    assert 2 == done.exit_code
    assert "content: is not UTF-8 (byte 2 of standard input)" in done.stderr


def test_content_from_standard_input_over_the_limit_names_the_limit(run: Run) -> None:
    """A file piped by mistake does not fill the memory."""
    done = run("remember", "-", input=b"a" * 256_001)

    assert 2 == done.exit_code
    assert "CONTENT_BYTES_MAX" in done.stderr


def test_command_id_that_is_repeated_remembers_once(answer: Answer) -> None:
    """A script may try again after a lost answer."""
    same = ("remember", "once", "--command-id", "01a20993-7c30-762f-8d60-402130bb43e3")

    assert answer(*same)["index"] == answer(*same)["index"]
    assert 1 == len(answer("list")["hits"])


def test_revise_that_appends_keeps_what_was_there(answer: Answer) -> None:
    """The revision grows by one, and the old content stays in front."""
    cube = answer("remember", "first")["cube_id"]

    receipt = answer("revise", cube, "second", "--append", "--expect", "1")

    assert 2 == receipt["revision"]
    assert "first\nsecond" == answer("get", cube)["content"]


def test_share_that_is_ended_takes_the_cube_back(run: Run, answer: Answer) -> None:
    """An agent sees a cube from the share on, and until its end."""
    cube = answer("remember", "charged twice")["cube_id"]
    seen = [run("get", cube, "--as", "echo").exit_code]
    for verb in ("share", "unshare"):
        answer(verb, cube, "--with", "echo")
        seen.append(run("get", cube, "--as", "echo").exit_code)

    assert [3, 0, 3] == seen


def test_hold_that_is_placed_stops_an_archive_until_released(run: Run, answer: Answer) -> None:
    """A matter holds a subject's cubes."""
    cube = answer("remember", "charged twice", "--subject", "customer-17")["cube_id"]
    answer("hold", "M-1", "--subject", "customer-17")
    held = run("archive", cube)
    answer("release", "M-1")

    assert (4, "legal_hold" in held.stderr) == (held.exit_code, True)
    assert 0 == run("archive", cube).exit_code


def test_scope_that_is_held_stops_whatever_it_covers(run: Run, answer: Answer) -> None:
    """By label, class and dates, with an end of its own; one part of a matter is released."""
    cube = answer("remember", "charged twice", "--class", "debt")["cube_id"]
    dates = ("--recorded-from", "2020-01-01T00:00:00Z", "--recorded-to", "2200-01-01T00:00:00Z")
    answer("hold", "M-1", "--class", "debt", *dates, "--valid-to", "2190-01-01T00:00:00Z")
    answer("hold", "M-1", "--cube", cube)

    answer("release", "M-1", "--cube", cube)

    assert "legal_hold" in run("archive", cube).stderr
    listed = run("audit", "holds").stdout
    assert "debt" in listed
    assert "2190-01-01T00:00:00Z" in listed


def test_state_that_is_changed_and_changed_back_is_as_before(answer: Answer) -> None:
    """Freeze and thaw, archive and restore."""
    cube = answer("remember", "charged twice")["cube_id"]
    for verb in ("freeze", "thaw", "archive", "restore", "trigger"):
        answer(verb, cube)

    assert "activated" == answer("get", cube)["state"]


def test_consent_that_is_withdrawn_hides_the_cube(run: Run, answer: Answer) -> None:
    """The analyst finds it no longer; not even that it exists."""
    cube = answer("remember", "x", "--subject", "customer-17", "--basis", "consent", "--consented",
                  "complaint-handling")["cube_id"]  # fmt: skip
    before = run("get", cube, "--as", "anna").exit_code
    answer("consent", "customer-17", "complaint-handling", "--withdrawn")

    assert (0, 3) == (before, run("get", cube, "--as", "anna").exit_code)


def test_dry_run_of_remember_keeps_nothing(run: Run, answer: Answer) -> None:
    """Policy is asked, and what it would demand is said."""
    done = run("remember", "write to a@example.com", "--label", "public", "--dry-run")

    assert 0 == done.exit_code
    assert "nothing was done" in done.stdout
    assert "raised the label to internal" in done.stdout
    assert [] == answer("list")["hits"]


def test_role_that_is_granted_and_revoked_counts_at_once(run: Run, answer: Answer) -> None:
    """Anna may freeze as long as she is a steward."""
    cube = answer("remember", "x")["cube_id"]
    codes = []
    for verb in ("grant", "revoke"):
        answer("principal", verb, "anna", "steward")
        codes.append(run("freeze", cube, "--as", "anna").exit_code)

    assert [0, 4] == codes


def test_tenant_that_is_added_sees_nothing_of_the_others(run: Run, answer: Answer) -> None:
    """The same cube id is unknown there."""
    cube = answer("remember", "x")["cube_id"]
    founded = answer("tenant", "add", "acme", "--principal", "ada")

    assert {"tenant": "acme", "principal": "ada", "index": 0} == founded
    assert 3 == run("get", cube, "--tenant", "acme", "--as", "ada").exit_code


def test_doctor_of_a_sound_folder_finds_nothing_wrong(run: Run) -> None:
    """Advice is not a fault."""
    done = run("doctor")

    assert 0 == done.exit_code, done.stdout
    assert "wrong" not in done.stdout


def test_doctor_finds_a_key_that_others_may_read(run: Run, folder: Path) -> None:
    """The remedy is a command."""
    (folder / "keys" / "kek").chmod(0o644)

    done = run("doctor")

    assert 7 == done.exit_code
    assert f"chmod go-rwx {folder / 'keys' / 'kek'}" in done.stdout


def test_doctor_of_a_folder_that_does_not_open_says_why(run: Run, folder: Path) -> None:
    """The error of opening becomes a line of the answer."""
    (folder / "keys" / "operator").unlink()

    done = run("doctor")

    assert 7 == done.exit_code
    assert "the key file keys/operator is missing" in done.stdout


def test_remember_of_what_words_do_not_find_says_so(run: Run) -> None:
    """Whoever recalls it in vain has been told."""
    done = run("remember", "x", "--label", "restricted")

    assert "index  none: recall does not find it\n" in done.stdout
    assert "index  " not in run("remember", "x").stdout


def test_status_counts_what_was_just_remembered(answer: Answer) -> None:
    """The newest cube is among them."""
    answer("remember", "x")

    assert {"activated": 1} == answer("status")["cubes"]


def test_doctor_of_keys_that_cannot_be_read_finds_that(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of another account is a finding, not an accident."""
    listed = Path.iterdir

    def refused(path: Path) -> Iterator[Path]:
        if path == folder / "keys":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", refused)

    done = run("doctor")

    assert 7 == done.exit_code
    assert "keys cannot be read (Permission denied)" in done.stdout


def test_principal_list_shows_roles_and_is_recorded(run: Run, answer: Answer) -> None:
    """Who may act is evidence: those who may not audit may not ask."""
    found = {one["principal"]: one for one in answer("principal", "list")}

    assert {"anna", "echo", "owner"} == set(found)
    assert (["agent"], "confidential") == (found["echo"]["roles"], found["echo"]["clearance"])
    assert "dpo, steward" in run("principal", "list").stdout
    assert 4 == run("principal", "list", "--as", "anna").exit_code


def test_tenant_list_names_every_tenant(run: Run, answer: Answer) -> None:
    """One a line."""
    answer("tenant", "add", "acme")

    assert "acme\ndefault\n" == run("tenant", "list").stdout
