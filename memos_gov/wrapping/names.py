"""
Names under their tenant's secrets: sealed (AES-256-GCM), and found by a keyed digest.

Both secrets are made anew for every epoch. So once an epoch has ended, a name
that was taken out is in no older copy of the vault either, not even for who
guesses it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from memos_gov.errors import CorruptionError
from memos_gov.sealing import NONCE_BYTES

DIRECTORY, NAMES = "directory", "names"
Secret = Callable[..., bytes | None]


def secret_of(purpose: str, epoch: int) -> str:
    """Return the name of a secret that every epoch has anew."""
    return purpose if epoch == 1 else f"{purpose}:{epoch}"


class Names:
    """The names of one vault, whose `secret` is that of its KeyStore."""

    def __init__(self, secret: Secret, vault: str) -> None:
        self._secret = secret
        self._vault = vault

    def prepare(self, tenant: str, epoch: int) -> None:
        """Have the secrets of an epoch, made when absent."""
        for purpose in (DIRECTORY, NAMES):
            self._secret(tenant, secret_of(purpose, epoch), create=True)

    def lookup(
        self, tenant: str, kind: str, name: str, epoch: int, *, create: bool
    ) -> bytes | None:
        """Return the digest that a name is found by; None where an epoch has no entry at all."""
        key = self._secret(tenant, secret_of(DIRECTORY, epoch), create=create)
        if key is None:
            return None
        return hmac.digest(key, f"{kind}\0{name}".encode(), hashlib.sha256)

    def seal(self, tenant: str, opaque: str, name: str, epoch: int) -> bytes:
        """Return a name sealed for its id under an epoch."""
        nonce, cipher = secrets.token_bytes(NONCE_BYTES), self._cipher(tenant, epoch, create=True)
        assert cipher is not None
        return nonce + cipher.encrypt(nonce, name.encode(), _place(tenant, opaque))

    def open(self, tenant: str, opaque: str, epoch: int, sealed: bytes) -> str:
        """
        Return a name.

        Raises:
            CorruptionError: It is not the one sealed for this id.
        """
        place = f"{self._vault} {opaque}"
        msg = f"the directory entry of {opaque} does not open: the vault was changed"
        cipher = self._cipher(tenant, epoch)
        if cipher is None:
            raise CorruptionError(msg, place=place)
        try:
            raw = cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _place(tenant, opaque))
            return raw.decode()
        except (InvalidTag, ValueError, TypeError) as error:
            raise CorruptionError(msg, place=place) from error

    def is_right(
        self, tenant: str, kind: str, lookup: object, opaque: str, epoch: int, sealed: bytes
    ) -> bool:
        """Whether an entry opens, and is found by the name in it."""
        try:
            name = self.open(tenant, opaque, epoch, sealed)
            right = self.lookup(tenant, kind, name, epoch, create=False)
        except CorruptionError:
            return False
        return right is not None and right == lookup

    def _cipher(self, tenant: str, epoch: int, *, create: bool = False) -> AESGCM | None:
        key = self._secret(tenant, secret_of(NAMES, epoch), create=create)
        return None if key is None else AESGCM(key)


def _place(tenant: str, opaque: str) -> bytes:
    return f"{tenant}/{opaque}".encode()
