"""Inheritance: never looser than any source, whatever their order and however they were made."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given as forall
from hypothesis import strategies as st
from msgspec.structs import replace

from memos_gov.domain.lineage import (
    INHERITED_SUBJECTS_MAX,
    Barred,
    Heritage,
    Named,
    inherit,
    walk,
)
from memos_gov.domain.lineage.inheritance import CONSENT, GLOBAL
from memos_gov.domain.questions import Cube
from tests.domain.given import CUBE, LABELS, NOW, given, remembered

(PLAIN,) = given(remembered()).cubes(CUBE)
PURPOSES = ("complaint-handling", "research", "support")
MOMENTS = st.none() | st.integers(NOW + 10, NOW + 20)


def a_source(*, content: dict[str, Any] | None = None, **governance: Any) -> Cube:
    """Return a cube that differs from an ordinary one."""
    return Cube(
        CUBE,
        replace(PLAIN.content, **(content or {})),
        replace(PLAIN.governance, **governance),
        (),
    )


def heir(*sources: Cube, due: tuple[int | None, ...] = (), **named: Any) -> Heritage:
    """Return what sources leave to a cube."""
    found = inherit(Named(**named), sources, due, LABELS)
    assert isinstance(found, Heritage), found
    return found


def barred(*sources: Cube, **named: Any) -> tuple[str, ...]:
    """Return why nothing can be made of sources."""
    found = inherit(Named(**named), sources, (), LABELS)
    assert isinstance(found, Barred), found
    return found.reasons


@st.composite
def any_source(draw: st.DrawFn) -> Cube:
    """Return a source of one purpose, class and region, which always inherits."""
    purposes = draw(st.sets(st.sampled_from(PURPOSES[1:]))) | {PURPOSES[0]}
    return a_source(
        content={"valid_to": draw(MOMENTS)},
        label=draw(st.sampled_from([*LABELS, "unheard-of"])),
        subjects=tuple(draw(st.sets(st.sampled_from(["s_one", "s_two", "s_three"])))),
        purposes=tuple(purposes),
        basis=draw(st.sampled_from(["contract", CONSENT, "public-task"])),
        region=draw(st.sampled_from([GLOBAL, "eu"])),
        retention_class=draw(st.sampled_from(["card", "loan"])),
        expires_at=draw(MOMENTS),
        valid_to=draw(MOMENTS),
        quarantined=draw(st.booleans()),
    )


SOURCES = st.lists(any_source(), min_size=1, max_size=5)
CHOICE = {"basis": "contract", "retention_class": "card", "insists": False}


def as_source(heritage: Heritage) -> Cube:
    """Return a cube that was made with a heritage."""
    fields = ("label", "subjects", "purposes", "basis", "region", "retention_class")
    own = {field: getattr(heritage, field) for field in (*fields, "expires_at", "quarantined")}
    times = {"valid_from": heritage.valid_from, "valid_to": heritage.valid_to}
    return a_source(content=times, **own, valid_to=heritage.valid_to)


def rank(label: str) -> int:
    """Return a label's rank; what is unknown is above all."""
    return LABELS.get(label, 99)


def reaches(moment: int | None) -> float:
    """Return a moment as a number that compares; none is never."""
    return float("inf") if moment is None else moment


@forall(SOURCES)
def test_heritage_is_never_looser_than_any_source(sources: list[Cube]) -> None:
    """Label, subjects, purposes, ends, quarantine, consent, region."""
    found = inherit(Named(**CHOICE), sources, (), LABELS)
    if isinstance(found, Barred):
        assert set(found.reasons) <= {"basis_unclear", "retention_class_unclear"}
        return
    for cube in sources:
        source = cube.governance
        assert rank(found.label) >= rank(source.label)
        assert set(found.subjects) >= set(source.subjects)
        assert set(found.purposes) <= set(source.purposes)
        assert reaches(found.valid_to) <= reaches(cube.valid_to)
        assert reaches(found.expires_at) <= reaches(source.expires_at)
        assert found.quarantined >= source.quarantined
        assert found.basis == CONSENT or source.basis != CONSENT
        assert source.region in {GLOBAL, found.region}
    assert reaches(found.valid_from) < reaches(found.valid_to)


@forall(SOURCES, st.randoms(use_true_random=False))
def test_order_of_sources_does_not_matter(sources: list[Cube], chance: Any) -> None:
    """Nor does naming one of them twice."""
    mixed = [*sources, sources[0]]
    chance.shuffle(mixed)

    assert inherit(Named(**CHOICE), sources, (), LABELS) == inherit(
        Named(**CHOICE), mixed, (), LABELS
    )


@forall(SOURCES, SOURCES)
def test_heritage_of_what_was_made_equals_that_of_all(
    first: list[Cube], others: list[Cube]
) -> None:
    """Deriving in steps loosens nothing and tightens nothing."""
    between = inherit(Named(**CHOICE), first, (), LABELS)
    at_once = inherit(Named(**CHOICE), [*first, *others], (), LABELS)
    if isinstance(between, Barred):
        return

    in_steps = inherit(Named(**CHOICE), [as_source(between), *others], (), LABELS)

    if isinstance(at_once, Heritage):
        assert at_once == in_steps


def test_named_label_and_subjects_only_make_stricter() -> None:
    """A caller may say more, never less."""
    secret = a_source(label="secret", subjects=("s_one",))

    found = heir(secret, label="public", subjects=("s_two",), purposes=PURPOSES)

    assert ("secret", ("s_one", "s_two")) == (found.label, found.subjects)
    assert ("complaint-handling",) == found.purposes
    assert "secret" == heir(a_source(), label="secret").label


def test_purposes_without_one_in_common_are_refused() -> None:
    """What was collected for two things cannot be used for a third."""
    one, other = a_source(purposes=("research",)), a_source(purposes=("support",))

    assert ("purposes_disjoint",) == barred(one, other)
    assert ("purposes_disjoint",) == barred(one, purposes=("support",))


def test_regions_bind_until_there_are_two() -> None:
    """Global goes everywhere; what must stay in two places can be in none."""
    home, eu, us = a_source(), a_source(region="eu"), a_source(region="us")

    assert ["global", "eu"] == [heir(home).region, heir(home, eu).region]
    assert "eu" == heir(home, region="eu").region
    assert ("regions_differ",) == barred(eu, us)
    assert ("regions_differ",) == barred(eu, region="us")


@pytest.mark.parametrize("insists", [True, False])
def test_basis_that_is_shared_is_inherited(insists: bool) -> None:
    """Where the sources agree, nobody has to choose."""
    assert "contract" == heir(a_source(), a_source(), insists=insists).basis


def test_basis_is_consent_where_any_source_rests_on_it() -> None:
    """Whoever can take it back can take back what was made of it."""
    consented = a_source(basis=CONSENT)

    assert CONSENT == heir(a_source(), consented, basis="contract", insists=False).basis
    assert CONSENT == heir(a_source(), basis=CONSENT, insists=False).basis


@pytest.mark.parametrize(
    ("field", "reason"),
    [("basis", "basis_unclear"), ("retention_class", "retention_class_unclear")],
)
def test_word_that_differs_is_chosen_among_the_sources(field: str, reason: str) -> None:
    """One of theirs, or none."""
    one, other = a_source(**{field: "card"}), a_source(**{field: "loan"})

    assert (reason,) == barred(one, other)
    assert (reason,) == barred(one, other, **{field: "debt"})
    assert (reason,) == barred(one, **{field: "debt"})
    assert "loan" == getattr(heir(one, other, **{field: "loan"}), field)
    assert "card" == getattr(heir(one, **{field: "debt"}, insists=False), field)


def test_due_date_is_the_earliest_of_policy_and_of_what_was_inherited() -> None:
    """Without any there is none."""
    capped = a_source(expires_at=NOW + 5)

    assert heir(a_source(), due=(None,)).expires_at is None
    assert NOW + 3 == heir(a_source(), a_source(), due=(NOW + 9, NOW + 3)).expires_at
    assert NOW + 5 == heir(capped, due=(NOW + 9,)).expires_at


@pytest.mark.parametrize("end", [NOW - 5, NOW, NOW + 1])
def test_validity_never_begins_after_it_ends(end: int) -> None:
    """What was true until yesterday is remembered as that."""
    over = a_source(content={"valid_from": NOW - 9, "valid_to": end})

    found = heir(over, valid_from=NOW)

    assert (end, True) == (found.valid_to, found.valid_from < end)


@pytest.mark.parametrize("ended", [{"state": "erased"}, {"state": "expired"}, {"restricted": True}])
def test_source_that_ended_leaves_nothing(ended: dict[str, Any]) -> None:
    """What is gone, or may not be used, does not live on in words of somebody else."""
    assert ("source_ended",) == barred(a_source(), a_source(**ended))


def test_sources_about_too_many_persons_are_refused() -> None:
    """A header stays bounded."""
    half = INHERITED_SUBJECTS_MAX // 2 + 1
    crowds = [a_source(subjects=tuple(f"s_{x}{n}" for n in range(half))) for x in "ab"]

    assert ("too_many_subjects",) == barred(*crowds)


def test_reasons_against_a_derivation_come_all_at_once() -> None:
    """Whoever repairs one does not meet the next."""
    one = a_source(purposes=("research",), region="eu", basis="contract")
    other = a_source(purposes=("support",), region="us", basis="public-task")

    assert ("basis_unclear", "purposes_disjoint", "regions_differ") == barred(one, other)


def test_walk_goes_everywhere_once_and_ends_in_circles_too() -> None:
    """Nearest first, without the root."""
    steps = {"a": ["b", "c"], "b": ["d"], "c": ["d", "a"], "d": ["b"]}

    def step(cubes: Any) -> list[str]:
        return [found for cube in cubes for found in steps[cube]]

    assert ("b", "c", "d") == walk("a", step)
    assert ("b", "c") == walk("a", step, most=1)
