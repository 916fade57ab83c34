"""Merge, summarise, split, roll back, and how what befalls a cube reaches what was made of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from memos_gov.domain import commands as c
from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.decide import Ancestry
from memos_gov.domain.evolve import Occurrence, evolve, touched_cubes
from memos_gov.domain.facts import (
    ContentFacts,
    CorrelationFacts,
    GovernanceFacts,
    LineageFacts,
    Source,
    TimedWord,
)
from memos_gov.domain.lineage import DESCENDANTS_MAX, SOURCES_MAX, Heritage, Named, inherit
from tests.domain.given import (
    COMMAND_ID,
    CUBE,
    LABELS,
    NEW_CUBE,
    NOW,
    OWNER,
    SUBJECT,
    TENANT,
    admit,
    derived,
    fold,
    given,
    made_of,
    remembered,
)

OTHER, CHILD, GRANDCHILD = "c_other", "c_child", "c_grandchild"
TWO = (remembered(), remembered(cube=OTHER, subjects=("s_two",), label="confidential"))
PARTS = tuple(ids.cube_id_of(COMMAND_ID, place) for place in range(2))
FAMILY = (
    remembered(),
    *made_of(CUBE, cube=CHILD),
    *made_of(CHILD, cube=GRANDCHILD, label="confidential"),
)
NOTHING_NEW: dict[str, Any] = {
    "label": None,
    "index": None,
    "basis": None,
    "quarantined": False,
    "restricted": False,
    "expires_at": None,
    "valid_to": None,
}


def narrowed(cube: str, source: str = CUBE, **changes: Any) -> e.CubeNarrowed:
    """Return that a cube was narrowed with its source."""
    return e.CubeNarrowed(cube=cube, source=source, **(NOTHING_NEW | changes))


def ancestry(*events: e.Event, cubes: tuple[str, ...], **reads: Any) -> dict[str, Any]:
    """Return what the assessor would find of the sources."""
    found = given(*events).cubes(*cubes)
    heritage = inherit(Named(), found, (), LABELS)
    assert isinstance(heritage, Heritage)
    sources = tuple(Source(cube=x.cube, revision=x.content.revision) for x in found)
    return {"cubes": found, "ancestry": Ancestry(heritage=heritage, sources=sources, **reads)}


# --- Merge ------------------------------------------------------------------------

MERGE = c.make(c.MergeCubes, cubes=[CUBE, OTHER])


def test_merge_makes_one_cube_and_sets_its_sources_aside() -> None:
    """All of it in one record: the new cube, of whom it is, and what became of those."""
    seen = ancestry(*TWO, cubes=(CUBE, OTHER))

    given(*TWO).when(MERGE, admitted=admit(label="confidential"), **seen).then(
        remembered(
            cube=NEW_CUBE,
            subjects=(SUBJECT, "s_two"),
            label="confidential",
            sources=(CUBE, OTHER),
        ),
        derived(NEW_CUBE, CUBE, OTHER, pathway="merge"),
        e.CubeMerged(cube=CUBE, into=NEW_CUBE),
        e.CubeMerged(cube=OTHER, into=NEW_CUBE),
    )


@pytest.mark.parametrize(
    "event", [e.CubeArchived(cube=OTHER), e.CubeMerged(cube=OTHER, into="c_x")]
)
def test_merge_of_what_is_set_aside_already_is_refused(event: e.Event) -> None:
    """Only what is active becomes part of something else."""
    seen = ancestry(*TWO, event, cubes=(CUBE, OTHER))

    given(*TWO, event).when(MERGE, admitted=admit(), **seen).refused("transition_not_allowed")


def test_cube_that_was_merged_can_be_restored() -> None:
    """Merging is no end."""
    merged = e.CubeMerged(cube=CUBE, into=OTHER)

    given(*TWO, merged).when(c.make(c.RestoreCube, cube=CUBE)).then(e.CubeActivated(cube=CUBE))


def test_merge_under_a_reason_of_the_domain_is_refused() -> None:
    """What cannot be inherited is said, and nothing is sealed."""
    given(*TWO).when(MERGE, barred=("regions_differ", "basis_unclear")).refused(
        "basis_unclear", "regions_differ"
    )


def test_cube_made_of_one_in_quarantine_waits_too() -> None:
    """Nobody launders a suspicious memory by summing it up."""
    suspicious = (remembered(state="generated", quarantined=True),)
    command = c.make(c.SummariseCubes, cubes=[CUBE], content="hello")

    drafts = (
        given(*suspicious)
        .when(command, admitted=admit(), **ancestry(*suspicious, cubes=(CUBE,)))
        .drafts
    )

    born = drafts[0].event
    assert isinstance(born, e.CubeRemembered)
    assert ("generated", True, "inference") == (born.state, born.quarantined, born.origin)
    assert isinstance(drafts[-1].event, e.ReviewOpened)


# --- Summarise, remember in a session -----------------------------------------------


def test_summary_leaves_its_sources_and_links_what_was_read() -> None:
    """Named sources by their own pathway, the session's by another, none twice."""
    command = c.make(c.SummariseCubes, cubes=[CUBE], content="hello")
    reads = (Source(cube=OTHER, revision=1), Source(cube=CUBE, revision=1))
    seen = ancestry(*TWO, cubes=(CUBE,), reads=reads)

    given(*TWO).when(command, admitted=admit(), **seen).then(
        remembered(cube=NEW_CUBE, origin="inference", sources=(CUBE, OTHER)),
        derived(NEW_CUBE, CUBE),
        derived(NEW_CUBE, OTHER, pathway="correlation"),
    )


def test_memory_of_a_session_that_read_is_made_of_it() -> None:
    """What rules it is what it inherits, not what its caller says."""
    (source,) = given(*TWO).cubes(OTHER)
    heritage = inherit(Named(), [source], (NOW + 9,), LABELS)
    assert isinstance(heritage, Heritage)
    reads = (Source(cube=OTHER, revision=1),)
    command = c.make(
        c.RememberCube,
        content="hello",
        label="public",
        purposes=["complaint-handling", "research"],
        basis="contract",
        retention_class="standard",
    )

    given(*TWO).when(
        command,
        admitted=admit(label="confidential"),
        ancestry=Ancestry(heritage=heritage, reads=reads),
    ).then(
        remembered(cube=NEW_CUBE, label="confidential", subjects=("s_two",), sources=(OTHER,)),
        derived(NEW_CUBE, OTHER, pathway="correlation", expires_at=NOW + 9),
    )


def read(*cubes: str, action: Any = "recall") -> e.CubesRead:
    """Return a read of first revisions."""
    found = tuple(e.ReadCube(cube=cube, revision=1) for cube in cubes)
    return e.CubesRead(action=action, cubes=found, snapshot=1, refused={})


SESSION = ids.correlation_stream(TENANT, OWNER, "a session")
AT = Occurrence(tenant=TENANT, index=7, now=NOW, actor=OWNER, correlation=SESSION)


def test_session_keeps_each_cube_at_its_newest_revision() -> None:
    """In order of first reading; a struck cube was not read."""
    newer = replace(read(CUBE), cubes=(e.ReadCube(cube=CUBE, revision=2),))
    known = dict(evolve(read(CUBE, OTHER), AT, {}))

    known |= evolve(newer, AT, known)
    struck = evolve(read(CHILD), replace(AT, struck=frozenset({CHILD})), known)

    reads = (Source(cube=CUBE, revision=2), Source(cube=OTHER, revision=1))
    assert CorrelationFacts(reads=reads) == known[SESSION]
    assert {} == struck


@pytest.mark.parametrize("at", [replace(AT, correlation=""), AT])
def test_read_that_gave_no_content_is_no_source(at: Occurrence) -> None:
    """A list shows facts; and where sessions leave no trace, nothing does."""
    action = "list" if at.correlation else "recall"

    assert {} == evolve(read(CUBE, action=action), at, {})


def test_session_that_read_too_much_is_full_and_grows_no_more() -> None:
    """The document stays bounded, and says that it is not the whole truth."""
    many = [f"c_{n}" for n in range(SOURCES_MAX)]
    known = dict(evolve(read(*many), AT, {}))

    known |= evolve(read(many[0], "c_one_more"), AT, known)

    facts = known[SESSION]
    assert isinstance(facts, CorrelationFacts)
    assert (SOURCES_MAX, True) == (len(facts.reads), facts.full)
    assert {} == evolve(read("c_another"), AT, known)


def test_session_of_one_actor_is_not_that_of_another() -> None:
    """A name of a session says nothing across principals, or tenants."""
    streams = {
        ids.correlation_stream(tenant, actor, "s")
        for tenant in ("acme", "other")
        for actor in (OWNER, "p_ann")
    }

    assert 4 == len(streams)
    assert all(ids.STREAM.fullmatch(stream) for stream in streams)


# --- Split --------------------------------------------------------------------------

SPLIT = c.make(c.SplitCube, cube=CUBE, parts=["hel", "lo"])


def test_split_makes_a_cube_of_each_part_and_archives_the_whole() -> None:
    """Each under an id that a retry makes again."""
    seen = ancestry(remembered(), cubes=(CUBE,)) | {"parts": (admit("hel"), admit("lo"))}

    given(remembered()).when(SPLIT, **seen).then(
        remembered(cube=PARTS[0], size_bytes=3, sources=(CUBE,)),
        derived(PARTS[0], CUBE, pathway="split"),
        remembered(cube=PARTS[1], size_bytes=2, sources=(CUBE,)),
        derived(PARTS[1], CUBE, pathway="split"),
        e.CubeArchived(cube=CUBE),
    )


def test_parts_in_quarantine_have_a_review_each() -> None:
    """One approval lets one part in."""
    held = admit("hel", quarantined=True)
    seen = ancestry(remembered(), cubes=(CUBE,)) | {"parts": (held, held)}

    drafts = given(remembered()).when(SPLIT, **seen).drafts

    cases = [x.event for x in drafts if isinstance(x.event, e.ReviewOpened)]
    assert list(PARTS) == [case.target for case in cases]
    assert 2 == len({case.case for case in cases})


# --- Roll back ------------------------------------------------------------------------


def revised(**changes: Any) -> e.CubeRevised:
    """Return a second revision."""
    fields: dict[str, Any] = {
        "revision": 2,
        "mode": "overwrite",
        "findings": ("card",),
        "index": "none",
        "size_bytes": 9,
        "valid_from": NOW + 5,
        "valid_to": None,
    }
    return e.CubeRevised(cube=CUBE, **(fields | changes))


def earlier(revision: int = 1) -> dict[str, Any]:
    """Return a cube as it was at a revision."""
    (cube,) = given(remembered()).cubes(CUBE)
    return {"earlier": replace(cube, content=replace(cube.content, revision=revision))}


ROLL_BACK = c.make(c.RollBackCube, cube=CUBE, to_revision=1)


def test_roll_back_is_a_new_revision_of_the_old_content() -> None:
    """With the validity that it had; the one in between stays in the history."""
    given(remembered(), revised()).when(ROLL_BACK, admitted=admit(), **earlier()).then(
        e.CubeRolledBack(
            cube=CUBE,
            revision=3,
            to_revision=1,
            findings=(),
            index="full",
            size_bytes=5,
            valid_from=NOW,
            valid_to=None,
        )
    )


def test_roll_back_leaves_a_third_revision() -> None:
    """Under the key of its own event."""
    event = e.CubeRolledBack(
        cube=CUBE,
        revision=3,
        to_revision=1,
        findings=(),
        index="full",
        size_bytes=5,
        valid_from=NOW,
        valid_to=None,
    )

    facts = fold(remembered(), revised(), event)[ids.content_stream(TENANT, CUBE)]

    assert isinstance(facts, ContentFacts)
    assert (3, 2, "overwrite") == (facts.revision, facts.event_index, facts.mode)


@pytest.mark.parametrize("seen", [{}, earlier(2), earlier(9)], ids=["unknown", "current", "later"])
def test_roll_back_to_what_is_not_earlier_is_refused(seen: dict[str, Any]) -> None:
    """To the current, or to none: one answer."""
    given(remembered(), revised()).when(ROLL_BACK, **seen).refused("no_earlier_revision")


def test_roll_back_of_another_revision_than_expected_is_refused() -> None:
    """Somebody revised it meanwhile."""
    command = c.make(c.RollBackCube, cube=CUBE, to_revision=1, expected_revision=3)

    given(remembered(), revised()).when(command, admitted=admit(), **earlier()).refused(
        "revision_moved"
    )


def test_roll_back_of_an_archived_cube_is_refused() -> None:
    """It must be restored first."""
    archived = e.CubeArchived(cube=CUBE)

    given(remembered(), revised(), archived).when(ROLL_BACK, admitted=admit(), **earlier()).refused(
        "transition_not_allowed"
    )


def test_roll_back_to_content_that_admission_labels_higher_raises_the_label() -> None:
    """Old content is judged like new content."""
    drafts = (
        given(remembered(), revised())
        .when(ROLL_BACK, admitted=admit(label="secret"), **earlier())
        .drafts
    )

    assert e.CubeRelabelled(cube=CUBE, label="secret") == drafts[1].event


# --- Narrowing ------------------------------------------------------------------------


def revise(admitted: Any = None, *, history: tuple[e.Event, ...] = FAMILY, **fields: Any) -> Any:
    """Return the events of a revision after its first one."""
    command = c.make(c.ReviseCube, cube=CUBE, content="hello", **fields)
    return given(*history).when(command, admitted=admitted or admit()).drafts[1:]


def test_label_that_rises_reaches_every_descendant() -> None:
    """Each gets it, or is told that its own is as strict."""
    drafts = revise(admit(label="confidential"))

    assert [
        e.CubeRelabelled(cube=CUBE, label="confidential"),
        narrowed(CHILD, label="confidential"),
        narrowed(GRANDCHILD),
    ] == [draft.event for draft in drafts]


def test_label_that_reaches_a_descendant_is_indexed_as_policy_says() -> None:
    """Words leave the index with the label that forbids them there."""
    command = c.make(c.RelabelCube, cube=CUBE, label="secret")

    drafts = given(*FAMILY).when(command, depth=lambda *_: "none").drafts

    assert [
        narrowed(CHILD, label="secret", index="none"),
        narrowed(GRANDCHILD, label="secret", index="none"),
    ] == [draft.event for draft in drafts[1:]]


def test_correction_of_a_former_label_reaches_nobody() -> None:
    """Today's word is left alone, here and there."""
    begins, ends = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"
    command = c.make(c.RelabelCube, cube=CUBE, label="secret", valid_from=begins, valid_to=ends)

    (draft,) = given(*FAMILY).when(command).drafts

    assert isinstance(draft.event, e.CubeRelabelled)


def test_consent_as_the_new_basis_reaches_every_descendant() -> None:
    """Whoever may take it back may take back all of it; another basis narrows nothing."""
    consent = c.make(c.RebaseCube, cube=CUBE, basis="consent")
    other = c.make(c.RebaseCube, cube=CUBE, basis="public-task")

    found = [draft.event for draft in given(*FAMILY).when(consent).drafts[1:]]

    assert [narrowed(x, basis="consent") for x in (CHILD, GRANDCHILD)] == found
    assert 1 == len(given(*FAMILY).when(other).drafts)


def test_quarantine_reaches_every_descendant_with_a_review_each() -> None:
    """Each is looked at by itself; one that waits already waits once."""
    waiting = (*FAMILY, e.CubeQuarantined(cube=GRANDCHILD))

    events = [draft.event for draft in revise(admit(quarantined=True), history=waiting)]

    cases = [x.target for x in events if isinstance(x, e.ReviewOpened)]
    assert [CUBE, CHILD] == cases
    assert [narrowed(x, quarantined=True) for x in (CHILD, GRANDCHILD)] == [
        x for x in events if isinstance(x, e.CubeNarrowed)
    ]


@pytest.mark.parametrize(
    ("before", "after_s", "reaches"),
    [(None, 60, True), (NOW + 90, 60, True), (NOW + 60, 60, False), (NOW + 30, 60, False)],
)
def test_validity_that_ends_sooner_reaches_every_descendant(
    before: int | None, after_s: int, reaches: bool
) -> None:
    """One that ends later, or as before, takes nothing away."""
    history = (remembered(valid_to=before), *made_of(CUBE, cube=CHILD))
    ends = datetime.fromtimestamp(NOW + after_s, UTC)
    end = c.make(c.ReviseCube, cube=CUBE, content="hello", valid_to=ends)

    events = [d.event for d in given(*history).when(end, admitted=admit()).drafts[1:]]

    assert ([narrowed(CHILD, valid_to=NOW + after_s)] if reaches else []) == events


@pytest.mark.parametrize(
    "past", [e.CubeErased(cube=CHILD, erasure="e_1"), narrowed(CHILD, restricted=True)]
)
def test_descendant_that_is_erased_or_restricted_is_past_narrowing(past: e.Event) -> None:
    """And so is what was made of it, which its own record had to reach."""
    drafts = revise(admit(label="secret"), history=(*FAMILY, past))

    assert [e.CubeRelabelled] == [type(draft.event) for draft in drafts]


def test_more_descendants_than_one_record_can_narrow_are_refused() -> None:
    """Nothing is narrowed by halves."""
    crowd = [event for n in range(DESCENDANTS_MAX + 1) for event in made_of(CUBE, cube=f"c_{n}")]
    command = c.make(c.ReviseCube, cube=CUBE, content="hello")
    history = (remembered(), *crowd)

    given(*history).when(command, admitted=admit(label="secret")).refused("too_many_descendants")
    assert 1 == len(given(*history).when(command, admitted=admit()).drafts)
    assert DESCENDANTS_MAX + 2 == len(
        given(*history[:-2]).when(command, admitted=admit(label="secret")).drafts
    )


def test_act_that_narrows_nothing_asks_for_no_descendants() -> None:
    """What most commands do costs no look at lineage."""

    def never(cube: str) -> tuple[str, ...]:
        raise AssertionError(cube)

    given(*FAMILY).when(c.make(c.FreezeCube, cube=CUBE), descendants=never).then(
        e.CubeFrozen(cube=CUBE)
    )


def test_narrowing_only_makes_facts_stricter() -> None:
    """The earliest end holds; flags are never taken back; what was said before stays on record."""
    history = (remembered(), *made_of(CUBE, cube=CHILD))
    first = narrowed(CHILD, label="secret", basis="consent", valid_to=NOW + 9, expires_at=NOW + 5)
    second = narrowed(CHILD, valid_to=NOW + 20, expires_at=NOW + 9, restricted=True)

    facts = fold(*history, first, second)[ids.governance_stream(TENANT, CHILD)]

    assert isinstance(facts, GovernanceFacts)
    assert ("secret", "consent", NOW + 9, NOW + 5, True, False) == (
        facts.label,
        facts.basis,
        facts.valid_to,
        facts.expires_at,
        facts.restricted,
        facts.quarantined,
    )
    assert (TimedWord(word="internal"), TimedWord(word="secret", valid_from=NOW)) == facts.labels


def test_validity_that_was_inherited_outlasts_a_revision() -> None:
    """Content that says it is true for longer is not."""
    capped = replace(derived(CHILD, CUBE), valid_to=NOW + 9)
    longer = revised(valid_to=NOW + 99)

    (cube,) = given(
        remembered(), remembered(cube=CHILD), capped, replace(longer, cube=CHILD)
    ).cubes(CHILD)

    assert (NOW + 99, NOW + 9) == (cube.content.valid_to, cube.valid_to)


def test_derivation_counts_at_each_source_and_touches_none() -> None:
    """A lineage moves; the cube itself, its views and its index do not."""
    known = fold(*TWO, *made_of(CUBE, OTHER, cube=CHILD), derived(GRANDCHILD, CUBE))

    counted = [known[ids.lineage_stream(TENANT, x)] for x in (CUBE, OTHER)]
    assert [LineageFacts(descendants=2), LineageFacts(descendants=1)] == counted
    assert {CHILD} == touched_cubes([derived(CHILD, CUBE)], TENANT)
