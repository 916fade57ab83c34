"""
Records as bytes: CloudEvents 1.0 JSON in canonical form (RFC 8785), MACed.

A record is canonical when encoding what was decoded gives the same bytes
again; anything else (white space, floats, unknown or missing fields, another
order of keys) is invalid. Keys are ASCII and numbers are integers, so sorting
by byte equals RFC 8785; `rfc8785` is the oracle in the tests.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from memos_gov.domain.events import EVENT_VERSIONS, Event
from memos_gov.domain.verdicts import Effect, Integer, Verdict

RECORD_BYTES_MAX = 1_000_000
EPOCH_YEAR = 1970
SOURCE = "memos-gov"
TYPE_PREFIX = "gov.memos."
SCHEMA_PREFIX = "urn:memos-gov:record:1"

MAC = re.compile(r"[0-9a-f]{64}")

_ENCODER = msgspec.json.Encoder(order="sorted")


class _Closed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Envelope(_Closed, frozen=True, kw_only=True):
    """One event as it stands in a record; `sealed` is base64 of the ciphertext."""

    type: str
    version: Integer
    stream: str
    header: msgspec.Raw
    sealed: str | None
    key_id: str | None


class RequestContext(_Closed, frozen=True, kw_only=True):
    """What the caller asked under; with the facts named by `relied_on` it rebuilds the question."""

    action: str
    purpose: str
    session: str | None = None
    channel: str | None = None
    region: str | None = None
    approval: str | None = None


class RecordedVerdict(_Closed, frozen=True, kw_only=True):
    """The answer of policy, for the command and for each target."""

    effect: Effect
    by_target: dict[str, Verdict]
    policy: str
    valid_until: Integer


class RecordData(_Closed, frozen=True, kw_only=True):
    """Everything of ours in a record."""

    tenant: str
    actor: str
    on_behalf_of: str | None
    via: str
    correlation: str
    causation: str | None
    command: str
    context: RequestContext
    relied_on: dict[str, Integer]
    verdict: RecordedVerdict | None
    events: tuple[Envelope, ...]
    salt: str
    mac_key: str
    mac: str | UnsetType = UNSET


class Record(_Closed, frozen=True, kw_only=True):
    """A proposal: one command, whole."""

    specversion: Literal["1.0"]
    id: str
    source: str
    type: str
    time: str
    datacontenttype: Literal["application/json"]
    dataschema: str
    data: RecordData


_DECODER = msgspec.json.Decoder(Record)
_HEADERS = {shape: msgspec.json.Decoder(kind) for shape, kind in EVENT_VERSIONS.items()}


def canonical(value: object) -> bytes:
    """Return the canonical JSON of a value whose keys are ASCII and whose numbers are integers."""
    return _ENCODER.encode(value)


def envelope(event: Event, tenant: str, sealed: str | None, key_id: str | None) -> Envelope:
    """Return an event as it goes into a record of `tenant`."""
    return Envelope(
        type=type(event).__name__,
        version=event.VERSION,
        stream=event.stream(tenant),
        header=msgspec.Raw(canonical(event)),
        sealed=sealed,
        key_id=key_id,
    )


def decode_header(env: Envelope) -> Event:
    """
    Return the event of an envelope, as the newest version of its type says it.

    Raises:
        ValueError: The header is not the canonical form of its type and version.
        KeyError: The type or the version is not known to this program.
    """
    event: Event = _HEADERS[env.type, env.version].decode(env.header)
    if canonical(event) != bytes(env.header):
        msg = "the header is not canonical"
        raise ValueError(msg)
    return event.newest()


def decode_stored_header(type_name: str, version: int, header: bytes) -> Event:
    """Return the event of a header that certification accepted before, in its newest version."""
    event: Event = _HEADERS[type_name, version].decode(header)
    return event.newest()


def sign(record: Record, key: bytes) -> bytes:
    """Return the canonical bytes of `record` with its MAC: HMAC-SHA-256 over it without `mac`."""
    unsigned = replace(record, data=replace(record.data, mac=UNSET))
    mac = _mac(canonical(unsigned), key)
    return canonical(replace(record, data=replace(record.data, mac=mac)))


def has_valid_mac(record: Record, body: bytes, key: bytes) -> bool:
    """
    Whether the MAC of a record, whose canonical bytes are `body`, was made with `key`.

    `mac` is cut out of the bytes: as a member of `data` it stands there once,
    since a quotation mark inside a string is escaped.
    """
    found = record.data.mac
    if not isinstance(found, str) or not MAC.fullmatch(found):
        return False
    unsigned = body.replace(f'"mac":"{found}",'.encode(), b"", 1)
    return hmac.compare_digest(_mac(unsigned, key), found)


def _mac(unsigned: bytes, key: bytes) -> str:
    return hmac.digest(key, unsigned, "sha256").hex()


def decode(body: bytes) -> Record:
    """
    Return the record of `body`.

    Raises:
        ValueError: Not JSON, not a record, or not canonical.
    """
    record = _DECODER.decode(body)
    if canonical(record) != body:
        msg = "the record is not canonical"
        raise ValueError(msg)
    return record


def timestamp(moment: datetime) -> str:
    """Return a moment as UTC with milliseconds, `2026-11-23T17:20:00.000Z`."""
    return (
        moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
    )


@lru_cache(maxsize=1024)
def milliseconds(text: str) -> int:
    """
    Return the milliseconds since the epoch of a time in the form of `timestamp`.

    A record's time is asked for several times on its way, so answers are kept.

    Raises:
        ValueError: Another form, or no such time.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None or moment.year < EPOCH_YEAR or timestamp(moment) != text:
        msg = "times are UTC with milliseconds"
        raise ValueError(msg)
    return round(moment.timestamp() * 1000)


def stripped(record: Record) -> tuple[Record, list[bytes]]:
    """
    Return a record with each `sealed` replaced by its SHA-256 in hex, and those digests.

    It has one digest an event, of nothing where nothing is sealed. What is
    returned can be shown to anybody, and hashes to the header hash.
    """
    digests = [hashlib.sha256((env.sealed or "").encode()).digest() for env in record.data.events]
    events = tuple(
        replace(env, sealed=None if env.sealed is None else digest.hex())
        for env, digest in zip(record.data.events, digests, strict=True)
    )
    return replace(record, data=replace(record.data, events=events)), digests


def header_hash(record: Record) -> tuple[bytes, bytes]:
    """
    Return (header hash, sealed hash) of a record's leaf.

    The first is SHA-256 of the canonical stripped record, the second SHA-256
    of its digests in order. So a leaf can be checked after the ciphertext is gone.
    """
    bare, digests = stripped(record)
    return (
        hashlib.sha256(canonical(bare)).digest(),
        hashlib.sha256(b"".join(digests)).digest(),
    )
