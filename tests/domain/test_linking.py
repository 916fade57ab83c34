"""Links of revisions: what is added, what it brings, and what bars it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from memos_gov.domain import commands as c
from memos_gov.domain import events as e
from memos_gov.domain.facts import Source
from memos_gov.domain.lineage import DESCENDANTS_MAX, SOURCES_MAX, Barred, Link, link, new_sources
from tests.domain.given import CUBE, NOW, admit, given, made_of, remembered
from tests.domain.test_derivations import narrowed

OTHER, CHILD = "c_other", "c_child"
READ = Source(cube=OTHER, revision=1)
CUBES = given(remembered(), remembered(cube=OTHER)).cubes(CUBE, OTHER)


def linked(cube: Any = CUBES[0], due: int | None = None, **found: Any) -> Link | Barred:
    """Return what a read of one other cube adds, or why it cannot."""
    source = replace(CUBES[1], governance=replace(CUBES[1].governance, **found))
    return link(cube, (READ,), (source,), (due,), ())


def test_cube_itself_and_the_sources_it_has_are_no_new_ones() -> None:
    """Only what else was read."""
    cube = replace(CUBES[0], governance=replace(CUBES[0].governance, sources=("c_known",)))
    reads = (Source(cube=CUBE, revision=1), Source(cube="c_known", revision=2), READ)

    assert (READ,) == new_sources(cube, reads)


def test_link_brings_the_earliest_ends() -> None:
    """By policy's answer or by a cap, whichever is sooner."""
    expected = Link(sources=(READ,), expires_at=NOW + 5, valid_to=NOW + 7)

    assert expected == linked(due=NOW + 5, expires_at=NOW + 6, valid_to=NOW + 7)


def test_link_is_barred_for_every_reason_that_holds() -> None:
    """Each has its own code."""
    looser = linked(subjects=("s_two",))
    ended = linked(state="expired")
    many = replace(CUBES[0].governance, sources=tuple(f"c_{n}" for n in range(SOURCES_MAX)))
    full = linked(cube=replace(CUBES[0], governance=many))
    large = link(CUBES[0], (READ,), CUBES[1:], (), ["c_any"] * (DESCENDANTS_MAX + 1))

    assert Barred(("session_not_covered",)) == looser
    assert Barred(("source_ended",)) == ended
    assert Barred(("too_many_sources",)) == full
    assert Barred(("too_many_descendants",)) == large


@pytest.mark.parametrize("field", ["expires_at", "valid_to"])
def test_revision_that_is_linked_says_so_and_narrows_descendants(field: str) -> None:
    """In one record, beside the new content."""
    ends: dict[str, Any] = {"expires_at": None, "valid_to": None, field: NOW + 9}
    history = (remembered(), remembered(cube=OTHER), *made_of(CUBE, cube=CHILD))
    command = c.make(c.ReviseCube, cube=CUBE, content="hello")
    found = Link(sources=(READ,), **ends)

    drafts = given(*history).when(command, admitted=admit(), link=found).drafts

    revised, *follow = (draft.event for draft in drafts)
    assert isinstance(revised, e.CubeRevised)
    told: dict[str, Any] = {field: NOW + 9}
    expected = [e.CubeLinked(cube=CUBE, sources=(READ,), **ends), narrowed(CHILD, **told)]
    assert expected == follow
