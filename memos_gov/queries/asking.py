"""
Asking: a question of evidence goes through the Governor before it is answered.

The question, not its answer, is recorded: who asked what about which opaque
id. Where policy refuses, the refusal is recorded and raised, and nothing is
read. Names of people and matters are looked up only for display.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from memos_gov.domain import commands as c
from memos_gov.domain import ids
from memos_gov.domain.as_of import AsOf, Then, as_of
from memos_gov.domain.facts import Facts
from memos_gov.domain.questions import Caller
from memos_gov.domain.verdicts import INTEGER_MAX
from memos_gov.follow import Follower
from memos_gov.governor import Governor
from memos_gov.naming import opaque
from memos_gov.past import then_of
from memos_gov.ports import PolicyBundles

if TYPE_CHECKING:
    from sqlalchemy import Executable, Row

LAST_MS = 999  # of a second, which is as fine as facts are
AskedAs = Literal["audit", "explain", "log_read", "review_list"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What questions are answered from, for one caller; as of `then`, or of the present."""

    governor: Governor
    follower: Follower
    bundles: PolicyBundles
    caller: Caller
    then: Then | None = None

    @property
    def tenant(self) -> str:
        """The only tenant that is looked at."""
        return self.caller.tenant

    @property
    def now(self) -> int:
        """The time that the answer is about, in seconds since the epoch."""
        if self.then is not None:
            return self.then.moment
        return int(self.governor.clock.now().timestamp())

    def ask(
        self,
        question: str,
        action: AskedAs = "audit",
        target: str | None = None,
    ) -> int:
        """
        Record a question, and the moment of the past it is about, and return its index.

        Raises:
            DeniedError, NotFoundError, PolicyUnavailableError: Refused; recorded.
        """
        command = c.make(c.AskAudit, question=question, action=action, target=target, **self.of)
        return self.governor.handle(self.caller, command).index

    @property
    def of(self) -> dict[str, int | None]:
        """What a question's event says of the moment it is about."""
        return {} if self.then is None else {"recorded": self.then.index, "valid": self.then.valid}

    def as_of(self, said: AsOf | datetime | int | None) -> Evidence:
        """
        Return the same evidence as of a moment of the past.

        Raises:
            InvalidCommandError: Names `as_of`: it cannot be, or has not come yet;
                nothing was written.
        """
        moment = as_of(said)
        if moment is None:
            return self
        with self.governor.tables.snapshot(tenant=self.tenant) as snapshot:
            then = then_of(snapshot, self.tenant, moment, self.governor.now(snapshot))
        return replace(self, then=then)

    def last_act(self) -> int:
        """
        Return the newest index of what had been done at the moment asked about.

        An act is true from its record on, so both clocks bound it.
        """
        if self.then is None:
            return INTEGER_MAX
        if self.then.valid is None:
            return self.then.index
        with self.governor.tables.snapshot(tenant=self.tenant) as snapshot:
            by_then = snapshot.index_at(self.tenant, self.then.valid * 1000 + LAST_MS)
        return min(self.then.index, by_then)

    def rows(self, query: Executable) -> list[Row[Any]]:
        """Return the rows of a query on the tables."""
        with self.governor.tables.connection(tenant=self.tenant) as connection:
            return list(connection.execute(query))

    def opaque(self, kind: str, name: str) -> str:
        """Return the id that a name or an id of `kind` stands for; `<prefix>_unknown` if none."""
        if ids.is_opaque(name) and self.governor.keys.names(self.tenant, [name]):
            return name
        return opaque(self.governor.keys, self.tenant, kind, name)

    def names(self, opaque_ids: Iterable[str]) -> Names:
        """Return the names behind ids."""
        return Names(self.governor.keys.names(self.tenant, opaque_ids))

    def facts(self, kind: str, *, timed: bool = False) -> dict[str, Facts]:
        """
        Return id -> facts of every stream `<tenant>/<kind>/<id>`, as far as they were known.

        What is `timed` says itself when it is true, so only the record's clock bounds it.
        """
        from memos_gov.projections.outcomes import newest_facts
        from memos_gov.projections.tables import StreamRow, table_of

        stream, prefix = table_of(StreamRow).c.stream, f"{self.tenant}/{kind}/"
        inside = (stream >= prefix) & (stream < f"{self.tenant}/{kind}0")
        with self.governor.tables.connection(tenant=self.tenant) as connection:
            found = newest_facts(connection, inside)
        if self.then is not None:
            with self.governor.tables.snapshot(tenant=self.tenant) as snapshot:
                last = self.then.index if timed else self.last_act()
                known = snapshot.facts_as_of(found, last)
            found = {name: facts for name, (_, facts) in known.items()}
        return {name.removeprefix(prefix): facts for name, facts in found.items()}


class Names(dict[str, str]):
    """Names by opaque id; what has no name stands for itself."""

    def __missing__(self, key: str) -> str:
        return key

    def shown(self, value: Any) -> Any:
        """Return a value of a header with every id that has a name replaced by it."""
        match value:
            case str():
                return self[value]
            case Mapping():
                return {key: self.shown(part) for key, part in value.items()}
            case list() | tuple():
                return [self.shown(part) for part in value]
            case _:
                return value


def ids_in(value: Any) -> set[str]:
    """Return every opaque id in a value of a header."""
    match value:
        case str():
            return {value} if ids.is_opaque(value) else set()
        case Mapping():
            return {found for part in value.values() for found in ids_in(part)}
        case list() | tuple():
            return {found for part in value for found in ids_in(part)}
        case _:
            return set()
