"""Decisions about cubes."""

from __future__ import annotations

from memos_gov.domain import commands as c
from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.commands import seconds
from memos_gov.domain.decide.births import Born, come_to_be, regoverned
from memos_gov.domain.decide.deciding import decided, one
from memos_gov.domain.decide.refusing import refuse
from memos_gov.domain.decide.situation import REVISION_MOVED, Drafts, Situation
from memos_gov.domain.lifecycle import may_become
from memos_gov.domain.lineage import own_traits, own_word
from memos_gov.domain.questions import Cube
from memos_gov.domain.verdicts import UNKNOWN_TARGET


@decided.register
def _(command: c.RememberCube, at: Situation) -> Drafts:
    admitted = at.admitted
    assert admitted is not None
    born = Born(
        cube=ids.cube_id_of(at.command_id), traits=own_traits(command), position=command.position
    )
    return (*_consents(command, at), *come_to_be(born, admitted, own_word(command, at.now), at))


def _consents(command: c.RememberCube, at: Situation) -> Drafts:
    return tuple(
        e.Draft(
            (e.ConsentGiven if word.given else e.ConsentWithdrawn)(
                subject=subject,
                purpose=word.purpose,
                valid_from=seconds(word.valid_from, at.now),
                valid_to=None if word.valid_to is None else seconds(word.valid_to, at.now),
            )
        )
        for subject in command.subjects
        for word in command.consents
    )


@decided.register
def _(command: c.ReviseCube, at: Situation) -> Drafts:
    cube, admitted = at.cube, at.admitted
    assert cube is not None
    assert admitted is not None
    if command.expected_revision not in (None, cube.content.revision):
        return refuse(command, REVISION_MOVED)
    if cube.governance.state != "activated":
        return refuse(command, "transition_not_allowed")
    kept = cube.content.valid_from if command.mode == "append" else at.now
    begins = seconds(command.valid_from, kept)
    ends = cube.content.valid_to
    if command.valid_to is not None:
        ends = seconds(command.valid_to, 0)
    if ends is not None and ends <= begins:
        return refuse(command, "validity_over")
    revised = e.CubeRevised(
        cube=cube.cube,
        revision=cube.content.revision + 1,
        mode=command.mode,
        findings=admitted.findings,
        index=admitted.index,
        size_bytes=len(admitted.content.encode()),
        valid_from=begins,
        valid_to=ends,
    )
    content = e.CubeContent(content=admitted.content, metadata=admitted.metadata)
    return (e.Draft(revised, content), *_linked(at, cube), *regoverned(at, cube, admitted))


def _linked(at: Situation, cube: Cube) -> Drafts:
    """Return what a revision adds to a cube's sources, if anything."""
    if at.link is None:
        return ()
    return one(
        e.CubeLinked(
            cube=cube.cube,
            sources=at.link.sources,
            expires_at=at.link.expires_at,
            valid_to=at.link.valid_to,
        )
    )


@decided.register
def _(command: c.ShareCube, at: Situation) -> Drafts:
    if at.target is None:
        return refuse(command, UNKNOWN_TARGET)
    return one(
        e.CubeShared(
            cube=command.cube,
            principal=command.principal,
            scope=command.scope,
            valid_from=seconds(command.valid_from, at.now),
            valid_to=None if command.valid_to is None else seconds(command.valid_to, at.now),
        )
    )


@decided.register
def _(command: c.UnshareCube, at: Situation) -> Drafts:
    assert at.cube is not None
    if command.principal not in {g.principal for g in at.cube.governance.grants}:
        return refuse(command, "not_shared")
    return one(e.CubeUnshared(cube=command.cube, principal=command.principal))


@decided.register
def _(command: c.FreezeCube, at: Situation) -> Drafts:
    assert at.cube is not None
    if at.cube.governance.frozen:
        return refuse(command, "already_frozen")
    return one(e.CubeFrozen(cube=command.cube))


@decided.register
def _(command: c.ThawCube, at: Situation) -> Drafts:
    assert at.cube is not None
    if not at.cube.governance.frozen:
        return refuse(command, "not_frozen")
    return one(e.CubeThawed(cube=command.cube))


@decided.register
def _(command: c.ArchiveCube, at: Situation) -> Drafts:
    assert at.cube is not None
    if not may_become(at.cube.governance.state, "archived"):
        return refuse(command, "transition_not_allowed")
    return one(e.CubeArchived(cube=command.cube))


@decided.register
def _(command: c.RestoreCube, at: Situation) -> Drafts:
    assert at.cube is not None
    governance = at.cube.governance
    if governance.state == "generated" or not may_become(governance.state, "activated"):
        return refuse(command, "transition_not_allowed")
    return one(e.CubeActivated(cube=command.cube))
