"""
Wrapping: keys under the key-encryption key of their tenant and epoch (AES-256-GCM).

A tenant's key of an epoch is derived (HKDF-SHA256) from that epoch's master
key, which lies outside the vault. Master keys are read again whenever an epoch
is not among those read last, so another process may have begun one.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from memos_gov.domain import ids
from memos_gov.errors import CorruptionError
from memos_gov.opened import Opened
from memos_gov.ports import ContentKey, MasterKeys
from memos_gov.sealing import KEY_BYTES, NONCE_BYTES

TAG_BYTES = 16
WRAPPED_BYTES = NONCE_BYTES + KEY_BYTES + TAG_BYTES
_NEWER_VAULT = "Bring keys/kek back as it was last: {} was wrapped under a newer one."
_OLDER_VAULT = "Bring back a copy of {} from after that rotation; nothing opens the older one."


def fresh_keys(count: int) -> list[ContentKey]:
    """Return content keys of chance under names of chance, which nobody keeps yet."""
    return [
        ContentKey(f"k_{ids.short(secrets.token_bytes(16))}", secrets.token_bytes(KEY_BYTES))
        for _ in range(count)
    ]


def fresh_secret() -> bytes:
    """Return a secret of chance, which nobody keeps yet."""
    return secrets.token_bytes(KEY_BYTES)


class Wrapping:
    """Wraps and unwraps the keys of one vault, which messages call `vault`."""

    def __init__(self, master: Callable[[], MasterKeys], opened: Opened, vault: str) -> None:
        self._read_master = master
        self._opened = opened
        self._vault = vault

    def wrap(self, tenant: str, name: str, key: bytes, epoch: int) -> bytes:
        """Return a key wrapped for its tenant and name."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._kek(tenant, epoch).encrypt(nonce, key, f"{tenant}/{name}".encode())

    def unwrap(self, tenant: str, name: str, epoch: int, wrapped: bytes) -> bytes:
        """
        Return a key.

        Raises:
            CorruptionError: It is not the one wrapped for this place, or its epoch ended.
        """
        try:
            return self._kek(tenant, epoch).decrypt(
                wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], f"{tenant}/{name}".encode()
            )
        except (InvalidTag, ValueError, TypeError) as error:
            msg = f"key {name} does not unwrap: the vault was changed, or is of another log"
            raise CorruptionError(msg, place=f"{self._vault} {name}") from error

    def require(self, epoch: int) -> None:
        """
        Check that the master key of an epoch is there.

        Raises:
            CorruptionError: Says which of vault and key file is the older one.
        """
        master = self._master(epoch)
        if epoch in master.epochs:
            return
        if epoch > master.current:
            msg = f"keys/kek is older than {self._vault}: it lacks epoch {epoch}"
            raise CorruptionError(msg, place="keys/kek", remedy=_NEWER_VAULT.format(self._vault))
        msg = (
            f"{self._vault} is a copy from before the vault was rotated to epoch {master.current}:"
            f" the key of its epoch {epoch} was destroyed, so nothing in it opens"
        )
        raise CorruptionError(msg, place=self._vault, remedy=_OLDER_VAULT.format(self._vault))

    def has(self, epoch: int) -> bool:
        """Whether the master key of an epoch is there."""
        return epoch in self._master(epoch).epochs

    def _master(self, epoch: int) -> MasterKeys:
        """Return the master keys, read again unless `epoch` is known to be among them."""
        found = self._opened.get(("master",))
        if found is None or epoch not in found.epochs:
            found = self._read_master()
            self._opened.put(("master",), found)
        assert isinstance(found, MasterKeys)
        return found

    def _kek(self, tenant: str, epoch: int) -> AESGCM:
        found = self._opened.get(("kek", tenant, epoch))
        if found is None:
            found = AESGCM(self._derived(epoch, f"memos-gov/kek/v1/{tenant}/{epoch}"))
            self._opened.put(("kek", tenant, epoch), found)
        assert isinstance(found, AESGCM)
        return found

    def seal_key(self, epoch: int) -> bytes:
        """
        Return the key that seals what the vault says of its epochs, `epoch` the newest of them.

        Raises:
            CorruptionError: Its master key is not there.
        """
        return self._derived(epoch, f"memos-gov/epochs/v1/{epoch}")

    def _derived(self, epoch: int, info: str) -> bytes:
        self.require(epoch)
        hkdf = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info.encode())
        return hkdf.derive(bytes.fromhex(self._master(epoch).epochs[epoch]))
