"""
The rows of a vault that open nothing, and what vouches for them.

Epochs are under their seal (`wrapping/epochs.py`). The destroyer's checkpoint
names a record of the log, which tells whether it is right.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterator

from memos_gov.backends.sqlite.vault.file import VaultFile
from memos_gov.wrapping import Wrapping, is_sealed, seal_of

SEAL = "epochs"
_MARK = re.compile(r"(?:log|file):(?:[0-9a-f]{16}|upgraded)")
_EPOCHS = "SELECT epoch, began_ms, ended_ms FROM epochs ORDER BY epoch"
_CHECKPOINTS = "SELECT partition, next_offset, digest FROM destroyer"


def seal_epochs(db: sqlite3.Connection, wrapping: Wrapping) -> None:
    """Put the rows of `epochs`, as this transaction leaves them, under their HMAC."""
    rows = db.execute(_EPOCHS).fetchall()
    db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (SEAL, seal_of(rows, wrapping)))


def unvouched(file: VaultFile, wrapping: Wrapping) -> Iterator[str]:
    """Yield the place of each row about epochs, sweeps and checkpoints that is not as written."""
    meta: dict[object, object] = dict(file.rows("SELECT name, value FROM meta"))
    sealed, marked = meta.pop(SEAL, None), meta.pop("unswept", None)
    instance = meta.pop("instance", None)
    yield from (f"meta {name}" for name in meta)
    if not isinstance(instance, str):
        yield "meta instance"
    if marked is not None and not (isinstance(marked, str) and _MARK.fullmatch(marked)):
        yield "meta unswept"
    if not is_sealed(file.rows(_EPOCHS), sealed, wrapping):
        yield "epochs"
    for row in file.rows(_CHECKPOINTS):
        if not _is_checkpoint(*row):
            yield f"checkpoint {row[0]}"


def _is_checkpoint(partition: object, next_offset: object, digest: object) -> bool:
    """Whether a row is a checkpoint of the one partition that this set-up has."""
    has_digest = isinstance(digest, bytes) and len(digest) == hashlib.sha256().digest_size
    return partition == 0 and isinstance(next_offset, int) and next_offset > 0 and has_digest
