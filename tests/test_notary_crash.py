"""Kill -9 while a head is made: the next head goes on from whatever stands, and nothing forks."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

import memos_gov
from memos_gov.bootstrap import fsck, rebuild
from memos_gov.transparency.checkpoints import TreeHead, open_checkpoint
from memos_gov.transparency.notes import parse_vkey
from memos_gov.transparency.proofs import verify_consistency

PURPOSE = "complaint-handling"
DIES = """
import os, signal, sys
import memos_gov
from memos_gov.backends.sqlite.log import SqliteEventLog
from memos_gov.backends.tiles import FileTileStore
from memos_gov.backends.witness import FileWitness
from memos_gov.materializers.tiles import TileFollower

folder, witness, place, after = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
owner, _, name = place.partition(".")
owner, done = globals()[owner], 0
real = getattr(owner, name)

def dies(*given, **named):
    global done
    done += 1
    if done > after:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*given, **named)

with memos_gov.open(folder, witness=witness) as gov:
    actor = gov.acting_as("owner", purpose="complaint-handling")
    for number in range(300):
        actor.remember(f"memory {number}")
    setattr(owner, name, dies)
    gov.rooms.notary.checkpoint("default")
print("lived")
"""
# Before the first tile, among tiles and bundles, before and after the record, before publishing,
# before and after the witness remembers.
PLACES = [
    ("FileTileStore._put", 0),
    ("FileTileStore._put", 2),
    ("FileTileStore._put", 4),
    ("SqliteEventLog.append", 0),
    ("TileFollower.publish", 0),
    ("FileTileStore._put", 5),
    ("FileWitness.keep", 0),
]


def head_of(gov: memos_gov.Service) -> TreeHead:
    """Return a head that is signed now."""
    actor = gov.acting_as("owner", purpose=PURPOSE)
    return open_checkpoint(actor.checkpoint().note, parse_vkey(actor.vkey))


@pytest.mark.parametrize(("place", "after"), PLACES)
def test_kill_while_a_head_is_made_leaves_one_history(
    tmp_path: Path, place: str, after: int
) -> None:
    """The folder opens under its witness, and the next head begins with the one before."""
    folder, witness = tmp_path / "data", tmp_path / "witness"
    witness.mkdir()
    with memos_gov.init(folder, witness=witness) as gov:
        first = head_of(gov)

    died = subprocess.run(
        [sys.executable, "-c", DIES, folder, witness, place, str(after)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (-signal.SIGKILL, "") == (died.returncode, died.stdout), died.stderr
    with memos_gov.open(folder, witness=witness) as gov:
        second = head_of(gov)
        tiles = gov.rooms.notary.tiles.tree("default", second.size)
        assert second.root == tiles.root()
        verify_consistency(
            old=first.size,
            old_root=first.root,
            new=second.size,
            new_root=second.root,
            proof=tiles.consistency(first.size),
        )
        assert 200 == gov.acting_as("owner", purpose=PURPOSE).prove(200).index
    assert fsck(folder).clean
    assert rebuild(folder).compared
