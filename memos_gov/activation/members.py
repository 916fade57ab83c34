"""
An ordered set of cubes, and where its KV cache lies: a keyed digest of all that decides about it.

The address is HMAC-SHA-256 under a secret of the tenant, so that nobody finds
out by guessing which texts a tenant keeps. It is a chain, a link a member:
two sets that begin alike have links in common, which is how the longest
beginning that was computed already is found.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Iterable, Sequence
from hashlib import sha256

import msgspec

from memos_gov.domain.codec import canonical
from memos_gov.domain.facts import Source
from memos_gov.domain.fingerprint import Fingerprint

SECRET = "kv_cache"  # noqa: S105 - the name of the secret in the vault
MEMBERS_MAX = 1_000


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A cube at a revision, that revision's content key, its text, and the rank of its label."""

    cube: str
    revision: int
    key_id: str
    rank: int
    text: str

    @property
    def source(self) -> Source:
        """Which cube at which revision, without the text."""
        return Source(cube=self.cube, revision=self.revision)


def ordered(members: Iterable[Member]) -> tuple[Member, ...]:
    """
    Return members in the one order that a set of them has: by label, then by cube.

    What may go further comes first, so that sets of several readers begin alike.
    """
    return tuple(sorted(members, key=lambda member: (member.rank, member.cube)))


def chain(
    secret: bytes, fingerprint: Fingerprint, policy: str, members: Sequence[Source]
) -> tuple[str, ...]:
    """
    Return a link for each member, which stands for the members up to it.

    Args:
        secret: The tenant's own, 256 bits.
        policy: The digest of the policy in force: another one, another cache.
    """
    link = hmac.digest(secret, canonical(["kv", fingerprint, policy]), sha256)
    links = []
    for member in members:
        link = hmac.digest(secret, link + canonical(member), sha256)
        links.append(link.hex())
    return tuple(links)


def address(secret: bytes, links: Sequence[str], tokens: Sequence[int]) -> str:
    """Return where the KV cache of a chain of members and of exactly these tokens lies."""
    last = bytes.fromhex(links[-1]) if links else b""
    return hmac.digest(secret, last + packed(tokens), sha256).hex()


def packed(tokens: Sequence[int]) -> bytes:
    """Return tokens as 32 bits each, little endian."""
    return struct.pack(f"<{len(tokens)}I", *tokens)


def unpacked(raw: bytes) -> tuple[int, ...]:
    """Return what `packed` was given; the length must be a multiple of four."""
    return struct.unpack(f"<{len(raw) // 4}I", raw)
