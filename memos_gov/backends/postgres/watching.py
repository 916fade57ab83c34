"""Waiting for what other processes certify: LISTEN, and one thread that hears for all."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from psycopg import sql

from memos_gov.backends.postgres.connection import connect, place_of, translated

if TYPE_CHECKING:
    from memos_gov.backends.postgres.connection import Connection


class Listener:
    """
    Counts what is told on a channel, for any number of threads.

    One connection listens, from the first watch on. Of the threads that wait, one
    reads from it at a time, and wakes the others.
    """

    def __init__(self, url: str, channel: str) -> None:
        self._url = url
        self._channel = channel
        self._changed = threading.Condition()
        self._told = 0
        self._reads = False
        self._connection: Connection | None = None

    def begin(self) -> int:
        """Return how often something was told; from here on nothing is missed."""
        with self._changed:
            self._opened()
            return self._told

    def wait(self, seen: int, timeout_s: float) -> int:
        """
        Return how often something was told, once it is more than `seen` or the time is over.

        Raises:
            UnavailableError: The connection was lost; what was told meanwhile is not known.
        """
        end = time.monotonic() + timeout_s
        with self._changed:
            while self._told <= seen and (left := end - time.monotonic()) > 0:
                if self._reads:
                    self._changed.wait(left)
                else:
                    self._read(left)
            return self._told

    def _read(self, timeout_s: float) -> None:
        """Read what was told, without the lock, and wake whoever waits."""
        connection, heard = self._opened(), 0
        self._reads = True
        self._changed.release()
        try:
            with translated(place_of(self._url)):
                heard = sum(1 for _ in connection.notifies(timeout=timeout_s, stop_after=1))
        finally:
            self._changed.acquire()
            self._reads = False
            self._told += heard
            self._changed.notify_all()

    def _opened(self) -> Connection:
        """Return the connection that listens, a new one where the last was lost."""
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._url)
            with translated(place_of(self._url)):
                channel = sql.Identifier(self._channel)
                self._connection.execute(sql.SQL("LISTEN {}").format(channel))
        return self._connection

    def close(self) -> None:
        """Listen no longer."""
        with self._changed:
            if self._connection is not None:
                self._connection.close()


class PostgresWatch:
    """See `Watch`."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._seen = listener.begin()

    def wait(self, timeout_s: float) -> bool:
        """See `Watch.wait`."""
        told = self._listener.wait(self._seen, timeout_s)
        moved, self._seen = told > self._seen, told
        return moved
