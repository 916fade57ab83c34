"""Facts of cubes in another form."""

from __future__ import annotations

from memos_gov.domain import events as e
from memos_gov.domain.evolve.evolving import Changes, Known, Occurrence, evolve
from memos_gov.domain.facts import ArtefactFacts


@evolve.register
def _(event: e.CubesTransformed, at: Occurrence, known: Known) -> Changes:
    facts = ArtefactFacts(
        form=event.form,
        sources=event.sources,
        base_model=event.base_model,
        requested_by=at.actor,
        requested_at=at.now,
        index=at.index,
    )
    return {event.stream(at.tenant): facts}
