"""
Content keys and named secrets, wrapped; and the way to names, ends and epochs.

Whatever is written says under which epoch it is wrapped, and is written only
while that epoch is the newest: who wrapped under one that another process
replaced meanwhile wraps again. A key ends by zeros over the bytes it had; its
row stays until the file is written anew (`file.py` says why).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from memos_gov.backends.sqlite.vault.destroying import DESTROY, Destruction
from memos_gov.backends.sqlite.vault.directory import Directory
from memos_gov.backends.sqlite.vault.file import DESTROYED, Row, VaultFile
from memos_gov.backends.sqlite.vault.rotation import VaultRotation
from memos_gov.backends.sqlite.vault.seal import seal_epochs, unvouched
from memos_gov.errors import CorruptionError
from memos_gov.opened import Opened, elapsed_s
from memos_gov.ports import Checkpoint, ContentKey, Epoch, MasterKeys
from memos_gov.wrapping import (
    WRAPPED_BYTES,
    Names,
    Wrapping,
    fresh_keys,
    fresh_secret,
    unreadable_since,
)

_KEYS = "SELECT key_id, epoch, wrapped FROM content_keys WHERE tenant = ? AND key_id IN ({})"
_SECRET = "SELECT epoch, wrapped FROM secrets WHERE tenant = ? AND name = ?"  # noqa: S105 (a query)


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
        self._file = VaultFile(path, read_only=read_only)
        self._opened = Opened(now)
        self._wrapping = Wrapping(master, self._opened, path.name)
        self._directory = Directory(self._file, self._opened, Names(self.secret, path.name))

    @property
    def instance(self) -> str:
        """See `KeyStore.instance`."""
        row = self._file.one("SELECT value FROM meta WHERE name = 'instance'")
        if row is None:
            raise CorruptionError("the vault names no instance", place=self._file.path.name)
        return str(row[0])

    def found(self, instance: str, epoch: int = 1, now_ms: int = 0) -> None:
        """Name the instance this vault belongs to, and its first epoch, once."""
        with self._file.writing() as db:
            db.execute("INSERT INTO meta VALUES ('instance', ?)", (instance,))
            db.execute("INSERT INTO epochs VALUES (?, ?, NULL)", (epoch, now_ms))
            seal_epochs(db, self._wrapping)

    def check_epochs(self) -> None:
        """See `KeyStore.check_epochs`."""
        epochs = self._file.live_epochs()
        self._wrapping.require(epochs[-1])
        for epoch in epochs[:-1]:
            if not self._wrapping.has(epoch) and self._uses(epoch):
                self._wrapping.require(epoch)

    def _uses(self, epoch: int) -> bool:
        query = (
            f"SELECT 1 FROM content_keys WHERE epoch = ? AND NOT {DESTROYED}"
            " UNION ALL SELECT 1 FROM secrets WHERE epoch = ? LIMIT 1"
        )
        return self._file.one(query, (epoch, epoch)) is not None

    def _newest(self) -> int:
        """Return the epoch that everything new is wrapped under."""
        return self._file.live_epochs()[-1]

    def issue(self, tenant: str, count: int) -> list[ContentKey]:
        """See `KeyStore.issue`; one fsync for all of them."""
        keys = fresh_keys(count)
        while True:
            epoch = self._newest()
            rows = [
                (k.key_id, tenant, epoch, self._wrapping.wrap(tenant, k.key_id, k.key, epoch))
                for k in keys
            ]
            with self._file.writing() as db:
                if self._newest() == epoch:
                    db.executemany("INSERT INTO content_keys VALUES (?,?,?,?)", rows)
                    return keys

    def discard(self, tenant: str, key_ids: Iterable[str]) -> None:
        """See `KeyStore.discard`; the write-ahead log is emptied too, unless somebody reads it."""
        with self._file.writing() as db:
            db.executemany(DESTROY, [(key_id, tenant) for key_id in key_ids])
        self._file.empty_log()

    def open(self, tenant: str, key_ids: Iterable[str]) -> dict[str, bytes]:
        """See `KeyStore.open`."""
        found: dict[str, bytes] = {}
        for key_id, epoch, wrapped in self._file.listed(_KEYS, (tenant,), key_ids):
            if not _is_destroyed(wrapped):
                again = _KEYS.format("?")
                key = self._unwrapped(tenant, key_id, (epoch, wrapped), again)
                found |= {} if key is None else {key_id: key}
        return found

    def _unwrapped(self, tenant: str, name: str, row: Row, again: str) -> bytes | None:
        """Return a key; when its row moved or ended meanwhile, what it is by now."""
        try:
            return self._wrapping.unwrap(tenant, name, *row)
        except CorruptionError:
            moved = self._file.one(again, (tenant, name))
            if moved is not None and moved[-2:] == row:
                raise
            if moved is None or _is_destroyed(moved[-1]):
                return None
            return self._unwrapped(tenant, name, moved[-2:], again)

    def secret(self, tenant: str, name: str, *, create: bool = False) -> bytes | None:
        """See `KeyStore.secret`; two that create at once get the same one."""
        cached: bytes | None = self._opened.get(("secret", tenant, name))
        if cached is not None:
            return cached
        row = self._file.one(_SECRET, (tenant, name))
        while row is None and create:
            epoch = self._newest()
            wrapped = self._wrapping.wrap(tenant, name, fresh_secret(), epoch)
            with self._file.writing() as db:
                if self._newest() == epoch:
                    values = (tenant, name, epoch, wrapped)
                    db.execute(
                        "INSERT INTO secrets VALUES (?,?,?,?) ON CONFLICT DO NOTHING", values
                    )
            row = self._file.one(_SECRET, (tenant, name))
        key = None if row is None else self._unwrapped(tenant, name, row, _SECRET)
        if key is not None:
            self._opened.put(("secret", tenant, name), key)
        return key

    def refer(
        self, tenant: str, kind: str, names: Iterable[str], *, create: bool = False
    ) -> dict[str, str]:
        """See `KeyStore.refer`; all new names of a call share one fsync."""
        return self._directory.refer(tenant, kind, names, create=create)

    def enter(self, tenant: str, kind: str, names: Mapping[str, str]) -> dict[str, str]:
        """See `KeyStore.enter`."""
        return self._directory.enter(tenant, kind, names)

    def names(self, tenant: str, opaque: Iterable[str]) -> dict[str, str]:
        """See `KeyStore.names`."""
        return self._directory.names(tenant, opaque)

    def known(self, tenant: str, opaque: Iterable[str]) -> set[str]:
        """See `KeyStore.known`."""
        return self._directory.known(tenant, opaque)

    def forget_opened(self) -> None:
        """See `KeyStore.forget_opened`."""
        self._opened.clear()

    def checkpoint(self, partition: int) -> Checkpoint:
        """See `KeyStore.checkpoint`."""
        query = "SELECT next_offset, digest FROM destroyer WHERE partition = ?"
        row = self._file.one(query, (partition,))
        return Checkpoint() if row is None else Checkpoint(*row)

    @contextmanager
    def destroying(self) -> Iterator[Destruction]:
        """See `KeyStore.destroying`; names that were opened are forgotten with those kept."""
        with self._file.writing() as db:
            acts = Destruction(db, self._file)
            yield acts
        if acts.forgotten:
            self._opened.drop(lambda value: isinstance(value, str) and value in acts.forgotten)
        if acts.destroys:
            self._file.sweep(file_too=False)

    def sweep(self) -> None:
        """See `KeyStore.sweep`; after names were forgotten the whole file is written anew."""
        self._file.sweep(file_too=True)

    @property
    def supports_many_hosts(self) -> bool:
        """See `KeyStore.supports_many_hosts`."""
        return False

    def epochs(self) -> tuple[Epoch, ...]:
        """See `KeyStore.epochs`."""
        return self._file.epochs()

    def unreadable_since(self, destroyed_ms: int) -> int | None:
        """See `KeyStore.unreadable_since`."""
        return unreadable_since(self._file.epochs(), destroyed_ms)

    def rotation(self) -> VaultRotation:
        """See `KeyStore.rotation`."""
        return VaultRotation(self._file, self._wrapping, self._directory)

    def count(self) -> int:
        """See `KeyStore.count`."""
        row = self._file.one(f"SELECT count(*) FROM content_keys WHERE NOT {DESTROYED}")
        assert row is not None
        return int(row[0])

    def damaged(self) -> Iterator[str]:
        """See `KeyStore.damaged`."""
        keys = "SELECT key_id, tenant, epoch, wrapped, 'key ' || key_id FROM content_keys"
        secrets_ = "SELECT name, tenant, epoch, wrapped, 'secret ' || name FROM secrets"
        for query in (keys, secrets_):
            for name, tenant, epoch, wrapped, place in self._file.pages(query):
                if query is keys and _is_destroyed(wrapped):
                    continue
                try:
                    self._wrapping.unwrap(tenant, name, epoch, wrapped)
                except CorruptionError:
                    yield f"{place} of {tenant}"
        yield from self._directory.damaged()
        yield from unvouched(self._file, self._wrapping)

    def close(self) -> None:
        """See `KeyStore.close`."""
        self._opened.clear()
        self._file.close()


def _is_destroyed(wrapped: object) -> bool:
    return isinstance(wrapped, bytes) and len(wrapped) == WRAPPED_BYTES and not any(wrapped)
