"""A complete signed log of others: its checkpoints, tiles and bundles agree for our code too."""

from __future__ import annotations

from pathlib import Path

import pytest

from memos_gov.transparency.checkpoints import TreeHead, open_checkpoint
from memos_gov.transparency.merkle import leaf_hash, root_of
from memos_gov.transparency.notes import parse_vkey
from memos_gov.transparency.proofs import verify_consistency, verify_inclusion
from memos_gov.transparency.tiles import (
    TileGrowth,
    TileTree,
    decode_entries,
    entries_path,
    tile_path,
)

VKEY = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
SIZES = range(16)


@pytest.fixture(scope="module")
def log(shared_data: Path) -> Path:
    """Return the folder of the log."""
    return shared_data / "tlog" / "testdata" / "log"


def head(log: Path, size: int) -> TreeHead:
    """Return the head of a checkpoint whose signature verifies."""
    return open_checkpoint((log / f"checkpoint.{size}").read_text(), parse_vkey(VKEY))


def tree(log: Path, size: int) -> TileTree:
    """Return a tree over the files of the log."""

    def read(path: str) -> bytes | None:
        return (log / path).read_bytes() if (log / path).is_file() else None

    return TileTree(size, read)


@pytest.mark.parametrize("size", SIZES)
def test_checkpoint_of_the_log_is_signed_and_has_the_root_of_its_tiles(
    log: Path, size: int
) -> None:
    """All sixteen of them."""
    found = head(log, size)

    assert (size, tree(log, size).root()) == (found.size, found.root)


def test_newest_checkpoint_of_the_log_is_the_last(log: Path) -> None:
    """The file without a number is the one that a client asks for."""
    assert (log / "checkpoint.15").read_text() == (log / "checkpoint").read_text()


@pytest.mark.parametrize("size", SIZES[1:])
def test_bundle_of_the_log_hashes_to_its_tile(log: Path, size: int) -> None:
    """Entries, leaf hashes and root are one."""
    raw = (log / entries_path(0, size)).read_bytes()
    entries = decode_entries(raw, "bundle")
    leaves = [leaf_hash(entry) for entry in entries]

    assert b"".join(leaves) == (log / tile_path(0, 0, size)).read_bytes()
    assert root_of(leaves) == head(log, size).root
    assert entries == [tree(log, size).entry(at) for at in range(size)]


@pytest.mark.parametrize("new", SIZES[1:])
def test_every_checkpoint_of_the_log_is_consistent_with_all_before(log: Path, new: int) -> None:
    """Proofs out of the tiles hold between signed roots."""
    for old in range(1, new + 1):
        verify_consistency(
            old=old,
            old_root=head(log, old).root,
            new=new,
            new_root=head(log, new).root,
            proof=tree(log, new).consistency(old),
        )


@pytest.mark.parametrize("size", SIZES[1:])
def test_every_entry_of_the_log_is_proven(log: Path, size: int) -> None:
    """Under the signed root of every tree that holds it."""
    for index in range(size):
        verify_inclusion(
            leaf_hash(tree(log, size).entry(index)),
            index=index,
            size=size,
            proof=tree(log, size).inclusion(index),
            root=head(log, size).root,
        )


def test_log_grown_by_us_has_the_same_files(log: Path) -> None:
    """Entry by entry, checkpoint by checkpoint, the same paths and bytes."""
    files: dict[str, bytes] = {}
    for size in SIZES[:-1]:
        growth = TileGrowth(size, files.get)
        files.update(growth.add([tree(log, 15).entry(size)]))
        files.update(growth.partial())

    theirs = {
        str(path.relative_to(log)): path.read_bytes()
        for path in (log / "tile").rglob("*")
        if path.is_file() and "/1/" not in str(path)
    }
    assert theirs == files
