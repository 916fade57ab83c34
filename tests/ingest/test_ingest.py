"""Ingest as a whole: each row once, whatever happens on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from memos_gov import Actor, DeniedError, InvalidCommandError, Service
from memos_gov.ingest import Mapping, RowFailure, check_map, ingest, load_map
from memos_gov.ingest.interrupt import interrupt_after

FileOf = Callable[..., Path]
HEAD = "id,text,label,when\n"


def sheet(count: int) -> str:
    """Return a CSV of `count` good rows."""
    return HEAD + "".join(f"{n},note {n},internal,2024-05-17\n" for n in range(count))


def index_of(gov: Service) -> int:
    """Return the newest index of the tenant."""
    with gov.rooms.governor.tables.snapshot() as snapshot:
        return snapshot.index("default")


def contents(actor: Actor) -> list[str]:
    """Return the content of all cubes."""
    hits = actor.list(limit=200).hits
    return sorted(actor.get(hit.cube_id).content or "" for hit in hits)


def test_rows_become_cubes_once(
    gov: Service, owner: Actor, notes: Mapping, file_of: FileOf
) -> None:
    """A second run finds every row and writes nothing."""
    path = file_of(sheet(5))
    assert (5, 5, 0) == _counts(ingest(owner, path, notes, batch_rows=2))
    before = index_of(gov)
    assert (5, 0, 5) == _counts(ingest(owner, path, notes))
    assert before == index_of(gov)
    assert [f"note {n}" for n in range(5)] == contents(owner)


def _counts(report: object) -> tuple[int, ...]:
    return tuple(getattr(report, name) for name in ("rows", "added", "unchanged"))


def test_row_with_other_content_is_reported_and_left(
    owner: Actor, notes: Mapping, file_of: FileOf
) -> None:
    """A known key with new content is `changed`: nothing is added or overwritten."""
    ingest(owner, file_of(sheet(3)), notes)
    report = ingest(owner, file_of(sheet(3).replace("note 1", "other")), notes)
    assert (3, 0, 2, 1) == (*_counts(report), report.changed)
    assert [3] == [notice.line for notice in report.notices]
    assert ["note 0", "note 1", "note 2"] == contents(owner)


def test_row_that_stands_twice_is_added_once(owner: Actor, notes: Mapping, file_of: FileOf) -> None:
    """The same key again in one file finds the first one, changed or not."""
    body = HEAD + "1,a,internal,\n1,a,internal,\n1,b,internal,\n2,c,internal,\n"
    report = ingest(owner, file_of(body), notes)
    assert (4, 2, 1, 1) == (*_counts(report), report.changed)
    assert ["a", "c"] == contents(owner)


BAD_ROWS = {
    "empty content": ("1,,internal,", "content"),
    "an unknown label": ("1,a,secret,", "label"),
    "a label that is no word": ("1,a,Très secret,", "label"),
    "a bad date": ("1,a,internal,soon", "valid_from"),
    "a future date": ("1,a,internal,2999-01-01", "valid_from"),
    "no key": (",a,internal,", "row_key"),
    "a key that cannot be printed": ('"1\n",a,internal,', "subjects.0"),
    "a long content": (f"1,{'x' * 256_001},internal,", "content"),
    "a record too large": (f"1,{chr(1) * 200_000},internal,", "content"),
    "a missing column": ("1,a,internal", "row"),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_bad_row_is_reported_with_its_line_and_the_rest_goes_on(
    owner: Actor, notes: Mapping, file_of: FileOf, case: str
) -> None:
    """One bad row in a batch costs itself alone, in a dry run too where policy can tell."""
    row, field = BAD_ROWS[case]
    path = file_of(f"{HEAD}x,before,internal,\n{row}\ny,after,internal,\n")
    report = ingest(owner, path, notes)
    assert (3, 2, 0) == _counts(report)
    assert [(3, field)] == [(failure.line, failure.field) for failure in report.failed]
    assert ["after", "before"] == contents(owner)


def test_message_of_a_bad_row_holds_nothing_of_it(
    owner: Actor, notes: Mapping, file_of: FileOf
) -> None:
    """What a column holds stands in no message."""
    rows = (row for row, _ in BAD_ROWS.values())
    body = HEAD + "".join(f"{row.replace('1,a', '1,Zebra')}\n" for row in rows)
    report = ingest(owner, file_of(body), notes)
    assert len(BAD_ROWS) == len(report.failed)
    assert not [f for f in report.failed for word in ("Zebra", "soon", "xxx") if word in f.message]


def test_file_without_a_mapped_column_writes_nothing(
    gov: Service, owner: Actor, notes: Mapping, file_of: FileOf
) -> None:
    """A missing column is one error before the first row."""
    before = index_of(gov)
    with pytest.raises(InvalidCommandError, match=r"rows\.csv: lacks the column 'label'"):
        ingest(owner, file_of("id,text,when\n1,a,\n"), notes)
    assert before == index_of(gov)


def test_map_with_a_word_unknown_to_policy_writes_nothing(
    gov: Service, owner: Actor, tmp_path: Path, file_of: FileOf
) -> None:
    """Fixed words are checked against the active policy before the first row."""
    text = 'map="m"\n[content]\ntemplate="{text}"\n[cube]\nlabel={value="top-secret"}'
    mapping, before = load_map(file_of(text, "m.toml")), index_of(gov)
    with pytest.raises(InvalidCommandError, match=r"cube\.label: unknown word 'top-secret'"):
        ingest(owner, file_of(sheet(1)), mapping)
    assert before == index_of(gov)


def test_refused_rows_are_counted_and_asked_again(
    gov: Service, owner: Actor, notes: Mapping, file_of: FileOf
) -> None:
    """A row that policy refused can be added once its actor may."""
    owner.add_principal("bob", roles=["auditor"])
    bob, path = gov.acting_as("bob"), file_of(sheet(2))
    assert 2 == ingest(bob, path, notes).refused
    owner.grant("bob", "analyst")
    assert (2, 2, 0) == _counts(ingest(bob, path, notes))
    assert (2, 0, 2) == _counts(ingest(bob, path, notes))
    owner.revoke("bob", "analyst")
    assert (2, 0, 2) == _counts(ingest(bob, path, notes))


def test_dry_run_answers_as_the_run_and_writes_only_the_question(
    gov: Service, owner: Actor, notes: Mapping, file_of: FileOf
) -> None:
    """Rows are mapped, checked and judged; the log gains one record, the vault no name."""
    ingest(owner, file_of(sheet(1)), notes)
    bad = "8,b,secret,\n9,note,internal,2999-01-01\n"
    before = index_of(gov)
    report = ingest(owner, file_of(sheet(3).replace("note 0", "new") + bad), notes, dry_run=True)
    assert (5, 2, 0, 1) == (*_counts(report), report.changed)
    assert [(5, "label"), (6, "valid_from")] == [(f.line, f.field) for f in report.failed]
    assert before + 1 == index_of(gov)
    assert {} == gov.rooms.governor.keys.refer("default", "subject", ["2", "8"])


def test_dry_run_of_an_actor_who_may_not_shows_the_refusals(
    gov: Service, owner: Actor, notes: Mapping, file_of: FileOf
) -> None:
    """Policy is asked about every row."""
    owner.add_principal("bob", roles=["auditor"])
    report = ingest(gov.acting_as("bob"), file_of(sheet(2)), notes, dry_run=True)
    assert (0, 2) == (report.added, report.refused)
    assert [RowFailure(n, "policy", "refused: role_lacks_action") for n in (2, 3)] == list(
        report.notices
    )


def test_dry_run_of_an_actor_who_may_not_ask_is_denied(
    gov: Service, owner: Actor, notes: Mapping, file_of: FileOf
) -> None:
    """The question itself is judged, as for every dry run."""
    owner.add_principal("ann", roles=["analyst"])
    with pytest.raises(DeniedError):
        ingest(gov.acting_as("ann"), file_of(sheet(2)), notes, dry_run=True)


def test_progress_tells_rows_and_bytes_after_each_batch(
    owner: Actor, notes: Mapping, file_of: FileOf
) -> None:
    """Progress ends with all rows and the size of the file."""
    path, told = file_of(sheet(5)), list[tuple[int, int]]()
    ingest(owner, path, notes, batch_rows=2, progress=lambda *at: told.append(at))
    assert [2, 4, 5] == [rows for rows, _ in told]
    assert (5, path.stat().st_size) == told[-1]


@pytest.mark.usefixtures("interruptible")
def test_interrupt_within_a_batch_stops_after_it_and_the_next_run_goes_on(
    gov: Service, owner: Actor, notes: Mapping, file_of: FileOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while the second batch is on its way leaves two whole batches."""
    governor, batches = gov.rooms.governor, list[int]()
    handle_many = governor.handle_many

    def pressed(*args: object) -> object:
        batches.append(1)
        if len(batches) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return handle_many(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(governor, "handle_many", pressed)
    path, handler = file_of(sheet(10)), signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        ingest(owner, path, notes, batch_rows=3)
    assert handler is signal.getsignal(signal.SIGINT)
    assert 6 == len(contents(owner))
    assert (10, 4, 6) == _counts(ingest(owner, path, notes, batch_rows=3))


@pytest.mark.usefixtures("interruptible")
def test_interrupt_that_is_repeated_stops_within_the_batch() -> None:
    """Who presses Ctrl-C twice does not wait."""
    pressed = []

    def press_twice() -> None:
        with interrupt_after():
            for time in range(3):
                pressed.append(time)
                signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        press_twice()
    assert [0, 1] == pressed


def test_interrupt_that_is_ignored_stays_ignored() -> None:
    """A run in the background of a shell is not stopped by the Ctrl-C of another."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupt_after():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_two_processes_at_once_add_each_row_once(
    gov: Service, data: Path, owner: Actor, notes: Mapping, file_of: FileOf, tmp_path: Path
) -> None:
    """Whoever comes first with a row, it is there once."""
    path = file_of(sheet(120))
    program = (
        "import sys, memos_gov; from memos_gov.ingest import ingest, load_map\n"
        "data, file, map = sys.argv[1:]\n"
        "with memos_gov.open(data) as gov:\n"
        "    sys.stdin.readline()\n"
        "    r = ingest(gov.acting_as('owner'), file, load_map(map), batch_rows=7)\n"
        "print(r.rows - r.added - r.unchanged)\n"
    )
    arguments = [sys.executable, "-c", program, str(data), str(path), str(tmp_path / "notes.toml")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(arguments, **pipes) for _ in range(2)]  # type: ignore[call-overload]
    for process in both:
        process.stdin.write("\n")
        process.stdin.flush()
    assert ["0\n", "0\n"] == [process.communicate(timeout=60)[0] for process in both]
    assert sorted(f"note {n}" for n in range(120)) == contents(owner)


def test_map_check_shows_first_rows_and_unknown_words(owner: Actor, file_of: FileOf) -> None:
    """The map's own problems come first, then each row's cube or its problem."""
    text = 'map="m"\n[content]\ntemplate="{text}"\n[cube]\nlabel={column="label"}\n'
    unknown = text + 'basis={value="mood"}'
    path = file_of(HEAD + "1,a,internal,\n2,b,secret,\n3,c,public,\n")
    own, *rest = check_map(owner, path, load_map(file_of(unknown, "m.toml")), rows=2)
    assert own.problem is not None
    assert (0, "cube.basis") == (own.line, own.problem.field)
    assert [(2, "basis"), (3, "label")] == [
        (each.line, each.problem.field) for each in rest if each.problem is not None
    ]
    shown = check_map(owner, path, load_map(file_of(text, "m.toml")), rows=2)
    assert [(2, True), (3, False)] == [(each.line, each.cube is not None) for each in shown]
    assert shown[0].cube is not None
    assert ("a", "internal") == (shown[0].cube["content"], shown[0].cube["label"])


@pytest.mark.parametrize("rows", [-1, 10_001, 10**30])
def test_map_check_of_a_number_of_rows_that_cannot_be_names_it(
    owner: Actor, file_of: FileOf, notes: Mapping, rows: int
) -> None:
    """A preview shows some rows or none."""
    path = file_of(HEAD + "1,a,internal,\n")
    with pytest.raises(InvalidCommandError) as caught:
        check_map(owner, path, notes, rows=rows)
    assert "rows" == caught.value.field
