"""
What a vault keeps, and how it is wrapped, wherever the vault lies.

`keys.py` wraps keys and secrets, `names.py` seals the directory's names and
finds them by keyed digests, `epochs.py` vouches for when an epoch began and
ended. Every vault, whatever engine keeps its rows, is opened by these three, so
that none of them can be weaker than another. Nothing here reads or writes.
"""

from __future__ import annotations

from memos_gov.wrapping.epochs import is_sealed, seal_of, unreadable_since
from memos_gov.wrapping.keys import WRAPPED_BYTES, Wrapping, fresh_keys, fresh_secret
from memos_gov.wrapping.names import DIRECTORY, NAMES, Names, secret_of

__all__ = [
    "DIRECTORY",
    "NAMES",
    "WRAPPED_BYTES",
    "Names",
    "Wrapping",
    "fresh_keys",
    "fresh_secret",
    "is_sealed",
    "seal_of",
    "secret_of",
    "unreadable_since",
]
