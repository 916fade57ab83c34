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

import struct

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
