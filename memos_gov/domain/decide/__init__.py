"""
A command, what is known, and a verdict into events: pure.

`decide` never asks policy and never reads a clock. Without an allowing verdict
the only event is a refusal (and a review case when policy asked for one);
with one, the domain's own rules still refuse what cannot be, such as thawing
what is not frozen. A refusal is an event, with sorted reason codes.
"""

from __future__ import annotations

from memos_gov.domain import commands as c
from memos_gov.domain import events as e
from memos_gov.domain.decide import (  # noqa: F401 (each registers its decisions)
    artefacts,
    base_models,
    cubes,
    derivations,
    erasures,
    holds,
    oversight,
    people,
    retention,
    words,
)
from memos_gov.domain.decide.deciding import decided
from memos_gov.domain.decide.reading import decide_read
from memos_gov.domain.decide.refusing import act_target, refuse, refused_by_policy
from memos_gov.domain.decide.situation import (
    DOMAIN_REASONS,
    REVISION_MOVED,
    Admitted,
    Ancestry,
    Drafts,
    Situation,
)
from memos_gov.domain.lineage import Barred, narrowed
from memos_gov.domain.verdicts import Verdict

__all__ = [
    "DOMAIN_REASONS",
    "REVISION_MOVED",
    "Admitted",
    "Ancestry",
    "Drafts",
    "Situation",
    "act_target",
    "decide",
    "decide_read",
    "refuse",
]


def decide(command: c.Command, situation: Situation, verdict: Verdict) -> Drafts:
    """
    Return the events of a command; at least one.

    Whatever the command, what it does to a cube reaches what was made of it.
    """
    if not verdict.allows:
        return refused_by_policy(command, situation, verdict)
    if situation.barred:
        return refuse(command, *situation.barred)
    drafts = decided(command, situation)
    if any(draft.event.REFUSAL for draft in drafts):
        return drafts
    reached = _reached(drafts, situation)
    if isinstance(reached, Barred):
        return refuse(command, *reached.reasons)
    drafts = (*drafts, *(e.Draft(event) for event in reached))
    if situation.approval is None:
        return drafts
    return (*drafts, e.Draft(e.ReviewUsed(case=situation.approval)))


def _reached(drafts: Drafts, at: Situation) -> tuple[e.Event, ...] | Barred:
    return narrowed(
        (draft.event for draft in drafts),
        tenant=at.tenant,
        known=at.known,
        descendants=at.descendants,
        labels=at.labels,
        depth=at.depth,
        now=at.now,
        command_id=at.command_id,
    )
