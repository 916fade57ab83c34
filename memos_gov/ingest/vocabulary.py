"""What the active policy and the data folder say to a map, before any row is read."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from memos_gov.domain.bundle import Vocabulary
from memos_gov.errors import InvalidCommandError
from memos_gov.ingest.making import Defaults
from memos_gov.ingest.mapping import Mapping
from memos_gov.ingest.rows import RowFailure

if TYPE_CHECKING:
    from memos_gov.service import Actor, Rooms

IN_THE_MAP = 0


def rooms_of(actor: Actor) -> Rooms:
    """Return the rooms an actor acts in."""
    return actor.rooms


def words_of(actor: Actor) -> Vocabulary:
    """Return the words of the tenant's active policy."""
    return rooms_of(actor).bundles.get(actor.policy).vocabulary


def defaults_of(actor: Actor) -> Defaults:
    """Return what a cube of this actor takes where a map says nothing."""
    settings = rooms_of(actor).settings
    return Defaults(
        label=settings.label,
        purposes=(actor.caller.purpose,),
        basis=settings.basis,
        retention_class=settings.retention_class,
        region=settings.region,
    )


def unknown_words(mapping: Mapping, words: Vocabulary) -> Iterator[RowFailure]:
    """Yield each field of the map that names a word unknown to policy, at line 0."""
    allowed = _allowed(words)
    for name, source in mapping.cube.sources():
        for fixed in source.fixed() if name in allowed else ():
            yield from _unknown(f"cube.{name}", fixed, allowed[name])
    for rule in mapping.consents:
        yield from _unknown("consents.purpose", rule.purpose, words.purposes)


def _unknown(
    field: str, found: str | tuple[str, ...], allowed: Collection[str]
) -> Iterator[RowFailure]:
    for word in (found,) if isinstance(found, str) else found:
        if word not in allowed:
            message = f"{field}: unknown word {word!r}; known are {', '.join(sorted(allowed))}"
            yield RowFailure(IN_THE_MAP, field, message)


def check_fixed_words(mapping: Mapping, words: Vocabulary) -> None:
    """
    Refuse a map that names a word unknown to policy.

    Raises:
        InvalidCommandError: Names the map, the field, the word, and those that are known.
    """
    for problem in unknown_words(mapping, words):
        remedy = "Change the named field of the map; nothing was written."
        msg = f"map {mapping.map}: {problem.message}"
        raise InvalidCommandError(msg, field=problem.field, remedy=remedy)


def _allowed(words: Vocabulary) -> dict[str, Collection[str]]:
    return {
        "label": words.labels,
        "purposes": words.purposes,
        "basis": words.bases,
        "region": words.regions,
        "retention_class": words.retention_classes,
        "semantic_type": words.semantic_types,
        "priority": words.priorities,
    }
