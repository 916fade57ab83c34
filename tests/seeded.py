"""
Everything that chance gives, given by a seed: equal commands make equal records.

Each function that asks for random bytes draws from a stream of its own, named
after the function, so that two set-ups whose stores ask in another order still
give the core the same bytes. A secret of the vault has a stream by its own name:
a store that finds another epoch in its way makes it anew.
"""

from __future__ import annotations

import random
import sys
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from unittest.mock import patch

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class Stepped:
    """A clock that stands, however often it is read, until a test lets time pass."""

    def __init__(self, begins_ms: int) -> None:
        self.now_ms = begins_ms

    def now(self) -> datetime:
        """Return the time it stands at."""
        return datetime.fromtimestamp(self.now_ms / 1000, UTC)

    def turn(self, by_ms: int) -> None:
        """Let time pass."""
        self.now_ms += by_ms


class _Streams:
    """A stream of random bytes for each function that asks."""

    def __init__(self, seed: int) -> None:
        self._streams: defaultdict[str, random.Random] = defaultdict(random.Random)
        self._seed = seed

    def bytes(self, count: int, depth: int = 1) -> bytes:
        """Return the next bytes of whoever asks, `depth` calls above."""
        frame = sys._getframe(depth)
        name = frame.f_code.co_qualname.split(".<locals>")[0].rpartition(".")[2]
        if name == "fresh_secret" and frame.f_back is not None:
            of = frame.f_back.f_locals
            return random.Random(f"{self._seed}/{of['tenant']}/{of['name']}").randbytes(count)
        if name not in self._streams:
            self._streams[name].seed(f"{self._seed}/{name}")
        return self._streams[name].randbytes(count)


class _SigningKeys:
    """Makes signing keys, and opens those that were kept."""

    from_private_bytes = staticmethod(Ed25519PrivateKey.from_private_bytes)

    def __init__(self, streams: _Streams) -> None:
        self._streams = streams

    def generate(self) -> Ed25519PrivateKey:
        """Return the next key."""
        return Ed25519PrivateKey.from_private_bytes(self._streams.bytes(32))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Let ids, salts, keys and nonces follow from a seed inside the `with`."""
    streams = _Streams(seed)

    def command_id() -> str:
        raw = int.from_bytes(streams.bytes(16, 2), "big")
        return str(uuid.UUID(int=raw & ~(0xF000 << 64) & ~(3 << 62) | (7 << 76) | (2 << 62)))

    with (
        patch("secrets.token_bytes", streams.bytes),
        patch("secrets.token_hex", lambda count: streams.bytes(count, 2).hex()),
        patch("uuid_utils.uuid7", command_id),
        patch("memos_gov.backends.keyfiles.Ed25519PrivateKey", _SigningKeys(streams)),
    ):
        yield
