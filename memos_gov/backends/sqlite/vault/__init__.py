"""
`SqliteKeyStore`: the vault of one machine, one file.

`file.py` is the file and its epochs, `store.py` keeps keys and secrets,
`directory.py` names, `destroying.py` ends them, `rotation.py` moves everything
to a new epoch, and `seal.py` vouches for the rest. What is kept is wrapped and
opened by `memos_gov/wrapping`.
"""

from __future__ import annotations

from memos_gov.backends.sqlite.vault.store import SqliteKeyStore

__all__ = ["SqliteKeyStore"]
