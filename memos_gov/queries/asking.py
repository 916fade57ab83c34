"""
Asking: a question of evidence goes through the Governor before it is answered.

The question, not its answer, is recorded: who asked what about which opaque
id. Where policy refuses, the refusal is recorded and raised, and nothing is
read. Names of people and matters are looked up only for display.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from memos_gov.domain import commands as c
from memos_gov.domain import ids
from memos_gov.domain.facts import Facts
from memos_gov.domain.questions import Caller
from memos_gov.follow import Follower
from memos_gov.governor import Governor
from memos_gov.naming import opaque
from memos_gov.ports import PolicyBundles

if TYPE_CHECKING:
    from sqlalchemy import Executable, Row

AskedAs = Literal["audit", "explain", "log_read", "review_list"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What questions are answered from, for one caller."""

    governor: Governor
    follower: Follower
    bundles: PolicyBundles
    caller: Caller

    @property
    def tenant(self) -> str:
        """The only tenant that is looked at."""
        return self.caller.tenant

    @property
    def now(self) -> int:
        """The time of the answer, in seconds since the epoch."""
        return int(self.governor.clock.now().timestamp())

    def ask(self, question: str, action: AskedAs = "audit", target: str | None = None) -> int:
        """
        Record a question and return its index.

        Raises:
            DeniedError, NotFoundError, PolicyUnavailableError: Refused; recorded.
        """
        command = c.make(c.AskAudit, question=question, action=action, target=target)
        return self.governor.handle(self.caller, command).index

    def rows(self, query: Executable) -> list[Row[Any]]:
        """Return the rows of a query on the tables."""
        with self.governor.tables.connection() as connection:
            return list(connection.execute(query))

    def opaque(self, kind: str, name: str) -> str:
        """Return the id that a name or an id of `kind` stands for; `<prefix>_unknown` if none."""
        if ids.is_opaque(name) and self.governor.keys.names(self.tenant, [name]):
            return name
        return opaque(self.governor.keys, self.tenant, kind, name)

    def names(self, opaque_ids: Iterable[str]) -> Names:
        """Return the names behind ids."""
        return Names(self.governor.keys.names(self.tenant, opaque_ids))

    def facts(self, kind: str) -> dict[str, Facts]:
        """Return id -> newest facts of every stream `<tenant>/<kind>/<id>`."""
        from memos_gov.projections.outcomes import newest_facts
        from memos_gov.projections.tables import StreamRow, table_of

        stream, prefix = table_of(StreamRow).c.stream, f"{self.tenant}/{kind}/"
        inside = (stream >= prefix) & (stream < f"{self.tenant}/{kind}0")
        with self.governor.tables.connection() as connection:
            found = newest_facts(connection, inside)
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
