"""The vault, and the master keys that it needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec

from memos_gov.ports.follower import Checkpoint


class ContentKey(msgspec.Struct, frozen=True):
    """A fresh 256-bit key and the name under which the vault keeps it."""

    key_id: str
    key: bytes


class MasterKeys(msgspec.Struct, frozen=True):
    """The master keys by epoch, in hex; every key-encryption key is derived from one."""

    epochs: dict[int, str]

    @property
    def current(self) -> int:
        """The newest epoch."""
        return max(self.epochs)


class Keyring(Protocol):
    """
    Where the master keys lie: outside the vault, and outside every backup of it.

    What a call changed is durable and whole when it returns; a crash leaves
    what was there before or after.
    """

    def master(self) -> MasterKeys:
        """
        Return the master keys.

        Raises:
            SettingsError: There are none.
            CorruptionError: They do not read.
        """

    def begin(self, epoch: int) -> None:
        """Make the master key of an epoch; one that is there stays."""

    def end(self, before: int) -> None:
        """Destroy the master keys of all epochs before one that stays."""

    def rotating(self) -> AbstractContextManager[None]:
        """
        Be the only one who begins and ends epochs, until the `with` ends or the process does.

        Raises:
            UnavailableError: Another process is.
        """


class Epoch(msgspec.Struct, frozen=True):
    """
    A time during which everything new in the vault was wrapped under one master key.

    It ended, in milliseconds, when that key was destroyed; None while the key lives.
    """

    number: int
    began_ms: int
    ended_ms: int | None


class Rotation(Protocol):
    """The vault's part in a rotation; each step is durable, and repeating it changes nothing."""

    def alone(self) -> AbstractContextManager[None]:
        """
        Be the only one on any host who rotates this vault, until the `with` ends or the process.

        Only a vault that `supports_many_hosts` says so itself; of any other,
        all users are on one machine, where `Keyring.rotating` is enough.

        Raises:
            UnavailableError: Another process is, or it can no longer be told.
        """

    def begin(self, epoch: int, now_ms: int) -> None:
        """
        Wrap everything new under `epoch` from here on, whoever writes it.

        Raises:
            CorruptionError: Its master key is not there.
        """

    def left(self, epoch: int) -> int:
        """Return how many keys, secrets and names are under an earlier epoch."""

    def rewrap(self, limit: int) -> int:
        """
        Move at most `limit` keys, secrets and names to the newest epoch; return how many.

        0 says that nothing is left under an earlier one.

        Raises:
            CorruptionError: One of them does not open.
        """

    def end(self, now_ms: int) -> tuple[int, ...]:
        """Note that earlier epochs' master keys are destroyed; return which ended just now."""


class Destroying(Protocol):
    """One exclusive transaction of the destroyer; durable, all or nothing, when the `with` ends."""

    def destroy(self, tenant: str, key_ids: Iterable[str]) -> None:
        """End content keys for ever; one that is not there is passed over."""

    def forget_names(self, tenant: str, opaque: Iterable[str]) -> None:
        """End directory entries for ever: a name among them is unknown from here on."""

    def advance(self, partition: int, checkpoint: Checkpoint) -> None:
        """Move the destroyer's checkpoint; one that another process moved further stays."""


class KeyStore(Protocol):
    """
    The vault: content keys, named secrets, and the directory of names.

    Everything it returns as made is durable. Keys are wrapped under the
    tenant's key-encryption key; a key of another tenant does not open. What it
    opened it keeps for OPENED_S_MAX (`opened.py`) at most. The
    destroyer's checkpoint lies here and nowhere else, so that a vault that
    was put back knows what it has not destroyed yet.
    """

    @property
    def instance(self) -> str:
        """The instance this vault belongs to."""

    @property
    def supports_many_hosts(self) -> bool:
        """Whether processes on several machines may have this vault open."""

    def issue(self, tenant: str, count: int) -> list[ContentKey]:
        """Make `count` content keys, durable before they are used."""

    def discard(self, tenant: str, key_ids: Iterable[str]) -> None:
        """Destroy content keys that nothing was sealed with."""

    def open(self, tenant: str, key_ids: Iterable[str]) -> dict[str, bytes]:
        """
        Return key id -> key of those that exist.

        Raises:
            CorruptionError: A stored key does not unwrap.
        """

    def secret(self, tenant: str, name: str, *, create: bool = False) -> bytes | None:
        """Return a named 256-bit secret, made when absent and `create`."""

    def refer(
        self, tenant: str, kind: str, names: Iterable[str], *, create: bool = False
    ) -> dict[str, str]:
        """Return name -> opaque id; unknown names are missing unless `create`."""

    def enter(self, tenant: str, kind: str, names: Mapping[str, str]) -> dict[str, str]:
        """
        Make names known under the opaque ids given, durably, all with one fsync.

        Returns:
            Name -> the id it stands under: a name that was known keeps its id.
        """

    def names(self, tenant: str, opaque: Iterable[str]) -> dict[str, str]:
        """Return opaque id -> name of those that are known."""

    def known(self, tenant: str, opaque: Iterable[str]) -> set[str]:
        """Return which opaque ids have an entry, be it one that does not open."""

    def forget_opened(self) -> None:
        """Drop every key, secret and name that was opened; the next use opens it again."""

    def checkpoint(self, partition: int) -> Checkpoint:
        """Return how far the destroyer has come with this vault; the beginning at first."""

    def destroying(self) -> AbstractContextManager[Destroying]:
        """
        Enter a transaction that destroys.

        Raises:
            UnavailableError: From the end of the `with`: everything is
                destroyed, but a reader kept a copy from being overwritten;
                `sweep` does it later.
        """

    def check_epochs(self) -> None:
        """
        Refuse a vault whose newest epoch has no master key.

        Raises:
            CorruptionError: Says whether the vault or the master keys are too old.
        """

    def epochs(self) -> tuple[Epoch, ...]:
        """Return every epoch of this vault, the newest last."""

    def unreadable_since(self, destroyed_ms: int) -> int | None:
        """
        Return since when no backup of the vault opens keys and names that were destroyed.

        Args:
            destroyed_ms: A time when they were destroyed already, the earliest known.

        Returns:
            None as long as a master key that a backup may need is there.
        """

    def rotation(self) -> Rotation:
        """Return the vault's part in a rotation."""

    def sweep(self) -> None:
        """
        Leave no copy of anything destroyed in any file of the vault; quick where nothing was.

        A server keeps one elsewhere for a while (its write-ahead log); that
        counts as a backup, see `unreadable_since`.

        Raises:
            UnavailableError: Somebody reads for too long; sweep again.
        """

    def count(self) -> int:
        """Return how many content keys there are, used or not; those that ended are none."""

    def damaged(self) -> Iterator[str]:
        """
        Yield the place of each key, secret and name that does not open.

        And of whatever else the vault keeps that is not as it was written.
        Nothing for a sound vault; a place names ids only.
        """

    def close(self) -> None:
        """Release the vault."""
