"""
The peer: `eventsourcing` with its SQLite recorder, used as its documentation shows.

One aggregate a note, one event a note, with the same content and the same
governance words as the event in our record.
Its database is a file in WAL mode with SQLite's default `synchronous` (FULL):
a save is on the disk when it returns, as one of our appends is. Its
projection writes a row and its tracking position in one transaction, in the
same database.

What it has not, and does not claim: policy, sealing, a MAC, a Merkle leaf, a
check of what a decision relied on, facts by version. It is the yardstick of
what event sourcing on SQLite costs in Python without any of these.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import Notification, Tracking
from eventsourcing.sqlite import SQLiteTrackingRecorder

NAME = f"eventsourcing {version('eventsourcing')}"
BATCH = 500
_WORDS: dict[str, Any] = {
    "form": "plaintext",
    "state": "activated",
    "label": "internal",
    "origin": "user",
    "semantic_type": "fact",
    "author": None,
    "conversation": None,
    "position": None,
    "owner": "p_0190f3a2c4d87b1e9a65d2c3f1e0b7a4",
    "purposes": ["complaint-handling"],
    "basis": "legitimate-interest",
    "region": "global",
    "retention_class": "complaint",
    "priority": "normal",
    "findings": [],
    "index": "full",
    "size_bytes": 380,
    "valid_from": 1_700_000_000,
    "valid_to": None,
    "metadata": {},
}


class Note(Aggregate):
    """A memory as the peer would keep it: content and the same words about it, in one event."""

    @event("Remembered")
    def __init__(self, content: str, subjects: list[str], words: dict[str, Any]) -> None:
        self.content = content
        self.subjects = subjects
        self.words = words


class Notes(Application[UUID]):
    """The peer's application."""


class NoteRows(SQLiteTrackingRecorder):
    """The peer's view: one row a note, written together with how far it has come."""

    def construct_create_table_statements(self) -> list[str]:
        """Add the view's table to that of the tracking."""
        made = super().construct_create_table_statements()
        columns = "id TEXT PRIMARY KEY, subject TEXT, label TEXT, purpose TEXT, recorded TEXT"
        return [*made, f"CREATE TABLE IF NOT EXISTS notes ({columns})"]

    def put(self, rows: Sequence[tuple[str, ...]], tracking: Tracking) -> None:
        """Write rows and tracking in one durable transaction."""
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.executemany("INSERT OR REPLACE INTO notes VALUES (?,?,?,?,?)", rows)

    def clear(self) -> None:
        """Forget every row and the tracking."""
        with self.datastore.transaction(commit=True) as cursor:
            cursor.execute("DELETE FROM notes")
            cursor.execute("DELETE FROM tracking")

    def count(self) -> int:
        """Return how many rows there are."""
        with self.datastore.transaction(commit=False) as cursor:
            cursor.execute("SELECT COUNT(*) FROM notes")
            return int(cursor.fetchone()[0])


class Peer:
    """An application of `eventsourcing` and its view, in a fresh database file."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        database = {
            "PERSISTENCE_MODULE": "eventsourcing.sqlite",
            "SQLITE_DBNAME": str(folder / "peer.db"),
        }
        self.app = Notes(env=database)
        self.rows = cast("NoteRows", self.app.factory.tracking_recorder(NoteRows))

    def close(self) -> None:
        """Release the database."""
        self.app.close()

    def save(self, note: Note) -> int:
        """Save one note durably; return the id of its notification."""
        return int(self.app.save(note)[-1].notification.id)

    def save_batch(self, notes: Iterable[Note]) -> None:
        """Save notes in one transaction, as one command that made them all would."""
        self.app.save(*notes)

    def save_and_project(self, note: Note) -> None:
        """Save one note durably, and its row in the view."""
        self.project([self.app.save(note)[-1].notification])

    def project(self, found: Sequence[Notification]) -> None:
        """Write the rows of recorded events, in one transaction."""
        rows = [_row(self.app.mapper.to_domain_event(item)) for item in found]
        self.rows.put(rows, Tracking(self.app.name, found[-1].id))

    def project_each(self) -> None:
        """Make the view again from the log, as `process_event` does it: a transaction an event."""
        for found in self._sections():
            for item in found:
                self.project([item])

    def project_batches(self) -> None:
        """Make the view again with BATCH events a transaction, which its API leaves to its user."""
        for found in self._sections():
            self.project(found)

    def _sections(self) -> Iterator[Sequence[Notification]]:
        """Forget the view, and yield the whole log in sections of BATCH."""
        self.rows.clear()
        start = 1
        while found := self.app.recorder.select_notifications(start, BATCH):
            yield found
            start = found[-1].id + 1


def _row(made: Any) -> tuple[str, ...]:
    words = made.words
    when = made.timestamp.isoformat()
    return (str(made.originator_id), made.subjects[0], words["label"], words["purposes"][0], when)


def note(text: str, subject: str) -> Note:
    """Return a note that is not saved yet."""
    return Note(content=text, subjects=[subject], words=_WORDS)
