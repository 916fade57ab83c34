"""Where files of tensors lie."""

from __future__ import annotations

from typing import Protocol


class TensorStore(Protocol):
    """
    Files of tensors by tenant and name; a name is letters and digits.

    A file is there whole or not at all, and readable by its owner only. All of
    it can be made again, so whoever needs room may remove any.
    """

    def put(self, tenant: str, name: str, body: bytes) -> bool:
        """
        Write a file, durably; return False where one of that name is there, which stays.

        Raises:
            UnavailableError: It cannot be written, such as for want of room; nothing is left.
        """

    def get(self, tenant: str, name: str, size_bytes: int | None = None) -> bytes | None:
        """
        Return a file, or its first `size_bytes`; None where there is none.

        Raises:
            UnavailableError: It cannot be read.
        """

    def remove(self, tenant: str, name: str) -> bool:
        """
        Remove a file, durably; return whether it was there.

        Raises:
            UnavailableError: It cannot be removed.
        """

    def names(self, tenant: str) -> list[str]:
        """Return the names of a tenant's files, in order of name."""
