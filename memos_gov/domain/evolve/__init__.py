"""
Events into facts: pure, total, the same for live certification and for replay.

`evolve` returns the new document of every stream an event touches; each of
those streams gains one version. An event of usage touches none, but that a
read adds to what its actor read in the session.
"""

from __future__ import annotations

from memos_gov.domain.evolve import (  # noqa: F401 (each registers its events)
    artefacts,
    base_models,
    cubes,
    erasures,
    holds,
    lineage,
    oversight,
    people,
    retention,
    signing,
    words,
)
from memos_gov.domain.evolve.evolving import Changes, Known, Occurrence, evolve
from memos_gov.domain.evolve.touching import touched, touched_cubes

__all__ = [
    "Changes",
    "Known",
    "Occurrence",
    "evolve",
    "touched",
    "touched_cubes",
]
