"""Audit `hold-attempts`: who tried to change or end what a legal hold keeps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from memos_gov.queries.arguments import AuditArguments
from memos_gov.queries.asking import Evidence

COLUMNS = ("index", "time_s", "cube", "actor", "action", "purpose", "reasons", "policy")
REASON = "legal_hold"


def hold_attempts(evidence: Evidence, about: AuditArguments) -> tuple[int, list[tuple[Any, ...]]]:
    """Return the refusals for a hold in a period, in order; dry runs that were refused too."""
    about.takes("since", "until")
    index = evidence.ask("hold-attempts")
    evidence.follower.catch_up("accesses")
    return index, list(_rows(evidence, *about.period()))


def _rows(evidence: Evidence, start: int, end: int) -> Iterator[tuple[Any, ...]]:
    from sqlalchemy import select

    from memos_gov.projections.tables import AccessRow, table_of

    access = table_of(AccessRow)
    query = (
        select(access)
        .where(access.c.tenant == evidence.tenant, access.c.effect == "refuse")
        .where(access.c.idx <= evidence.last_act())
        .where(access.c.time_s >= start, access.c.time_s < end)
        .where(access.c.reasons.contains(REASON))
        .order_by(access.c.idx, access.c.cube)
    )
    found = [one for one in evidence.rows(query) if REASON in one.reasons.split()]
    names = evidence.names({one.actor for one in found})
    for one in found:
        yield (
            one.idx,
            one.time_s,
            one.cube,
            names[one.actor],
            one.action,
            one.purpose,
            one.reasons.split(),
            one.policy,
        )
