"""
An erasure of one person among others: from the words to the accepted completion.

A thousand cubes of one person, a fifth of them with a second revision, among
as many of others, all of them in the index. Timed is `Actor.forget` whole: the
request, five pages of the plan with policy's answer on every cube, keys and
the name destroyed and swept, the index emptied of them, every custodian's
read-back, and the completion. Nobody else has the folder open, so nobody is
waited for. Told beside it: the dry run, the certificate with its proof, and
an erasure that was asked for and left, gone on with by the next opening.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import memos_gov
from bench import folders
from bench.complaints import complaints
from bench.measure import Bench, Figure, at_most, seconds, told

CUBES, LIMIT_S = 1_000, 20
PERSON = "customer-0"


def measure(bench: Bench) -> Iterator[Figure]:
    """Yield the seconds of an erasure, and of what stands around it."""
    total, folder = bench.size(CUBES, 30), bench.folder / "data"
    with folders.founded(folder) as gov:
        _lived(gov, total)
        owner = gov.acting_as("owner")
        asked = seconds(lambda: owner.forget(subject=PERSON, reason="asked", dry_run=True))
        yield told(f"dry run of an erasure, {total:,} cubes", asked, "s")
        took = seconds(lambda: owner.forget(subject=PERSON, reason="asked by letter"))
        yield at_most(f"erasure of a person, {total:,} cubes", took, "s", LIMIT_S)
        erasure = owner.audit("erasure").rows[-1][0]
        made = seconds(lambda: gov.certificate(erasure).save(bench.folder / "proof"))
        yield told("certificate and proof of it", made, "s")
        _lived(gov, total)
        owner.forget(subject=PERSON, reason="asked by letter", wait=False)
    resumed = seconds(lambda: _open(folder))
    yield at_most(f"opening that goes on with one, {total:,} cubes", resumed, "s", LIMIT_S)


def _lived(gov: memos_gov.Service, total: int) -> None:
    """Remember the person's complaints among those of others, and index them."""
    owner = gov.acting_as("owner")
    texts = complaints(2 * total)
    folders.fill(
        gov, owner, (folders.remember(text, 0 if n % 2 else n) for n, text in enumerate(texts))
    )
    mine = owner.list(subject=PERSON, limit=max(total // 5, 1)).hits
    for hit in mine:
        owner.revise(hit.cube_id, "The customer wrote again.", mode="append")
    owner.recall("charged twice")


def _open(folder: Path) -> None:
    memos_gov.open(folder).close()
