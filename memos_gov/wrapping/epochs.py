"""
What vouches for the epochs of a vault.

Keys, secrets and names open or do not. When an epoch began and ended is only
a number, and a statement about backups rests on it, so the rows of `epochs`
are under an HMAC by a key derived from the newest one's master key.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from typing import Any

from memos_gov.errors import CorruptionError
from memos_gov.ports import Epoch
from memos_gov.wrapping.keys import Wrapping

Rows = Sequence[tuple[Any, ...]]


def seal_of(rows: Rows, wrapping: Wrapping) -> str:
    """
    Return the HMAC over (epoch, began_ms, ended_ms), the newest epoch last, in hex.

    Raises:
        CorruptionError: The newest one's master key is not there.
    """
    key = wrapping.seal_key(rows[-1][0])
    return hmac.digest(key, repr(list(rows)).encode(), hashlib.sha256).hex()


def is_sealed(rows: Rows, sealed: object, wrapping: Wrapping) -> bool:
    """Whether epochs are under their seal; those of a former format began at no known time."""
    if sealed is None:
        return all(row[1:] == (0, None) for row in rows)
    try:
        return sealed == seal_of(rows, wrapping)
    except (CorruptionError, LookupError):
        return False


def unreadable_since(epochs: Iterable[Epoch], destroyed_ms: int) -> int | None:
    """See `KeyStore.unreadable_since`: every epoch counts that had begun by then."""
    ends = [epoch.ended_ms for epoch in epochs if epoch.began_ms <= destroyed_ms]
    known = [end for end in ends if end is not None]
    return max([destroyed_ms, *known]) if known and len(known) == len(ends) else None
