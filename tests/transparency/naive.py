"""The tree of RFC 6962, section 2.1, word for word: slow, recursive, and over leaf hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def sha(raw: bytes) -> bytes:
    """Return SHA-256."""
    return hashlib.sha256(raw).digest()


def node(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def split(size: int) -> int:
    """Return the largest power of two smaller than `size`."""
    power = 1
    while power * 2 < size:
        power *= 2
    return power


def mth(leaves: Sequence[bytes]) -> bytes:
    """Return the Merkle Tree Hash."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    middle = split(len(leaves))
    return node(mth(leaves[:middle]), mth(leaves[middle:]))


def path(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Return PATH(m, D[n]), section 2.1.1."""
    if len(leaves) == 1:
        return []
    middle = split(len(leaves))
    if index < middle:
        return [*path(index, leaves[:middle]), mth(leaves[middle:])]
    return [*path(index - middle, leaves[middle:]), mth(leaves[:middle])]


def proof(old: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Return PROOF(m, D[n]), section 2.1.2."""
    return subproof(old, leaves, whole=True)


def subproof(old: int, leaves: Sequence[bytes], *, whole: bool) -> list[bytes]:
    """Return SUBPROOF(m, D[n], b), section 2.1.2."""
    if old == len(leaves):
        return [] if whole else [mth(leaves)]
    middle = split(len(leaves))
    if old <= middle:
        return [*subproof(old, leaves[:middle], whole=whole), mth(leaves[middle:])]
    return [*subproof(old - middle, leaves[middle:], whole=False), mth(leaves[:middle])]


def made(count: int) -> list[bytes]:
    """Return as many leaf hashes, all different."""
    return [hashlib.sha256(b"\x00" + str(at).encode()).digest() for at in range(count)]
