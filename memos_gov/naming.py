"""
Names into opaque ids, before anything is decided.

What a caller calls a person or a thing is personal or guessable, so it goes
no further than the vault's directory; commands, headers, questions and
tables hold the opaque id. Only commands that bring somebody new make a new
entry; elsewhere an unknown name becomes an id that nothing has.
"""

from __future__ import annotations

from typing import Any, TypeVar

from memos_gov.domain import commands as c
from memos_gov.domain.ids import PREFIXES
from memos_gov.ports import KeyStore

C = TypeVar("C", bound=c.Command)

_KINDS = {
    "subject": "subject",
    "subjects": "subject",
    "principal": "principal",
    "author": "author",
    "conversation": "conversation",
    "matter": "matter",
}
_BRINGS = (c.RememberCube, c.AddPrincipal, c.GiveConsent, c.WithdrawConsent, c.PlaceHold)


def resolve(command: C, tenant: str, keys: KeyStore) -> C:
    """Return the command with opaque ids in place of names."""
    create = isinstance(command, _BRINGS)
    changes: dict[str, Any] = {}
    for field, kind in _KINDS.items():
        value = getattr(command, field, None)
        if isinstance(value, str):
            changes[field] = opaque(keys, tenant, kind, value, create=create)
        elif value:
            found = keys.refer(tenant, kind, value, create=create)
            changes[field] = tuple(sorted({found.get(name, unknown(kind)) for name in value}))
    return command.model_copy(update=changes)


def opaque(keys: KeyStore, tenant: str, kind: str, name: str, *, create: bool = False) -> str:
    """Return the opaque id of a name."""
    return keys.refer(tenant, kind, [name], create=create).get(name, unknown(kind))


def unknown(kind: str) -> str:
    """Return an id that nothing has."""
    return f"{PREFIXES[kind]}_unknown"
