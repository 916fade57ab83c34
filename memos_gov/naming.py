"""
Names into opaque ids, before anything is decided.

What a caller calls a person or a thing is personal or guessable, so it goes
no further than the vault's directory; commands, headers, questions and
tables hold the opaque id. Only commands that bring somebody new make a new
entry; elsewhere an unknown name becomes an id that nothing has.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from typing import Any, TypeVar

from memos_gov.domain import commands as c
from memos_gov.domain.ids import PREFIXES, opaque_id
from memos_gov.ports import KeyStore

C = TypeVar("C", bound=c.Command)

ID_BYTES = 16

_KINDS = {
    "subject": "subject",
    "subjects": "subject",
    "principal": "principal",
    "author": "author",
    "conversation": "conversation",
    "matter": "matter",
}
_BRINGS = (c.RememberCube, c.AddPrincipal, c.GiveConsent, c.WithdrawConsent, c.PlaceHold)


class Names:
    """
    The names of one tenant on their way into commands.

    A newcomer gets a fresh id that stands in the directory only once `enter`
    was called, which happens when policy has allowed the command: a refused
    command leaves no name behind.
    """

    def __init__(self, keys: KeyStore, tenant: str) -> None:
        self._keys = keys
        self._tenant = tenant
        self._newcomers: dict[tuple[str, str], str] = {}
        self._fresh: set[str] = set()

    def resolve(self, command: C) -> tuple[C, frozenset[str]]:
        """Return the command with opaque ids in place of names, and the ids of newcomers."""
        create = isinstance(command, _BRINGS)
        changes: dict[str, Any] = {}
        used: set[str] = set()
        for field, kind in _KINDS.items():
            value = getattr(command, field, None)
            names = (value,) if isinstance(value, str) else tuple(value or ())
            if names:
                found = self._ids(kind, names, create=create)
                used |= set(found.values())
                one = isinstance(value, str)
                changes[field] = found[names[0]] if one else tuple(sorted(set(found.values())))
        return command.model_copy(update=changes), frozenset(used & self._fresh)

    def _ids(self, kind: str, names: tuple[str, ...], *, create: bool) -> dict[str, str]:
        found = self._keys.refer(self._tenant, kind, names)
        for name in names:
            if name not in found and create:
                fresh = opaque_id(kind, secrets.token_bytes(ID_BYTES))
                found[name] = self._newcomers.setdefault((kind, name), fresh)
                self._fresh.add(found[name])
        return {name: found.get(name, unknown(kind)) for name in names}

    def enter(self, wanted: Collection[str]) -> bool:
        """
        Enter the newcomers with these ids into the directory, durably, an fsync a kind.

        Returns:
            Whether they stand there under these ids; somebody else may have
            entered the same name first.
        """
        ours = True
        for kind in sorted({kind for kind, _ in self._newcomers}):
            names = {n: i for (k, n), i in self._newcomers.items() if k == kind and i in wanted}
            if names:
                ours &= self._keys.enter(self._tenant, kind, names) == names
        return ours


def opaque(keys: KeyStore, tenant: str, kind: str, name: str, *, create: bool = False) -> str:
    """Return the opaque id of a name."""
    return keys.refer(tenant, kind, [name], create=create).get(name, unknown(kind))


def unknown(kind: str) -> str:
    """Return an id that nothing has."""
    return f"{PREFIXES[kind]}_unknown"
