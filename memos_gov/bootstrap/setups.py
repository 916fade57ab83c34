"""
What a set-up is: which stores stand behind the ports of one data folder.

Everything above the ports is the same in each. A store is opened when it is
asked for, and closed by the stack that the set-up was given.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from memos_gov.ports import (
    CubeIndex,
    EventLog,
    IndexTurns,
    Keyring,
    KeyStore,
    Leases,
    PolicyEngine,
    Tables,
)
from memos_gov.ports import PolicyBundles as Bundles


class SetUp(Protocol):
    """The stores of one data folder."""

    def founded(self, instance: str) -> AbstractContextManager[Callable[[], None]]:
        """
        Enter with every store made, empty, for an instance; nobody else makes them meanwhile.

        What was made outside of the folder is removed if anything is raised
        within, and made anew by the next `init` if this one is killed, until the
        function that is yielded is called: it is the last step before the
        folder is put in its place.
        """

    def remove(self) -> None:
        """Remove everything of the folder that lies outside of it, with all that is in it."""

    def require_whole(self) -> None:
        """
        Refuse a folder whose vault or operations are missing or of another format.

        Raises:
            CorruptionError: Names what is missing or was written by another version.
        """

    def found_vault(self, instance: str, now_ms: int) -> None:
        """Say whose vault an empty one is, and begin its first epoch."""

    def log(self) -> EventLog:
        """Open the log."""

    def keyring(self) -> Keyring:
        """Return where the master keys lie."""

    def vault(self) -> KeyStore:
        """Open the vault."""

    def leases(self) -> Leases:
        """Open the leases."""

    def tables(self) -> Tables:
        """
        Open the tables in use.

        Raises:
            CorruptionError: They are gone or of another format; `rebuild` makes them again.
        """

    def index(self, instance: str | None) -> CubeIndex:
        """
        Open the index of an instance; None where it is not known which it must be.

        Raises:
            SettingsError: It is another's; when it is first used.
        """

    def index_turns(self) -> IndexTurns | None:
        """Open the turns at the index; None where its every call is one transaction."""

    def engine(self, bundles: Bundles, deadline_s: float) -> PolicyEngine:
        """Return what evaluates policies, of bundles that are kept, each question in time."""
