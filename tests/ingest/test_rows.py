"""Reading rows: what was written is read, and what is broken is named by its line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memos_gov.errors import InvalidCommandError
from memos_gov.ingest import rows
from memos_gov.ingest.rows import Row, RowFailure, open_rows

FileOf = Callable[..., Path]
NAMED = {"id": "row_key", "text": "content.template"}
TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    | st.sampled_from(list("\",;'\n\r{}\\ \ufeff")),
    max_size=40,
)


def read(path: Path) -> list[Row | RowFailure]:
    """Return all rows of a file."""
    with open_rows(path, NAMED) as reader:
        return list(reader)


def texts(path: Path) -> list[str | tuple[str, ...]]:
    """Return the texts of a file whose rows all can be read."""
    found = read(path)
    assert not [row for row in found if isinstance(row, RowFailure)]
    return [row.values["text"] for row in found if isinstance(row, Row)]


@given(st.lists(TEXTS, max_size=6), st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
def test_csv_rows_of_any_text_come_back_as_written(wanted: list[str], quoting: int) -> None:
    """Quotes, commas, newlines and any alphabet survive a CSV file."""
    sheet = io.StringIO()
    writer = csv.writer(sheet, quoting=quoting)
    writer.writerows([["id", "text"], *([number, text] for number, text in enumerate(wanted))])
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        path.write_bytes(sheet.getvalue().encode())
        assert wanted == texts(path)


@given(st.lists(TEXTS, max_size=6), st.booleans())
def test_json_rows_of_any_text_come_back_as_written(wanted: list[str], escaped: bool) -> None:
    """Any text survives a JSON Lines file, escaped or not."""
    lines = [json.dumps({"id": 1, "text": text}, ensure_ascii=escaped) for text in wanted]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        path.write_bytes("".join(f"{line}\n" for line in lines).encode())
        assert wanted == texts(path)


def test_csv_row_over_several_lines_is_numbered_by_its_first(file_of: FileOf) -> None:
    """Line numbers are physical: quoted newlines and blank lines count."""
    path = file_of('\ufeffid,text\r\n1,"a\r\nb\r\nc"\r\n\r\n2,d\r\n3,e')
    assert [2, 6, 7] == [row.line for row in read(path)]


CSV_FLAWS = {
    "too few columns": (b"1", "row", "has 1 columns, the header has 2"),
    "too many columns": (b"1,a,b", "row", "has 3 columns, the header has 2"),
    "text after a quote": (b'1,"a"b', "row", "is not CSV"),
    "a quote that never ends": (b'1,"a', "row", "is not CSV"),
    "a byte that is not UTF-8": (b"1,caf\xe9", "text", "is not valid UTF-8"),
    "a NUL byte": (b"1,a\0b", "", "NUL"),
    "a column without end": (b"1," + b"x" * 1_000_001, "row", "is not CSV"),
    "a line without end": (b"1," + b"x" * 4_000_001, "", "too long"),
}


@pytest.mark.parametrize("flaw", CSV_FLAWS)
def test_csv_row_that_is_broken_is_named_and_the_next_is_read(file_of: FileOf, flaw: str) -> None:
    """A broken row in the middle costs itself alone."""
    broken, field, why = CSV_FLAWS[flaw]
    path = file_of(b"id,text\n0,before\n" + broken + b'\n2,after\n3,"last"\n')
    first, failure, *rest = read(path)
    assert isinstance(failure, RowFailure)
    assert 3 == failure.line
    assert field in {"", failure.field}
    assert why in failure.message
    assert "before" == first.values["text"]  # type: ignore[union-attr]
    assert [(4, "after"), (5, "last")] == [(r.line, r.values["text"]) for r in rest]  # type: ignore[union-attr]


JSON_FLAWS = {
    "no JSON": (b'{"id": 1,', "row", "is not JSON"),
    "no object": (b"[1, 2]", "row", "is not a JSON object"),
    "nested too deep": (b"[" * 200_000, "row", "is not JSON"),
    "no such column": (b'{"id": 1}', "text", "no such column"),
    "an object in a column": (b'{"id": 1, "text": {}}', "text", "neither a text nor"),
    "a NUL": (b'{"id": 1, "text": "a\\u0000b"}', "text", "NUL"),
    "half a surrogate pair": (b'{"id": 1, "text": "\\ud800"}', "text", "not valid UTF-8"),
    "a byte that is not UTF-8": (b'{"id": 1, "text": "\xff"}', "row", "not valid UTF-8"),
}


@pytest.mark.parametrize("flaw", JSON_FLAWS)
def test_json_row_that_is_broken_is_named_and_the_next_is_read(file_of: FileOf, flaw: str) -> None:
    """A broken line in the middle costs itself alone."""
    broken, field, why = JSON_FLAWS[flaw]
    path = file_of(b'\n{"id": 0, "text": "a"}\n' + broken + b'\n{"id": 2, "text": null}', "r.jsonl")
    first, failure, last = read(path)
    assert isinstance(failure, RowFailure)
    assert (3, field) == (failure.line, failure.field)
    assert why in failure.message
    assert Row(2, {"id": "0", "text": "a"}) == first
    assert Row(4, {"id": "2", "text": ""}) == last


def test_json_values_become_text_as_they_stand(file_of: FileOf) -> None:
    """Numbers keep their digits, booleans their JSON name, arrays their texts."""
    line = '{"id": 10.50, "text": ["a", "b"], "flag": true, "more": {"b": 1, "a": []}}'
    (row,) = read(file_of(line, "r.ndjson"))
    expected = {"id": "10.50", "text": ("a", "b"), "flag": "true", "more": '{"a": [], "b": "1"}'}
    assert Row(1, expected) == row


FILES = {
    "an unknown kind": ("rows.xlsx", b"id,text\n", "neither .csv nor .jsonl"),
    "nothing in it": ("rows.csv", b"", "has no header"),
    "a missing column": ("rows.csv", b"id,texts\n1,a\n", "'text' (content.template)"),
    "a column twice": ("rows.csv", b"id,text,text\n", "'text' more than once"),
    "another encoding": ("rows.csv", "id,text\n".encode("utf-16"), "header is not valid UTF-8"),
    "a broken header": ("rows.csv", b'"id"x,text\n', "header is broken"),
}


@pytest.mark.parametrize("case", FILES)
def test_file_that_is_no_table_is_one_clear_error(file_of: FileOf, case: str) -> None:
    """A file of another kind or without its columns is refused as a whole."""
    name, body, why = FILES[case]
    with pytest.raises(InvalidCommandError) as caught, open_rows(file_of(body, name), NAMED):
        pass
    assert "file" == caught.value.field
    assert why in str(caught.value)


def test_file_that_cannot_be_opened_is_one_clear_error(tmp_path: Path) -> None:
    """A missing file and a folder are named with the system's reason."""
    (tmp_path / "folder.csv").mkdir()
    for name, why in (("none.csv", "No such file"), ("folder.csv", "Is a directory")):
        with pytest.raises(InvalidCommandError, match=why), open_rows(tmp_path / name, NAMED):
            pass


def test_line_limits_leave_room_for_the_longest_cube() -> None:
    """A content at its limit fits into a column, and a column into a line."""
    from memos_gov.domain.commands import CONTENT_BYTES_MAX

    assert CONTENT_BYTES_MAX < rows.COLUMN_CHARS_MAX < rows.LINE_CHARS_MAX
