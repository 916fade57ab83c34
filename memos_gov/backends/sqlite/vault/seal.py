"""
The rows of a vault that open nothing, and what vouches for them.

Keys, secrets and names open or do not. When an epoch began and ended is only
a number, and a statement about backups rests on it, so the rows of `epochs`
are under an HMAC by a key derived from the newest one's master key. The
destroyer's checkpoint names a record of the log, which tells whether it is right.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import sqlite3
from collections.abc import Iterator

from memos_gov.backends.sqlite.vault.file import Row, VaultFile
from memos_gov.backends.sqlite.vault.wrapping import Wrapping
from memos_gov.errors import CorruptionError

SEAL = "epochs"
_MARK = re.compile(r"(?:log|file):(?:[0-9a-f]{16}|upgraded)")
_EPOCHS = "SELECT epoch, began_ms, ended_ms FROM epochs ORDER BY epoch"
_CHECKPOINTS = "SELECT partition, next_offset, digest FROM destroyer"


def seal_epochs(db: sqlite3.Connection, wrapping: Wrapping) -> None:
    """Put the rows of `epochs`, as this transaction leaves them, under their HMAC."""
    rows = db.execute(_EPOCHS).fetchall()
    db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (SEAL, _seal(rows, wrapping)))


def _seal(rows: list[Row], wrapping: Wrapping) -> str:
    key = wrapping.seal_key(rows[-1][0])
    return hmac.digest(key, repr(rows).encode(), hashlib.sha256).hex()


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
    if not _is_sealed(file.rows(_EPOCHS), sealed, wrapping):
        yield "epochs"
    for row in file.rows(_CHECKPOINTS):
        if not _is_checkpoint(*row):
            yield f"checkpoint {row[0]}"


def _is_sealed(rows: list[Row], sealed: object, wrapping: Wrapping) -> bool:
    """Whether epochs are under their seal; those of a former format began at no known time."""
    if sealed is None:
        return all(row[1:] == (0, None) for row in rows)
    try:
        return sealed == _seal(rows, wrapping)
    except (CorruptionError, LookupError):
        return False


def _is_checkpoint(partition: object, next_offset: object, digest: object) -> bool:
    """Whether a row is a checkpoint of the one partition that this set-up has."""
    has_digest = isinstance(digest, bytes) and len(digest) == hashlib.sha256().digest_size
    return partition == 0 and isinstance(next_offset, int) and next_offset > 0 and has_digest
