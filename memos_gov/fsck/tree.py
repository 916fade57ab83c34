"""
Trees and leaves a second time, from the definitions and nothing else.

`MTH` of RFC 6962, section 2.1, is written here as it stands there: a tree over
n leaves is the node over its first k and its last n - k, where k is the
largest power of two below n. The certifier appends instead, and shares no line
with this file; so a mistake in either shows. A leaf is made from the record's
JSON as it lies in the log. Memory is O(log n).

Source: https://www.rfc-editor.org/rfc/rfc6962#section-2.1
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import orjson

from memos_gov.domain import ids
from memos_gov.domain.history import LogRecord, Outcome

_CODES = (
    "accepted",
    "refused",
    "invalid",
    "incomplete",
    "stale",
    "id_reused",
    "late",
    "unknown_type",
    "forged",
)
_UNTRUSTED = frozenset({"forged", "invalid"})


def root_of(leaves: Iterable[bytes], size: int) -> bytes:
    """
    Return the root over the leaf hashes, of which there are `size`.

    Raises:
        ValueError: There are fewer or more.
    """
    left = iter(leaves)
    root = _tree(left, size) if size else hashlib.sha256(b"").digest()
    _require_end(left)
    return root


def subtrees_of(leaves: Iterable[bytes], size: int) -> list[bytes]:
    """
    Return the roots of the perfect subtrees of a tree of `size` leaves, largest first.

    Raises:
        ValueError: There are fewer or more leaves.
    """
    left = iter(leaves)
    powers = [1 << bit for bit in reversed(range(size.bit_length())) if size >> bit & 1]
    roots = [_tree(left, power) for power in powers]
    _require_end(left)
    return roots


def root_over(subtrees: list[bytes]) -> bytes:
    """Return the root of the tree that has these perfect subtrees."""
    if not subtrees:
        return hashlib.sha256(b"").digest()
    first, *rest = subtrees
    return _node(first, root_over(rest)) if rest else first


def _tree(leaves: Iterator[bytes], size: int) -> bytes:
    """Return MTH over the next `size` leaves, at least one."""
    if size == 1:
        return _next(leaves)
    first = 1 << (size - 1).bit_length() - 1
    return _node(_tree(leaves, first), _tree(leaves, size - first))


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _next(leaves: Iterator[bytes]) -> bytes:
    leaf = next(leaves, None)
    if leaf is None:
        raise ValueError("there are fewer leaves than the tree has")
    return leaf


def _require_end(leaves: Iterator[bytes]) -> None:
    if next(leaves, None) is not None:
        raise ValueError("there are more leaves than the tree has")


def leaf_of(stored: LogRecord, outcome: Outcome) -> bytes:
    """Return the leaf hash that a record and its outcome give; b"" where they cannot."""
    try:
        nameless = ids.is_control(outcome.tenant) and outcome.code in _UNTRUSTED
        given = (
            _of_bytes(stored.body) if nameless and not outcome.command_id else _of_record(stored)
        )
        number = _CODES.index(outcome.code)
        detail = hashlib.sha256(_canonical(outcome.detail)).digest()
        entry = struct.pack(
            ">BQ16sBQ32s32s32s16s",
            1,
            outcome.index,
            given["command_id"],
            number,
            given["time_ms"],
            given["header"],
            given["sealed"],
            detail,
            given["salt"],
        )
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError, struct.error):
        return b""
    return hashlib.sha256(b"\x00" + entry).digest()


def _of_bytes(body: bytes) -> dict[str, Any]:
    """Return the fields of a leaf whose record nobody can name."""
    return {
        "command_id": bytes(16),
        "time_ms": 0,
        "header": hashlib.sha256(body).digest(),
        "sealed": bytes(32),
        "salt": bytes(16),
    }


def _of_record(stored: LogRecord) -> dict[str, Any]:
    """Return the fields of a leaf as the record's own JSON gives them."""
    record = orjson.loads(stored.body)
    digests = []
    for event in record["data"]["events"]:
        digest = hashlib.sha256((event["sealed"] or "").encode())
        digests.append(digest.digest())
        if event["sealed"] is not None:
            event["sealed"] = digest.hexdigest()
    return {
        "command_id": bytes.fromhex(record["id"].replace("-", "")),
        "time_ms": round(datetime.fromisoformat(record["time"]).timestamp() * 1000),
        "header": hashlib.sha256(_canonical(record)).digest(),
        "sealed": hashlib.sha256(b"".join(digests)).digest(),
        "salt": bytes.fromhex(record["data"]["salt"]),
    }


def _canonical(document: object) -> bytes:
    """Return RFC 8785 of a document without floats, whose keys are ASCII."""
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
