"""
Ending keys and names: one transaction with the destroyer's checkpoint.

A row that ends is taken out. (Writing zeros over it first would overwrite
nothing: an update writes a new version of the row beside the old one.) Where
its bytes are until they are swept, `sweeping.py` says.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from memos_gov.backends.postgres.vault.database import mark
from memos_gov.ports import Checkpoint

if TYPE_CHECKING:
    from memos_gov.backends.postgres.connection import Connection

DESTROY = "DELETE FROM content_keys WHERE tenant = %s AND key_id = ANY(%s)"


class Destruction:
    """See `Destroying`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.tables: set[str] = set()
        self.forgotten: set[str] = set()

    def destroy(self, tenant: str, key_ids: Iterable[str]) -> None:
        """See `Destroying.destroy`."""
        self._connection.execute(DESTROY.encode(), (tenant, list(key_ids)))
        mark(self._connection, "keys")
        self.tables.add("content_keys")

    def forget_names(self, tenant: str, opaque: Iterable[str]) -> None:
        """See `Destroying.forget_names`."""
        ended = set(opaque)
        self._connection.execute(
            "DELETE FROM directory WHERE tenant = %s AND opaque = ANY(%s)", (tenant, sorted(ended))
        )
        mark(self._connection, "file")
        self.tables.add("directory")
        self.forgotten |= ended

    def advance(self, partition: int, checkpoint: Checkpoint) -> None:
        """See `Destroying.advance`."""
        self._connection.execute(
            "INSERT INTO destroyer (partition, next_offset, digest) VALUES (%s, %s, %s)"
            " ON CONFLICT (partition) DO UPDATE SET"
            " next_offset = excluded.next_offset, digest = excluded.digest"
            " WHERE excluded.next_offset > destroyer.next_offset",
            (partition, checkpoint.next_offset, checkpoint.digest),
        )
