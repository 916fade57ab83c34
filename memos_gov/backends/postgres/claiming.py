"""
Databases of a new data folder: taken by one `init` alone, and never those of somebody else.

Whoever makes a data folder holds a lock on each of its names, on the whole
server, and writes into the comment of each database that it takes for which
instance it is being made. Such a comment under a lock that was free is that of
a making that ended half way: nobody was ever told of what is in there, and it
may be made anew. Every other database that is not empty is somebody's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from memos_gov.backends.postgres.connection import (
    another_database,
    connect,
    make_database,
    place_of,
    translated,
)
from memos_gov.errors import SettingsError, UnavailableError
from memos_gov.projections.tables import OperationsModel, TablesModel, VaultModel

if TYPE_CHECKING:
    from memos_gov.backends.postgres.connection import Connection

BEING_MADE = "memos-gov: being made for instance "
MADE = "memos-gov: of instance "
_MODELS = {"vault": VaultModel, "operations": OperationsModel, "tables": TablesModel}
_INSTANCE = re.compile(r"[0-9a-f]{1,64}")
_TURN = "SELECT pg_try_advisory_lock(hashtextextended('memos-gov init ' || %s, 0))"
_COMMENT = (
    "SELECT coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database WHERE datname = %s"
)
_OWN = "NOT starts_with(nspname, 'pg_') AND nspname <> 'information_schema'"
# Whatever an account can put into a database; one that has nothing of it is empty.
_FILLED = f"""
WITH own AS (SELECT oid, nspname FROM pg_namespace WHERE {_OWN})
SELECT EXISTS (SELECT FROM own WHERE nspname <> 'public')
    OR EXISTS (SELECT FROM pg_class WHERE relnamespace IN (SELECT oid FROM own))
    OR EXISTS (SELECT FROM pg_proc WHERE pronamespace IN (SELECT oid FROM own))
    OR EXISTS (SELECT FROM pg_type WHERE typnamespace IN (SELECT oid FROM own))
    OR EXISTS (SELECT FROM pg_extension WHERE extname <> 'plpgsql')
    OR EXISTS (SELECT FROM pg_largeobject_metadata)
"""
_RELATIONS = (
    "SELECT nspname, relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace"
    f" WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND {_OWN}"
)
_ANOTHER = (
    "Name another prefix (engines.postgres.prefix), or use the data folder that it belongs to;"
    " drop the databases of this prefix only where nobody needs them."
)


@contextmanager
def claimed(url: str, names: Iterable[str]) -> Iterator[Claim]:
    """
    Enter as the only one on all of the server who makes what is called by some names.

    Raises:
        UnavailableError: Somebody else is at it, or the server does not answer.
    """
    server = another_database(url, "postgres")
    place = place_of(server)
    with closing(connect(server)) as connection:
        with translated(place):
            for name in sorted(names):
                if connection.execute(_TURN, (name,)).fetchone() != (True,):
                    msg = f"another `init` is at work with the same {name}"
                    remedy = "Wait until it has ended, or name another."
                    raise UnavailableError(msg, backend="postgres", remedy=remedy)
        yield Claim(connection, place)


class Claim:
    """
    The right to make databases: it lasts as long as the session that holds the locks.

    Everything here is said in that session, so that nothing is taken, settled
    or dropped once the right is lost.
    """

    def __init__(self, server: Connection, place: str) -> None:
        self._server = server
        self._place = place

    def remains(self, url: str, branch: str, schema: str) -> str | None:
        """
        Return for which instance a database was being made; None where it is absent or empty.

        Raises:
            SettingsError: It is somebody's, whatever is in it.
        """
        comment = self._comment(url)
        if comment is None:
            return None
        with translated(place_of(url)), connect(url, schema=schema) as database:
            filled = database.execute(_FILLED.encode()).fetchone() == (True,)
            found = {(str(of), str(name)) for of, name in database.execute(_RELATIONS.encode())}
        ours = {*_MODELS[branch].metadata.tables, "alembic_version"}
        if _is_being_made(comment) and found <= {(schema, name) for name in ours}:
            return comment.removeprefix(BEING_MADE)
        if comment.startswith(MADE) or ours <= {name for _, name in found}:
            raise _used(url)
        if filled or comment:
            raise _strange(url)
        return None

    def take(self, url: str, instance: str) -> None:
        """Make a database where it is absent, and say for which instance."""
        make_database(url)
        self._say([url], BEING_MADE + instance)

    def settle(self, urls: Iterable[str], instance: str) -> None:
        """Say of all these databases at once, for good, that they are the instance's."""
        self._say(urls, MADE + instance)

    def unsettle(self, urls: Iterable[str], instance: str) -> None:
        """Say again of those of these databases that are the instance's: they are being made."""
        self._say([url for url in urls if self._is_of(url, instance)], BEING_MADE + instance)

    def drop(self, url: str, instance: str) -> None:
        """Remove a database that is being made for an instance; nothing where it is not."""
        if self._comment(url) == BEING_MADE + instance:
            statement = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(_named(url)))
            with translated(place_of(url)):
                self._server.execute(statement)

    def _is_of(self, url: str, instance: str) -> bool:
        return self._comment(url) in {BEING_MADE + instance, MADE + instance}

    def _comment(self, url: str) -> str | None:
        """Return what is said of a database; None where there is none of that name."""
        with translated(self._place):
            row = self._server.execute(_COMMENT, (_named(url),)).fetchone()
        return None if row is None else str(row[0])

    def _say(self, urls: Iterable[str], comment: str) -> None:
        with translated(self._place), self._server.transaction():
            for url in urls:
                statement = sql.SQL("COMMENT ON DATABASE {} IS {}")
                self._server.execute(
                    statement.format(sql.Identifier(_named(url)), sql.Literal(comment))
                )


def _is_being_made(comment: str) -> bool:
    of = comment.removeprefix(BEING_MADE)
    return comment != of and _INSTANCE.fullmatch(of) is not None


def _named(url: str) -> str:
    return str(conninfo_to_dict(url)["dbname"])


def _used(url: str) -> SettingsError:
    msg = f"the database {place_of(url)} is in use by another data folder"
    return SettingsError(msg, remedy=_ANOTHER)


def _strange(url: str) -> SettingsError:
    msg = f"the database {place_of(url)} holds what is not of memos-gov"
    return SettingsError(msg, remedy=_ANOTHER)
