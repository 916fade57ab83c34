"""What waits in each tenant: heads to be signed, erasures to be finished, effects on the index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from memos_gov.domain import ids
from memos_gov.domain.facts import OpenErasures
from memos_gov.notary import newest_head
from memos_gov.ports import ParkedCube, Snapshot, Tables


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """
    What waits in a tenant, counted.

    `decided` records make its history, of which `unsigned` came after the newest
    signed head. `erasures` are open. `effects` are decided records that the index
    has not seen, `parked` cubes whose entry it could not be given; both are None
    where the index was not asked.
    """

    tenant: str
    decided: int
    unsigned: int
    erasures: int
    effects: int | None
    parked: int | None


def waiting(
    tables: Tables, seen: Mapping[int, int] | None, parked: Iterable[ParkedCube] = ()
) -> tuple[Waiting, ...]:
    """
    Return what waits, by tenant; nothing is recorded.

    Args:
        seen: Partition -> the newest offset that the index has seen.
        parked: What the index says is parked.
    """
    effects = None if seen is None else _effects(tables, seen)
    aside = None if seen is None else Counter(each.tenant for each in parked)
    with tables.snapshot() as snapshot:
        return tuple(_of(snapshot, tenant, effects, aside) for tenant in sorted(snapshot.tenants()))


def _of(
    snapshot: Snapshot, tenant: str, effects: Counter[str] | None, parked: Counter[str] | None
) -> Waiting:
    size, head = snapshot.index(tenant) + 1, newest_head(snapshot, tenant)
    guard = ids.open_erasures_stream(tenant)
    _, facts = snapshot.facts([guard]).get(guard, (0, None))
    return Waiting(
        tenant=tenant,
        decided=size,
        unsigned=size - (head.size if head else 0),
        erasures=len(facts.erasures) if isinstance(facts, OpenErasures) else 0,
        effects=None if effects is None else effects[tenant],
        parked=None if parked is None else parked[tenant],
    )


def _effects(tables: Tables, seen: Mapping[int, int]) -> Counter[str]:
    from memos_gov.projections.outcomes import decided_since

    found = Counter[str]()
    with tables.connection() as connection:
        for partition, offset in seen.items():
            found.update(decided_since(connection, partition, offset))
    return found
