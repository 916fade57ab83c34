"""
The rows of a vault that open nothing, and what vouches for them.

Epochs are under their seal (`wrapping/epochs.py`). The destroyer's checkpoints
name records of the log, which tells whether they are right.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from memos_gov.backends.postgres.vault.database import UNSWEPT, VaultDatabase
from memos_gov.wrapping import Wrapping, is_sealed, seal_of

if TYPE_CHECKING:
    from memos_gov.backends.postgres.connection import Connection

SEAL = "epochs"
_MARK = re.compile(r"(?:keys|file):[0-9a-f]{16}")
_EPOCHS = "SELECT epoch, began_ms, ended_ms FROM epochs ORDER BY epoch"
_CHECKPOINTS = "SELECT partition, next_offset, digest FROM destroyer ORDER BY partition"


def seal_epochs(connection: Connection, wrapping: Wrapping) -> None:
    """Put the rows of `epochs`, as this transaction leaves them, under their HMAC."""
    rows = connection.execute(_EPOCHS.encode()).fetchall()
    connection.execute(
        "INSERT INTO meta (name, value) VALUES (%s, %s)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (SEAL, seal_of(rows, wrapping)),
    )


def unvouched(database: VaultDatabase, wrapping: Wrapping) -> Iterator[str]:
    """Yield the place of each row about epochs, sweeps and checkpoints that is not as written."""
    meta: dict[str, str] = dict(database.rows("SELECT name, value FROM meta ORDER BY name"))
    sealed, marked = meta.pop(SEAL, None), meta.pop(UNSWEPT, None)
    instance = meta.pop("instance", None)
    yield from (f"meta {name}" for name in meta)
    if instance is None:
        yield "meta instance"
    if marked is not None and not _MARK.fullmatch(marked):
        yield f"meta {UNSWEPT}"
    if sealed is None or not is_sealed(database.rows(_EPOCHS), sealed, wrapping):
        yield "epochs"
    for partition, next_offset, digest in database.rows(_CHECKPOINTS):
        if partition < 0 or next_offset <= 0 or len(digest) != hashlib.sha256().digest_size:
            yield f"checkpoint {partition}"
