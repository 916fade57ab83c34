"""
The lease of an open service: its word about what it may still have open.

Before a service opens anything it has a lease, renewed every RENEW_S at most.
A renewal begins anew: it looks how far the history has come, drops everything
that was opened, and only then says so. What is opened afterwards lives for
OPENED_S_MAX, so a lease of LEASE_S covers it, and an erasure knows whom it has
to wait for: for nobody, once each other lease was renewed past it or expired.
What was computed of opened content (`activation/kept.py`) stays where a renewal
finds that nothing of it has changed or ended.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable

from memos_gov.errors import SettingsError
from memos_gov.opened import OPENED_S_MAX, elapsed_s
from memos_gov.ports import Clock, KeyStore, Leases, Snapshot, Tables

RENEW_S = 20.0
AHEAD_S = 2.0
LEASE_S = OPENED_S_MAX + RENEW_S
NAME_S = 10.0


class Leasing:
    """One service's lease; safe to use from many threads at once."""

    def __init__(
        self,
        leases: Leases,
        *,
        keys: KeyStore,
        tables: Tables,
        clock: Clock,
        now: Callable[[], float] = elapsed_s,
        review: Callable[[Snapshot | None], None] = lambda _: None,
    ) -> None:
        """
        Take the stores.

        Args:
            review: Drops what was computed of content that ended or changed
                before a snapshot; of None, everything.
        """
        self._review = review
        self.holder = f"h_{secrets.token_hex(8)}"
        self._leases = leases
        self._keys = keys
        self._tables = tables
        self._clock = clock
        self._now = now
        self._lock = threading.Lock()
        self._due = now()

    def hold(self, *, ahead_s: float = 0.0) -> None:
        """
        Have a lease that covers what is opened from here on.

        A renewal reads the tables. Where many threads each have a snapshot open
        and wait for it, no connection may be left for it; so who is about to
        open one asks before, and a little `ahead_s` of time.

        Raises:
            UnavailableError: It cannot be written, so nothing may be opened.
        """
        if self._now() + ahead_s < self._due:
            return
        with self._lock:
            if self._now() + ahead_s >= self._due:
                self._renew()

    def begin_anew(self) -> None:
        """Drop what was opened before, and say so: nobody waits for this service any more."""
        with self._lock:
            self._renew()

    def _renew(self) -> None:
        begun = self._now()
        with self._tables.snapshot() as snapshot:
            seen = {tenant: snapshot.index(tenant) for tenant in snapshot.tenants()}
            self._review(snapshot)
        self._keys.forget_opened()
        now_ms = self._now_ms()
        expires_ms = now_ms + round(LEASE_S * 1000)
        self._leases.renew(self.holder, seen, now_ms=now_ms, expires_ms=expires_ms)
        self._due = begun + RENEW_S

    def waiting(self, tenant: str, index: int) -> list[str]:
        """
        Return the other holders that may have open what an event at `index` ended.

        Nobody, once each of them renewed its lease past that index, let it
        expire, or closed.
        """
        return self._leases.waiting(tenant, index, self._now_ms(), besides=self.holder)

    def claim(self, name: str) -> None:
        """
        Have a worker's name for NAME_S more; `release` gives it back.

        Raises:
            SettingsError: Another worker of this instance has it.
        """
        now_ms = self._now_ms()
        expires_ms = now_ms + round(NAME_S * 1000)
        if not self._leases.claim(name, self.holder, now_ms=now_ms, expires_ms=expires_ms):
            msg = f"another worker of this instance is named {name}"
            remedy = (
                "Give this one another name (--name), or end the other; the name of one that was"
                f" killed is free after {NAME_S:.0f} seconds."
            )
            raise SettingsError(msg, remedy=remedy)

    def release(self) -> None:
        """Drop everything that was opened, and end the lease."""
        self._keys.forget_opened()
        self._review(None)
        self._leases.release(self.holder)

    def _now_ms(self) -> int:
        return round(self._clock.now().timestamp() * 1000)
