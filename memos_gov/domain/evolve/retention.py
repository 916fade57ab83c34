"""Facts of retention."""

from __future__ import annotations

from memos_gov.domain import events as e
from memos_gov.domain.evolve.cubes import governed
from memos_gov.domain.evolve.evolving import Changes, Known, Occurrence, evolve


@evolve.register
def _(event: e.RetentionTriggered, at: Occurrence, known: Known) -> Changes:
    return governed(event, at, known, triggered_at=event.occurred_at)
