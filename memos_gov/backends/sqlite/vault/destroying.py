"""Ending keys and names: one transaction with the destroyer's checkpoint."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from memos_gov.backends.sqlite.vault.file import VaultFile
from memos_gov.ports import Checkpoint

DESTROY = (
    "UPDATE content_keys SET wrapped = zeroblob(length(wrapped)) WHERE key_id = ? AND tenant = ?"
)


class Destruction:
    """See `Destroying`."""

    def __init__(self, db: sqlite3.Connection, file: VaultFile) -> None:
        self._db = db
        self._file = file
        self.destroys = False
        self.forgotten: set[str] = set()

    def destroy(self, tenant: str, key_ids: Iterable[str]) -> None:
        """See `Destroying.destroy`."""
        self._db.executemany(DESTROY, [(key_id, tenant) for key_id in key_ids])
        self._file.mark("log")
        self.destroys = True

    def forget_names(self, tenant: str, opaque: Iterable[str]) -> None:
        """See `Destroying.forget_names`."""
        ended = set(opaque)
        self._db.executemany(
            "DELETE FROM directory WHERE tenant = ? AND opaque = ?", [(tenant, o) for o in ended]
        )
        self._file.mark("file")
        self.destroys = True
        self.forgotten |= ended

    def advance(self, partition: int, checkpoint: Checkpoint) -> None:
        """See `Destroying.advance`."""
        self._db.execute(
            "INSERT INTO destroyer VALUES (?,?,?) ON CONFLICT (partition) DO UPDATE SET"
            " next_offset = excluded.next_offset, digest = excluded.digest"
            " WHERE excluded.next_offset > next_offset",
            (partition, checkpoint.next_offset, checkpoint.digest),
        )
