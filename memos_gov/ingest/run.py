"""
The run of an ingest: rows in batches to the Governor, counted and reported.

A row's command id is an HMAC of its map and key under a secret of the tenant,
so a row that was added once is found again by any later run, in any process,
and adds nothing. A batch is one append and one certification; what was
acknowledged before an interruption stays, and the next run goes on from it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from memos_gov.domain import commands as c
from memos_gov.errors import (
    ConflictError,
    DeniedError,
    InvalidCommandError,
    NotFoundError,
    PolicyUnavailableError,
    UnavailableError,
)
from memos_gov.governor import Governor
from memos_gov.ingest.dry_run import check_admission
from memos_gov.ingest.interrupt import interrupt_after
from memos_gov.ingest.making import command_id, make_command, row_key
from memos_gov.ingest.mapping import Mapping
from memos_gov.ingest.report import Counts, IngestReport
from memos_gov.ingest.rows import Row, RowFailure, open_rows
from memos_gov.ingest.vocabulary import check_fixed_words, defaults_of, rooms_of, words_of
from memos_gov.ports import Snapshot
from memos_gov.receipts import Receipt

if TYPE_CHECKING:
    from memos_gov.service import Actor

BATCH_ROWS = 200
BATCH_CHARS_MAX = 4_000_000
SECRET = "ingest"  # noqa: S105 (the name of a secret, not one)

Progress = Callable[[int, int], None]


def ingest(
    actor: Actor,
    file: Path | str,
    mapping: Mapping,
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
    batch_rows: int = BATCH_ROWS,
) -> IngestReport:
    """
    Make cubes of the rows of a CSV or JSON Lines file, each at most once.

    Rows go in their order, in batches that are durable when `progress` is
    called. A row that is no cube is reported and the rest goes on. One that
    policy refused in an earlier run is asked again. Two runs at once add each
    row once; both may count it as added.

    Args:
        file: `.csv` with a header, or `.jsonl` / `.ndjson`.
        dry_run: Ask policy about every row and add none; the question itself
            is recorded, once.
        progress: Called with rows done and bytes read after every batch, and
            at the end, however it comes.
        batch_rows: At least 1.

    Raises:
        InvalidCommandError: The file cannot be read or lacks a column, or the
            map holds a word that the active policy does not know. Nothing
            was written.
        KeyboardInterrupt: After the batch that was under way; run it again
            to go on.
        UnavailableError: A backend did not answer; the same.
    """
    with open_rows(file, mapping.columns) as reader:
        run = _Run(actor, mapping, dry_run=dry_run)
        if dry_run:
            actor.handle(c.make(c.AskAudit, question="dry-run-remember"))
        try:
            for found in reader:
                run.take(found)
                if run.is_full(batch_rows):
                    run.flush()
                    if progress is not None:
                        progress(run.rows, reader.bytes_read)
            run.flush()
        finally:
            if progress is not None:
                progress(run.done, reader.bytes_read)
    return run.report()


class _Pending(NamedTuple):
    """A row on its way to the Governor."""

    line: int
    key: bytes
    command: c.RememberCube


class _Asked(NamedTuple):
    """A row under the command id it goes by, and whether that was accepted before."""

    row: _Pending
    command_id: str
    known: bool


class _Run:
    """One run over one file."""

    def __init__(self, actor: Actor, mapping: Mapping, *, dry_run: bool) -> None:
        self._words = words_of(actor)
        check_fixed_words(mapping, self._words)
        self._governor: Governor = rooms_of(actor).governor
        self._caller = actor.caller
        self._mapping = mapping
        self._defaults = defaults_of(actor)
        self._dry_run = dry_run
        secret = self._governor.keys.secret(actor.caller.tenant, SECRET, create=True)
        assert secret is not None
        self._secret = secret
        self._counts = Counts()
        self._pending: dict[bytes, _Pending] = {}
        self._chars = 0
        self.rows = 0

    def take(self, found: Row | RowFailure) -> None:
        """Add a row to the batch, or note why it is none."""
        self.rows += 1
        if isinstance(found, RowFailure):
            self._counts.failed.append(found)
            return
        try:
            key = row_key(found, self._mapping)
            command = make_command(found, self._mapping, self._defaults)
        except InvalidCommandError as error:
            self._counts.failed.append(RowFailure(found.line, error.field, str(error)))
            return
        if key in self._pending:
            self.flush()  # the same row again must find the outcome of the first
        self._pending[key] = _Pending(found.line, key, command)
        self._chars += len(command.content)

    def is_full(self, batch_rows: int) -> bool:
        """Whether the batch should go."""
        return len(self._pending) >= batch_rows or self._chars >= BATCH_CHARS_MAX

    def flush(self) -> None:
        """Send the batch; an interrupt waits until it is durable and counted."""
        rows, self._pending, self._chars = list(self._pending.values()), {}, 0
        if not rows:
            return
        with interrupt_after():
            asked = self._asked(rows)
            results = self._results(asked)
            for item, result in zip(asked, results, strict=True):
                self._count(item, result)

    def _asked(self, rows: Sequence[_Pending]) -> list[_Asked]:
        with self._governor.tables.snapshot() as snapshot:
            return [self._identified(snapshot, row) for row in rows]

    def _identified(self, snapshot: Snapshot, row: _Pending) -> _Asked:
        """Return the row under the first of its ids that was not refused before."""
        attempt = 0
        while True:
            name = command_id(self._secret, self._caller.principal, row.key, attempt)
            found = snapshot.outcome_of(self._caller.tenant, name)
            if found is None or found[1].code == "accepted":
                return _Asked(row, name, known=found is not None)
            attempt += 1

    def _results(self, asked: Sequence[_Asked]) -> list[Receipt | Exception | None]:
        if self._dry_run:
            return self._dry_results(asked)
        return list(self._handled(asked))

    def _handled(self, asked: Sequence[_Asked]) -> Sequence[Receipt | Exception]:
        commands = [(item.command_id, item.row.command) for item in asked]
        try:
            return self._governor.handle_many(self._caller, commands)
        except InvalidCommandError as error:
            # The log refused a record as too large, and with it the batch.
            if len(asked) == 1:
                return [error]
            return [result for item in asked for result in self._handled([item])]

    def _dry_results(self, asked: Sequence[_Asked]) -> list[Receipt | Exception | None]:
        """Judge what is new; what was accepted before is found again and writes nothing."""
        known = [item for item in asked if item.known]
        found = iter(self._handled(known) if known else ())
        with self._governor.tables.snapshot() as snapshot:
            return [next(found) if x.known else self._judged(snapshot, x) for x in asked]

    def _judged(self, snapshot: Snapshot, item: _Asked) -> Exception | None:
        command = item.row.command
        try:
            check_admission(
                self._governor, snapshot, self._caller, command, item.command_id, self._words
            )
        except _ONE_ROW as error:
            return error
        return None

    def _count(self, item: _Asked, result: Receipt | Exception | None) -> None:
        counts, line = self._counts, item.row.line
        match result:
            case Receipt() | None if item.known:
                counts.unchanged += 1
            case Receipt() | None:
                counts.added += 1
            case ConflictError() if item.known or self._is_accepted(item):
                counts.changed += 1
                counts.notices.append(RowFailure(line, "row_key", _CHANGED))
            case InvalidCommandError():
                counts.failed.append(RowFailure(line, result.field, str(result)))
            case ConflictError() | DeniedError() | NotFoundError() | PolicyUnavailableError():
                counts.refused += 1
                counts.notices.append(RowFailure(line, "policy", _refusal(result)))
            case _:
                raise result

    def _is_accepted(self, item: _Asked) -> bool:
        """Whether the row's id was accepted meanwhile, for another run's content."""
        with self._governor.tables.snapshot() as snapshot:
            found = snapshot.outcome_of(self._caller.tenant, item.command_id)
        return found is not None and found[1].code == "accepted"

    @property
    def done(self) -> int:
        """How many rows have been counted; those of a batch under way have not."""
        counts = self._counts
        counted = counts.added + counts.unchanged + counts.changed + counts.refused
        return counted + len(counts.failed)

    def report(self) -> IngestReport:
        """Return what became of everything taken."""
        return self._counts.report(self.rows, dry_run=self._dry_run)


_ONE_ROW = (InvalidCommandError, ConflictError, NotFoundError, DeniedError, UnavailableError)
_CHANGED = "was added before with other content, or by somebody else; left as it is"


def _refusal(error: Exception) -> str:
    """Return a refusal as a row's message; what has no public reason names none."""
    return "refused by policy" if isinstance(error, NotFoundError) else str(error)
