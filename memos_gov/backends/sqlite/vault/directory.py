"""
The directory: opaque ids, and sealed what they stand for.

An entry is found by a keyed digest of its name; `wrapping/names.py` says under
what. While everything moves from one epoch to the next, a name is looked for
under both.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping

from memos_gov.backends.sqlite.vault.file import Row, VaultFile
from memos_gov.domain import ids
from memos_gov.errors import CorruptionError
from memos_gov.opened import Opened
from memos_gov.wrapping import Names

_BY_NAME = "SELECT lookup, opaque FROM directory WHERE tenant = ? AND kind = ? AND lookup IN ({})"
_BY_ID = "SELECT opaque, epoch, sealed FROM directory WHERE tenant = ? AND opaque IN ({})"


class Directory:
    """The names of one vault."""

    def __init__(self, file: VaultFile, opened: Opened, sealed: Names) -> None:
        self._file = file
        self._opened = opened
        self.sealed = sealed

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

    def enter(self, tenant: str, kind: str, names: Mapping[str, str]) -> dict[str, str]:
        """See `KeyStore.enter`."""
        while True:
            epochs = self._file.live_epochs()
            rows = [self.row(tenant, kind, o, name, epochs[-1]) for name, o in names.items()]
            with self._file.writing() as db:
                if self._file.live_epochs() == epochs:
                    known = self._under(tenant, kind, names, epochs)
                    fresh = [
                        row for row, name in zip(rows, names, strict=True) if name not in known
                    ]
                    db.executemany(
                        "INSERT INTO directory VALUES (?,?,?,?,?,?) ON CONFLICT DO NOTHING", fresh
                    )
                    return self._under(tenant, kind, names, epochs)

    def row(self, tenant: str, kind: str, opaque: str, name: str, epoch: int) -> Row:
        """Return the entry of a name under an epoch, in the order of the columns."""
        lookup = self.sealed.lookup(tenant, kind, name, epoch, create=True)
        return (tenant, kind, lookup, opaque, epoch, self.sealed.seal(tenant, opaque, name, epoch))

    def _found(self, tenant: str, kind: str, names: Iterable[str]) -> dict[str, str]:
        """Return name -> id of those that are there, whatever epoch they are under."""
        epochs = self._file.live_epochs()
        while True:
            found = self._under(tenant, kind, names, epochs)
            before, epochs = epochs, self._file.live_epochs()
            if epochs == before:
                return found

    def _under(
        self, tenant: str, kind: str, names: Iterable[str], epochs: Iterable[int]
    ) -> dict[str, str]:
        by_digest = {
            digest: name
            for epoch in epochs
            for name in names
            if (digest := self.sealed.lookup(tenant, kind, name, epoch, create=False))
        }
        rows = self._file.listed(_BY_NAME, (tenant, kind), by_digest)
        return {by_digest[lookup]: opaque for lookup, opaque in rows}

    def names(self, tenant: str, opaque: Iterable[str]) -> dict[str, str]:
        """See `KeyStore.names`."""
        found: dict[str, str] = {}
        for row in self._file.listed(_BY_ID, (tenant,), opaque):
            name = self._name(tenant, row)
            if name is not None:
                found[row[0]] = name
        return found

    def known(self, tenant: str, opaque: Iterable[str]) -> set[str]:
        """See `KeyStore.known`."""
        return {row[0] for row in self._file.listed(_BY_ID, (tenant,), opaque)}

    def _name(self, tenant: str, row: Row) -> str | None:
        """Return the name in a row of `_BY_ID`; one that moved meanwhile is read again."""
        try:
            return self.sealed.open(tenant, *row)
        except CorruptionError:
            moved = self._file.one(_BY_ID.format("?"), (tenant, row[0]))
            if moved == row:
                raise
            return None if moved is None else self._name(tenant, moved)

    def damaged(self) -> Iterator[str]:
        """Yield the place of each entry that does not open, or is not found by the name in it."""
        query = "SELECT tenant, kind, lookup, opaque, epoch, sealed FROM directory"
        for row in self._file.pages(query):
            if not self.sealed.is_right(*row):
                yield f"name {row[3]} of {row[0]}"
