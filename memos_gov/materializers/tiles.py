"""
The follower that keeps a tenant's tiles: as far as it has come, and no further than decided.

Its position lies beside the tiles. Losing a file loses nothing: what cannot be
read is made again from the leaf entries, and no tile is believed without a
root that was signed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from memos_gov.domain.history import Tree
from memos_gov.errors import CorruptionError, NotVerifiedError
from memos_gov.ports import Tables, TileStore
from memos_gov.transparency import merkle
from memos_gov.transparency.checkpoints import TreeHead, open_checkpoint
from memos_gov.transparency.notes import VerifierKey
from memos_gov.transparency.tiles import CHECKPOINT, Read, Resource, TileGrowth, TileTree

POSITION = "position"
PAGE_ENTRIES = 2048
STEP_ENTRIES_MAX = 20_000


class TileFollower:
    """Grows the tiles of each tenant, and reads trees out of them."""

    def __init__(self, tables: Tables, store: TileStore) -> None:
        self._tables = tables
        self._store = store

    def position(self, tenant: str) -> int:
        """Return the size of the tree that the tiles hold."""
        raw = self._store.read(tenant, POSITION) or b""
        return int(raw) if raw.isdigit() else 0

    def tree(self, tenant: str, size: int) -> TileTree:
        """Return the tree of `size` leaves as the tiles have it."""
        return TileTree(size, self._reader(tenant))

    def _reader(self, tenant: str) -> Read:
        return lambda path: self._store.read(tenant, path)

    def grow(self, tenant: str, size: int, *, at_most: int = STEP_ENTRIES_MAX) -> bool:
        """
        Bring the tiles to the tree of `size` leaves; return whether they are there.

        Not more than `at_most` entries are added in one call. Tiles that are
        damaged are thrown away and made again from the first one on.
        """
        start = self.position(tenant)
        if start < size:
            reached = min(size, start + at_most)
            try:
                growth = TileGrowth(start, self._reader(tenant))
            except CorruptionError:
                self._store.clear(tenant)
                return self.grow(tenant, size, at_most=at_most)
            self._store.write(tenant, self._grown(tenant, growth, reached))
            self._store.write(tenant, [*growth.partial(), (POSITION, str(reached).encode())])
            start = reached
        return start >= size

    def _grown(self, tenant: str, growth: TileGrowth, size: int) -> Iterator[Resource]:
        while growth.size < size:
            with self._tables.snapshot() as snapshot:
                count = min(PAGE_ENTRIES, size - growth.size)
                page = snapshot.leaf_entries(tenant, growth.size, count)
            if not page:
                msg = f"the tables hold fewer leaves of {tenant} than its tree has"
                raise CorruptionError(msg, place=f"outcomes ({tenant})")
            yield from growth.add(page)

    def sound(self, tenant: str, tree: Tree) -> TileTree:
        """
        Return the tree out of tiles that give its root, made again where they do not.

        Raises:
            CorruptionError: The leaf entries of the tables do not give it either.
        """
        for remade in (False, True):
            if remade:
                self._store.clear(tenant)
                self.grow(tenant, tree.size, at_most=tree.size)
            with contextlib.suppress(CorruptionError):
                found = self.tree(tenant, tree.size)
                if found.root() == merkle.root(tree.frontier):
                    return found
        msg = f"the leaf entries of {tenant} do not give the root of its tree"
        raise CorruptionError(msg, place=f"trees ({tenant})")

    def remake(self, tenant: str, size: int, note: str) -> None:
        """Throw a tenant's tiles away, make those of a signed head again, and publish it."""
        self._store.clear(tenant)
        self.grow(tenant, size, at_most=size)
        self.publish(tenant, note)

    def publish(self, tenant: str, note: str) -> None:
        """Put a signed checkpoint beside the tiles that it is about, if it is not there."""
        if self._store.read(tenant, CHECKPOINT) != note.encode():
            self._store.write(tenant, [(CHECKPOINT, note.encode())])

    def published(self, tenant: str, key: VerifierKey) -> tuple[TreeHead, str] | None:
        """Return the newest checkpoint beside the tiles and its note; None without a sound one."""
        raw = self._store.read(tenant, CHECKPOINT)
        if raw is None:
            return None
        try:
            note = raw.decode()
            return open_checkpoint(note, key), note
        except (NotVerifiedError, UnicodeDecodeError):
            return None

    def clear(self) -> None:
        """Throw all tiles away."""
        self._store.clear()
