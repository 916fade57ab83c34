"""
Content keys and named secrets, wrapped; and the way to names, ends and epochs.

Whatever is written says under which epoch it is wrapped, and is written only
while that epoch is the newest: who wrapped under one that another process
replaced meanwhile wraps again. Keys that nothing was sealed with are taken out
without a sweep, as they open nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from memos_gov.backends.postgres.vault.database import Row, VaultDatabase
from memos_gov.backends.postgres.vault.destroying import DESTROY, Destruction
from memos_gov.backends.postgres.vault.directory import Directory
from memos_gov.backends.postgres.vault.rotation import VaultRotation
from memos_gov.backends.postgres.vault.seal import seal_epochs, unvouched
from memos_gov.backends.postgres.vault.sweeping import clear, sweep
from memos_gov.errors import CorruptionError
from memos_gov.opened import Opened, elapsed_s
from memos_gov.ports import Checkpoint, ContentKey, Epoch, MasterKeys
from memos_gov.wrapping import Names, Wrapping, fresh_keys, fresh_secret, unreadable_since

_WHILE_NEWEST = (
    "WHERE %s::int = coalesce((SELECT max(epoch) FROM epochs WHERE ended_ms IS NULL), 1)"
)
_ISSUE = (
    "INSERT INTO content_keys (key_id, tenant, epoch, wrapped)"
    " SELECT fresh.key_id, %s::text, %s::int, fresh.wrapped"
    f" FROM unnest(%s::text[], %s::bytea[]) AS fresh (key_id, wrapped) {_WHILE_NEWEST}"
)
_KEEP_SECRET = (
    "INSERT INTO secrets (tenant, name, epoch, wrapped)"
    f" SELECT %s::text, %s::text, %s::int, %s::bytea {_WHILE_NEWEST} ON CONFLICT DO NOTHING"
)
_KEYS = "SELECT key_id, epoch, wrapped FROM content_keys WHERE tenant = %s AND key_id = ANY(%s)"
_KEY = "SELECT epoch, wrapped FROM content_keys WHERE tenant = %s AND key_id = %s"
_SECRET = "SELECT epoch, wrapped FROM secrets WHERE tenant = %s AND name = %s"  # noqa: S105 (a query)
_USED = (
    "SELECT 1 FROM content_keys WHERE epoch = %s UNION ALL SELECT 1 FROM secrets WHERE epoch = %s"
)
Written = TypeVar("Written")


class PostgresKeyStore:
    """One vault in a database of its own; see `KeyStore` for what it keeps."""

    def __init__(
        self,
        url: str,
        master: Callable[[], MasterKeys],
        *,
        read_only: bool = False,
        now: Callable[[], float] = elapsed_s,
    ) -> None:
        """
        Open a vault; nobody is asked before the first use.

        Args:
            url: Its database, of the newest format (`migrate.py`).
            master: Reads the master keys, again whenever what was read is too old.
            read_only: Let every attempt to write fail.
            now: The clock by which everything opened here ends.
        """
        self._database = VaultDatabase(url, read_only=read_only)
        self._opened = Opened(now)
        self._wrapping = Wrapping(master, self._opened, self._database.place)
        names = Names(self.secret, self._database.place)
        self._directory = Directory(self._database, self._opened, names)
        self._newest: int | None = None

    @property
    def instance(self) -> str:
        """See `KeyStore.instance`."""
        row = self._database.one("SELECT value FROM meta WHERE name = 'instance'")
        if row is None:
            raise CorruptionError("the vault names no instance", place=self._database.place)
        return str(row[0])

    @property
    def supports_many_hosts(self) -> bool:
        """See `KeyStore.supports_many_hosts`."""
        return True

    def found(self, instance: str, epoch: int = 1, now_ms: int = 0) -> None:
        """
        Name the instance this vault belongs to, and its first epoch, once.

        Raises:
            UnavailableError: It has one already; it keeps it.
        """
        self._database.require_durable()
        with self._database.turning() as connection:
            connection.execute("INSERT INTO meta VALUES ('instance', %s)", (instance,))
            connection.execute("INSERT INTO epochs VALUES (%s, %s, NULL)", (epoch, now_ms))
            seal_epochs(connection, self._wrapping)

    def check_epochs(self) -> None:
        """See `KeyStore.check_epochs`; refuses a server that may lose what it confirmed, too."""
        self._database.require_durable()
        epochs = self._database.live_epochs()
        self._wrapping.require(epochs[-1])
        for epoch in epochs[:-1]:
            if not self._wrapping.has(epoch) and self._uses(epoch):
                self._wrapping.require(epoch)

    def _uses(self, epoch: int) -> bool:
        return self._database.one(f"{_USED} LIMIT 1", (epoch, epoch)) is not None

    def _asked_newest(self) -> int:
        """Ask which epoch everything new is wrapped under, and remember it."""
        newest = self._newest = self._database.live_epochs()[-1]
        return newest

    def _under_newest(self, write: Callable[[int], Written | None]) -> Written:
        """Write what is wrapped under the newest epoch; again if another is the newest by then."""
        epoch = self._newest or self._asked_newest()
        while True:
            try:
                written = write(epoch)
            except CorruptionError:  # (of an epoch that is known from before, the key may be gone)
                if self._asked_newest() == epoch:
                    raise
                written = None
            if written is not None:
                return written
            epoch = self._asked_newest()

    def issue(self, tenant: str, count: int) -> list[ContentKey]:
        """See `KeyStore.issue`; one round trip and one fsync for all of them."""
        keys = fresh_keys(count)
        names = [key.key_id for key in keys]

        def write(epoch: int) -> list[ContentKey] | None:
            wrapped = [self._wrapping.wrap(tenant, k.key_id, k.key, epoch) for k in keys]
            with self._database.wrapping_at_once() as connection:
                made = connection.execute(_ISSUE.encode(), (tenant, epoch, names, wrapped, epoch))
            return keys if made.rowcount == len(keys) else None

        return self._under_newest(write)

    def discard(self, tenant: str, key_ids: Iterable[str]) -> None:
        """See `KeyStore.discard`."""
        with self._database.changing() as connection:
            connection.execute(DESTROY.encode(), (tenant, list(key_ids)))

    def open(self, tenant: str, key_ids: Iterable[str]) -> dict[str, bytes]:
        """See `KeyStore.open`."""
        found: dict[str, bytes] = {}
        for key_id, epoch, wrapped in self._database.rows(_KEYS, (tenant, sorted(set(key_ids)))):
            key = self._unwrapped(tenant, key_id, (epoch, wrapped), _KEY)
            found |= {} if key is None else {key_id: key}
        return found

    def _unwrapped(self, tenant: str, name: str, row: Row, again: str) -> bytes | None:
        """Return a key; when its row moved or ended meanwhile, what it is by now."""
        try:
            return self._wrapping.unwrap(tenant, name, *row)
        except CorruptionError:
            moved = self._database.one(again, (tenant, name))
            if moved == row:
                raise
            return None if moved is None else self._unwrapped(tenant, name, moved, again)

    def secret(self, tenant: str, name: str, *, create: bool = False) -> bytes | None:
        """See `KeyStore.secret`; two that create at once get the same one."""
        cached: bytes | None = self._opened.get(("secret", tenant, name))
        if cached is not None:
            return cached
        row = self._database.one(_SECRET, (tenant, name))
        if row is None and create:
            row = self._under_newest(lambda epoch: self._kept_secret(tenant, name, epoch))
        key = None if row is None else self._unwrapped(tenant, name, row, _SECRET)
        if key is not None:
            self._opened.put(("secret", tenant, name), key)
        return key

    def _kept_secret(self, tenant: str, name: str, epoch: int) -> Row | None:
        """Keep a fresh secret; return what is kept by then, None if the epoch was replaced."""
        wrapped = self._wrapping.wrap(tenant, name, fresh_secret(), epoch)
        with self._database.wrapping_at_once() as connection:
            values = (tenant, name, epoch, wrapped, epoch)
            connection.execute(_KEEP_SECRET.encode(), values)
            kept = connection.execute(_SECRET.encode(), (tenant, name))
        return kept.fetchone()

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
        query = "SELECT next_offset, digest FROM destroyer WHERE partition = %s"
        row = self._database.one(query, (partition,))
        return Checkpoint() if row is None else Checkpoint(*row)

    @contextmanager
    def destroying(self) -> Iterator[Destruction]:
        """
        See `KeyStore.destroying`; nobody reaches what ended from here on.

        Its bytes are swept by `sweep`. Names that were opened are forgotten
        with those kept.
        """
        with self._database.changing() as connection:
            acts = Destruction(connection)
            yield acts
        if acts.forgotten:
            self._opened.drop(lambda value: isinstance(value, str) and value in acts.forgotten)
        if acts.tables:
            clear(self._database, acts.tables)

    def sweep(self) -> None:
        """See `KeyStore.sweep`; `sweeping.py` says what stays elsewhere, and until when."""
        sweep(self._database)

    def epochs(self) -> tuple[Epoch, ...]:
        """See `KeyStore.epochs`."""
        return self._database.epochs()

    def unreadable_since(self, destroyed_ms: int) -> int | None:
        """See `KeyStore.unreadable_since`."""
        return unreadable_since(self._database.epochs(), destroyed_ms)

    def rotation(self) -> VaultRotation:
        """See `KeyStore.rotation`."""
        return VaultRotation(self._database, self._wrapping, self._directory)

    def count(self) -> int:
        """See `KeyStore.count`."""
        ((count,),) = self._database.rows("SELECT count(*) FROM content_keys")
        return int(count)

    def damaged(self) -> Iterator[str]:
        """See `KeyStore.damaged`."""
        keys = self._database.pages("content_keys", ("key_id",), "tenant, epoch, wrapped")
        yield from (
            f"key {name} of {tenant}"
            for name, tenant, *row in keys
            if not self._opens(tenant, name, *row)
        )
        kept = self._database.pages("secrets", ("tenant", "name"), "epoch, wrapped")
        yield from (
            f"secret {name} of {tenant}"
            for tenant, name, *row in kept
            if not self._opens(tenant, name, *row)
        )
        yield from self._directory.damaged()
        yield from unvouched(self._database, self._wrapping)

    def _opens(self, tenant: str, name: str, epoch: int, wrapped: bytes) -> bool:
        try:
            self._wrapping.unwrap(tenant, name, epoch, wrapped)
        except CorruptionError:
            return False
        return True

    def close(self) -> None:
        """See `KeyStore.close`."""
        self._opened.clear()
        self._database.close()
