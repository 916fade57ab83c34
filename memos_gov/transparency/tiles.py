"""
Tiles: a tree as static files of 256 hashes, from which every proof is computed.

Source: C2SP tlog-tiles (https://c2sp.org/tlog-tiles). A tile at level L holds
the roots of full tiles at level L - 1; at level 0, leaf hashes. Entry bundles
hold the entries under them. What lies at a path never changes, so only the
rightmost tile of a level is partial, and a partial one may go once the full
one is there. No I/O: paths and bytes go in and out.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence

from memos_gov.errors import CorruptionError
from memos_gov.transparency import merkle
from memos_gov.transparency.merkle import HASH_BYTES, leaf_hash, leaf_hashes
from memos_gov.transparency.proofs import consistency_proof, inclusion_proof

TILE_HEIGHT = 8
TILE_WIDTH = 256
CHECKPOINT = "checkpoint"
ENTRY_BYTES_MAX = 2**16 - 1
_LENGTH = struct.Struct(">H")
_REBUILD = "Run `memos-gov rebuild`: tiles are made again from the log."

Read = Callable[[str], bytes | None]
Resource = tuple[str, bytes]


def tile_path(level: int, index: int, width: int = TILE_WIDTH) -> str:
    """Return the path of a tile; a partial one has a `width` below 256."""
    return f"tile/{level}/{_place(index, width)}"


def entries_path(index: int, width: int = TILE_WIDTH) -> str:
    """Return the path of the entry bundle under the level 0 tile `index`."""
    return f"tile/entries/{_place(index, width)}"


def _place(index: int, width: int) -> str:
    """Return an index in groups of three digits, `x001/x234/067`, and the width if partial."""
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03d}")
    partial = "" if width == TILE_WIDTH else f".p/{width}"
    return "/".join(reversed(groups)) + partial


def width_at(size: int, level: int, index: int) -> int:
    """Return how many hashes tile `index` of `level` has in a tree of `size` leaves."""
    return max(0, min(TILE_WIDTH, (size >> TILE_HEIGHT * level) - index * TILE_WIDTH))


def encode_entries(entries: Sequence[bytes]) -> bytes:
    """Return an entry bundle: each entry after its length in two bytes, big-endian."""
    assert max(map(len, entries), default=0) <= ENTRY_BYTES_MAX
    length = _LENGTH.pack
    return b"".join([length(len(entry)) + entry for entry in entries])


def decode_entries(raw: bytes, place: str) -> list[bytes]:
    """
    Return the entries of a bundle.

    Raises:
        CorruptionError: It is cut off; `place` names it.
    """
    entries, at = [], 0
    while at < len(raw):
        if at + _LENGTH.size > len(raw):
            break
        (length,) = _LENGTH.unpack_from(raw, at)
        at += _LENGTH.size + length
        entries.append(raw[at - length : at])
    if at != len(raw):
        raise CorruptionError("an entry bundle is cut off", place=place, remedy=_REBUILD)
    return entries


class TileTree:
    """A tree of `size` leaves read out of its tiles, each once and only those that are needed."""

    def __init__(self, size: int, read: Read) -> None:
        self.size = size
        self._read = read
        self._rows: dict[tuple[int, int], list[bytes]] = {}
        self._bundles: dict[int, list[bytes]] = {}

    def root(self) -> bytes:
        """Return the root over all leaves."""
        return self.range_hash(0, self.size) if self.size else merkle.EMPTY_ROOT

    def inclusion(self, index: int) -> list[bytes]:
        """Return the inclusion proof of leaf `index`."""
        return inclusion_proof(index, self.size, self.range_hash)

    def consistency(self, old: int) -> list[bytes]:
        """Return the proof that this tree begins with that of `old` leaves, at least 1."""
        return consistency_proof(old, self.size, self.range_hash)

    def leaf(self, index: int) -> bytes:
        """Return the hash of leaf `index`."""
        return self.node(0, index)

    def entry(self, index: int) -> bytes:
        """
        Return the entry of leaf `index`, found to be the one that its tile names.

        Raises:
            CorruptionError: A file is missing or damaged, or holds another entry.
        """
        bundle, at = divmod(index, TILE_WIDTH)
        entries = self._bundle(bundle)
        if at >= len(entries) or leaf_hash(entries[at]) != self.leaf(index):
            raise self._other_entry(bundle)
        return entries[at]

    def entries(self, bundle: int) -> list[bytes]:
        """
        Return the entries of a bundle, each found to be the one that its tile names.

        Raises:
            CorruptionError: A file is missing or damaged, or holds other entries.
        """
        found = self._bundle(bundle)[: width_at(self.size, 0, bundle)]
        if leaf_hashes(found) != self.row(0, bundle):
            raise self._other_entry(bundle)
        return found

    def _other_entry(self, bundle: int) -> CorruptionError:
        path = entries_path(bundle, width_at(self.size, 0, bundle))
        msg = "an entry bundle holds another entry than its tile"
        return CorruptionError(msg, place=path, remedy=_REBUILD)

    def range_hash(self, start: int, end: int) -> bytes:
        """Return MTH(D[start:end]) of a range that is a subtree of this tree."""
        subtrees: list[bytes] = []
        while start < end:
            height = (end - start).bit_length() - 1
            subtrees.append(self.node(height, start >> height))
            start += 1 << height
        return merkle.root(tuple(subtrees))

    def node(self, height: int, index: int) -> bytes:
        """Return the root of perfect subtree `index` among those of `2**height` leaves."""
        level, inner = divmod(height, TILE_HEIGHT)
        tile, first = divmod(index << inner, TILE_WIDTH)
        return merkle.perfect_root(self.row(level, tile)[first : first + (1 << inner)])

    def _bundle(self, index: int) -> list[bytes]:
        if index not in self._bundles:
            path = entries_path(index, width_at(self.size, 0, index))
            raw = self._found(path, entries_path(index))
            self._bundles[index] = decode_entries(raw, path)
        return self._bundles[index]

    def row(self, level: int, index: int) -> list[bytes]:
        """
        Return the hashes of a tile.

        Raises:
            CorruptionError: Its file is missing or cut off.
        """
        if (level, index) not in self._rows:
            width = width_at(self.size, level, index)
            path = tile_path(level, index, width)
            raw = self._found(path, tile_path(level, index))[: width * HASH_BYTES]
            if len(raw) != width * HASH_BYTES:
                raise CorruptionError("a tile is cut off", place=path, remedy=_REBUILD)
            places = range(0, len(raw), HASH_BYTES)
            self._rows[level, index] = [raw[at : at + HASH_BYTES] for at in places]
        return self._rows[level, index]

    def _found(self, path: str, full: str) -> bytes:
        """Return a file, or the full one of which it was the partial one before."""
        raw = self._read(path)
        if raw is None and path != full:
            raw = self._read(full)
        if raw is None:
            raise CorruptionError(f"{path} is missing", place=path, remedy=_REBUILD)
        return raw


class TileGrowth:
    """Turns entries into the tiles and bundles that a tree needs more than before."""

    def __init__(self, size: int, read: Read) -> None:
        """
        Begin at a tree of `size` leaves whose tiles can be read.

        Raises:
            CorruptionError: A partial tile or bundle of it is missing or damaged.
        """
        self.size = size
        tree = TileTree(size, read)
        self._rows = [_rightmost(tree, level) for level in range(_levels(size))]
        self._entries = tree.entries(size // TILE_WIDTH) if size % TILE_WIDTH else []

    def add(self, entries: Sequence[bytes]) -> Iterator[Resource]:
        """Append entries and yield the full bundles and tiles that they complete, lowest first."""
        at = 0
        while at < len(entries):
            piece = entries[at : at + TILE_WIDTH - len(self._entries)]
            at += len(piece)
            self.size += len(piece)
            self._entries.extend(piece)
            if len(self._entries) == TILE_WIDTH:
                yield entries_path(self.size // TILE_WIDTH - 1), encode_entries(self._entries)
                self._entries = []
            yield from self._push(0, leaf_hashes(piece))

    def _push(self, level: int, hashes: Sequence[bytes]) -> Iterator[Resource]:
        """Append hashes that end a row at the most."""
        if level == len(self._rows):
            self._rows.append([])
        row = self._rows[level]
        row.extend(hashes)
        if len(row) == TILE_WIDTH:
            index = (self.size >> TILE_HEIGHT * (level + 1)) - 1
            yield tile_path(level, index), b"".join(row)
            self._rows[level] = []
            yield from self._push(level + 1, [merkle.perfect_root(row)])

    def partial(self) -> Iterator[Resource]:
        """Yield the partial bundle and tiles that a checkpoint of this size needs."""
        if self._entries:
            width = len(self._entries)
            path = entries_path(self.size // TILE_WIDTH, width)
            yield path, encode_entries(self._entries)
        for level, row in enumerate(self._rows):
            if row:
                index = self.size >> TILE_HEIGHT * (level + 1)
                yield tile_path(level, index, len(row)), b"".join(row)


def _levels(size: int) -> int:
    """Return how many levels have at least one hash."""
    return -(-size.bit_length() // TILE_HEIGHT)


def _rightmost(tree: TileTree, level: int) -> list[bytes]:
    """Return the hashes of the partial tile of a level; none where the last one is full."""
    tile, width = divmod(tree.size >> TILE_HEIGHT * level, TILE_WIDTH)
    return [*tree.row(level, tile)] if width else []
