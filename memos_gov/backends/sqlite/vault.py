"""
`SqliteKeyStore`: the vault of one machine.

Every key lies wrapped (AES-256-GCM) under the tenant's key-encryption key of
its epoch, which is derived (HKDF-SHA256) from a master key in a file outside
the vault and outside every backup of it. `synchronous=FULL`: a key is on the
disk before anything is sealed with it.

A key ends by zeros over the bytes it had. Its row stays: SQLite moves the
neighbours of a row that is taken out, and leaves a copy where they were, which
no later deletion would reach, `secure_delete` or not. Names are taken out, and
the file is then written anew (`sweep`). The write-ahead log is emptied both
times.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from memos_gov.backends.sqlite.connection import (
    open_file,
    open_read_only,
    transaction,
    translated,
)
from memos_gov.domain import ids
from memos_gov.errors import CorruptionError, UnavailableError
from memos_gov.opened import Opened, elapsed_s
from memos_gov.ports import Checkpoint, ContentKey
from memos_gov.sealing import KEY_BYTES, MasterKeys

NONCE_BYTES = 12
WRAPPED_BYTES = NONCE_BYTES + KEY_BYTES + 16
_IN_LIST_MAX = 500
_UNSWEPT = "unswept"
_DESTROY = (
    "UPDATE content_keys SET wrapped = zeroblob(length(wrapped)) WHERE key_id = ? AND tenant = ?"
)


class SqliteKeyStore:
    """One `vault.db`; see `KeyStore` for what it keeps."""

    def __init__(
        self,
        path: Path,
        master: Callable[[], MasterKeys],
        *,
        read_only: bool = False,
        now: Callable[[], float] = elapsed_s,
    ) -> None:
        """
        Open a vault.

        Args:
            master: Reads the master keys, again whenever what was read is too old.
            now: The clock by which everything opened here ends.
        """
        self._path = path
        self._read_master = master
        self._lock = threading.Lock()
        self._opened = Opened(now)
        self._db = open_read_only(path) if read_only else open_file(path, secure_delete=True)

    @property
    def instance(self) -> str:
        """See `KeyStore.instance`."""
        row = self._one("SELECT value FROM meta WHERE name = 'instance'", ())
        if row is None:
            msg = "the vault names no instance"
            raise CorruptionError(msg, place=self._path.name)
        return str(row[0])

    def found(self, instance: str) -> None:
        """Name the instance this vault belongs to, once."""
        with self._lock, transaction(self._db, self._path, write=True):
            self._db.execute("INSERT INTO meta VALUES ('instance', ?)", (instance,))

    def _one(self, query: str, values: tuple[object, ...]) -> tuple[object, ...] | None:
        with self._lock, translated(self._path):
            row: tuple[object, ...] | None = self._db.execute(query, values).fetchone()
        return row

    def _master(self) -> MasterKeys:
        found = self._opened.get(("master",))
        if found is None:
            found = self._read_master()
            self._opened.put(("master",), found)
        assert isinstance(found, MasterKeys)
        return found

    def _kek(self, tenant: str, epoch: int) -> AESGCM:
        found = self._opened.get(("kek", tenant, epoch))
        if found is None:
            master = self._master()
            if epoch not in master.epochs:
                msg = f"no key-encryption key of epoch {epoch}"
                raise CorruptionError(msg, place="keys/kek")
            info = f"memos-gov/kek/v1/{tenant}/{epoch}".encode()
            hkdf = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info)
            found = AESGCM(hkdf.derive(bytes.fromhex(master.epochs[epoch])))
            self._opened.put(("kek", tenant, epoch), found)
        assert isinstance(found, AESGCM)
        return found

    def _wrap(self, tenant: str, name: str, key: bytes) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        kek = self._kek(tenant, self._master().current)
        return nonce + kek.encrypt(nonce, key, f"{tenant}/{name}".encode())

    def _unwrap(self, tenant: str, name: str, epoch: int, wrapped: bytes) -> bytes:
        try:
            return self._kek(tenant, epoch).decrypt(
                wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], f"{tenant}/{name}".encode()
            )
        except (InvalidTag, ValueError) as error:
            msg = f"key {name} does not unwrap: the vault was changed, or is of another log"
            raise CorruptionError(msg, place=f"{self._path.name} {name}") from error

    def issue(self, tenant: str, count: int) -> list[ContentKey]:
        """See `KeyStore.issue`; one fsync for all of them."""
        keys = [
            ContentKey(f"k_{ids.short(secrets.token_bytes(16))}", secrets.token_bytes(KEY_BYTES))
            for _ in range(count)
        ]
        epoch = self._master().current
        rows = [(k.key_id, tenant, epoch, self._wrap(tenant, k.key_id, k.key)) for k in keys]
        with self._lock, transaction(self._db, self._path, write=True):
            self._db.executemany("INSERT INTO content_keys VALUES (?,?,?,?)", rows)
        return keys

    def discard(self, tenant: str, key_ids: Iterable[str]) -> None:
        """See `KeyStore.discard`; the write-ahead log is emptied too, unless somebody reads it."""
        with self._lock, transaction(self._db, self._path, write=True):
            self._db.executemany(_DESTROY, [(key_id, tenant) for key_id in key_ids])
        self._empty_log()

    def checkpoint(self, partition: int) -> Checkpoint:
        """See `KeyStore.checkpoint`."""
        query = "SELECT next_offset, digest FROM destroyer WHERE partition = ?"
        with self._lock, translated(self._path):
            row = self._db.execute(query, (partition,)).fetchone()
        return Checkpoint() if row is None else Checkpoint(*row)

    @contextmanager
    def destroying(self) -> Iterator[_Destroying]:
        """See `KeyStore.destroying`; opened names are forgotten with those that are kept."""
        with self._lock, transaction(self._db, self._path, write=True):
            acts = _Destroying(self._db)
            yield acts
        if acts.forgotten:
            self._opened.drop(lambda value: isinstance(value, str) and value in acts.forgotten)
        if acts.destroys and not self._empty_log():
            msg = f"{self._path.name} is being read, so that its log still holds what was destroyed"
            raise UnavailableError(msg, backend="sqlite")

    def sweep(self) -> None:
        """See `KeyStore.sweep`; after names were forgotten the whole file is written anew."""
        marked = self._one("SELECT 1 FROM meta WHERE name = ?", (_UNSWEPT,)) is not None
        if marked:
            with self._lock, translated(self._path):
                self._db.execute("PRAGMA temp_store=MEMORY")
                self._db.execute("VACUUM")
        if not self._empty_log():
            msg = f"{self._path.name} is being read and cannot be swept"
            raise UnavailableError(msg, backend="sqlite")
        if marked:
            with self._lock, transaction(self._db, self._path, write=True):
                self._db.execute("DELETE FROM meta WHERE name = ?", (_UNSWEPT,))

    def _empty_log(self) -> bool:
        """Empty the write-ahead log; return whether nobody reads it."""
        with self._lock, translated(self._path):
            (busy, _, _) = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy

    def open(self, tenant: str, key_ids: Iterable[str]) -> dict[str, bytes]:
        """See `KeyStore.open`."""
        wanted = sorted(set(key_ids))
        found: dict[str, bytes] = {}
        for start in range(0, len(wanted), _IN_LIST_MAX):
            piece = wanted[start : start + _IN_LIST_MAX]
            query = (
                "SELECT key_id, epoch, wrapped FROM content_keys"
                f" WHERE tenant = ? AND key_id IN ({','.join('?' * len(piece))})"
            )
            with self._lock, translated(self._path):
                rows = self._db.execute(query, (tenant, *piece)).fetchall()
            for key_id, epoch, wrapped in rows:
                if not _is_destroyed(wrapped):
                    found[key_id] = self._unwrap(tenant, key_id, epoch, wrapped)
        return found

    def secret(self, tenant: str, name: str, *, create: bool = False) -> bytes | None:
        """See `KeyStore.secret`; two that create at once get the same one."""
        cached: bytes | None = self._opened.get(("secret", tenant, name))
        if cached is not None:
            return cached
        query = "SELECT epoch, wrapped FROM secrets WHERE tenant = ? AND name = ?"
        row = self._one(query, (tenant, name))
        if row is None and create:
            wrapped = self._wrap(tenant, name, secrets.token_bytes(KEY_BYTES))
            with self._lock, transaction(self._db, self._path, write=True):
                self._db.execute(
                    "INSERT INTO secrets VALUES (?,?,?,?) ON CONFLICT DO NOTHING",
                    (tenant, name, self._master().current, wrapped),
                )
            row = self._one(query, (tenant, name))
        if row is None:
            return None
        epoch, stored = row
        assert isinstance(epoch, int)
        assert isinstance(stored, bytes)
        key = self._unwrap(tenant, name, epoch, stored)
        self._opened.put(("secret", tenant, name), key)
        return key

    def refer(
        self, tenant: str, kind: str, names: Iterable[str], *, create: bool = False
    ) -> dict[str, str]:
        """See `KeyStore.refer`; all new names of a call share one fsync."""
        wanted = set(names)
        known: dict[str, str] = {
            n: i for n in wanted if (i := self._opened.get(("name", tenant, kind, n)))
        }
        lookups = {n: self._lookup(tenant, kind, n) for n in wanted - known.keys()}
        found = self._referred_rows(tenant, kind, lookups) if lookups else {}
        if create and (missing := lookups.keys() - found.keys()):
            fresh = {name: ids.opaque_id(kind, secrets.token_bytes(16)) for name in missing}
            found |= self.enter(tenant, kind, fresh)
        for name, opaque in found.items():
            self._opened.put(("name", tenant, kind, name), opaque)
        return known | found

    def enter(self, tenant: str, kind: str, names: Mapping[str, str]) -> dict[str, str]:
        """See `KeyStore.enter`."""
        lookups = {name: self._lookup(tenant, kind, name) for name in names}
        rows = [
            (tenant, kind, lookups[name], opaque, self._wrap_name(tenant, opaque, name))
            for name, opaque in names.items()
        ]
        with self._lock, transaction(self._db, self._path, write=True):
            self._db.executemany(
                "INSERT INTO directory VALUES (?,?,?,?,?) ON CONFLICT DO NOTHING", rows
            )
        return self._referred_rows(tenant, kind, lookups)

    def _lookup(self, tenant: str, kind: str, name: str) -> bytes:
        key = self.secret(tenant, "directory", create=True)
        assert key is not None
        return hmac.digest(key, f"{kind}\0{name}".encode(), hashlib.sha256)

    def _referred_rows(self, tenant: str, kind: str, lookups: dict[str, bytes]) -> dict[str, str]:
        names = {digest: name for name, digest in lookups.items()}
        digests = list(names)
        found: dict[str, str] = {}
        for start in range(0, len(digests), _IN_LIST_MAX):
            piece = digests[start : start + _IN_LIST_MAX]
            query = (
                "SELECT lookup, opaque FROM directory WHERE tenant = ? AND kind = ?"
                f" AND lookup IN ({','.join('?' * len(piece))})"
            )
            with self._lock, translated(self._path):
                rows = self._db.execute(query, (tenant, kind, *piece)).fetchall()
            found |= {names[lookup]: opaque for lookup, opaque in rows}
        return found

    def _directory_cipher(self, tenant: str) -> AESGCM:
        key = self.secret(tenant, "names", create=True)
        assert key is not None
        return AESGCM(key)

    def _wrap_name(self, tenant: str, opaque: str, name: str) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        aad = f"{tenant}/{opaque}".encode()
        return nonce + self._directory_cipher(tenant).encrypt(nonce, name.encode(), aad)

    def names(self, tenant: str, opaque: Iterable[str]) -> dict[str, str]:
        """See `KeyStore.names`."""
        wanted = sorted(set(opaque))
        found: dict[str, str] = {}
        for start in range(0, len(wanted), _IN_LIST_MAX):
            piece = wanted[start : start + _IN_LIST_MAX]
            query = (
                "SELECT opaque, sealed FROM directory"
                f" WHERE tenant = ? AND opaque IN ({','.join('?' * len(piece))})"
            )
            with self._lock, translated(self._path):
                rows = self._db.execute(query, (tenant, *piece)).fetchall()
            found |= {o: self._open_name(tenant, o, sealed) for o, sealed in rows}
        return found

    def _open_name(self, tenant: str, opaque: str, sealed: bytes) -> str:
        aad = f"{tenant}/{opaque}".encode()
        cipher = self._directory_cipher(tenant)
        try:
            return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], aad).decode()
        except (InvalidTag, ValueError) as error:
            msg = f"the directory entry of {opaque} does not open: the vault was changed"
            raise CorruptionError(msg, place=f"{self._path.name} {opaque}") from error

    def forget_opened(self) -> None:
        """See `KeyStore.forget_opened`."""
        self._opened.clear()

    def damaged(self) -> Iterator[str]:
        """See `KeyStore.damaged`."""
        keys = "SELECT key_id, tenant, epoch, wrapped, 'key ' || key_id FROM content_keys"
        secrets_ = "SELECT name, tenant, epoch, wrapped, 'secret ' || name FROM secrets"
        for query in (keys, secrets_):
            for name, tenant, epoch, wrapped, place in self._pages(query):
                if query is keys and _is_destroyed(wrapped):
                    continue
                try:
                    self._unwrap(tenant, name, epoch, wrapped)
                except (CorruptionError, TypeError, ValueError):
                    yield f"{place} of {tenant}"
        for tenant, kind, lookup, opaque, sealed in self._pages("SELECT * FROM directory"):
            if not self._is_entry(tenant, kind, lookup, opaque, sealed):
                yield f"name {opaque} of {tenant}"

    def _pages(self, query: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query, a page at a time under the lock."""
        with self._lock, translated(self._path):
            cursor = self._db.execute(query)
        while True:
            with self._lock, translated(self._path):
                page = cursor.fetchmany(_IN_LIST_MAX)
            if not page:
                return
            yield from page

    def _is_entry(self, tenant: str, kind: str, lookup: bytes, opaque: str, sealed: bytes) -> bool:
        """Whether a directory entry opens, and is found by the name in it."""
        if self.secret(tenant, "names") is None or self.secret(tenant, "directory") is None:
            return False
        try:
            name = self._open_name(tenant, opaque, sealed)
        except (CorruptionError, TypeError, ValueError):
            return False
        return hmac.compare_digest(self._lookup(tenant, kind, name), lookup)

    def close(self) -> None:
        """See `KeyStore.close`."""
        self._opened.clear()
        with self._lock:
            self._db.close()


def _is_destroyed(wrapped: object) -> bool:
    return isinstance(wrapped, bytes) and len(wrapped) == WRAPPED_BYTES and not any(wrapped)


class _Destroying:
    """See `Destroying`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self.destroys = False
        self.forgotten: set[str] = set()

    def destroy(self, tenant: str, key_ids: Iterable[str]) -> None:
        """See `Destroying.destroy`."""
        self._db.executemany(_DESTROY, [(key_id, tenant) for key_id in key_ids])
        self.destroys = True

    def forget_names(self, tenant: str, opaque: Iterable[str]) -> None:
        """See `Destroying.forget_names`."""
        ended = set(opaque)
        self._db.executemany(
            "DELETE FROM directory WHERE tenant = ? AND opaque = ?", [(tenant, o) for o in ended]
        )
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, '1')", (_UNSWEPT,))
        self.destroys = True
        self.forgotten |= ended

    def advance(self, partition: int, checkpoint: Checkpoint) -> None:
        """See `Destroying.advance`."""
        self._db.execute(
            "INSERT INTO destroyer VALUES (?,?,?) ON CONFLICT (partition) DO UPDATE SET"
            " next_offset = excluded.next_offset, digest = excluded.digest"
            " WHERE excluded.next_offset > next_offset",
            (partition, checkpoint.next_offset, checkpoint.digest),
        )
