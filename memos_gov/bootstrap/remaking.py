"""What is made again in every set-up, once the tables are: tiles and index."""

from __future__ import annotations

from pathlib import Path

from memos_gov.backends.tiles import FileTileStore
from memos_gov.fsck.report import Progress
from memos_gov.materializers.plaintext import IndexFollower
from memos_gov.materializers.tiles import TileFollower
from memos_gov.notary import newest_head
from memos_gov.ports import CubeIndex, Embedder, EventLog, IndexTurns, KeyStore, Tables
from memos_gov.sealing import Sealer


def retiled(folder: Path, tables: Tables) -> None:
    """Throw every tile away, and make those of the newest signed heads again."""
    tiles = TileFollower(tables, FileTileStore(folder))
    tiles.clear()
    with tables.snapshot() as snapshot:
        heads = {tenant: newest_head(snapshot, tenant) for tenant in snapshot.tenants()}
    for tenant, head in heads.items():
        if head is not None:
            tiles.remake(tenant, head.size, head.note)


def refilled(
    index: CubeIndex,
    log: EventLog,
    tables: Tables,
    vault: KeyStore,
    progress: Progress | None,
    *,
    turns: IndexTurns | None = None,
    embedder: Embedder | None = None,
) -> int:
    """Empty an index and fill it again; return its cubes."""
    IndexFollower(log, tables, Sealer(vault), index, turns, embedder).refill()
    count = sum(1 for _ in index.entries())
    if progress is not None:
        progress("index", count, count)
    return count
