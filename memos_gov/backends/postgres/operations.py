"""Pointers of an installation in the database of operations: which tables are in use."""

from __future__ import annotations

from memos_gov.backends.postgres.connection import PostgresPool


class PostgresPointers:
    """The pointers of one database; see `Pointers`."""

    def __init__(self, url: str) -> None:
        """
        Open the pointers; nobody is asked before the first use.

        Args:
            url: The database of operations, of the newest format (`migrate.py`).
        """
        self._pool = PostgresPool(url)

    def get(self, name: str, otherwise: str) -> str:
        """See `Pointers.get`."""
        query = "SELECT value FROM pointers WHERE name = %s"
        with self._pool.connection() as connection:
            row = connection.execute(query, (name,)).fetchone()
        return otherwise if row is None else str(row[0])

    def all(self) -> dict[str, object]:
        """See `Pointers.all`."""
        with self._pool.connection() as connection:
            return dict(connection.execute("SELECT name, value FROM pointers ORDER BY name"))

    def set(self, name: str, value: str) -> None:
        """See `Pointers.set`."""
        with self._pool.connection() as connection:
            connection.execute(
                "INSERT INTO pointers (name, value) VALUES (%s, %s)"
                " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                (name, value),
            )

    def close(self) -> None:
        """See `Pointers.close`."""
        self._pool.close()
