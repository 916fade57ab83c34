"""
Tiles against the leaves: every file of them made again, and compared byte by byte.

A tile of level 0 holds leaf hashes, one of a level above the roots of the full
tiles below it, 256 to a tile (C2SP tlog-tiles); beside them lie the entries. Up
to the position that the tiles say they have reached every file must be there.
A partial one may be left of an earlier size, or be ahead by what was begun.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from memos_gov.domain import ids
from memos_gov.domain.facts import CheckpointFacts, LogFacts
from memos_gov.errors import NotVerifiedError
from memos_gov.fsck.report import OLDER, REBUILD, Findings
from memos_gov.fsck.tree import root_of
from memos_gov.ports import Tables, TileStore
from memos_gov.transparency.checkpoints import open_checkpoint, origin_of
from memos_gov.transparency.notes import VerifierKey

WIDTH = 256
PAGE_ENTRIES = 2048
_PATH = re.compile(r"tile/(entries|\d{1,2})/((?:x\d{3}/)*\d{3})(?:\.p/([1-9]\d{0,2}))?")
_NUMBER = re.compile(r"0|[1-9]\d*")
_BESIDE = frozenset({"position", "checkpoint"})
Place = tuple[str, int]


def check_tiles(tables: Tables, tiles: TileStore, public: str, findings: Findings) -> None:
    """
    Compare the tiles of every tenant with its leaves, and the heads beside them.

    Args:
        public: The public half of the key that signs heads, in hex; "" if it cannot be read.
    """
    with tables.snapshot() as snapshot:
        tenants = snapshot.tenants()
    for tenant in tenants:
        with findings.guarded(f"tiles/{tenant}", "tile", REBUILD):
            _Tiles(tables, tiles, tenant, public, findings).check()


@dataclass
class _Level:
    """The tile of a level that is being filled: its place in the row, and what it holds."""

    index: int = 0
    parts: list[bytes] = field(default_factory=list)


class _Tiles:
    """The tiles of one tenant."""

    def __init__(
        self, tables: Tables, tiles: TileStore, tenant: str, public: str, findings: Findings
    ) -> None:
        self._tables = tables
        self._tiles = tiles
        self._tenant = tenant
        self._public = public
        self._findings = findings
        self._lying: dict[Place, dict[int, str]] = {}
        self._levels: dict[str, _Level] = {}
        self._position = 0

    def check(self) -> None:
        """Make every tile again, and look at each file that lies here."""
        raw = self._tiles.read(self._tenant, "position") or b"0"
        if not _NUMBER.fullmatch(raw.decode()):
            self._add("position", "is no size of a tree")
            return
        self._position = int(raw)
        for path in self._tiles.paths(self._tenant):
            self._note(path)
        size = 0
        for entry in self._entries():
            size += 1
            self._put("entries", len(entry).to_bytes(2, "big") + entry)
            self._put("0", hashlib.sha256(b"\x00" + entry).digest())
        for name, level in self._levels.items():
            if level.parts:
                self._compare(name, level)
        for files in self._lying.values():
            for path in files.values():
                self._add(path, "belongs to no tree of this log")
        if self._position > size:
            self._add("position", f"is beyond the {size} leaves of the tree")
        self._check_head()

    def _note(self, path: str) -> None:
        """Remember where a file belongs, or find that it belongs nowhere."""
        found = _PATH.fullmatch(path)
        if found is None:
            if path not in _BESIDE:
                self._add(path, "belongs to no tree of this log")
            return
        index = int(found[2].replace("/", "").replace("x", ""))
        self._lying.setdefault((found[1], index), {})[int(found[3] or WIDTH)] = path

    def _entries(self) -> Iterator[bytes]:
        start = 0
        while True:
            with self._tables.snapshot() as snapshot:
                page = snapshot.leaf_entries(self._tenant, start, PAGE_ENTRIES)
            yield from page
            start += len(page)
            if not page:
                return

    def _put(self, name: str, part: bytes) -> None:
        """Add to the tile of a level; a full one is compared, and its root goes one level up."""
        level = self._levels.setdefault(name, _Level())
        level.parts.append(part)
        if len(level.parts) < WIDTH:
            return
        self._compare(name, level)
        if name != "entries":
            self._put(str(int(name) + 1), root_of(level.parts, WIDTH))
        self._levels[name] = _Level(level.index + 1)

    def _compare(self, name: str, level: _Level) -> None:
        """Compare every file of one tile with what it should hold, and find the missing one."""
        files = self._lying.pop((name, level.index), {})
        for width, path in files.items():
            body = b"".join(level.parts[:width])
            if width > len(level.parts) or self._tiles.read(self._tenant, path) != body:
                self._add(path, "is not the one that the leaves make")
            else:
                self._findings.counts["tiles"] += 1
        height = 0 if name == "entries" else 8 * int(name)
        due = max(0, min(WIDTH, (self._position >> height) - level.index * WIDTH))
        if due and due not in files and WIDTH not in files:
            self._add(f"tile/{name} {level.index}", f"lacks the file of its first {due}")

    def _check_head(self) -> None:
        """Find the published checkpoint among those that the log records."""
        raw = self._tiles.read(self._tenant, "checkpoint")
        if raw is None or self._is_recorded(raw):
            return
        if self._is_ours(raw):
            place, message = f"tiles/{self._tenant}/checkpoint", "was signed, and this log lacks it"
            self._findings.add(place, "head", message, OLDER, tenant=self._tenant)
        else:
            self._add("checkpoint", "is none that this log records")

    def _is_recorded(self, raw: bytes) -> bool:
        stream = ids.checkpoint_stream(self._tenant)
        with self._tables.snapshot() as snapshot:
            version, _ = snapshot.facts([stream]).get(stream, (0, None))
            while version > 0:
                facts = snapshot.facts_at(stream, version)
                if isinstance(facts, CheckpointFacts) and facts.note.encode() == raw:
                    return True
                version -= 1
        return False

    def _is_ours(self, raw: bytes) -> bool:
        """Whether the key of this folder signed a head that the log does not record."""
        with self._tables.snapshot() as snapshot:
            _, facts = snapshot.facts([ids.log_stream()]).get(ids.log_stream(), (0, None))
        if not isinstance(facts, LogFacts):
            return False
        try:
            key = VerifierKey(origin_of(facts.instance, self._tenant), bytes.fromhex(self._public))
            open_checkpoint(raw.decode(), key)
        except (NotVerifiedError, ValueError):
            return False
        return True

    def _add(self, path: str, message: str) -> None:
        place = f"tiles/{self._tenant}/{path}"
        self._findings.add(place, "tile", message, REBUILD, tenant=self._tenant)
