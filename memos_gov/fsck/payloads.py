"""
Sealed payloads a page at a time: their keys are looked up together, and forgotten with the page.

A key that does not unwrap is there all the same: what it sealed is damaged, not
gone. Nothing of what is opened here is kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

from memos_gov.domain.codec import decode_stored_header
from memos_gov.domain.events import Event
from memos_gov.errors import CorruptionError, NotFoundError
from memos_gov.ports import ContentKey, KeyStore, StoredEvent
from memos_gov.sealing import MONTH, unsealed

Opened = dict[tuple[str, str], ContentKey | None]


class Payloads:
    """The keys of a page, by tenant and id; None where one does not unwrap."""

    def __init__(self, keys: KeyStore, named: Iterable[tuple[str, str]]) -> None:
        """Look up the keys that are named by tenant and id."""
        self._opened: Opened = {}
        wanted = defaultdict[str, set[str]](set)
        for tenant, key_id in named:
            wanted[tenant].add(key_id)
        for tenant, key_ids in wanted.items():
            for key_id, key in _found(keys, tenant, key_ids).items():
                self._opened[tenant, key_id] = None if key is None else ContentKey(key_id, key)

    def has_key(self, tenant: str, key_id: str) -> bool:
        """Whether the vault has a key, be it one that does not unwrap."""
        return (tenant, key_id) in self._opened

    def open(
        self, event: Event, sealed: str, key_id: str, *, tenant: str, command_id: str, version: int
    ) -> bytes:
        """
        Return a payload's canonical bytes.

        Raises:
            NotFoundError: The vault has no such key.
            CorruptionError: The key does not unwrap, or does not open the payload.
        """
        if not self.has_key(tenant, key_id):
            raise NotFoundError("the key of this content was destroyed")
        key = self._opened[tenant, key_id]
        if key is None:
            raise CorruptionError("a key does not unwrap", place=f"{tenant} {key_id}")
        return unsealed(event, sealed, key, tenant=tenant, command_id=command_id, version=version)

    def open_stored(self, stored: StoredEvent, tenant: str) -> bytes | None:
        """Return the payload of an event in the tables, None without one; errors as `open`."""
        if stored.sealed is None or stored.key_id is None:
            return None
        return self.open(
            decode_stored_header(stored.type, stored.version, stored.header),
            stored.sealed,
            stored.key_id,
            tenant=tenant,
            command_id=stored.command_id,
            version=stored.version,
        )


def _found(keys: KeyStore, tenant: str, key_ids: set[str]) -> dict[str, bytes | None]:
    """Return the keys that are there: together, or one by one where any does not unwrap."""
    months = {key_id for key_id in key_ids if key_id.startswith(MONTH)}
    found: dict[str, bytes | None] = {}
    for month in months:
        found |= _one(month, lambda name: keys.secret(tenant, name))
    try:
        return found | keys.open(tenant, key_ids - months)
    except CorruptionError:
        for key_id in key_ids - months:
            found |= _one(key_id, lambda name: keys.open(tenant, [name]).get(name))
        return found


def _one(name: str, look_up: Callable[[str], bytes | None]) -> dict[str, bytes | None]:
    try:
        key = look_up(name)
    except CorruptionError:
        return {name: None}
    return {} if key is None else {name: key}
