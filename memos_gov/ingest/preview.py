"""What the first rows of a file would become under a map; nothing is asked or written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memos_gov.domain.bundle import Vocabulary
from memos_gov.domain.vocabulary import check_times, check_words
from memos_gov.errors import InvalidCommandError
from memos_gov.ingest.making import Defaults, make_command, row_key
from memos_gov.ingest.mapping import Mapping
from memos_gov.ingest.rows import Row, RowFailure, open_rows
from memos_gov.ingest.vocabulary import defaults_of, unknown_words, words_of

if TYPE_CHECKING:
    from memos_gov.service import Actor

ROWS = 5
ROWS_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A row and the fields of its cube, or the problem with it; line 0 is the map itself."""

    line: int
    cube: dict[str, Any] | None
    problem: RowFailure | None


def check_map(
    actor: Actor, file: Path | str, mapping: Mapping, *, rows: int = ROWS
) -> list[Preview]:
    """
    Return the map's own problems, then what the first `rows` rows would become.

    Raises:
        InvalidCommandError: `rows` is not within 0 to ROWS_MAX, or the file
            cannot be read, or lacks a column.
    """
    if not 0 <= rows <= ROWS_MAX:
        msg = f"rows: must be 0 to {ROWS_MAX} (ROWS_MAX)"
        raise InvalidCommandError(msg, field="rows")
    words, defaults = words_of(actor), defaults_of(actor)
    found = [
        Preview(line=problem.line, cube=None, problem=problem)
        for problem in unknown_words(mapping, words)
    ]
    with open_rows(file, mapping.columns) as reader:
        found += [_previewed(row, mapping, defaults, words) for row in islice(reader, rows)]
    return found


def _previewed(
    row: Row | RowFailure, mapping: Mapping, defaults: Defaults, words: Vocabulary
) -> Preview:
    if isinstance(row, RowFailure):
        return Preview(line=row.line, cube=None, problem=row)
    try:
        row_key(row, mapping)
        command = make_command(row, mapping, defaults)
        check_words(command, words)
        check_times(command, datetime.now(UTC))
    except InvalidCommandError as error:
        problem = RowFailure(row.line, error.field, str(error))
        return Preview(line=row.line, cube=None, problem=problem)
    return Preview(line=row.line, cube=command.model_dump(mode="json"), problem=None)
