"""Audit `access`: who read or tried what, when, for which purpose, and by which rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from memos_gov.errors import InvalidCommandError
from memos_gov.queries.arguments import AuditArguments
from memos_gov.queries.asking import Evidence

COLUMNS = (
    "index",
    "time_s",
    "cube",
    "actor",
    "on_behalf_of",
    "action",
    "purpose",
    "effect",
    "reasons",
    "rules",
    "policy",
)


def accesses(evidence: Evidence, about: AuditArguments) -> tuple[int, list[tuple[Any, ...]]]:
    """
    Return reads, struck reads and refusals of a cube, or of any cube of a person, in order.

    Raises:
        InvalidCommandError: Neither is named, or both are; nothing was written.
    """
    about.takes("subject", "cube")
    if (about.subject is None) == (about.cube is None):
        msg = "cube: name a cube or a subject, one of the two"
        raise InvalidCommandError(msg, field="cube")
    target = about.cube if about.subject is None else evidence.opaque("subject", about.subject)
    assert target is not None
    index = evidence.ask("access", target=target)
    evidence.follower.catch_up("accesses", "cubes")
    return index, list(_accesses(evidence, target))


def _accesses(evidence: Evidence, target: str) -> Iterator[tuple[Any, ...]]:
    from sqlalchemy import select

    from memos_gov.projections.tables import AccessRow, CubeWordRow, table_of

    access, word = table_of(AccessRow), table_of(CubeWordRow)
    tenant = evidence.tenant
    of_person = select(word.c.cube).where(
        word.c.tenant == tenant, word.c.kind == "subject", word.c.value == target
    )
    cubes = access.c.cube.in_(of_person) if target.startswith("s_") else access.c.cube == target
    done = access.c.idx <= evidence.last_act()
    query = select(access).where(access.c.tenant == tenant, cubes, done)
    found = evidence.rows(query.order_by(access.c.idx, access.c.cube))
    names = evidence.names({x for row in found for x in (row.actor, row.on_behalf_of or "")})
    for row in found:
        yield (
            row.idx,
            row.time_s,
            row.cube,
            names[row.actor],
            row.on_behalf_of and names[row.on_behalf_of],
            row.action,
            row.purpose,
            row.effect,
            row.reasons,
            row.rules,
            row.policy,
        )
