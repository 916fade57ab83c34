"""
Key files of a data folder: `keys/{kek,operator,verifier,recovery,recovery.pub}`, mode 0600.

Kept outside every backup of the vault. `recovery` is made for the operator to
carry away: nothing here needs it afterwards, as its public half stays in
`recovery.pub`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from memos_gov.errors import CorruptionError, SettingsError, UnavailableError, remedy_of
from memos_gov.ports import MasterKeys
from memos_gov.sealing import KEY_BYTES

_RECOVERY_PUBLIC = "recovery.pub"


class KeyFiles:
    """The keys of one data folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def make(self) -> None:
        """Make every key but `operator`; none may exist yet."""
        self._folder.mkdir(mode=0o700)
        FileKeyring(self._folder).begin(1)
        for name in ("verifier", "recovery"):
            self._write(name, Ed25519PrivateKey.generate().private_bytes_raw().hex().encode())
        self._write(_RECOVERY_PUBLIC, self.public("recovery").encode())

    def _write(self, name: str, body: bytes) -> None:
        _write_new(self._folder / name, body)

    def keep_operator(self, key: bytes) -> None:
        """Write the operator's key, which the vault keeps too, so that it can be told."""
        self._write("operator", key.hex().encode())

    def operator(self) -> bytes:
        """
        Return the operator's key.

        Raises:
            SettingsError: The file is absent.
            CorruptionError: It holds no key.
        """
        return self._hex("operator")

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
        return _read(self._folder / name)


class FileKeyring:
    """`keys/kek`: replaced as a whole, and what it held is overwritten; see `Keyring`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "kek"
        self._aside = folder / ".kek.new"

    def master(self) -> MasterKeys:
        """See `Keyring.master`."""
        try:
            found = self._decoded()
        except msgspec.MsgspecError:
            found = None
        try:
            # A file that was replaced while it was read is read again.
            found = found or self._decoded()
        except msgspec.MsgspecError as error:
            raise CorruptionError("keys/kek is damaged", place="keys/kek") from error
        if not found.epochs:
            raise CorruptionError("keys/kek holds no key", place="keys/kek")
        return found

    def _decoded(self) -> MasterKeys:
        return msgspec.json.decode(_read(self._path), type=MasterKeys)

    def begin(self, epoch: int) -> None:
        """See `Keyring.begin`."""
        known = self.master().epochs if self._path.exists() else {}
        if epoch not in known:
            self._replace({**known, epoch: secrets.token_hex(KEY_BYTES)})

    def end(self, before: int) -> None:
        """See `Keyring.end`: the bytes of the former file are overwritten."""
        known = self.master().epochs
        kept = {epoch: key for epoch, key in known.items() if epoch >= before}
        assert kept
        if kept == known:
            return
        with _translated():
            former = os.open(self._path, os.O_RDWR)
            try:
                self._replace(kept)
                os.pwrite(former, bytes(os.fstat(former).st_size), 0)
                os.fsync(former)
            finally:
                os.close(former)

    def _replace(self, epochs: dict[int, str]) -> None:
        with _translated():
            self._aside.unlink(missing_ok=True)
            _write_new(self._aside, msgspec.json.encode(MasterKeys(epochs)))
            self._aside.replace(self._path)
            _sync(self._path.parent)

    @contextmanager
    def rotating(self) -> Iterator[None]:
        """
        See `Keyring.rotating`: a lock of the operating system on the folder.

        Where the folder comes over NFS, whose locks need something that can be
        written, on a file in it. How far that reaches is up to the file system;
        a vault that several hosts use has a lock of its own (`Rotation.alone`).
        """
        with _translated():
            locked = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                _lock(locked)
            except BaseException as error:
                os.close(locked)
                if not (isinstance(error, OSError) and error.errno == errno.EBADF):
                    raise
                locked = _locked_file(self._path.with_name(".rotating"))
        try:
            yield
        finally:
            os.close(locked)


def _lock(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        msg = "the vault is being rotated by another process"
        raise UnavailableError(msg, backend="keys") from error


def _locked_file(path: Path) -> int:
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        _lock(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes().strip()
    except FileNotFoundError:
        remedy = "Bring the key file back from where you keep it."
        raise SettingsError(f"the key file keys/{path.name} is missing", remedy=remedy) from None
    except OSError as error:
        msg = f"keys/{path.name} cannot be read"
        raise UnavailableError(msg, backend="keys", remedy=remedy_of(error)) from error


def _write_new(path: Path, body: bytes) -> None:
    """Write a file that is not there yet, durably, for its owner only."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(body + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        msg = f"keys/kek cannot be written ({os.strerror(error.errno or 0)})"
        raise UnavailableError(msg, backend="keys", remedy=remedy_of(error)) from error
