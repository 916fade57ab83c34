"""
What the eraser may put into the history without asking anybody further: pages and reports.

A page carries out policy's plan for some cubes of an erasure; a report says
what a custodian found, or that all have reported. Both are the eraser's
alone, and only of an erasure that is open and has come exactly so far. The
certifier asks here, so that a record that runs ahead is invalid for ever.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.facts import ErasureFacts, Facts, GovernanceFacts

Known = Mapping[str, Facts]
PAGE_CUBES_MAX = 200
DIGEST = re.compile(r"[0-9a-f]{64}")


REPORTS = (e.CustodianErased, e.ErasureCompleted, e.BackupsEnded)
_PLANNED = (e.ErasurePlanned, e.SubjectErased)


def may_end(events: Sequence[e.Event], tenant: str, actor: str, known: Known) -> bool:
    """
    Whether what events end may be ended by this actor; events that end nothing always may.

    Only workers end memories, and the eraser only by the next page of an open
    erasure. `known` are the facts before the events.
    """
    if any(isinstance(event, e.CubeErased) for event in events) and actor not in ids.WORKERS:
        return False
    if not any(isinstance(event, _PLANNED) for event in events):
        return True
    planned = events[0]
    facts = _facts(planned, tenant, known) if isinstance(planned, e.ErasurePlanned) else None
    return is_page(events, actor, facts)


def is_out_of_reach(read: e.CubesRead, cube: str, tenant: str, known: Known) -> bool:
    """Whether a read is of content that was erased, whatever policy says of it."""
    facts = known.get(ids.governance_stream(tenant, cube))
    erased = isinstance(facts, GovernanceFacts) and facts.state == "erased"
    return erased and read.action != "list"


def _facts(event: e.OnErasure, tenant: str, known: Known) -> ErasureFacts | None:
    facts = known.get(event.stream(tenant))
    return facts if isinstance(facts, ErasureFacts) else None


def is_page(events: Sequence[e.Event], actor: str, facts: ErasureFacts | None) -> bool:
    """Whether events are the next page of an open erasure, whole and by the eraser."""
    match events:
        case (e.ErasurePlanned() as planned, *rest):
            return (
                actor == ids.ERASER
                and facts is not None
                and _is_next(planned, facts)
                and _is_counted(planned, rest)
                and _is_ended(planned, facts, rest)
            )
    return False


def _is_next(planned: e.ErasurePlanned, facts: ErasureFacts) -> bool:
    return (
        facts.state in {"requested", "erasing"}
        and planned.page == len(facts.pages) + 1
        and planned.subject == facts.subject
    )


def _is_counted(planned: e.ErasurePlanned, rest: Sequence[e.Event]) -> bool:
    """
    Whether the page says how much it erases and keeps, each cube once and for a reason.

    What it means for cubes made of those is no part of the count (`lineage`),
    nor is what is due for those that are kept.
    """
    rest = [x for x in rest if not isinstance(x, e.CubeNarrowed | e.RetentionScheduled)]
    erased = [x.cube for x in rest if isinstance(x, e.CubeErased)]
    kept = [x.cube for x in rest if isinstance(x, e.CubeRestricted) and x.reasons]
    ended = [x for x in rest if isinstance(x, e.SubjectErased)]
    named = {getattr(event, "erasure", "") for event in rest} <= {planned.erasure}
    return (
        named
        and len(erased) + len(kept) + len(ended) == len(rest)
        and (planned.erased, planned.kept) == (len(erased), len(kept))
        and len({*erased, *kept}) == len(erased) + len(kept) <= PAGE_CUBES_MAX
    )


def _is_ended(planned: e.ErasurePlanned, facts: ErasureFacts, rest: Sequence[e.Event]) -> bool:
    """Whether the erasure's next state, and the end of a subject, follow from the counts."""
    erased, kept = facts.erased + planned.erased, facts.kept + planned.kept
    ended = [x.subject for x in rest if isinstance(x, e.SubjectErased)]
    if ended:
        return planned.state == "checking" and kept == 0 and ended == [facts.subject]
    if planned.state == "kept":
        return erased == 0
    return True


def is_report(event: e.OnErasure, tenant: str, actor: str, known: Known) -> bool:
    """Whether an event is a report that an open erasure waits for, by the eraser."""
    facts = _facts(event, tenant, known)
    if actor != ids.ERASER or facts is None:
        return False
    if isinstance(event, e.BackupsEnded):
        return _ends_backups(event, facts)
    return facts.state == "checking" and _is_awaited(event, facts)


def _ends_backups(event: e.BackupsEnded, facts: ErasureFacts) -> bool:
    return (
        facts.state == "completed"
        and facts.backups_ended_at is None
        and event.since >= facts.requested_at
        and DIGEST.fullmatch(event.statement) is not None
    )


def _is_awaited(event: e.OnErasure, facts: ErasureFacts) -> bool:
    match event:
        case e.CustodianErased():
            return (
                event.custodian in facts.unreported
                and event.remaining == 0
                and DIGEST.fullmatch(event.digest) is not None
            )
        case e.ErasureCompleted():
            return (
                not facts.unreported
                and (event.erased, event.kept) == (facts.erased, facts.kept)
                and DIGEST.fullmatch(event.statement) is not None
            )
    return False
