"""Tiles are made again from the leaves, file by file, and a signed head is a witness."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import memos_gov
from memos_gov.backends.tiles import FileTileStore
from memos_gov.bootstrap import fsck, repair
from memos_gov.fsck import tiles as tiles_module
from memos_gov.fsck.report import OLDER, REBUILD, Findings
from memos_gov.transparency.tiles import TileGrowth
from tests.fsck.tampering import found
from tests.lives import PURPOSE

TENANT = "default"


def tile_of(folder: Path) -> Path:
    """Return the partial tile of level 0."""
    (path,) = (folder / "tiles" / TENANT / "tile" / "0").glob("000.p/*")
    return path


def changed(path: Path) -> None:
    """Turn a bit of a file."""
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(body)


@pytest.mark.parametrize("name", ["tile", "bundle", "checkpoint", "position"])
@pytest.mark.parametrize("how", ["changed", "cut", "removed", "grown"])
def test_fsck_of_tiles_that_were_changed_finds_the_file(folder: Path, name: str, how: str) -> None:
    """Everything beside the checkpoint is made again by a rebuild, and that by the log."""
    root, tile = folder / "tiles" / TENANT, tile_of(folder)
    path = {
        "tile": tile,
        "bundle": root / "tile" / "entries" / "000.p" / tile.name,
        "checkpoint": root / "checkpoint",
        "position": root / "position",
    }[name]
    body = path.read_bytes()
    if how == "changed":
        changed(path)
    elif how == "removed":
        path.unlink()
    else:
        path.write_bytes(body[:-1] if how == "cut" else body + b"0")

    report = fsck(folder)

    if (name, how) == ("checkpoint", "removed"):  # it is published again with the next head
        assert report.clean
        return
    if (name, how) != ("position", "removed"):  # then the tiles are ahead of it, and right
        assert {"tile"} == report.found.keys()
        assert {REBUILD} == {finding.remedy for finding in report.findings}
        assert all(f.place.startswith(f"tiles/{TENANT}/") for f in report.findings)
        assert repair(folder).clean


def test_fsck_of_a_file_that_belongs_to_no_tree_names_it(folder: Path) -> None:
    """Neither a strange name nor a place beyond the tree."""
    root = folder / "tiles" / TENANT
    for path in ("more", "tile/0/001.p/7", "tile/3/000", "tile/0/000.p/256"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x" * 32)

    places = {place for place, kind in found(fsck(folder, parts=["tiles"])) if kind == "tile"}

    assert {f"tiles/{TENANT}/more", f"tiles/{TENANT}/tile/0/001.p/7"} <= places
    assert {f"tiles/{TENANT}/tile/3/000", f"tiles/{TENANT}/tile/0/000.p/256"} <= places


def test_fsck_of_tiles_of_an_earlier_size_beside_those_of_now_is_clean(folder: Path) -> None:
    """Partial files of smaller trees may stay until the full one is there."""
    with memos_gov.open(folder) as gov:
        owner = gov.acting_as("owner", purpose=PURPOSE)
        owner.remember("One more.")
        owner.checkpoint()
        owner.remember("And one that no head covers yet.")

    report = fsck(folder, parts=["tiles"])

    assert report.clean
    assert 4 == report.counts["tiles"]


def test_fsck_of_an_older_log_whose_head_was_signed_keeps_the_head(
    folder: Path, tmp_path: Path
) -> None:
    """Log, tables and vault of one old backup agree, but a signed head beside them tells."""
    old = Path(shutil.copytree(folder, tmp_path / "old"))
    with memos_gov.open(folder) as gov:
        owner = gov.acting_as("owner", purpose=PURPOSE)
        owner.remember("After the backup.")
        owner.checkpoint()
    shutil.rmtree(old / "tiles")
    shutil.copytree(folder / "tiles", old / "tiles")
    with pytest.raises(memos_gov.CorruptionError):
        memos_gov.open(old)

    report = repair(old)

    heads = {f.place: f.remedy for f in report.before.findings if f.kind == "head"}
    assert {f"tiles/{TENANT}/checkpoint": OLDER} == heads
    assert f"tiles/{TENANT}/checkpoint" in report.plan.refused
    assert (old / "tiles" / TENANT / "checkpoint").exists()


def test_tiles_of_a_large_tree_are_those_that_the_follower_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three levels, full tiles and partial ones: another way, the same bytes."""
    entries = [number.to_bytes(8, "big") for number in range(66_000)]
    store, growth = FileTileStore(tmp_path / "tiles"), TileGrowth(0, lambda _: None)
    for start in range(0, len(entries), 2048):
        store.write(TENANT, growth.add(entries[start : start + 2048]))
    position = ("position", str(len(entries)).encode())
    store.write(TENANT, [*growth.partial(), position])
    monkeypatch.setattr(tiles_module._Tiles, "_entries", lambda _: iter(entries))

    findings = checked(store)

    assert (0, len(store.paths(TENANT)) - 1) == (findings.total, findings.counts["tiles"])
    changed(tmp_path / "tiles" / TENANT / "tile" / "1" / "000")
    places = {finding.place for finding in checked(store).report().findings}
    assert {f"tiles/{TENANT}/tile/1/000"} == places


def checked(store: FileTileStore) -> Findings:
    """Return what is found in some tiles, whose entries a test gives."""
    findings = Findings()
    tiles_module._Tiles(None, store, TENANT, "", findings).check()  # type: ignore[arg-type]
    return findings
