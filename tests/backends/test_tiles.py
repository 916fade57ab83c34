"""`FileTileStore`: the contract, and what only files can do wrong."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from memos_gov.backends.tiles import FileTileStore
from memos_gov.errors import UnavailableError
from tests.contracts.tile_store import TENANT, TileStoreContract


class TestFileTileStore(TileStoreContract):
    """The contract on files."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> FileTileStore:
        """Return a store whose folder is not there yet."""
        return FileTileStore(tmp_path / "tiles")

    @pytest.fixture
    def broken(self, tmp_path: Path) -> FileTileStore:
        """Return a store whose folder is a file."""
        (tmp_path / "file").write_text("in the way")
        return FileTileStore(tmp_path / "file")


def test_files_are_those_of_their_owner_only(tmp_path: Path) -> None:
    """Whoever publishes them copies them on purpose."""
    FileTileStore(tmp_path / "tiles").write(TENANT, [("tile/0/000", b"x")])

    place = tmp_path / "tiles" / TENANT / "tile" / "0" / "000"
    assert 0o600 == stat.S_IMODE(place.stat().st_mode)
    assert 0o700 == stat.S_IMODE(place.parents[3].stat().st_mode)


def test_write_leaves_nothing_aside(tmp_path: Path) -> None:
    """Neither after a file was put nor after it could not be."""
    store = FileTileStore(tmp_path / "tiles")
    store.write(TENANT, [("checkpoint", b"x")])
    (tmp_path / "tiles" / TENANT / "position").mkdir()
    with pytest.raises(UnavailableError):
        store.write(TENANT, [("position", b"1")])

    assert {"checkpoint", "position"} == {
        path.name for path in (tmp_path / "tiles" / TENANT).iterdir()
    }


@pytest.mark.parametrize(
    "path", ["../x", "/etc/x", "tile/0/../000", "tile/0/0", "checkpoint/x", ""]
)
def test_path_that_is_none_of_the_format_is_never_touched(tmp_path: Path, path: str) -> None:
    """A path comes from a number, never from a caller."""
    with pytest.raises(AssertionError):
        FileTileStore(tmp_path).write(TENANT, [(path, b"x")])


def test_file_that_a_kill_left_aside_is_no_file_of_the_log(tmp_path: Path) -> None:
    """It is found by nobody, and goes when the tiles are made again."""
    store = FileTileStore(tmp_path / "tiles")
    store.write(TENANT, [("tile/0/000.p/3", b"x" * 96)])
    left = tmp_path / "tiles" / TENANT / "tile" / "0" / "000.p" / "4.123.456.new"
    left.write_bytes(b"half")

    assert ["tile/0/000.p/3"] == store.paths(TENANT)
    store.clear()
    assert not left.exists()
