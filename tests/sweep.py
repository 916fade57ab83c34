"""
The flip sweep: bytes of a small data folder turned one at a time, each accounted for.

`sweep` changes bytes of a closed folder in place, one after another, asks fsck,
and puts each back. A flip is `found`, or it is proven that it

- `stores the same`: schema, format words and every row of every table, types
  included, are those of the original file, as for a free page, the unused
  bytes inside a page or a counter in the header;
- `reads the same`: what may be written in more than one way, such as a comment
  among the settings, the white space in a schema's text, or the name of a key
  that ended and is zeros, gives the program the very same values;
- `heals itself`: an index that says it is further behind than it is ends,
  after it has caught up, with the rows of the original.

Everything else is a failure that names file, offset and mask.

    python -m tests.sweep                     # as the tests do it
    python -m tests.sweep --every 1 --seed 7  # every byte of log and vault
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import memos_gov
from memos_gov import settings
from memos_gov.backends.keyfiles import FileKeyring, KeyFiles
from memos_gov.bootstrap import fsck, rebuild
from memos_gov.errors import GovernanceError
from tests.lives import a_short_life

EVERY, REST, SEED = 64, 2000, 20261124
DENSE = ("log.db", "vault.db")
FOUND, STORED, READ, HEALS = "found", "stores the same", "reads the same", "heals itself"
TOKENS = re.compile(r"""'[^']*'|"[^"]*"|\w+|[^\w \t\n\f\r]""")
SAME_TEXT = {"schema": ()}
ENDED = repr(bytes(60))
LOST = "NOT ACCOUNTED FOR"
PARTS = {
    "log.db": "log",
    "vault.db": "vault",
    "index.db": "index",
    "operations.db": "tables",
    "keys": "folder",
    "memos-gov.toml": "folder",
    "policies": "policies",
    "tiles": "tiles",
    "certificates": "erasures",
}


class Flip(NamedTuple):
    """One byte of one file, and the bits of it that are turned."""

    file: str
    offset: int
    mask: int

    @property
    def room(self) -> str:
        """The file, or the folder that it lies in."""
        return self.file.partition("/")[0]


class Swept(NamedTuple):
    """How many flips of each file ended how, and those that nothing accounts for."""

    counts: Counter[tuple[str, str]]
    lost: list[Flip]
    seconds: float

    def lines(self) -> Iterator[str]:
        """Yield the report: a line a file, one in all, and one a flip that was lost."""
        kinds = (FOUND, STORED, READ, HEALS, LOST)
        rooms = sorted({room for room, _ in self.counts})
        yield "".join([f"{'file':<16}{'flips':>8}", *(f"{kind:>20}" for kind in kinds)])
        for room in [*rooms, "all"]:
            mine = [
                sum(n for (r, k), n in self.counts.items() if k == kind and room in {r, "all"})
                for kind in kinds
            ]
            yield "".join([f"{room:<16}{sum(mine):>8}", *(f"{n:>20}" for n in mine)])
        yield f"{self.seconds:.1f} seconds"
        yield from (f"{LOST}: {flip}" for flip in self.lost)


def a_small_folder(folder: Path) -> Path:
    """Make a closed folder with a short life, rebuilt once so that every file holds rows."""
    with memos_gov.init(folder) as gov:
        a_short_life(gov)
    rebuild(folder)
    logs = [path.name for path in files_of(folder) if path.name.endswith(("-wal", "-shm"))]
    assert [] == logs, "a closed folder has no write-ahead log"
    return folder


def files_of(folder: Path) -> list[Path]:
    """Return every file of a folder, in order."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def flips_of(
    folder: Path, every: int = EVERY, rest: int = REST, seed: int = SEED, mask: int = 0
) -> list[Flip]:
    """
    Return every `every`th byte of log and vault, and `rest` seeded ones of all other files.

    Args:
        mask: The bits that are turned; by chance when 0.
    """
    chance = random.Random(seed)
    sizes = {str(p.relative_to(folder)): p.stat().st_size for p in files_of(folder)}
    dense = [(name, at) for name in DENSE for at in range(0, sizes.pop(name), every)]
    names = chance.choices(list(sizes), list(sizes.values()), k=rest)
    places = [*dense, *((name, chance.randrange(sizes[name])) for name in names)]
    return [Flip(name, at, mask or chance.randint(1, 255)) for name, at in places]


def sweep(folder: Path, flips: Iterable[Flip]) -> Swept:
    """Flip one byte after another and account for each; the folder is as before afterwards."""
    swept, start = Swept(Counter(), [], 0.0), time.monotonic()
    originals = Originals(folder)
    for flip in flips:
        with flipped(folder, flip):
            kind = FOUND if is_found(folder, flip) else proven(folder, flip, originals)
        swept.counts[flip.room, kind] += 1
        if kind == LOST:
            swept.lost.append(flip)
    return swept._replace(seconds=time.monotonic() - start)


@contextmanager
def flipped(folder: Path, flip: Flip) -> Iterator[None]:
    """Enter with a byte flipped, and put it back."""
    with (folder / flip.file).open("r+b", buffering=0) as file:
        (byte,) = os.pread(file.fileno(), 1, flip.offset)
        os.pwrite(file.fileno(), bytes([byte ^ flip.mask]), flip.offset)
        try:
            yield
        finally:
            os.pwrite(file.fileno(), bytes([byte]), flip.offset)


def is_found(folder: Path, flip: Flip) -> bool:
    """Whether fsck, told to look at the part that a file belongs to, finds something."""
    return not fsck(folder, parts=(PARTS.get(flip.room, "tables"),)).clean


class Originals:
    """What the files of a folder say before anything was flipped."""

    def __init__(self, folder: Path) -> None:
        self.read = read_of(folder)
        self.healed = healed(folder)
        self.stored = {path.name: stored_in(path) for path in folder.glob("*.db")}


def proven(folder: Path, flip: Flip, original: Originals) -> str:
    """Return how a flip that its part does not find is accounted for."""
    if flip.file.endswith(".db"):
        stored, whole = stored_in(folder / flip.file), original.stored[flip.file]
        if stored == whole:
            return STORED
        if stored | SAME_TEXT == whole | SAME_TEXT and schema_reads_the_same(folder, flip):
            return READ
        if flip.file == "vault.db" and without_ended(stored) == without_ended(whole):
            return READ
        if flip.file == "index.db" and heals(folder, original):
            return HEALS
    elif flip.room in {"keys", settings.FILE_NAME} and read_of(folder) == original.read:
        return READ
    return FOUND if not fsck(folder).clean else LOST


def without_ended(stored: dict[str, Any]) -> dict[str, Any]:
    """Return what a vault stores besides keys that ended: no id opens anything by such a row."""
    return stored | {"content_keys": [row for row in stored["content_keys"] if ENDED not in row]}


def schema_reads_the_same(folder: Path, flip: Flip) -> bool:
    """Whether a schema has the same tokens with a byte flipped as without."""
    path = folder / flip.file
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(shutil.copy(path, scratch))
        with flipped(Path(scratch), flip):  # a second time, so that it is as it was
            return tokens_of(path) == tokens_of(copy)


def tokens_of(path: Path) -> list[list[str]]:
    """Return the texts of a schema as tokens: quoted texts, words, and signs one by one."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as db:
        texts = db.execute("SELECT sql FROM sqlite_master WHERE sql NOT NULL ORDER BY name")
        return [TOKENS.findall(text) for (text,) in texts]


def stored_in(path: Path) -> dict[str, Any]:
    """Return everything that a database stores: schema, format words, rows, with their types."""
    uri = f"file:{path}?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True)) as db:
        db.text_factory = bytes
        words = ("user_version", "application_id", "encoding")
        stored: dict[str, Any] = {w: db.execute(f"PRAGMA {w}").fetchall() for w in words}
        objects = db.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
        stored["schema"] = sorted(map(repr, objects))
        for name in sorted(row[1].decode() for row in objects if row[0] == b"table"):
            columns = [row[1].decode() for row in db.execute(f"PRAGMA table_info('{name}')")]
            typed = ", ".join(f'"{column}", typeof("{column}")' for column in columns)
            stored[name] = sorted(
                map(repr, db.execute(f'SELECT {typed} FROM "{name}" NOT INDEXED'))
            )
    return stored


def read_of(folder: Path) -> tuple[Any, ...]:
    """Return everything that the program reads of the key files and the settings."""
    keys = KeyFiles(folder / "keys")
    private = tuple(keys.private(name) for name in ("verifier", "recovery"))
    epochs = {
        n: bytes.fromhex(key) for n, key in FileKeyring(folder / "keys").master().epochs.items()
    }
    return (
        epochs,
        private,
        keys.operator(),
        keys.recovery_public(),
        settings.load(folder),
        settings.defaults_of(folder),
    )


def heals(folder: Path, original: Originals) -> bool:
    """Whether an index ends as the original once it has caught up."""
    try:
        return healed(folder) == original.healed
    except GovernanceError:
        return False


def healed(folder: Path) -> dict[str, Any]:
    """Return what the index of a folder stores once it has caught up, in a copy."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(shutil.copytree(folder, Path(scratch) / "data"))
        with memos_gov.open(copy) as gov:
            gov.rooms.index_follower.catch_up()
        return stored_in(copy / "index.db")


def main() -> int:
    """Sweep a fresh folder and print the report; 1 where a flip is not accounted for."""
    parser = argparse.ArgumentParser(description="Flip bytes of a data folder, one at a time.")
    parser.add_argument("--every", type=int, default=EVERY, help="of log and vault")
    parser.add_argument("--rest", type=int, default=REST, help="how many of all other files")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--mask", type=int, default=0, help="the bits turned; by chance when 0")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = a_small_folder(Path(scratch) / "data")
        swept = sweep(folder, flips_of(folder, **vars(given)))
    for line in swept.lines():
        print(line)  # noqa: T201 - a tool prints
    return 1 if swept.lost else 0


if __name__ == "__main__":
    sys.exit(main())
