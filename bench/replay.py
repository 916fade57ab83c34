"""
One log, decided again and again: into fresh tables each time, as a rebuild does.

The log and the vault are those of an open data folder; only the tables are
new. So certification, projection and rebuild are repeated on the very same
records, and nothing is measured but the work that follows an append.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from shutil import copyfile

from sqlalchemy import delete

import memos_gov
from memos_gov.backends.sqlite import migrate
from memos_gov.backends.sqlite.tables import SqliteTables
from memos_gov.certify import parse
from memos_gov.domain import codec, ids
from memos_gov.domain.history import LogRecord
from memos_gov.follow import BATCH_RECORDS_MAX, Certifier, mac_secret
from memos_gov.ports import Tables
from memos_gov.projections.tables import CheckpointRow, CubeRow, CubeWordRow, table_of
from memos_gov.rebuild import replay
from memos_gov.transparency import merkle
from memos_gov.transparency.leaf import leaf_entry

VIEW = "cubes"


class Replay:
    """Certifies, projects and rebuilds the log of `gov` as often as asked."""

    def __init__(
        self,
        gov: memos_gov.Service,
        folder: Path,
        *,
        fresh: Callable[[], Tables] | None = None,
    ) -> None:
        """Make a folder for the tables; `fresh` gives empty ones that lie elsewhere."""
        folder.mkdir()
        self._given = fresh
        self._rooms = gov.rooms
        self._governor = gov.rooms.governor
        self._empty = folder / "empty.db"
        self._numbers = count()
        self._open: list[Tables] = []
        migrate.upgrade(self._empty, "tables")
        self.records = self._governor.log.end(0)

    def close(self) -> None:
        """Release the tables that were made."""
        for tables in self._open:
            tables.close()

    def _fresh(self) -> Tables:
        self._open.append(self._given() if self._given else self._file())
        return self._open[-1]

    def _file(self) -> SqliteTables:
        path = self._empty.with_name(f"tables-{next(self._numbers)}.db")
        copyfile(self._empty, path)
        return SqliteTables(path)

    def certify(self) -> None:
        """Decide every record anew: everything the certifier does, and nothing after it."""
        log, keys = self._governor.log, self._governor.keys
        Certifier(log, self._fresh(), keys, obeys=False).catch_up()

    def rebuild(self) -> None:
        """Decide every record anew, and show each batch to every view."""
        replay(self._governor.log, self._governor.keys, self._fresh(), None)

    def project(self) -> None:
        """Make one view again from the decided history."""
        checkpoints = table_of(CheckpointRow)
        with self._governor.tables.connection(write=True) as connection:
            connection.execute(delete(table_of(CubeRow)))
            connection.execute(delete(table_of(CubeWordRow)))
            connection.execute(delete(checkpoints).where(checkpoints.c.follower == VIEW))
        self._rooms.follower.catch_up(VIEW)

    def provable(self) -> Callable[[], None]:
        """
        Return an action that does to the log's records only what makes them provable.

        For each record as certification does it: the look-up of the MAC key (once a
        batch), the MAC, the hashes of header and sealed payload, the leaf and
        the frontier.
        """
        records = self._governor.log.read(0, 0, self.records)
        starts = range(0, len(records), BATCH_RECORDS_MAX)
        parsed = [[_record(x) for x in records[at : at + BATCH_RECORDS_MAX]] for at in starts]

        def prove() -> None:
            for batch in parsed:
                self._prove(batch)

        return prove

    def _prove(self, batch: Sequence[tuple[codec.Record, bytes]]) -> None:
        name = batch[0][0].data.mac_key
        key = self._governor.keys.secret(ids.INSTANCE, mac_secret(name))
        assert key is not None
        frontier: merkle.Frontier = ()
        for index, (record, body) in enumerate(batch):
            assert codec.has_valid_mac(record, body, key)
            frontier = merkle.append(frontier, index, merkle.leaf_hash(_entry(record, index)))


def _record(at: LogRecord) -> tuple[codec.Record, bytes]:
    record = parse(at).record
    assert record is not None
    return record, at.body


def _entry(record: codec.Record, index: int) -> bytes:
    header_hash, sealed_hash = codec.header_hash(record)
    return leaf_entry(
        index=index,
        command_id=uuid.UUID(record.id).bytes,
        code="accepted",
        time_ms=codec.milliseconds(record.time),
        header_hash=header_hash,
        sealed_hash=sealed_hash,
        detail_hash=hashlib.sha256(codec.canonical({})).digest(),
        salt=bytes.fromhex(record.data.salt),
    )
