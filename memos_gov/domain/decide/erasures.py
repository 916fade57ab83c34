"""Decisions about erasures: the request, which restricts at once what it is about."""

from __future__ import annotations

from memos_gov.domain import commands as c
from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.decide.deciding import decided
from memos_gov.domain.decide.refusing import refuse
from memos_gov.domain.decide.situation import Drafts, Situation
from memos_gov.domain.lineage import DESCENDANTS_MAX
from memos_gov.domain.lineage.narrowing import TOO_MANY

ERASURE_OPEN = "erasure_open"


@decided.register
def _(command: c.EraseSubject, at: Situation) -> Drafts:
    if at.erasing:
        return refuse(command, ERASURE_OPEN)
    erasure = at.kept_erasure or ids.erasure_id_of(at.command_id)
    requested = e.ErasureRequested(erasure=erasure, subject=command.subject, cube=None, cubes=())
    restricted = e.SubjectRestricted(subject=command.subject, erasure=erasure)
    return (e.Draft(requested, e.ErasureReason(reason=command.reason)), e.Draft(restricted))


@decided.register
def _(command: c.EraseCube, at: Situation) -> Drafts:
    if at.erasing:
        return refuse(command, ERASURE_OPEN)
    derived = at.descendants(command.cube)
    if len(derived) > DESCENDANTS_MAX:
        return refuse(command, *TOO_MANY.reasons)
    erasure = at.kept_erasure or ids.erasure_id_of(at.command_id)
    cubes = (command.cube, *derived)
    requested = e.ErasureRequested(erasure=erasure, subject=None, cube=command.cube, cubes=cubes)
    return (
        e.Draft(requested, e.ErasureReason(reason=command.reason)),
        *(e.Draft(e.CubeRestricted(cube=x, erasure=erasure, reasons=())) for x in cubes),
    )
