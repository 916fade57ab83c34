"""
Inheritance: what rules a cube that is made of others.

| of the sources | the new cube has |
| --- | --- |
| subjects | all of them |
| label | the strictest |
| purposes | those that all have; none in common is refused |
| end of validity, due date | the earliest |
| basis | the one they share; consent where any rests on it; else the caller chooses one of theirs |
| region | the one that any is bound to; two are refused |
| retention class | the one they share; else the caller chooses one of theirs |
| quarantine | where any is in it |

Neither the order of the sources matters nor whether some were made of others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from memos_gov.domain.commands import RememberCube, seconds
from memos_gov.domain.lineage.descent import INHERITED_SUBJECTS_MAX, is_usable
from memos_gov.domain.questions import Cube

CONSENT, GLOBAL = "consent", "global"
RANK_UNKNOWN = 99


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a caller says of a cube that inherits; what is None is left to the sources.

    What `insists` must be one of the sources' own words, also where they agree.
    """

    label: str | None = None
    subjects: tuple[str, ...] = ()
    purposes: tuple[str, ...] | None = None
    basis: str | None = None
    region: str | None = None
    retention_class: str | None = None
    valid_from: int | None = None
    valid_to: int | None = None
    insists: bool = True


class Heritage(msgspec.Struct, frozen=True, kw_only=True):
    """What rules a cube that was made of others."""

    label: str
    subjects: tuple[str, ...]
    purposes: tuple[str, ...]
    basis: str
    region: str
    retention_class: str
    valid_from: int
    valid_to: int | None
    expires_at: int | None
    quarantined: bool


class Traits(msgspec.Struct, frozen=True, kw_only=True):
    """What a cube tells of itself, which rules nothing."""

    origin: str
    semantic_type: str
    priority: str
    author: str | None
    conversation: str | None


class Barred(msgspec.Struct, frozen=True):
    """Nothing can be made of these sources, for these reasons of the domain."""

    reasons: tuple[str, ...]


def own_word(command: RememberCube, now: int) -> Heritage:
    """Return what rules a cube that is made of nothing: what its caller says."""
    return Heritage(
        label=command.label,
        subjects=command.subjects,
        purposes=command.purposes,
        basis=command.basis,
        region=command.region,
        retention_class=command.retention_class,
        valid_from=seconds(command.valid_from, now),
        valid_to=None if command.valid_to is None else seconds(command.valid_to, now),
        expires_at=None,
        quarantined=False,
    )


def named_by(command: RememberCube, now: int) -> Named:
    """Return what a caller says of a cube that turns out to be made of others."""
    own = own_word(command, now)
    return Named(
        label=own.label,
        subjects=own.subjects,
        purposes=own.purposes,
        basis=own.basis,
        region=own.region,
        retention_class=own.retention_class,
        valid_from=own.valid_from,
        valid_to=own.valid_to,
        insists=False,
    )


def inherit(
    named: Named,
    sources: Sequence[Cube],
    due: Iterable[int | None],
    labels: Mapping[str, int],
) -> Heritage | Barred:
    """
    Return what rules a cube made of `sources` (at least one), or why there can be none.

    Args:
        named: What the caller says.
        due: When the sources are due by today's retention verdicts.
        labels: The rank of each label.
    """
    governed = [cube.governance for cube in sources]
    subjects = _union(named.subjects, *(g.subjects for g in governed))
    purposes = _common(named.purposes, *(g.purposes for g in governed))
    basis = _basis({g.basis for g in governed}, named)
    region = _region({g.region for g in governed}, named.region)
    retention_class = _one({g.retention_class for g in governed}, named.retention_class, named)
    reasons = {
        "source_ended": not all(is_usable(g) for g in governed),
        "too_many_subjects": len(subjects) > INHERITED_SUBJECTS_MAX,
        "purposes_disjoint": not purposes,
        "basis_unclear": basis is None,
        "regions_differ": region is None,
        "retention_class_unclear": retention_class is None,
    }
    if barred := tuple(sorted(reason for reason, holds in reasons.items() if holds)):
        return Barred(barred)
    assert basis is not None
    assert region is not None
    assert retention_class is not None
    ends = earliest(named.valid_to, *(cube.valid_to for cube in sources))
    return Heritage(
        label=strictest(labels, named.label, *(g.label for g in governed)),
        subjects=subjects,
        purposes=purposes,
        basis=basis,
        region=region,
        retention_class=retention_class,
        valid_from=_start(named.valid_from, [c.content.valid_from for c in sources], ends),
        valid_to=ends,
        expires_at=earliest(*due, *(g.expires_at for g in governed)),
        quarantined=any(g.quarantined for g in governed),
    )


class Strict(Protocol):
    """What may be as strict as a source: a cube, or the event of a new one."""

    @property
    def subjects(self) -> tuple[str, ...]:
        """Whom it is about."""

    @property
    def purposes(self) -> tuple[str, ...]:
        """What it may be used for."""

    @property
    def basis(self) -> str:
        """On which ground it is kept."""

    @property
    def region(self) -> str:
        """Where it may be used."""

    @property
    def quarantined(self) -> bool:
        """Whether it waits for a review."""


def covers(strict: Strict, source: Strict) -> bool:
    """
    Return whether what was made of a source is as strict as that, in all that needs no rank.

    About its persons, for none but its purposes, on consent where it is, bound
    to its region, and in quarantine where it is. Not here: label and ends.
    """
    return (
        {*source.subjects} <= {*strict.subjects}
        and {*strict.purposes} <= {*source.purposes}
        and (source.basis != CONSENT or strict.basis == CONSENT)
        and source.region in {GLOBAL, strict.region}
        and strict.quarantined >= source.quarantined
    )


def own_traits(command: RememberCube) -> Traits:
    """Return what a caller says a cube tells of itself."""
    return Traits(
        origin=command.origin,
        semantic_type=command.semantic_type,
        priority=command.priority,
        author=command.author,
        conversation=command.conversation,
    )


def traits_of(sources: Sequence[Cube]) -> Traits:
    """Return what a cube made of `sources` tells of itself: what all of them tell."""
    governed = [cube.governance for cube in sources]
    return Traits(
        origin=_shared({g.origin for g in governed}) or "inference",
        semantic_type=min(g.semantic_type for g in governed),
        priority=min(g.priority for g in governed),
        author=_shared({g.author for g in governed}),
        conversation=_shared({g.conversation for g in governed}),
    )


def _shared(found: set[str] | set[str | None]) -> str | None:
    return next(iter(found)) if len(found) == 1 else None


def strictest(labels: Mapping[str, int], *found: str | None) -> str:
    """Return the label of the highest rank; one that has none is the strictest of all."""
    known = [label for label in found if label is not None]
    return max(known, key=lambda label: (labels.get(label, RANK_UNKNOWN), label))


def earliest(*moments: int | None) -> int | None:
    """Return the earliest of those that are there."""
    return min((moment for moment in moments if moment is not None), default=None)


def _union(*lists: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({word for words in lists for word in words}))


def _common(
    named: Sequence[str] | None, first: Iterable[str], *rest: Iterable[str]
) -> tuple[str, ...]:
    found = set(first).intersection(*rest)
    return tuple(sorted(found if named is None else found & set(named)))


def _basis(found: set[str], named: Named) -> str | None:
    """Return the basis; consent is the strictest, since each of the persons can end it."""
    if CONSENT in found or (named.basis == CONSENT and not named.insists):
        return CONSENT
    return _one(found, named.basis, named)


def _one(found: set[str], word: str | None, named: Named) -> str | None:
    """Return the word that is shared, or chosen among several; None where there is no such one."""
    if word in found:
        return word
    if len(found) > 1 or (named.insists and word is not None):
        return None
    return next(iter(found))


def _region(found: set[str], named: str | None) -> str | None:
    bound = {region for region in (*found, named) if region not in (None, GLOBAL)}
    if len(bound) > 1:
        return None
    return next(iter(bound), GLOBAL)


def _start(named: int | None, starts: Sequence[int], ends: int | None) -> int:
    """Return when it begins to be true; never after it ends."""
    start = min(starts) if named is None else named
    if ends is None or start < ends:
        return start
    return min(*starts, ends - 1)
