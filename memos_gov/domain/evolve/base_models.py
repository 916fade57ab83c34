"""Facts of base models."""

from __future__ import annotations

from memos_gov.domain import events as e
from memos_gov.domain.evolve.evolving import Changes, Known, Occurrence, evolve
from memos_gov.domain.facts import BaseModelFacts


@evolve.register
def _(event: e.BaseModelRegistered, at: Occurrence, known: Known) -> Changes:
    facts = BaseModelFacts(
        base_model=event.base_model,
        fingerprint=event.fingerprint,
        registered_by=at.actor,
        registered_at=at.now,
        index=at.index,
    )
    return {event.stream(at.tenant): facts}
