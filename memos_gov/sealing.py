"""
Sealing: every payload under a content key of its own, opened only where a read was accepted.

AES-256-GCM. The associated data binds a ciphertext to its place: tenant,
stream, event type, schema version, revision, command id and key id. Moved
anywhere else it does not open. Keys come from a pool that the vault committed
beforehand, so a write waits for one fsync, the log's.

Queries and candidates of reads, and reasons of erasures, are sealed under a key
per tenant and month, so that they end by schedule.
"""

from __future__ import annotations

import base64
import binascii
import secrets
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from memos_gov.domain.codec import Envelope, canonical, decode_stored_header, envelope
from memos_gov.domain.events import CubeContent, Draft, ErasureReason, Event, ReadDetail
from memos_gov.domain.facts import GovernanceFacts, SubjectFacts
from memos_gov.errors import CorruptionError, NotFoundError
from memos_gov.ports import ContentKey, KeyStore, Snapshot, StoredEvent

KEY_BYTES = 32
NONCE_BYTES = 12
MONTH = "month:"
NAMED = frozenset({"subject", "principal", "matter"})
STREAM_PARTS = 3
EVENTS_CHECKED = 64
POOL_KEYS_FIRST = 1  # a process of one command leaves no key behind that nothing was sealed with
POOL_KEYS_GROWTH = 8
POOL_KEYS_MAX = 512


class Sealer:
    """
    Seals drafts into envelopes and opens what stands in the tables.

    Args:
        hold: Called before anything is opened, see `leasing.py`; nobody waits
            for a sealer without one.
    """

    def __init__(self, keys: KeyStore, hold: Callable[[], None] = lambda: None) -> None:
        self._keys = keys
        self._hold = hold
        self._pool: dict[str, list[ContentKey]] = defaultdict(list)
        self._refill: dict[str, int] = {}
        self._lock = threading.Lock()

    def seal(self, draft: Draft, tenant: str, command_id: str, now: datetime) -> Envelope:
        """Return the draft's event with its payload, if any, sealed."""
        if draft.payload is None:
            return envelope(draft.event, tenant, None, None)
        key = self._key_for(draft, tenant, now)
        nonce = secrets.token_bytes(NONCE_BYTES)
        aad = _associated(draft.event, draft.event.VERSION, tenant, command_id, key.key_id)
        sealed = nonce + AESGCM(key.key).encrypt(nonce, canonical(draft.payload), aad)
        return envelope(draft.event, tenant, base64.b64encode(sealed).decode(), key.key_id)

    def _key_for(self, draft: Draft, tenant: str, now: datetime) -> ContentKey:
        if isinstance(draft.payload, ReadDetail | ErasureReason):
            name = month_name(now)
            secret = self._keys.secret(tenant, name, create=True)
            assert secret is not None
            return ContentKey(name, secret)
        with self._lock:
            if not self._pool[tenant]:
                count = self._refill.get(tenant, POOL_KEYS_FIRST)
                self._pool[tenant] = self._keys.issue(tenant, count)
                self._refill[tenant] = min(count * POOL_KEYS_GROWTH, POOL_KEYS_MAX)
            return self._pool[tenant].pop()

    def open(
        self, event: Event, sealed: str, key_id: str, *, tenant: str, command_id: str, version: int
    ) -> bytes:
        """
        Return the payload's canonical bytes.

        `version` is the one in which the event was written, whatever it is read as.

        Raises:
            NotFoundError: The key was destroyed.
            CorruptionError: The ciphertext is not the one sealed for this place.
        """
        self._hold()
        key = self._open_key(tenant, key_id)
        return unsealed(
            event,
            sealed,
            ContentKey(key_id, key),
            tenant=tenant,
            command_id=command_id,
            version=version,
        )

    def _open_key(self, tenant: str, key_id: str) -> bytes:
        if key_id.startswith(MONTH):
            key = self._keys.secret(tenant, key_id)
        else:
            key = self._keys.open(tenant, [key_id]).get(key_id)
        if key is None:
            msg = "the key of this content was destroyed"
            raise NotFoundError(msg)
        return key

    def open_content(self, stored: StoredEvent, tenant: str) -> CubeContent:
        """Return the content of a stored content event; errors as `open`."""
        if stored.sealed is None or stored.key_id is None:
            msg = "a content event has no sealed payload"
            raise CorruptionError(msg, place=f"{tenant} {stored.command_id}")
        event = decode_stored_header(stored.type, stored.version, stored.header)
        raw = self.open(
            event,
            stored.sealed,
            stored.key_id,
            tenant=tenant,
            command_id=stored.command_id,
            version=stored.version,
        )
        return msgspec.json.decode(raw, type=CubeContent)

    def close(self) -> None:
        """Destroy the keys of the pool that nothing was sealed with."""
        with self._lock:
            for tenant, keys in self._pool.items():
                if keys:
                    self._keys.discard(tenant, [k.key_id for k in keys])
            self._pool.clear()


def unsealed(
    event: Event, sealed: str, key: ContentKey, *, tenant: str, command_id: str, version: int
) -> bytes:
    """
    Return the canonical bytes of a payload under its key; `version` is the one it was written in.

    Raises:
        CorruptionError: The ciphertext is not the one sealed for this place.
    """
    aad = _associated(event, version, tenant, command_id, key.key_id)
    try:
        raw = binascii.a2b_base64(sealed, strict_mode=True)
        return AESGCM(key.key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], aad)
    except (InvalidTag, ValueError) as error:
        msg = "a sealed payload does not open with its key"
        raise CorruptionError(msg, place=f"{tenant} {command_id} {key.key_id}") from error


def check_vault_age(keys: KeyStore, snapshot: Snapshot) -> None:
    """
    Refuse a vault that is older than the history: it lacks keys and names of the newest events.

    What an accepted erasure ended is not missing.

    Raises:
        CorruptionError: Names the tenant and what is missing.
    """
    for tenant in snapshot.tenants():
        newest = snapshot.newest_events(tenant, EVENTS_CHECKED)
        streams = [event.stream for event in newest]
        missing = [
            *_missing_keys(keys, snapshot, tenant, newest),
            *missing_names(keys, snapshot, tenant, streams),
        ]
        if missing:
            msg = f"the vault is older than the log: tenant {tenant} lacks {missing[0]}"
            remedy = "Bring back the newest copy of vault.db; nothing is served from an older one."
            raise CorruptionError(msg, place="vault", remedy=remedy)


def _missing_keys(
    keys: KeyStore, snapshot: Snapshot, tenant: str, events: Sequence[StoredEvent]
) -> Iterator[str]:
    named = {event.key_id: event.stream for event in events if event.key_id}
    months = {name for name in named if name.startswith(MONTH)}
    yield from sorted(name for name in months if keys.secret(tenant, name) is None)
    absent = named.keys() - months - keys.open(tenant, named.keys() - months).keys()
    facts = snapshot.facts(f"{named[name]}/governance" for name in absent)
    for name in sorted(absent):
        _, found = facts.get(f"{named[name]}/governance", (0, None))
        if not isinstance(found, GovernanceFacts) or found.state != "erased":
            yield name


def missing_names(
    keys: KeyStore, snapshot: Snapshot, tenant: str, streams: Iterable[str]
) -> Iterator[str]:
    """Yield the opaque ids of people and matters whose names the vault lacks, unless erased."""
    parts = {stream: stream.split("/") for stream in streams}
    named = {p[2]: s for s, p in parts.items() if len(p) == STREAM_PARTS and p[1] in NAMED}
    absent = named.keys() - keys.names(tenant, named.keys()).keys()
    facts = snapshot.facts(named[name] for name in absent)
    for name in sorted(absent):
        _, found = facts.get(named[name], (0, None))
        if not isinstance(found, SubjectFacts) or not found.erased:
            yield name


def month_name(now: datetime) -> str:
    """Return the name of the month's key: it seals queries and keys command digests."""
    return f"{MONTH}{now:%Y-%m}"


def _associated(event: Event, version: int, tenant: str, command_id: str, key_id: str) -> bytes:
    return canonical(
        [
            tenant,
            event.stream(tenant),
            type(event).__name__,
            version,
            getattr(event, "revision", 0),
            command_id,
            key_id,
        ]
    )
