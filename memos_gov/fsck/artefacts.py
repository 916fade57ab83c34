"""What was made of the log besides tables: the index; and what stands beside it: policies, keys."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from memos_gov.certify import parse
from memos_gov.destroyer import read_followed
from memos_gov.domain import ids
from memos_gov.domain.evolve import touched
from memos_gov.domain.facts import ContentFacts, GovernanceFacts, PolicyFacts
from memos_gov.fsck.records import batches
from memos_gov.fsck.report import RESTORE, Findings
from memos_gov.materializers.plan import has_entry, is_indexed
from memos_gov.ports import CubeIndex, EventLog, IndexedCube, KeyStore, PolicyBundles, Tables

PAGE_CUBES = 200
REFILL = "Run `memos-gov rebuild`: the index is made again."


def check_vault(keys: KeyStore, findings: Findings) -> None:
    """Open every key, secret and name of the vault."""
    for place in keys.damaged():
        message = "does not open: the vault was changed, or is of another log"
        findings.add(f"vault.db {place}", "vault", message, RESTORE)


def check_followed(log: EventLog, keys: KeyStore, findings: Findings) -> None:
    """Compare the vault's checkpoint with the log."""
    for partition in range(log.partitions):
        with findings.guarded("vault.db", "vault", RESTORE):
            read_followed(log, partition, keys.checkpoint(partition))


def check_policies(tables: Tables, bundles: PolicyBundles, findings: Findings) -> None:
    """Read every bundle that is or was active, which checks its digest."""
    for tenant, digest in _policies(tables):
        place = f"policies/{digest}"
        with findings.guarded(place, "policy", RESTORE):
            bundles.get(digest)
            findings.counts["policies"] += 1
        findings.progress(f"policy of {tenant}", 1, 1)


def _policies(tables: Tables) -> Iterator[tuple[str, str]]:
    from sqlalchemy import select

    from memos_gov.projections.tables import TreeRow, table_of

    tree = table_of(TreeRow)
    with tables.connection() as connection:
        tenants = [row.tenant for row in connection.execute(select(tree).order_by(tree.c.tenant))]
    with tables.snapshot() as snapshot:
        for tenant in tenants:
            guard = ids.guard_stream(tenant, "policy")
            _, facts = snapshot.facts([guard]).get(guard, (0, None))
            if isinstance(facts, PolicyFacts):
                yield from ((tenant, digest) for digest in (*facts.former, facts.active))


def check_index(
    log: EventLog, end: int, tables: Tables, index: CubeIndex, findings: Findings
) -> None:
    """Compare the index with what the plan wants; what changed after its position may wait."""
    position = index.position()
    if position >= end:
        message = f"has come to {position}, but the log ends at {end - 1}"
        findings.add("index.db position", "index", message, REFILL)
        return
    waiting = set(_touched_after(log, position + 1, end))
    wanted, present = _wanted(tables), iter(index.entries())
    one, other = next(wanted, None), next(present, None)
    while one is not None or other is not None:
        if one == other:
            findings.counts["indexed"] += 1
        first = min(x for x in (one, other) if x is not None)
        name = (first.tenant, first.cube_id)
        if one != other and name not in waiting:
            message = "is not in the index as the plan wants it"
            findings.add(f"index.db ({', '.join(name)})", "index", message, REFILL)
        if one is not None and (one.tenant, one.cube_id) == name:
            one = next(wanted, None)
        if other is not None and (other.tenant, other.cube_id) == name:
            other = next(present, None)


def _touched_after(log: EventLog, start: int, end: int) -> Iterator[tuple[str, str]]:
    for batch in batches(log, end, start):
        for record in batch:
            for event in parse(record).events:
                for stream in touched(event, record.tenant):
                    match stream.split("/"):
                        case [tenant, "cube", cube, *_]:
                            yield tenant, cube


def _wanted(tables: Tables) -> Iterator[IndexedCube]:
    """Yield what the index should hold, in order of tenant and cube."""
    cubes = _cubes(tables)
    while page := list(islice(cubes, PAGE_CUBES)):
        streams = [
            s for t, c in page for s in (ids.content_stream(t, c), ids.governance_stream(t, c))
        ]
        with tables.snapshot() as snapshot:
            facts = {stream: found for stream, (_, found) in snapshot.facts(streams).items()}
        for tenant, cube in page:
            content = facts.get(ids.content_stream(tenant, cube))
            governance = facts.get(ids.governance_stream(tenant, cube))
            if not isinstance(governance, GovernanceFacts) or not has_entry(governance):
                continue
            if isinstance(content, ContentFacts):
                findable = is_indexed(content, governance)
                yield IndexedCube(tenant, cube, content.revision, findable)


def _cubes(tables: Tables) -> Iterator[tuple[str, str]]:
    from sqlalchemy import select

    from memos_gov.projections.tables import CubeRow, table_of

    table = table_of(CubeRow)
    query = select(table.c.tenant, table.c.cube).order_by(table.c.tenant, table.c.cube)
    with tables.connection() as connection:
        for row in connection.execute(query.execution_options(yield_per=PAGE_CUBES)):
            yield row.tenant, row.cube
