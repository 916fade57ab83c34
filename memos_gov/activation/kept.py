"""
KV caches that this process has opened: for a minute after their last use, within a quota a tenant.

They are content in the clear, so they are held no longer than opened keys are
(`opened.py`), and each renewal of the lease drops those of which a cube was
revised, ended or restricted (`leasing.py`). A tenant that has many drives out
its own only: whoever is quick or slow tells nothing about another tenant.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable

from memos_gov.activation.sealed_file import Header
from memos_gov.activation.standing import stands
from memos_gov.opened import OPENED_S_MAX, Opened, elapsed_s
from memos_gov.ports import KvCache, Snapshot

KEPT_BYTES_MAX = 256_000_000  # of tensors, a tenant


class Kept:
    """KV caches by tenant and address; safe to use from many threads at once."""

    def __init__(
        self, now: Callable[[], float] = elapsed_s, bytes_max: int = KEPT_BYTES_MAX
    ) -> None:
        self._opened = Opened(now, OPENED_S_MAX)
        self._bytes_max = bytes_max
        self._sizes: defaultdict[str, OrderedDict[str, int]] = defaultdict(OrderedDict)
        self._lock = threading.Lock()

    def get(self, tenant: str, address: str) -> KvCache | None:
        """Return a KV cache; None where it was never here, was too long ago, or had to go."""
        found = self._opened.get((tenant, address))
        return None if found is None else found[1]

    def put(self, header: Header, kv_cache: KvCache) -> None:
        """Keep a KV cache that was just used, or that was just made, in place of the oldest."""
        with self._lock:
            sizes = self._sizes[header.tenant]
            sizes.pop(header.address, None)
            sizes[header.address] = len(kv_cache.tensors)
            while sum(sizes.values()) > self._bytes_max:
                self._drop(header.tenant, next(iter(sizes)))
            if header.address in sizes:
                self._opened.put((header.tenant, header.address), (header, kv_cache))

    def all_of(self, tenant: str) -> list[tuple[Header, KvCache]]:
        """Return what is kept of a tenant."""
        with self._lock:
            found = {a: self._opened.get((tenant, a)) for a in self._sizes[tenant]}
            for address in [address for address, kept in found.items() if kept is None]:
                del self._sizes[tenant][address]
        return [kept for kept in found.values() if kept is not None]

    def review(self, snapshot: Snapshot | None, tenant: str | None = None) -> None:
        """
        Drop what is no more, cube by cube, what it was computed from; of None, everything.

        Args:
            tenant: Look at this one's only.
        """
        if snapshot is None:
            with self._lock:
                self._sizes.clear()
                self._opened.clear()
            return
        for name in [tenant] if tenant else list(self._sizes):
            for header, _ in self.all_of(name):
                if not stands(header, snapshot):
                    with self._lock:
                        self._drop(name, header.address)

    def _drop(self, tenant: str, address: str) -> None:
        self._sizes[tenant].pop(address, None)
        gone = self._opened.get((tenant, address))
        self._opened.drop(lambda kept: kept is gone)
