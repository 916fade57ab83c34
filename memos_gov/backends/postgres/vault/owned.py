"""Whether a database is somebody's vault, asked before a new one is made in its place."""

from __future__ import annotations

from memos_gov.backends.postgres.connection import connect, has_database, place_of, translated

_OURS = "SELECT to_regclass('directory') IS NOT NULL AND to_regclass('content_keys') IS NOT NULL"
_FOREIGN = "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = 'public')"
_USED = "SELECT EXISTS (SELECT FROM directory) OR EXISTS (SELECT FROM content_keys)"


def is_in_use(url: str) -> bool:
    """
    Whether a database knows a name or a key of a content, or has tables that no vault has.

    What a killed `init` left knows neither: they come after the first record.

    Raises:
        SettingsError, UnavailableError: It cannot be looked at.
    """
    if not has_database(url):
        return False
    with translated(place_of(url)), connect(url) as connection:
        ours = connection.execute(_OURS).fetchone() == (True,)
        return connection.execute(_USED if ours else _FOREIGN).fetchone() == (True,)
