"""Tiles: paths as published, growth that equals the definition, and proofs out of files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memos_gov.errors import CorruptionError
from memos_gov.transparency import tiles
from memos_gov.transparency.merkle import leaf_hash
from tests.transparency import naive

LARGE = 70_000


def entry(at: int) -> bytes:
    """Return a short entry."""
    return str(at).encode()


def grown(files: dict[str, bytes], old: int, new: int, *, partial: bool = True) -> None:
    """Bring tiles in `files` from one size to another."""
    growth = tiles.TileGrowth(old, files.get)
    files.update(growth.add([entry(at) for at in range(old, new)]))
    if partial:
        files.update(growth.partial())


@pytest.fixture(scope="module")
def large() -> dict[str, bytes]:
    """Return the files of a tree of 70,000 leaves, the specification's example."""
    files: dict[str, bytes] = {}
    grown(files, 0, LARGE)
    return files


@pytest.fixture(scope="module")
def leaves() -> list[bytes]:
    """Return the leaf hashes of that tree."""
    return [leaf_hash(entry(at)) for at in range(LARGE)]


def test_path_of_a_tile_is_the_published_one() -> None:
    """Groups of three digits, and the width of a partial tile."""
    assert "tile/2/x001/x234/067" == tiles.tile_path(2, 1_234_067)
    assert "tile/0/000" == tiles.tile_path(0, 0)
    assert "tile/0/x001/000.p/112" == tiles.tile_path(0, 1000, 112)
    assert "tile/entries/273.p/112" == tiles.entries_path(273, 112)


def test_tree_of_the_specifications_example_has_its_tiles(large: dict[str, bytes]) -> None:
    """273 full and a partial of 112 at level 0, one full and one of 17, and one of 1."""
    found = {path: len(raw) for path, raw in large.items() if "entries" not in path}
    level_0 = {tiles.tile_path(0, n): 8192 for n in range(273)} | {"tile/0/273.p/112": 112 * 32}
    above = {"tile/1/000": 8192, "tile/1/001.p/17": 17 * 32, "tile/2/000.p/1": 32}

    assert level_0 | above == found


def test_tree_of_256_leaves_has_a_full_tile_and_one_above() -> None:
    """The other example of the specification."""
    files: dict[str, bytes] = {}
    grown(files, 0, 256)

    assert {"tile/0/000", "tile/1/000.p/1", "tile/entries/000"} == set(files)


@given(st.integers(0, 600), st.integers(0, 600), st.integers(0, 600))
def test_tree_grown_in_steps_has_the_tiles_of_one_grown_at_once(
    one: int, two: int, three: int
) -> None:
    """Whatever the checkpoints in between: the files of the last are the same."""
    steps = sorted({one, two, three})
    files: dict[str, bytes] = {}
    whole: dict[str, bytes] = {}
    for old, new in zip([0, *steps], steps, strict=False):
        grown(files, old, new)
    grown(whole, 0, steps[-1])

    assert whole == {path: files[path] for path in whole}


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 513, 65_535, 65_536, LARGE])
def test_root_and_proofs_out_of_tiles_are_those_of_the_definition(
    large: dict[str, bytes], leaves: list[bytes], size: int
) -> None:
    """At the edges of tiles too; a partial tile that is gone is read from the full one."""
    files = dict(large)
    grown(files, size // 256 * 256, size)
    tree = tiles.TileTree(size, files.get)
    mine = leaves[:size]

    assert naive.mth(mine) == tree.root()
    for at in {0, size // 2, size - 1}:
        assert naive.path(at, mine) == tree.inclusion(at)
        assert naive.proof(at + 1, mine) == tree.consistency(at + 1)
        assert (entry(at), leaves[at]) == (tree.entry(at), tree.leaf(at))


def test_root_of_no_leaves_needs_no_tile() -> None:
    """The empty tree has no file."""
    assert naive.mth([]) == tiles.TileTree(0, {}.get).root()
    assert [] == list(tiles.TileGrowth(0, {}.get).partial())


def test_inclusion_proof_reads_only_the_tiles_it_needs(large: dict[str, bytes]) -> None:
    """One path to the root and the right edge: not the tree."""
    read: list[str] = []

    def reading(path: str) -> bytes | None:
        read.append(path)
        return large.get(path)

    tiles.TileTree(LARGE, reading).inclusion(1000)

    expected = {
        "tile/0/003",
        "tile/0/273.p/112",
        "tile/1/000",
        "tile/1/001.p/17",
        "tile/2/000.p/1",
    }
    assert len(read) == len(set(read))
    assert set(read) <= expected


def test_tile_that_is_missing_or_cut_off_is_named(large: dict[str, bytes]) -> None:
    """The place says which file; the remedy makes it again."""
    for raw in (None, b"", large["tile/0/003"][:-1]):
        files = {**large, "tile/0/003": raw}
        with pytest.raises(CorruptionError) as caught:
            tiles.TileTree(LARGE, files.get).inclusion(1000)
        assert "tile/0/003" == caught.value.place
        assert "rebuild" in caught.value.remedy


@pytest.mark.parametrize("raw", [b"\x00", b"\x00\x05abcd", b"\x00\x01a\x00"])
def test_bundle_that_is_cut_off_is_named(raw: bytes) -> None:
    """Half an entry is none."""
    with pytest.raises(CorruptionError) as caught:
        tiles.decode_entries(raw, "tile/entries/000")

    assert "tile/entries/000" == caught.value.place


def test_bundle_with_another_entry_than_its_tile_is_named(large: dict[str, bytes]) -> None:
    """Entries are believed only under their hashes."""
    raw = large["tile/entries/003"].replace(b"1000", b"1001")

    with pytest.raises(CorruptionError) as caught:
        tiles.TileTree(LARGE, (large | {"tile/entries/003": raw}).get).entry(1000)

    assert "tile/entries/003" == caught.value.place


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_bundle_written_and_read_is_the_same(entries: list[bytes]) -> None:
    """Empty entries too."""
    assert entries == tiles.decode_entries(tiles.encode_entries(entries), "here")
