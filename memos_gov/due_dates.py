"""
Due dates: what policy says is due for a cube stands in the record that changes the answer.

So the view of what is due needs no policy at replay, and nothing has to be
asked again where nothing changed. Policy is asked only about cubes whose
facts of retention a record changes, and once for equal facts in a second.
What changes an answer without changing the cube (time that passes, a hold on a
person, another policy, a last read) is asked again by `schedule.py`, before
anything is done.
"""

from __future__ import annotations

from collections.abc import Mapping

from memos_gov.attempt import Attempt
from memos_gov.domain import events as e
from memos_gov.domain.decide import Drafts
from memos_gov.domain.evolve import Occurrence, evolve, touched_cubes
from memos_gov.domain.facts import Facts
from memos_gov.domain.questions import Question, cube_in, retained
from memos_gov.domain.reliance import cube_streams, required_streams

CUBES_MAX = 250


def dated(attempt: Attempt, drafts: Drafts, now: int) -> Drafts:
    """
    Return drafts, followed by what is due for each cube whose retention they change.

    Of one record at most CUBES_MAX cubes; the schedule asks about the others.

    Args:
        now: The record's time, in seconds.
    """
    events = [draft.event for draft in drafts]
    cubes = sorted(touched_cubes(events, attempt.tenant))[:CUBES_MAX]
    if not cubes or any(event.REFUSAL for event in events):
        return drafts
    for event in events:
        # (Not what an event touches: that something is made of a cube changes no due date.)
        attempt.load(required_streams(event, attempt.tenant, attempt.known))
    attempt.load(s for cube in cubes for s in cube_streams(attempt.tenant, cube, attempt.known))
    after = _after(attempt, events, now)
    found = (_scheduled(attempt, cube, after, now) for cube in cubes)
    return (*drafts, *(e.Draft(event) for event in found if event is not None))


def _after(attempt: Attempt, events: list[e.Event], now: int) -> Mapping[str, Facts]:
    """Return the facts as they will stand with these events."""
    at = Occurrence(
        tenant=attempt.tenant, index=attempt.index + 1, now=now, actor=attempt.caller.principal
    )
    known = dict(attempt.known)
    for event in events:
        known |= evolve(event, at, known)
    return known


def _scheduled(
    attempt: Attempt, cube: str, after: Mapping[str, Facts], now: int
) -> e.RetentionScheduled | None:
    """Return what is due for a cube; None where nothing about that changed, or it is erased."""
    asked = _question(after, attempt.tenant, cube, now)
    before = _question(attempt.known, attempt.tenant, cube, now)
    if asked is None or asked == before or asked["state"] == "erased":
        return None
    verdict = attempt.judge.retention_of(attempt.tenant, now, asked)
    return e.scheduled(cube, asked["retention_class"], verdict)


def _question(facts: Mapping[str, Facts], tenant: str, cube: str, now: int) -> Question | None:
    found = cube_in(facts, tenant, cube)
    return None if found is None else retained(found, now)
