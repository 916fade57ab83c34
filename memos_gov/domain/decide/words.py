"""Decisions about a cube's label and basis."""

from __future__ import annotations

from memos_gov.domain import commands as c
from memos_gov.domain import events as e
from memos_gov.domain.commands import seconds
from memos_gov.domain.decide.deciding import decided, one
from memos_gov.domain.decide.refusing import refuse
from memos_gov.domain.decide.situation import Drafts, Situation


@decided.register
def _(command: c.RelabelCube, at: Situation) -> Drafts:
    assert at.cube is not None
    begins, ends = _span(command, at)
    if command.label == at.cube.governance.label and ends is None and begins == at.now:
        return refuse(command, "label_unchanged")
    return one(
        e.CubeRelabelled(
            cube=command.cube,
            label=command.label,
            index=at.index if ends is None else None,
            valid_from=begins,
            valid_to=ends,
        )
    )


@decided.register
def _(command: c.RebaseCube, at: Situation) -> Drafts:
    assert at.cube is not None
    begins, ends = _span(command, at)
    if command.basis == at.cube.governance.basis and ends is None and begins == at.now:
        return refuse(command, "basis_unchanged")
    return one(
        e.CubeRebased(cube=command.cube, basis=command.basis, valid_from=begins, valid_to=ends)
    )


def _span(command: c.RelabelCube | c.RebaseCube, at: Situation) -> tuple[int, int | None]:
    """Return from when to when a word is true, never beyond now: the clocks differ a little."""
    begins = min(seconds(command.valid_from, at.now), at.now)
    if command.valid_to is None:
        return begins, None
    return begins, min(seconds(command.valid_to, at.now), at.now)
