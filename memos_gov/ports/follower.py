"""What every follower keeps of where it is."""

from __future__ import annotations

import msgspec


class Checkpoint(msgspec.Struct, frozen=True):
    """How far a follower has come: what it reads next, and the digest of what it saw last."""

    next_offset: int = 0
    digest: bytes = b""
    log_time_ms: int = 0
