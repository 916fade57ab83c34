"""Events of retention: what is due for a cube, and the event that its class counts from."""

from __future__ import annotations

from memos_gov.domain.events.event import Event, OnGovernance
from memos_gov.domain.verdicts import Disposal, Integer, RetentionVerdict, Step


class RetentionScheduled(Event, frozen=True, kw_only=True):
    """
    What policy said is due for a cube next, and how that follows; it versions nothing.

    It stands in the record that changed the answer, so that what is due can be
    told from the log alone.
    """

    cube: str
    retention_class: str
    action: Disposal
    due: Integer | None
    rules: tuple[str, ...]
    steps: tuple[Step, ...]


def scheduled(cube: str, retention_class: str, verdict: RetentionVerdict) -> RetentionScheduled:
    """Return policy's answer about a cube as an event."""
    return RetentionScheduled(
        cube=cube,
        retention_class=retention_class,
        action=verdict.action,
        due=verdict.due,
        rules=verdict.rules,
        steps=verdict.steps,
    )


class ScheduleFollowed(Event, frozen=True, kw_only=True):
    """A run of the schedule began: what is due until then is done."""

    until: Integer


class RetentionTriggered(OnGovernance, frozen=True, kw_only=True):
    """The event happened from which the cube's class counts, such as a contract that ended."""

    occurred_at: Integer
