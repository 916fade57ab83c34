"""
`PostgresKeyStore`: the vault of many machines, a database of its own.

`database.py` is the database, its epochs and turns, `store.py` keeps keys and
secrets, `directory.py` names, `destroying.py` ends them, `sweeping.py` leaves
no copy of what ended, `rotation.py` moves everything to a new epoch,
and `seal.py` vouches for the rest. What is kept is wrapped and opened by
`memos_gov/wrapping`.
"""

from __future__ import annotations

from memos_gov.backends.postgres.vault.store import PostgresKeyStore

__all__ = ["PostgresKeyStore"]
