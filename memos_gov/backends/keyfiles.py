"""
Key files of a data folder: `keys/{kek,operator,verifier,recovery,recovery.pub}`, mode 0600.

Kept outside every backup of the vault. `recovery` is made for the operator to
carry away: nothing here needs it afterwards, as its public half stays in
`recovery.pub`.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from memos_gov.errors import CorruptionError, SettingsError, UnavailableError, remedy_of
from memos_gov.sealing import KEY_BYTES, MasterKeys

_RECOVERY_PUBLIC = "recovery.pub"


class KeyFiles:
    """The keys of one data folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def make(self) -> None:
        """Make every key; none may exist yet."""
        self._folder.mkdir(mode=0o700)
        master = MasterKeys({1: secrets.token_hex(KEY_BYTES)})
        self._write("kek", msgspec.json.encode(master))
        self._write("operator", secrets.token_hex(KEY_BYTES).encode())
        for name in ("verifier", "recovery"):
            self._write(name, Ed25519PrivateKey.generate().private_bytes_raw().hex().encode())
        self._write(_RECOVERY_PUBLIC, self.public("recovery").encode())

    def _write(self, name: str, body: bytes) -> None:
        path = self._folder / name
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(body + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def master(self) -> MasterKeys:
        """Return the master keys."""
        try:
            return msgspec.json.decode(self._read("kek"), type=MasterKeys)
        except msgspec.MsgspecError as error:
            raise CorruptionError("keys/kek is damaged", place="keys/kek") from error

    def require_operator(self) -> None:
        """
        Check that whoever runs this may read the operator's key: that is the proof of identity.

        Raises:
            SettingsError: The file is absent or not readable.
        """
        self._read("operator")

    def private(self, name: str) -> bytes:
        """Return the raw Ed25519 private key of `verifier` or `recovery`."""
        return self._hex(name)

    def _hex(self, name: str) -> bytes:
        try:
            return bytes.fromhex(self._read(name).decode())
        except ValueError as error:
            raise CorruptionError(f"keys/{name} is damaged", place=f"keys/{name}") from error

    def public(self, name: str) -> str:
        """Return the public half of a private key that lies here, in hex."""
        key = Ed25519PrivateKey.from_private_bytes(self.private(name))
        return key.public_key().public_bytes_raw().hex()

    def recovery_public(self) -> str:
        """
        Return the public half of `recovery`, in hex; the private one may be elsewhere.

        Raises:
            SettingsError: Neither half lies here.
            CorruptionError: The file holds no such key.
        """
        if not (self._folder / _RECOVERY_PUBLIC).exists() and (self._folder / "recovery").exists():
            return self.public("recovery")
        public = self._hex(_RECOVERY_PUBLIC)
        if len(public) != KEY_BYTES:
            place = f"keys/{_RECOVERY_PUBLIC}"
            raise CorruptionError(f"{place} is damaged", place=place)
        return public.hex()

    def _read(self, name: str) -> bytes:
        try:
            return (self._folder / name).read_bytes().strip()
        except FileNotFoundError:
            remedy = "Bring the key file back from where you keep it."
            raise SettingsError(f"the key file keys/{name} is missing", remedy=remedy) from None
        except OSError as error:
            msg = f"keys/{name} cannot be read"
            raise UnavailableError(msg, backend="keys", remedy=remedy_of(error)) from error
