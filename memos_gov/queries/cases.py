"""Review cases that wait for a second pair of eyes."""

from __future__ import annotations

import msgspec

from memos_gov.domain.facts import CaseFacts
from memos_gov.queries.asking import Evidence


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """An open case: what `actor` wanted to do to `target`, since when (seconds)."""

    case_id: str
    actor: str
    action: str
    target: str
    since: int


def cases(evidence: Evidence) -> tuple[Case, ...]:
    """
    Return the open cases of the tenant, oldest first.

    Raises:
        DeniedError: Refused; recorded.
    """
    evidence.ask("cases", "review_list")
    found = {
        case: facts
        for case, facts in evidence.facts("case").items()
        if isinstance(facts, CaseFacts) and facts.state == "open"
    }
    opaque = {x for facts in found.values() for x in (facts.actor, *facts.target.split("/"))}
    names = evidence.names(opaque)
    opened = [
        Case(
            case_id=case,
            actor=names[facts.actor],
            action=facts.action,
            target="/".join(names[part] for part in facts.target.split("/")),
            since=facts.opened_at,
        )
        for case, facts in found.items()
    ]
    return tuple(sorted(opened, key=lambda case: (case.since, case.case_id)))
