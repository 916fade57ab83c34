"""
The leaf entry: fixed fields, small, publishable, and true after erasure.

    offset  bytes  field
    0       1      version (1)
    1       8      index, big-endian
    9       16     command id
    25      1      outcome code
    26      8      log time, milliseconds since the epoch, big-endian
    34      32     header hash
    66      32     sealed hash
    98      32     SHA-256 of the outcome detail
    130     16     salt of the record

A record that cannot be decoded has zeros for command id and salt, SHA-256 of
its raw bytes as header hash, and zeros as sealed hash.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping, Sequence

import msgspec

from memos_gov.domain import codec
from memos_gov.errors import NotVerifiedError

PLACE = "leaf entry"
_LAYOUT = struct.Struct(">BQ16sBQ32s32s32s16s")
LEAF_BYTES = _LAYOUT.size
VERSION = 1

CODES = {
    "accepted": 0,
    "refused": 1,
    "invalid": 2,
    "incomplete": 3,
    "stale": 4,
    "id_reused": 5,
    "late": 6,
    "unknown_type": 7,
    "forged": 8,
}


_WORDS = {number: code for code, number in CODES.items()}


_NO_ID = bytes(16)
_NO_HASH = bytes(32)


class LeafEntry(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of an entry, as the table above has them; `code` in words."""

    index: int
    command_id: bytes
    code: str
    time_ms: int
    header_hash: bytes
    sealed_hash: bytes
    detail_hash: bytes
    salt: bytes


def parse_entry(raw: bytes) -> LeafEntry:
    """
    Return the fields of an entry.

    Raises:
        NotVerifiedError: It is none, or one of another version.
    """
    if len(raw) != LEAF_BYTES or raw[0] != VERSION:
        raise NotVerifiedError(f"the {PLACE} has another form", place=PLACE)
    _, index, command_id, code, time_ms, header, sealed, detail, salt = _LAYOUT.unpack(raw)
    if code not in _WORDS:
        raise NotVerifiedError(f"the {PLACE} has an unknown outcome", place=PLACE)
    return LeafEntry(
        index=index,
        command_id=command_id,
        code=_WORDS[code],
        time_ms=time_ms,
        header_hash=header,
        sealed_hash=sealed,
        detail_hash=detail,
        salt=salt,
    )


def leaf_entry(
    *,
    index: int,
    command_id: bytes,
    code: str,
    time_ms: int,
    header_hash: bytes,
    sealed_hash: bytes,
    detail_hash: bytes,
    salt: bytes,
) -> bytes:
    """Return the entry of one decided record; its hash is the leaf of the tree."""
    return _LAYOUT.pack(
        VERSION,
        index,
        command_id,
        CODES[code],
        time_ms,
        header_hash,
        sealed_hash,
        detail_hash,
        salt,
    )


def entry_of(
    record: codec.Record | None,
    body: bytes,
    *,
    index: int,
    code: str,
    detail: Mapping[str, Sequence[str]],
) -> bytes:
    """Return the entry of a decided record; `record` is None where its `body` is not trusted."""
    if record is None:
        command_id, salt, time_ms = _NO_ID, _NO_ID, 0
        hashes = (hashlib.sha256(body).digest(), _NO_HASH)
    else:
        command_id = bytes.fromhex(record.id.replace("-", ""))
        salt = bytes.fromhex(record.data.salt)
        time_ms, hashes = codec.milliseconds(record.time), codec.header_hash(record)
    return leaf_entry(
        index=index,
        command_id=command_id,
        code=code,
        time_ms=time_ms,
        header_hash=hashes[0],
        sealed_hash=hashes[1],
        detail_hash=hashlib.sha256(codec.canonical(detail)).digest(),
        salt=salt,
    )
