"""
The directory: opaque ids, and sealed what they stand for.

An entry is found by a keyed digest of its name. Names are sealed, and digests
keyed, under two secrets of the tenant that every epoch has anew. So once an
epoch has ended, a name that was taken out is in no older copy of the vault
either, not even for who guesses it. While everything moves from one epoch to
the next, a name is looked for under both.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from memos_gov.backends.sqlite.vault.file import NONCE_BYTES, Row, VaultFile
from memos_gov.domain import ids
from memos_gov.errors import CorruptionError
from memos_gov.opened import Opened

DIRECTORY, NAMES = "directory", "names"
_BY_NAME = "SELECT lookup, opaque FROM directory WHERE tenant = ? AND kind = ? AND lookup IN ({})"
_BY_ID = "SELECT opaque, epoch, sealed FROM directory WHERE tenant = ? AND opaque IN ({})"
Secret = Callable[..., bytes | None]


def secret_of(purpose: str, epoch: int) -> str:
    """Return the name of a secret that every epoch has anew."""
    return purpose if epoch == 1 else f"{purpose}:{epoch}"


class Directory:
    """The names of one vault."""

    def __init__(self, file: VaultFile, opened: Opened, secret: Secret) -> None:
        self._file = file
        self._opened = opened
        self._secret = secret

    def refer(
        self, tenant: str, kind: str, names: Iterable[str], *, create: bool
    ) -> dict[str, str]:
        """See `KeyStore.refer`."""
        wanted = set(names)
        known: dict[str, str] = {
            n: i for n in wanted if (i := self._opened.get(("name", tenant, kind, n)))
        }
        unknown = wanted - known.keys()
        found = self._found(tenant, kind, unknown) if unknown else {}
        if create and (missing := unknown - found.keys()):
            fresh = {name: ids.opaque_id(kind, secrets.token_bytes(16)) for name in missing}
            found |= self.enter(tenant, kind, fresh)
        for name, opaque in found.items():
            self._opened.put(("name", tenant, kind, name), opaque)
        return known | found

    def enter(self, tenant: str, kind: str, names: Mapping[str, str]) -> dict[str, str]:
        """See `KeyStore.enter`."""
        while True:
            epochs = self._file.live_epochs()
            rows = [self.row(tenant, kind, o, name, epochs[-1]) for name, o in names.items()]
            with self._file.writing() as db:
                if self._file.live_epochs() == epochs:
                    known = self._under(tenant, kind, names, epochs)
                    fresh = [
                        row for row, name in zip(rows, names, strict=True) if name not in known
                    ]
                    db.executemany(
                        "INSERT INTO directory VALUES (?,?,?,?,?,?) ON CONFLICT DO NOTHING", fresh
                    )
                    return self._under(tenant, kind, names, epochs)

    def prepare(self, tenant: str, epoch: int) -> None:
        """Have the secrets of an epoch, made when absent."""
        for purpose in (DIRECTORY, NAMES):
            self._secret(tenant, secret_of(purpose, epoch), create=True)

    def row(self, tenant: str, kind: str, opaque: str, name: str, epoch: int) -> Row:
        """Return the entry of a name under an epoch, in the order of the columns."""
        lookup = self._lookup(tenant, kind, name, epoch, create=True)
        nonce, cipher = secrets.token_bytes(NONCE_BYTES), self._cipher(tenant, epoch, create=True)
        assert cipher is not None
        sealed = nonce + cipher.encrypt(nonce, name.encode(), _place(tenant, opaque))
        return (tenant, kind, lookup, opaque, epoch, sealed)

    def _found(self, tenant: str, kind: str, names: Iterable[str]) -> dict[str, str]:
        """Return name -> id of those that are there, whatever epoch they are under."""
        epochs = self._file.live_epochs()
        while True:
            found = self._under(tenant, kind, names, epochs)
            before, epochs = epochs, self._file.live_epochs()
            if epochs == before:
                return found

    def _under(
        self, tenant: str, kind: str, names: Iterable[str], epochs: Iterable[int]
    ) -> dict[str, str]:
        by_digest = {
            digest: name
            for epoch in epochs
            for name in names
            if (digest := self._lookup(tenant, kind, name, epoch, create=False))
        }
        rows = self._file.listed(_BY_NAME, (tenant, kind), by_digest)
        return {by_digest[lookup]: opaque for lookup, opaque in rows}

    def _lookup(
        self, tenant: str, kind: str, name: str, epoch: int, *, create: bool
    ) -> bytes | None:
        """Return the digest that a name is found by; None where an epoch has no entry at all."""
        key = self._secret(tenant, secret_of(DIRECTORY, epoch), create=create)
        if key is None:
            return None
        return hmac.digest(key, f"{kind}\0{name}".encode(), hashlib.sha256)

    def _cipher(self, tenant: str, epoch: int, *, create: bool = False) -> AESGCM | None:
        key = self._secret(tenant, secret_of(NAMES, epoch), create=create)
        return None if key is None else AESGCM(key)

    def names(self, tenant: str, opaque: Iterable[str]) -> dict[str, str]:
        """See `KeyStore.names`."""
        found: dict[str, str] = {}
        for row in self._file.listed(_BY_ID, (tenant,), opaque):
            name = self._name(tenant, row)
            if name is not None:
                found[row[0]] = name
        return found

    def known(self, tenant: str, opaque: Iterable[str]) -> set[str]:
        """See `KeyStore.known`."""
        return {row[0] for row in self._file.listed(_BY_ID, (tenant,), opaque)}

    def _name(self, tenant: str, row: Row) -> str | None:
        """Return the name in a row of `_BY_ID`; one that moved meanwhile is read again."""
        try:
            return self.opened(tenant, *row)
        except CorruptionError:
            moved = self._file.one(_BY_ID.format("?"), (tenant, row[0]))
            if moved == row:
                raise
            return None if moved is None else self._name(tenant, moved)

    def opened(self, tenant: str, opaque: str, epoch: int, sealed: bytes) -> str:
        """
        Return the name in an entry.

        Raises:
            CorruptionError: It is not the one sealed for this id.
        """
        place = f"{self._file.path.name} {opaque}"
        msg = f"the directory entry of {opaque} does not open: the vault was changed"
        cipher = self._cipher(tenant, epoch)
        if cipher is None:
            raise CorruptionError(msg, place=place)
        try:
            raw = cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _place(tenant, opaque))
            return raw.decode()
        except (InvalidTag, ValueError, TypeError) as error:
            raise CorruptionError(msg, place=place) from error

    def damaged(self) -> Iterator[str]:
        """Yield the place of each entry that does not open, or is not found by the name in it."""
        query = "SELECT tenant, kind, lookup, opaque, epoch, sealed FROM directory"
        for tenant, kind, lookup, opaque, epoch, sealed in self._file.pages(query):
            try:
                name = self.opened(tenant, opaque, epoch, sealed)
                right = self._lookup(tenant, kind, name, epoch, create=False)
            except CorruptionError:
                right = None
            if right is None or right != lookup:
                yield f"name {opaque} of {tenant}"


def _place(tenant: str, opaque: str) -> bytes:
    return f"{tenant}/{opaque}".encode()
