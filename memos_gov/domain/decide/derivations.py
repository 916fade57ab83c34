"""Decisions about cubes that are made of cubes, and about ways back."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from memos_gov.domain import commands as c
from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.decide.births import Born, come_to_be, regoverned
from memos_gov.domain.decide.deciding import decided
from memos_gov.domain.decide.refusing import refuse
from memos_gov.domain.decide.situation import REVISION_MOVED, Admitted, Drafts, Situation
from memos_gov.domain.lifecycle import State, may_become
from memos_gov.domain.lineage import Traits, traits_of
from memos_gov.domain.questions import Cube


@decided.register
def _(command: c.MergeCubes, at: Situation) -> Drafts:
    if not _all_may_become(at.cubes, "merged"):
        return refuse(command, "transition_not_allowed")
    into = ids.cube_id_of(at.command_id)
    merged = tuple(e.Draft(e.CubeMerged(cube=cube.cube, into=into)) for cube in at.cubes)
    return (*_made(at, [at.admitted], traits_of(at.cubes), "merge"), *merged)


@decided.register
def _(command: c.SummariseCubes, at: Situation) -> Drafts:
    traits = replace(traits_of(at.cubes), origin="inference", author=None)
    return _made(at, [at.admitted], traits, "summarise")


@decided.register
def _(command: c.SplitCube, at: Situation) -> Drafts:
    if not _all_may_become(at.cubes, "archived"):
        return refuse(command, "transition_not_allowed")
    parts = _made(at, at.parts, traits_of(at.cubes), "split")
    return (*parts, e.Draft(e.CubeArchived(cube=command.cube)))


def _all_may_become(cubes: Sequence[Cube], state: State) -> bool:
    return all(may_become(cube.governance.state, state) for cube in cubes)


def _made(
    at: Situation, contents: Sequence[Admitted | None], traits: Traits, pathway: e.Pathway
) -> Drafts:
    """Return the events of a new cube for each content."""
    drafts: Drafts = ()
    for place, admitted in enumerate(contents):
        assert admitted is not None
        assert at.ancestry is not None
        cube = ids.cube_id_of(at.command_id, place)
        born = Born(cube=cube, traits=traits, place=place)
        drafts = (*drafts, *come_to_be(born, admitted, at.ancestry.heritage, at, pathway))
    return drafts


@decided.register
def _(command: c.RollBackCube, at: Situation) -> Drafts:
    cube, earlier = at.cube, at.earlier
    assert cube is not None
    if command.expected_revision not in (None, cube.content.revision):
        return refuse(command, REVISION_MOVED)
    if cube.governance.state != "activated":
        return refuse(command, "transition_not_allowed")
    if earlier is None or earlier.content.revision >= cube.content.revision:
        return refuse(command, "no_earlier_revision")
    assert at.admitted is not None
    rolled_back = e.CubeRolledBack(
        cube=cube.cube,
        revision=cube.content.revision + 1,
        to_revision=earlier.content.revision,
        findings=at.admitted.findings,
        index=at.admitted.index,
        size_bytes=len(at.admitted.content.encode()),
        valid_from=earlier.content.valid_from,
        valid_to=earlier.content.valid_to,
    )
    content = e.CubeContent(content=at.admitted.content, metadata=at.admitted.metadata)
    return (e.Draft(rolled_back, content), *regoverned(at, cube, at.admitted))
