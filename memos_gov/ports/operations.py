"""What an installation keeps of its own running: leases, and pointers to what is in use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Leases(Protocol):
    """
    Who has the folder open, and how far each had seen the history when it last began anew.

    A lease is its holder's word: nothing that it still has open was opened
    before the indexes it names, and nothing stays open after the lease
    expires. Leases outlive a killed holder until they expire. Where all holders
    are on one machine, its crash ends leases and holders together, so leases
    need not be durable; where holders live on while the store restarts, they
    are. Times are milliseconds of the clocks of the holders, which agree.
    """

    def renew(self, holder: str, seen: Mapping[str, int], *, now_ms: int, expires_ms: int) -> None:
        """Replace the holder's lease, visible to everybody at once; `seen` is index by tenant."""

    def release(self, holder: str) -> None:
        """End the holder's lease: it has nothing open any more, and its name is free."""

    def claim(self, name: str, holder: str, *, now_ms: int, expires_ms: int) -> bool:
        """
        Take a worker's name for a holder, or keep it; return whether it is the holder's.

        Another's name is free once its claim expired.
        """

    def names(self, now_ms: int) -> list[str]:
        """Return the names that are taken now, sorted."""

    def waiting(self, tenant: str, index: int, now_ms: int, *, besides: str) -> list[str]:
        """Return the holders but one that may have open what ended at `index`, sorted."""

    def close(self) -> None:
        """Release the file; leases stay."""


class Pointers(Protocol):
    """Named values that say what of an installation is in use; durable when `set` returns."""

    def get(self, name: str, otherwise: str) -> str:
        """Return a pointer's value; `otherwise` where it was never set."""

    def all(self) -> dict[str, object]:
        """Return every pointer, as it stands there, in order of name."""

    def set(self, name: str, value: str) -> None:
        """Move a pointer, for everybody who asks from here on."""

    def close(self) -> None:
        """Release the store; pointers stay."""
