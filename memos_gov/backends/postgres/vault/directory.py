"""
The directory: opaque ids, and sealed what they stand for.

An entry is found by a keyed digest of its name; `wrapping/names.py` says under
what. While everything moves from one epoch to the next, a name is looked for
under both: whichever epochs are live is asked in the same statement, so a name
that moves is seen where it was or where it is, and never twice or not at all.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from memos_gov.backends.postgres.vault.database import Row, VaultDatabase, live_epochs_in
from memos_gov.domain import ids
from memos_gov.errors import CorruptionError
from memos_gov.opened import Opened
from memos_gov.wrapping import Names

if TYPE_CHECKING:
    from memos_gov.backends.postgres.connection import Connection

_BY_NAME = (
    "SELECT lookup, opaque FROM directory WHERE tenant = %s AND kind = %s AND lookup = ANY(%s)"
)
_BY_NAME_AND_EPOCHS = (
    "SELECT live.epochs, found.lookup, found.opaque FROM (SELECT array_agg(epoch ORDER BY epoch)"
    f" AS epochs FROM epochs WHERE ended_ms IS NULL) AS live LEFT JOIN ({_BY_NAME}) AS found"
    " ON true"
)
_BY_ID = "SELECT opaque, epoch, sealed FROM directory WHERE tenant = %s AND opaque = ANY(%s)"
_ENTER = (
    "INSERT INTO directory (tenant, kind, lookup, opaque, epoch, sealed)"
    " SELECT %s::text, %s::text, fresh.lookup, fresh.opaque, %s::int, fresh.sealed"
    " FROM unnest(%s::bytea[], %s::text[], %s::bytea[]) AS fresh (lookup, opaque, sealed)"
    " ON CONFLICT DO NOTHING"
)
_ENTRIES = "kind, lookup, epoch, sealed"
Digests = dict[bytes, str]


class Directory:
    """The names of one vault."""

    def __init__(self, database: VaultDatabase, opened: Opened, sealed: Names) -> None:
        self._database = database
        self._opened = opened
        self.sealed = sealed
        self._live: tuple[int, ...] = (1,)

    def refer(
        self, tenant: str, kind: str, names: Iterable[str], *, create: bool
    ) -> dict[str, str]:
        """See `KeyStore.refer`."""
        wanted = set(names)
        known: dict[str, str] = {
            n: i for n in wanted if (i := self._opened.get(("name", tenant, kind, n)))
        }
        unknown = wanted - known.keys()
        found = self._found(tenant, kind, unknown) if unknown else {}
        if create and (missing := unknown - found.keys()):
            fresh = {name: ids.opaque_id(kind, secrets.token_bytes(16)) for name in missing}
            found |= self.enter(tenant, kind, fresh)
        for name, opaque in found.items():
            self._opened.put(("name", tenant, kind, name), opaque)
        return known | found

    def _found(self, tenant: str, kind: str, names: set[str]) -> dict[str, str]:
        """Return name -> id of those that are there, whatever epoch they are under."""
        while True:
            epochs = self._live
            digests = self._digests(tenant, kind, names, epochs)
            rows = self._database.rows(_BY_NAME_AND_EPOCHS, (tenant, kind, list(digests)))
            live = tuple(rows[0][0] or (1,))
            if live == epochs:
                return {digests[lookup]: opaque for _, lookup, opaque in rows if opaque}
            self._live = live

    def _digests(
        self, tenant: str, kind: str, names: Iterable[str], epochs: Iterable[int]
    ) -> Digests:
        """Return digest -> name under each epoch that the tenant has entries of."""
        return {
            digest: name
            for epoch in epochs
            for name in names
            if (digest := self.sealed.lookup(tenant, kind, name, epoch, create=False))
        }

    def enter(self, tenant: str, kind: str, names: Mapping[str, str]) -> dict[str, str]:
        """See `KeyStore.enter`."""
        while True:
            epochs = self._database.live_epochs()
            rows = {
                name: self._row(tenant, kind, opaque, name, epochs[-1])
                for name, opaque in names.items()
            }
            digests = self._digests(tenant, kind, names, epochs)
            with self._database.wrapping() as connection:
                if live_epochs_in(connection) == epochs:
                    at = (tenant, kind, epochs[-1])
                    return _entered(connection, at, rows, digests)

    def _row(self, tenant: str, kind: str, opaque: str, name: str, epoch: int) -> Row:
        """Return what finds a name, its id, and what it is sealed as."""
        lookup = self.sealed.lookup(tenant, kind, name, epoch, create=True)
        return (lookup, opaque, self.sealed.seal(tenant, opaque, name, epoch))

    def names(self, tenant: str, opaque: Iterable[str]) -> dict[str, str]:
        """See `KeyStore.names`."""
        found: dict[str, str] = {}
        for row in self._database.rows(_BY_ID, (tenant, sorted(set(opaque)))):
            name = self._name(tenant, row)
            if name is not None:
                found[row[0]] = name
        return found

    def known(self, tenant: str, opaque: Iterable[str]) -> set[str]:
        """See `KeyStore.known`."""
        return {row[0] for row in self._database.rows(_BY_ID, (tenant, sorted(set(opaque))))}

    def _name(self, tenant: str, row: Row) -> str | None:
        """Return the name in a row of `_BY_ID`; one that moved meanwhile is read again."""
        try:
            return self.sealed.open(tenant, *row)
        except CorruptionError:
            moved = self._database.one(_BY_ID, (tenant, [row[0]]))
            if moved == row:
                raise
            return None if moved is None else self._name(tenant, moved)

    def damaged(self) -> Iterator[str]:
        """Yield the place of each entry that does not open, or is not found by the name in it."""
        for row in self._database.pages("directory", ("tenant", "opaque"), _ENTRIES):
            tenant, opaque, kind, lookup, epoch, sealed = row
            if not self.sealed.is_right(tenant, kind, lookup, opaque, epoch, sealed):
                yield f"name {opaque} of {tenant}"


def _entered(
    connection: Connection, at: tuple[str, str, int], rows: Mapping[str, Row], digests: Digests
) -> dict[str, str]:
    """Write the rows of names that are not known; return under which ids all of them stand."""
    tenant, kind, epoch = at
    asked = (tenant, kind, list(digests))
    known = {digests[found] for found, _ in connection.execute(_BY_NAME.encode(), asked)}
    # In one order whoever writes, so that two who bring the same names wait and do not block.
    fresh = sorted(row for name, row in rows.items() if name not in known)
    if fresh:
        columns = [list(column) for column in zip(*fresh, strict=True)]
        connection.execute(_ENTER.encode(), (tenant, kind, epoch, *columns))
    return {
        digests[found]: opaque for found, opaque in connection.execute(_BY_NAME.encode(), asked)
    }
