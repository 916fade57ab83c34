"""
What every TileStore promises, proved against any backend.

A subclass gives the fixtures `store` and `broken` (one that cannot be written).
"""

import threading

import pytest

from memos_gov.errors import UnavailableError
from memos_gov.ports import TileStore
from memos_gov.transparency.tiles import entries_path, tile_path

TENANT = "acme"
FULL = b"f" * 8192


class TileStoreContract:
    """The rules of the port `TileStore`, as tests."""

    def test_file_written_is_read_back_by_its_path(self, store: TileStore) -> None:
        """Tiles, partial ones, bundles, deep paths, and the files beside them."""
        files = {
            tile_path(0, 0): FULL,
            tile_path(1, 0, 1): b"p" * 32,
            tile_path(0, 1_234_067): FULL,
            entries_path(5, 17): b"entries",
            "checkpoint": b"note",
            "position": b"5",
        }

        store.write(TENANT, files.items())

        assert files == {path: store.read(TENANT, path) for path in files}

    def test_paths_of_a_tenant_are_those_of_all_its_files(self, store: TileStore) -> None:
        """Sorted, and none of another tenant's; nothing before anything was written."""
        assert [] == store.paths(TENANT)
        paths = ["checkpoint", "position", tile_path(0, 0, 3), tile_path(1, 1_234_067)]
        store.write(TENANT, [(path, b"x") for path in paths])
        store.write("other", [("position", b"1")])

        assert sorted(paths) == store.paths(TENANT)

    def test_file_that_was_never_written_is_none(self, store: TileStore) -> None:
        """Neither before anything was written nor beside what was."""
        assert store.read(TENANT, "checkpoint") is None
        store.write(TENANT, [(tile_path(0, 0, 3), b"p" * 96)])

        assert store.read(TENANT, tile_path(0, 0)) is None
        assert store.read(TENANT, tile_path(0, 0, 2)) is None
        assert store.read("other", tile_path(0, 0, 3)) is None

    def test_file_written_again_is_the_newer_one(self, store: TileStore) -> None:
        """A checkpoint takes the place of the one before."""
        store.write(TENANT, [("checkpoint", b"longer than"), ("checkpoint", b"this")])

        assert b"this" == store.read(TENANT, "checkpoint")

    def test_full_tile_replaces_its_partial_ones(self, store: TileStore) -> None:
        """Those of other tiles stay."""
        partial = [(tile_path(0, 0, width), b"p" * 32 * width) for width in (1, 200)]
        store.write(TENANT, [*partial, (tile_path(0, 1, 4), b"o" * 128)])

        store.write(TENANT, [(tile_path(0, 0), FULL)])

        assert FULL == store.read(TENANT, tile_path(0, 0))
        assert [None, None] == [store.read(TENANT, path) for path, _ in partial]
        assert b"o" * 128 == store.read(TENANT, tile_path(0, 1, 4))

    def test_tenants_never_share_a_file(self, store: TileStore) -> None:
        """And clearing one leaves the others."""
        store.write(TENANT, [("checkpoint", b"mine")])
        store.write("other", [("checkpoint", b"theirs")])

        store.clear(TENANT)

        assert store.read(TENANT, "checkpoint") is None
        assert b"theirs" == store.read("other", "checkpoint")

    def test_clearing_all_leaves_nothing_and_writing_goes_on(self, store: TileStore) -> None:
        """Twice is once, also before anything was written."""
        store.clear()
        store.clear(TENANT)
        store.write(TENANT, [("checkpoint", b"mine")])
        store.write("other", [("checkpoint", b"theirs")])

        store.clear()
        store.clear()

        assert [None, None] == [store.read(name, "checkpoint") for name in (TENANT, "other")]
        store.write(TENANT, [("checkpoint", b"again")])
        assert b"again" == store.read(TENANT, "checkpoint")

    def test_reader_never_sees_half_a_file(self, store: TileStore) -> None:
        """While another thread writes it again and again."""
        bodies, seen, stop = {b"a" * 8192, b"b" * 8192}, set(), threading.Event()
        store.write(TENANT, [(tile_path(0, 0), min(bodies))])

        def write() -> None:
            while not stop.is_set():
                store.write(TENANT, [(tile_path(0, 0), body) for body in bodies])

        writer = threading.Thread(target=write)
        writer.start()
        for _ in range(300):
            seen.add(store.read(TENANT, tile_path(0, 0)))
        stop.set()
        writer.join()

        assert seen <= bodies

    def test_error_of_the_store_is_translated(self, broken: TileStore) -> None:
        """The cause stays beside it."""
        with pytest.raises(UnavailableError) as caught:
            broken.write(TENANT, [("checkpoint", b"note")])

        assert "tiles" == caught.value.backend
        assert caught.value.__cause__ is not None
