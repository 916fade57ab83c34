"""How a cube comes to be, whatever it is made of, and what new content does to one that is."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.decide.deciding import one
from memos_gov.domain.decide.situation import Admitted, Ancestry, Drafts, Situation
from memos_gov.domain.facts import Source
from memos_gov.domain.lineage import Heritage, Traits
from memos_gov.domain.questions import Cube


class Born(msgspec.Struct, frozen=True, kw_only=True):
    """What a new cube is called and tells of itself; `place` is its own among several."""

    cube: str
    traits: Traits
    position: int | None = None
    place: int = 0


def come_to_be(
    born: Born,
    admitted: Admitted,
    own: Heritage,
    at: Situation,
    pathway: e.Pathway = "correlation",
) -> Drafts:
    """
    Return the events of a new cube: that it is there, what it is made of, its review case.

    Args:
        own: What rules it where it is made of nothing (`at.ancestry` is None).
        pathway: How it came of the sources that the command names.
    """
    heritage = at.ancestry.heritage if at.ancestry else own
    derived = tuple(_derived(born.cube, at.ancestry, pathway)) if at.ancestry else ()
    quarantined = admitted.quarantined or heritage.quarantined
    remembered = e.CubeRemembered(
        cube=born.cube,
        form="plaintext",
        origin=born.traits.origin,
        semantic_type=born.traits.semantic_type,
        author=born.traits.author,
        conversation=born.traits.conversation,
        position=born.position,
        subjects=heritage.subjects,
        owner=at.actor,
        label=admitted.label,
        purposes=heritage.purposes,
        basis=heritage.basis,
        region=heritage.region,
        retention_class=heritage.retention_class,
        priority=born.traits.priority,
        state="generated" if quarantined else "activated",
        quarantined=quarantined,
        findings=admitted.findings,
        index=admitted.index,
        size_bytes=len(admitted.content.encode()),
        valid_from=heritage.valid_from,
        valid_to=heritage.valid_to,
        sources=tuple(source.cube for event in derived for source in event.sources),
    )
    content = e.CubeContent(content=admitted.content, metadata=admitted.metadata)
    return (
        e.Draft(remembered, content),
        *(e.Draft(event) for event in derived),
        *(_case(at, born.cube, born.cube if born.place else "") if quarantined else ()),
    )


def _derived(cube: str, ancestry: Ancestry, pathway: e.Pathway) -> Iterator[e.CubeDerived]:
    """Yield what a cube is made of, by how it was; each source stands once."""
    named = {source.cube for source in ancestry.sources}
    read = tuple(source for source in ancestry.reads if source.cube not in named)
    ways: tuple[tuple[e.Pathway, tuple[Source, ...]], ...] = (
        (pathway, ancestry.sources),
        ("correlation", read),
    )
    for way, sources in ways:
        if sources:
            yield e.CubeDerived(
                cube=cube,
                pathway=way,
                sources=sources,
                expires_at=ancestry.heritage.expires_at,
                valid_to=ancestry.heritage.valid_to,
            )


def regoverned(at: Situation, cube: Cube, admitted: Admitted) -> Drafts:
    """Return what new content does to a cube's label, and to whether it may be read."""
    drafts: Drafts = ()
    if admitted.label != cube.governance.label:
        drafts = one(e.CubeRelabelled(cube=cube.cube, label=admitted.label))
    if admitted.quarantined:
        drafts = (*drafts, e.Draft(e.CubeQuarantined(cube=cube.cube)))
        drafts = (*drafts, *_case(at, cube.cube, ""))
    return drafts


def _case(at: Situation, cube: str, about: str) -> Drafts:
    case = ids.case_id_of(at.command_id, about)
    return one(e.ReviewOpened(case=case, action="admit", target=cube))
