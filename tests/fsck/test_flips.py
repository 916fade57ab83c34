"""A byte that is turned anywhere in a folder is found, or provably changes nothing."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from memos_gov.bootstrap import fsck, repair
from tests.fsck.tampering import bytes_of
from tests.sweep import (
    FOUND,
    HEALS,
    READ,
    STORED,
    Flip,
    a_small_folder,
    files_of,
    flipped,
    flips_of,
    is_found,
    sweep,
)

HANGS_S = 1800
SMALL_BYTES_MAX = 1024
REPAIRED = 25
MADE_AGAIN = ("tables.1.db", "index.db", "operations.db")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small closed folder; every flip is taken back."""
    return a_small_folder(tmp_path_factory.mktemp("flips") / "data")


@pytest.mark.slow
@pytest.mark.timeout(HANGS_S)
def test_flip_of_any_byte_is_found_or_changes_nothing_stored(small: Path) -> None:
    """Log and vault at every 64th byte, and 2,000 places of all other files."""
    before = bytes_of(small)
    flips = flips_of(small)

    swept = sweep(small, flips)

    print(*swept.lines(), sep="\n")  # noqa: T201 - the report, for whoever asks with -s
    assert [] == swept.lost
    assert len(flips) == swept.counts.total()
    assert before == bytes_of(small)


def test_flip_of_any_byte_of_a_small_file_is_found_or_reads_the_same(small: Path) -> None:
    """Keys and defaults, byte by byte: comments and the case of hex digits are what is left."""
    flips = [
        Flip(str(path.relative_to(small)), offset, 0x20)
        for path in files_of(small)
        if path.stat().st_size < SMALL_BYTES_MAX
        and not {"policies", "certificates", "tiles"} & {*path.parts}
        for offset in range(path.stat().st_size)
    ]

    swept = sweep(small, flips)

    assert [] == swept.lost
    assert {FOUND, READ} == {kind for _, kind in swept.counts}


def test_flip_of_any_byte_of_a_certificate_is_found(small: Path) -> None:
    """Neither the document nor its proof has a byte that says nothing."""
    paths = [path for path in files_of(small) if "certificates" in path.parts]
    flips = [
        Flip(str(path.relative_to(small)), offset, 1)
        for path in paths
        for offset in range(0, path.stat().st_size, 5)
    ]

    swept = sweep(small, flips)

    assert 2 == len(paths)
    assert {("certificates", FOUND): len(flips)} == dict(swept.counts)


def test_flip_that_only_a_part_was_asked_about_is_found_by_the_whole(small: Path) -> None:
    """A part finds nothing that the whole would not."""
    for flip in flips_of(small, every=4096, rest=40, seed=3):
        with flipped(small, flip):
            assert not is_found(small, flip) or not fsck(small).clean, flip


def test_flip_of_what_the_log_gives_back_is_repaired(small: Path, tmp_path: Path) -> None:
    """Wherever a byte of tables, pointers or index turned, a repair leaves nothing to find."""
    flips = [f for f in flips_of(small, every=10**9, rest=500, seed=4) if f.room in MADE_AGAIN]
    found = [flip for flip in flips if is_found_in(small, flip)]

    for number, flip in enumerate(found[:REPAIRED]):
        copy = Path(shutil.copytree(small, tmp_path / str(number)))
        (copy / flip.file).write_bytes(turned(copy, flip))
        assert repair(copy).clean, flip

    assert REPAIRED <= len(found)


def is_found_in(folder: Path, flip: Flip) -> bool:
    """Whether a flip is found."""
    with flipped(folder, flip):
        return is_found(folder, flip)


def turned(folder: Path, flip: Flip) -> bytes:
    """Return a file with a byte flipped."""
    body = bytearray((folder / flip.file).read_bytes())
    body[flip.offset] ^= flip.mask
    return bytes(body)


def test_sweep_accounts_for_each_kind_by_its_proof(small: Path) -> None:
    """A counter of the header stores the same, a comment reads the same, an index catches up."""
    with closing(sqlite3.connect(small / "vault.db")) as db:
        (text,) = db.execute("SELECT sql FROM sqlite_master WHERE name = 'meta'").fetchone()
    schema = (small / "vault.db").read_bytes().index(text.encode())
    flips = {
        Flip("log.db", 27, 1): STORED,  # the counter of changes
        Flip("log.db", 63, 4): FOUND,  # the format word
        Flip("memos-gov.toml", 2, 0x20): READ,  # a letter of the comment
        Flip("keys/verifier", hex_letter(small / "keys" / "verifier"), 0x20): READ,
        Flip("vault.db", schema + text.index(" "), 0x29): READ,  # a space becomes a tabulator
        Flip("policies/" + policy_of(small), 0, 1): FOUND,
        set_back(small): HEALS,
    }

    kinds = {flip: next(iter(sweep(small, [flip]).counts))[1] for flip in flips}

    assert flips == kinds


def hex_letter(path: Path) -> int:
    """Return where a letter stands in a key file."""
    return next(n for n, byte in enumerate(path.read_bytes()) if byte in b"abcdef")


def policy_of(folder: Path) -> str:
    """Return the path of the data of the one policy kept."""
    (path,) = (folder / "policies").glob("*/data.json")
    return str(path.relative_to(folder / "policies"))


def set_back(folder: Path) -> Flip:
    """Return the flip that makes an index say that it has come one record less far."""
    body, before = (folder / "index.db").read_bytes(), asked(folder)
    for offset, byte in enumerate(body):
        if byte == before:
            flip = Flip("index.db", offset, before ^ (before - 1))
            with flipped(folder, flip):
                if asked(folder) == before - 1:
                    return flip
    raise AssertionError


def asked(folder: Path) -> int:
    """Return the position of an index, or -2 where it cannot be read."""
    uri = f"file:{folder / 'index.db'}?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True)) as db, suppress(sqlite3.DatabaseError):
        return int(db.execute("SELECT position FROM state").fetchone()[0])
    return -2
