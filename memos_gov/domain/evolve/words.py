"""Facts of a cube's label and basis, each with its valid time."""

from __future__ import annotations

from msgspec.structs import replace

from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.evolve.cubes import governed
from memos_gov.domain.evolve.evolving import Changes, Known, Occurrence, evolve
from memos_gov.domain.facts import ContentFacts, GovernanceFacts, TimedWord, word_at


@evolve.register
def _(event: e.CubeRelabelled, at: Occurrence, known: Known) -> Changes:
    facts = known.get(event.stream(at.tenant))
    if not isinstance(facts, GovernanceFacts):
        return {}
    begins = at.now if event.valid_from is None else event.valid_from
    said = TimedWord(word=event.label, valid_from=begins, valid_to=event.valid_to)
    words = (*from_the_first(facts.labels, facts.label), said)
    label = word_at(words, at.now, facts.label)
    return {
        **governed(event, at, known, labels=words, label=label),
        **indexed(event, at, known),
    }


def indexed(event: e.CubeRelabelled | e.CubeNarrowed, at: Occurrence, known: Known) -> Changes:
    """Return the content as it was, indexed as deep as the label in force lets it be."""
    stream = ids.content_stream(at.tenant, event.cube)
    content = known.get(stream)
    if event.index is None or not isinstance(content, ContentFacts):
        return {}
    return {stream: replace(content, index=event.index)}


@evolve.register
def _(event: e.CubeRebased, at: Occurrence, known: Known) -> Changes:
    facts = known.get(event.stream(at.tenant))
    if not isinstance(facts, GovernanceFacts):
        return {}
    said = TimedWord(word=event.basis, valid_from=event.valid_from, valid_to=event.valid_to)
    words = (*from_the_first(facts.bases, facts.basis), said)
    return governed(event, at, known, bases=words, basis=word_at(words, at.now, facts.basis))


def from_the_first(words: tuple[TimedWord, ...], first: str) -> tuple[TimedWord, ...]:
    """Return what was said so far, the word a cube began with included."""
    return words or (TimedWord(word=first),)
