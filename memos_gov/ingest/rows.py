"""
Rows of CSV and JSON Lines, one at a time, each with its line number.

A row that cannot be read is a `RowFailure` in its place and the next one
follows: after a quote that is never closed, reading goes on at the line
below the one where the row began. Line numbers are physical lines, from 1,
of the line where a row begins. A byte order mark is passed over. What a
column holds never stands in a message.
"""

from __future__ import annotations

import csv
import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

from memos_gov.errors import InvalidCommandError, UnavailableError

LINE_CHARS_MAX = 4_000_000
COLUMN_CHARS_MAX = 1_000_000

_ENDS = ("\n", "\r")

Values = Mapping[str, str | tuple[str, ...]]


class RowFailure(NamedTuple):
    """A row that did not become a cube: where it begins, the field at fault, and why."""

    line: int
    field: str
    message: str


class Row(NamedTuple):
    """A row as it stands in the file; column -> text, or texts of a JSON array."""

    line: int
    values: Values


class _Lines(Iterator[str]):
    """Physical lines of a file, counted; lines can be handed back to be read again."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._again: deque[str] = deque()
        self.number = 0
        self.since_mark: list[str] = []

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._read()
        if not line:
            raise StopIteration
        self.number += 1
        self.since_mark.append(line)
        return line

    def _read(self) -> str:
        line = self._piece()
        if len(line) < LINE_CHARS_MAX or line.endswith(_ENDS):
            return line
        while (piece := self._piece()) and not piece.endswith(_ENDS):
            pass
        return "\0\n"  # can stand in no cube, so the row of this line fails

    def _piece(self) -> str:
        try:
            return self._file.readline(LINE_CHARS_MAX)
        except OSError as error:
            msg = f"the file cannot be read on ({error.strerror})"
            raise UnavailableError(msg, backend="file") from error

    def mark(self) -> int:
        """Begin a row; return the number of its first line."""
        self.since_mark.clear()
        return self.number + 1

    def hand_back(self) -> None:
        """Read everything of this row below its first line again."""
        rest = self.since_mark[1:]
        self._again.extendleft(reversed(rest))
        self.number -= len(rest)


class RowReader:
    """Rows of one open file; `bytes_read` says how far it has come."""

    def __init__(self, file: TextIO, path: Path, columns: Mapping[str, str]) -> None:
        self._file = file
        self._lines = _Lines(file)
        self._columns = columns
        self._path = path
        self._is_csv = path.suffix.lower() not in _JSON_SUFFIXES
        self._header = self._read_header() if self._is_csv else []

    @property
    def bytes_read(self) -> int:
        """Bytes taken from the file so far, buffered ones included."""
        return self._file.buffer.tell()

    def __iter__(self) -> Iterator[Row | RowFailure]:
        return self._csv_rows() if self._is_csv else self._json_rows()

    def _read_header(self) -> list[str]:
        try:
            header = next(csv.reader(self._lines, strict=True), [])
        except csv.Error as error:
            raise _unreadable(self._path, f"its header is broken ({error})") from error
        if not header:
            raise _unreadable(self._path, "has no header")
        if any(_flaw(name) for name in header):
            raise _unreadable(self._path, "its header is not valid UTF-8")
        missing = [column for column in self._columns if column not in header]
        if missing:
            named = ", ".join(f"{column!r} ({self._columns[column]})" for column in missing)
            raise _unreadable(self._path, f"lacks the column {named} that the map names")
        twice = [column for column in self._columns if header.count(column) > 1]
        if twice:
            raise _unreadable(self._path, f"has the column {twice[0]!r} more than once")
        return header

    def _csv_rows(self) -> Iterator[Row | RowFailure]:
        reader = csv.reader(self._lines, strict=True)
        while True:
            line = self._lines.mark()
            try:
                texts = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                self._lines.hand_back()
                yield RowFailure(line, "row", f"is not CSV ({error})")
                continue
            if texts:
                yield self._csv_row(line, texts)

    def _csv_row(self, line: int, texts: list[str]) -> Row | RowFailure:
        for name, text in zip(self._header, texts, strict=False):
            if flaw := _flaw(text):
                return RowFailure(line, name, flaw)
        if len(texts) != len(self._header):
            message = f"has {len(texts)} columns, the header has {len(self._header)}"
            return RowFailure(line, "row", message)
        return Row(line, dict(zip(self._header, texts, strict=True)))

    def _json_rows(self) -> Iterator[Row | RowFailure]:
        for text in self._lines:
            line = self._lines.mark() - 1
            if text.strip():
                yield _json_row(line, text, self._columns)


def _json_row(line: int, text: str, columns: Mapping[str, str]) -> Row | RowFailure:
    if flaw := _flaw(text):
        return RowFailure(line, "row", flaw)
    try:
        found = json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        return RowFailure(line, "row", "is not JSON")
    if not isinstance(found, dict):
        return RowFailure(line, "row", "is not a JSON object")
    values: dict[str, str | tuple[str, ...]] = {}
    for name in sorted(found):
        value = _plain(found[name])
        if value is None and name in columns:
            return RowFailure(line, name, "holds neither a text nor an array of texts")
        if value is None:
            value = json.dumps(found[name], sort_keys=True)
        if flaw := next(filter(None, map(_flaw, (name, *_each(value)))), ""):
            return RowFailure(line, name if name in columns else "row", flaw)
        values[name] = value
    for column in columns:
        if column not in values:
            return RowFailure(line, column, "the row has no such column")
    return Row(line, values)


def _plain(value: object) -> str | tuple[str, ...] | None:
    """Return a JSON value as text or texts; None for what is nested deeper."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case list() if all(isinstance(each, str) for each in value):
            return tuple(value)
        case _:
            return None


def _each(value: str | tuple[str, ...]) -> Iterable[str]:
    return (value,) if isinstance(value, str) else value


def _flaw(text: str) -> str:
    """Return why a text can stand in no cube, "" when it can."""
    if "\0" in text:
        return "holds a NUL character, or its line is too long"
    if text.isascii():
        return ""
    try:
        text.encode()
    except UnicodeEncodeError:
        return "is not valid UTF-8"
    return ""


_CSV_SUFFIXES = frozenset({".csv"})
_JSON_SUFFIXES = frozenset({".jsonl", ".ndjson"})


@contextmanager
def open_rows(path: Path | str, columns: Mapping[str, str]) -> Iterator[RowReader]:
    """
    Open a file of rows; closed at the end of the block.

    Args:
        path: `.csv` with a header, or `.jsonl` / `.ndjson` with one object a line.
        columns: Column -> who names it; a CSV must have all of them, once.

    Raises:
        InvalidCommandError: It cannot be read, is of another kind, or lacks a column.
    """
    path = Path(path)
    if path.suffix.lower() not in _CSV_SUFFIXES | _JSON_SUFFIXES:
        raise _unreadable(path, "is neither .csv nor .jsonl")
    if csv.field_size_limit() < COLUMN_CHARS_MAX:
        # The limit is the process's; it is only ever raised, to what a cube may need.
        csv.field_size_limit(COLUMN_CHARS_MAX)
    try:
        file = path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")
    except OSError as error:
        raise _unreadable(path, f"cannot be read ({error.strerror})") from error
    with file:
        yield RowReader(file, path, columns)


def _unreadable(path: Path, why: str) -> InvalidCommandError:
    remedy = "Change the file or the map; nothing was written."
    return InvalidCommandError(f"{path.name}: {why}", field="file", remedy=remedy)
