"""How a folder and an actor stand: counts and places; no event, no content, no name of a cube."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from memos_gov.domain import ids
from memos_gov.domain.facts import PolicyFacts
from memos_gov.domain.questions import Caller
from memos_gov.governor import Governor
from memos_gov.ports import CubeIndex, Keyring, Snapshot
from memos_gov.rotation import VaultStanding, standing
from memos_gov.transparency import merkle


class TenantStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant's newest index, the root of its tree in hex, and its active policy."""

    tenant: str
    index: int
    root: str
    policy: str


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """
    How a folder stands; `behind` is how many records each follower has yet to see.

    `cubes` counts the cubes of all tenants by state, as the view has them now;
    `parked` by reason those whose entry in the index could not be made.
    """

    instance: str
    tenants: tuple[TenantStatus, ...]
    log_end: int
    behind: dict[str, int]
    cubes: dict[str, int]
    parked: dict[str, int]
    files: dict[str, int]
    vault: VaultStanding


def status(governor: Governor, keyring: Keyring, index: CubeIndex, folder: Path) -> Status:
    """Return how a folder stands; for whoever may open it, so nothing is recorded."""
    partitions = range(governor.log.partitions)
    log_end = sum(map(governor.log.end, partitions))
    checkpoints, trees, cubes = _counts(governor)
    behind = {name: log_end - seen for name, seen in sorted(checkpoints.items())}
    with governor.tables.snapshot() as snapshot:
        tenants = tuple(_tenant(snapshot, row) for row in trees if not ids.is_control(row.tenant))
        vault = standing(governor.keys, keyring, snapshot)
    return Status(
        instance=governor.keys.instance,
        tenants=tenants,
        log_end=log_end,
        behind={**behind, "index": log_end - sum(index.position(n) + 1 for n in partitions)},
        cubes=cubes,
        parked=dict(Counter(each.reason for each in index.parked())),
        files={p.name: p.stat().st_size for p in sorted(folder.glob("*.db"))},
        vault=vault,
    )


def _counts(governor: Governor) -> tuple[dict[str, int], list[Any], dict[str, int]]:
    """Return follower -> next offset, the rows of the trees, and state -> how many cubes."""
    from sqlalchemy import func, select

    from memos_gov.projections import views
    from memos_gov.projections.tables import CheckpointRow, CubeRow, TreeRow, table_of

    checkpoint, tree, cube = (table_of(t) for t in (CheckpointRow, TreeRow, CubeRow))
    follower = select(checkpoint.c.follower, func.sum(checkpoint.c.next_offset))
    follower = follower.group_by(checkpoint.c.follower)
    by_state = select(cube.c.state, func.count()).group_by(cube.c.state).order_by(cube.c.state)
    with governor.tables.connection() as connection:
        seen = {row.follower: int(row[1]) for row in connection.execute(follower)}
        trees = list(connection.execute(select(tree).order_by(tree.c.tenant)))
        cubes = {row.state: int(row[1]) for row in connection.execute(by_state)}
    return {**dict.fromkeys(views(), 0), **seen}, trees, cubes


def _tenant(snapshot: Snapshot, row: Any) -> TenantStatus:
    guard = ids.guard_stream(row.tenant, "policy")
    _, facts = snapshot.facts([guard]).get(guard, (0, None))
    return TenantStatus(
        tenant=row.tenant,
        index=row.size - 1,
        root=merkle.root(merkle.unpack(row.frontier)).hex(),
        policy=facts.active if isinstance(facts, PolicyFacts) else "",
    )


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who an actor is, as the log knows it; without roles for one who was never added."""

    principal: str
    tenant: str
    roles: tuple[str, ...]
    clearance: str
    purposes: tuple[str, ...]
    regions: tuple[str, ...]
    via: str


def whoami(governor: Governor, caller: Caller, name: str) -> Identity:
    """Return who an actor is; nothing is recorded."""
    with governor.tables.snapshot() as snapshot:
        facts = governor.attempt(snapshot, caller).actor
    return Identity(
        principal=name,
        tenant=caller.tenant,
        roles=facts.roles,
        clearance=facts.clearance,
        purposes=facts.purposes,
        regions=facts.regions,
        via=caller.via,
    )
