"""
`SqliteKeyStore`: the vault of one machine, one file.

`file.py` is the file and its epochs, `wrapping.py` wraps and unwraps,
`store.py` keeps keys and secrets, `directory.py` names, `destroying.py` ends
them, `rotation.py` moves everything to a new epoch, and `seal.py` vouches for
the rest.
"""

from __future__ import annotations

from memos_gov.backends.sqlite.vault.store import SqliteKeyStore

__all__ = ["SqliteKeyStore"]
