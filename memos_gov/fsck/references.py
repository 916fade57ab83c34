"""
What the log refers to in the vault besides content keys: names of the directory, and secrets.

Every person, thing and place of talk that an accepted record names stands in
the directory, unless the person was erased, in which case it does not. A name
that only a refused or rejected record has was never entered. Of the secrets
the log needs the key of each month in which a command was decided, that which
the steps of a tenant's erasures have their ids from, and the operator's. Whether what is there
opens is looked at by `keys.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.facts import SubjectFacts
from memos_gov.erasure.steps import STEPS, is_step_id
from memos_gov.errors import CorruptionError
from memos_gov.fsck.folder import OPERATOR
from memos_gov.fsck.report import DESTROY, REBUILD, RESTORE, Findings
from memos_gov.fsck.walk import Seen
from memos_gov.naming import unknown
from memos_gov.ports import KeyStore, Tables
from memos_gov.sealing import MONTH

_FIELDS = ("subjects", "subject", "principal", "author", "conversation", "matter")
_UNKNOWN = frozenset(map(unknown, ids.PREFIXES))
Named = tuple[str, str]


class ReferenceCheck:
    """
    Every name and secret that records refer to, looked for in the vault.

    Args:
        tables: Have come to the end of the log: they know who was erased.
    """

    def __init__(self, keys: KeyStore, tables: Tables, findings: Findings) -> None:
        self._keys = keys
        self._tables = tables
        self._findings = findings
        self._found: set[Named] = set()
        self._secrets: set[Named] = {(ids.INSTANCE, OPERATOR)}

    def see(self, batch: Sequence[Seen]) -> None:
        """Look for the names of a batch; remember its secrets, which are few."""
        named, ended = defaultdict[str, set[str]](set), set[Named]()
        for seen in batch:
            record, outcome = seen.parsed.record, seen.outcome
            if record is None or outcome is None or not seen.intact or not outcome.final:
                continue
            self._secrets.update(_secrets_of(seen))
            for event in seen.parsed.events if outcome.code == "accepted" else ():
                named[outcome.tenant].update(_names_in(event))
                if isinstance(event, e.SubjectErased):
                    ended.add((outcome.tenant, event.subject))
        with self._findings.guarded("vault.db", "vault", RESTORE):
            for tenant, opaque in named.items():
                self._check(tenant, opaque, ended)

    def end(self) -> None:
        """Look for the secrets."""
        for tenant, name in sorted(self._secrets):
            with self._findings.guarded("vault.db", "vault", RESTORE):
                if not self._has_secret(tenant, name):
                    place = f"vault.db secret {name} of {tenant}"
                    message = "is not there, although the log needs it"
                    self._findings.add(place, "vault", message, RESTORE, tenant=tenant)

    def _has_secret(self, tenant: str, name: str) -> bool:
        try:
            return self._keys.secret(tenant, name) is not None
        except CorruptionError:  # it is there and does not open: a finding of its own
            return True

    def _check(self, tenant: str, opaque: set[str], ended: set[Named]) -> None:
        """Compare the names that a batch has of a tenant with the directory."""
        known = self._keys.known(tenant, opaque)
        for name in sorted(known):
            if (tenant, name) in ended:
                place = f"vault.db name {name} of {tenant}"
                message = "is still there, although the person was erased"
                self._findings.add(place, "name_alive", message, DESTROY, tenant=tenant)
        absent = {name for name in opaque - known if (tenant, name) not in self._found}
        for name in sorted(absent - self._erased(tenant, absent)):
            self._found.add((tenant, name))
            place = f"vault.db name {name} of {tenant}"
            message = "is not there, although the log refers to it"
            self._findings.add(place, "vault", message, RESTORE, tenant=tenant)

    def _erased(self, tenant: str, opaque: set[str]) -> set[str]:
        """Return which of these names were ended by an erasure."""
        streams = {ids.subject_stream(tenant, name): name for name in opaque}
        facts: Mapping[str, tuple[int, object]] = {}
        with self._findings.guarded("tables facts", "damaged", REBUILD):
            if streams:
                with self._tables.snapshot() as snapshot:
                    facts = snapshot.facts(streams)
        return {
            streams[stream]
            for stream, (_, found) in facts.items()
            if isinstance(found, SubjectFacts) and found.erased
        }


def _secrets_of(seen: Seen) -> Iterator[Named]:
    """Yield tenant and name of the secrets that a decided record was made with."""
    record = seen.parsed.record
    assert record is not None
    data = record.data
    month = data.command.partition("/")[0]
    if month.startswith(MONTH):
        yield data.tenant, month
    if data.actor == ids.ERASER and is_step_id(record.id):
        yield data.tenant, STEPS


def _names_in(event: e.Event) -> Iterator[str]:
    """Yield the opaque ids of the directory that an event names, but those that nothing has."""
    for field in _fields_of(type(event)):
        value = getattr(event, field)
        for name in (value,) if isinstance(value, str) else value or ():
            if name not in _UNKNOWN:
                yield name
    if isinstance(event, e.HoldPlaced) and event.target.kind == "subject":
        yield event.target.id


@cache
def _fields_of(kind: type[e.Event]) -> tuple[str, ...]:
    return tuple(field for field in _FIELDS if field in kind.__struct_fields__)
