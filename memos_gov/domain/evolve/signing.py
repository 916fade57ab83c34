"""Facts of signed checkpoints."""

from __future__ import annotations

from memos_gov.domain import events as e
from memos_gov.domain.evolve.evolving import Changes, Known, Occurrence, evolve
from memos_gov.domain.facts import CheckpointFacts


@evolve.register
def _(event: e.CheckpointSigned, at: Occurrence, known: Known) -> Changes:
    facts = CheckpointFacts(
        size=event.size,
        root=event.root,
        note=event.note,
        last_offset=event.last_offset,
        index=at.index,
        signed_at=at.now,
    )
    return {event.stream(at.tenant): facts}
