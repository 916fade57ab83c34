"""Decisions about reads, all of whose cubes policy has allowed."""

from __future__ import annotations

from memos_gov.domain import commands as c
from memos_gov.domain import events as e
from memos_gov.domain.decide.situation import Drafts
from memos_gov.domain.questions import Cube


def decide_read(
    command: c.ReadCube | c.ReadCubes | c.RecallCubes | c.ListCubes,
    cubes: tuple[Cube, ...],
    *,
    snapshot: int,
    refused: dict[str, int],
    detail: e.ReadDetail,
) -> Drafts:
    """Return the read of `cubes`, all of them allowed; none is a read too."""
    read = e.CubesRead(
        action=command.ACTION,  # type: ignore[arg-type]  # the three actions of these commands
        cubes=tuple(e.ReadCube(cube=x.cube, revision=x.content.revision) for x in cubes),
        snapshot=snapshot,
        refused=refused,
        recorded=command.recorded,
        valid=command.valid,
    )
    return (e.Draft(read, detail),)
