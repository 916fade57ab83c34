"""
`PostgresIndexTurns`: turns at an index, by locks of the database of operations.

A turn is a transaction with an advisory lock. Who hangs in it for
TURN_IDLE_S_MAX is cut off by the server, and others go on; what it was about to
write was noted before, by a commit of its own, and stays behind. It may still
write that when it goes on again: it counts as living by the session lock of a
second connection, which nothing but its end or that of the connection releases.

What has been sent already arrives later than its sender ends, so an unfinished
turn settles SETTLE_S after its holder was found to write no more.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg

from memos_gov.backends.postgres.connection import (
    LOCK_TIMEOUT_S,
    PostgresPool,
    connect,
    is_ended,
    translated,
    turn_of,
)
from memos_gov.errors import UnavailableError
from memos_gov.ports import Unfinished

if TYPE_CHECKING:
    from memos_gov.backends.postgres.connection import Connection

TURN_IDLE_S_MAX = 25.0  # below LOCK_TIMEOUT_S, so that who waits gets the turn of who hangs
SETTLE_S = 15.0
_NOW_MS = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
_NOTE = (
    "INSERT INTO index_turns (number, partition, life, holder, cubes, begun_ms)"
    f" VALUES (%s, %s, %s, %s, %s, {_NOW_MS})"
)
_OTHERS = (
    f"SELECT number, life, holder, cubes, {_NOW_MS} - begun_ms, {_NOW_MS} - over_ms"
    " FROM index_turns WHERE partition = coalesce(%s::int, partition) AND number != %s"
    " ORDER BY begun_ms, number"
)
_OVER = f"UPDATE index_turns SET over_ms = {_NOW_MS} WHERE number = %s AND over_ms IS NULL"
_FORGET = "DELETE FROM index_turns WHERE number = %s"
# A machine that vanished is noticed by the server, and its holder no longer counts as living.
_PROBED = (
    "SET tcp_keepalives_idle = 20; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3;"
    " SET idle_session_timeout = 0"
)


class PostgresIndexTurns:
    """The turns of one database of operations; see `IndexTurns`. Safe to use from many threads."""

    def __init__(
        self, url: str, *, idle_s: float = TURN_IDLE_S_MAX, settle_s: float = SETTLE_S
    ) -> None:
        """
        Open the turns; nobody is asked before the first one.

        Args:
            url: The database of operations, of the newest format (`migrate.py`).
            idle_s: After how long somebody who hangs in a turn loses it.
            settle_s: How long what was sent may still arrive.
        """
        self.holder = f"{socket.gethostname()}-{os.getpid()}"
        self._url = url
        self._pool = PostgresPool(url)
        self._begin = (
            f"BEGIN; SET LOCAL idle_in_transaction_session_timeout = {round(idle_s * 1000)};"
            " SET LOCAL synchronous_commit = off"
        )
        self._settle_ms = round(settle_s * 1000)
        self._life = secrets.randbits(62)
        self._living: Connection | None = None
        self._lock = threading.Lock()
        self._waiting: dict[int | None, threading.Lock] = {}
        self._writing: set[int] = set()

    @contextmanager
    def turn(self, partition: int | None) -> Iterator[PostgresIndexTurn]:
        """See `IndexTurns.turn`."""
        number = secrets.randbits(62)
        with self._first(partition):
            try:
                with self._pool.transaction(self._begin) as connection:
                    connection.execute(_waited_for(partition).encode())
                    yield PostgresIndexTurn(self, connection, partition, number)
                    connection.execute(_FORGET, (number,))
            except BaseException:
                self._leave(number)
                raise
            self._writing.discard(number)

    @contextmanager
    def _first(self, partition: int | None) -> Iterator[None]:
        """Be the one thread of this process that asks for a turn."""
        with self._lock:
            lock = self._waiting.setdefault(partition, threading.Lock())
        if not lock.acquire(timeout=LOCK_TIMEOUT_S):
            msg = f"another thread writes to the index for over {LOCK_TIMEOUT_S} s"
            raise UnavailableError(msg, backend="index")
        try:
            yield
        finally:
            lock.release()

    def note(self, partition: int, number: int, cubes: Iterable[tuple[str, str]]) -> None:
        """Write down what a turn is about to write, while this process counts as living."""
        named = msgspec.json.encode(sorted(cubes)).decode()
        with self._lock, translated(self._pool.place):
            self._writing.add(number)
            values = (number, partition, self._life, self.holder, named)
            self._alive().execute(_NOTE, values)

    def _alive(self) -> Connection:
        """Return the connection that says that this process lives."""
        if self._living is None or is_ended(self._living):
            self._living = connect(self._url)
            self._living.execute(_PROBED.encode())
            self._living.execute("SELECT pg_advisory_lock(%s)", (self._life,))
        return self._living

    def _leave(self, number: int) -> None:
        """Say that a turn that failed writes no more; what it had sent may still arrive."""
        if number in self._writing:
            self._writing.discard(number)
            with suppress(UnavailableError):
                self._end(number)

    def _end(self, number: int) -> None:
        with self._pool.connection() as connection:
            connection.execute(_OVER, (number,))

    def troubled(self) -> set[int]:
        """See `IndexTurns.troubled`."""
        with self._pool.connection() as connection:
            rows = connection.execute("SELECT DISTINCT partition FROM index_turns").fetchall()
        return {int(partition) for (partition,) in rows}

    def unfinished(self, row: tuple[Any, ...], connection: Connection) -> Unfinished:
        """Return an unfinished turn; one whose holder is gone is over from here on."""
        number, life, holder, cubes, since_ms, over_since_ms = row
        if over_since_ms is None and not self._may_write(number, life, connection):
            self._end(number)
            over_since_ms = 0
        left_ms = None if over_since_ms is None else max(self._settle_ms - over_since_ms, 0)
        return Unfinished(
            number=number,
            holder=holder,
            cubes=frozenset(msgspec.json.decode(cubes, type=list[tuple[str, str]])),
            since_s=max(since_ms // 1000, 0),
            settles_s=None if left_ms is None else left_ms / 1000,
        )

    def _may_write(self, number: int, life: int, connection: Connection) -> bool:
        if life == self._life:
            return number in self._writing
        (gone,) = connection.execute("SELECT pg_try_advisory_lock(%s)", (life,)).fetchone() or (0,)
        if gone:
            connection.execute("SELECT pg_advisory_unlock(%s)", (life,))
        return not gone

    def close(self) -> None:
        """See `IndexTurns.close`."""
        with self._lock:
            if self._living is not None:
                self._living.close()
                self._living = None
        self._pool.close()


def _waited_for(partition: int | None) -> str:
    """Return what waits for the turn: that of one keeps out that of all, and the reverse."""
    if partition is None:
        return turn_of(0, "index_turns")
    shared = turn_of(0, "index_turns", shared=True)
    return f"{shared}; {turn_of(1 + partition, 'index_turns')}"


class PostgresIndexTurn:
    """A turn that somebody has; see `IndexTurn`."""

    def __init__(
        self, turns: PostgresIndexTurns, connection: Connection, partition: int | None, number: int
    ) -> None:
        self._turns = turns
        self._connection = connection
        self._partition = partition
        self._number = number

    def begin(self, cubes: Iterable[tuple[str, str]]) -> None:
        """See `IndexTurn.begin`; the turn is still one's own afterwards."""
        self._turns.note(self._partition or 0, self._number, cubes)
        self.check()

    def check(self) -> None:
        """See `IndexTurn.check`; who asks does not hang."""
        try:
            self._connection.execute("SELECT 1")
        except psycopg.Error as error:
            msg = "the turn to write to the index was lost: somebody else may write by now"
            remedy = "Nothing is to be done: what was to be written is written by the next turn."
            raise UnavailableError(msg, backend="index", remedy=remedy) from error

    def unfinished(self) -> list[Unfinished]:
        """See `IndexTurn.unfinished`."""
        rows = self._connection.execute(_OTHERS, (self._partition, self._number)).fetchall()
        return [self._turns.unfinished(row, self._connection) for row in rows]

    def forget(self, number: int) -> None:
        """See `IndexTurn.forget`."""
        self._connection.execute(_FORGET, (number,))
