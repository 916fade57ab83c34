"""
Audits `erasure` and `requests`: what became of each request to erase, and which are open.

`erasure` is the evidence: what each custodian read back, what was kept under
which rule, and what remains and why. `requests` shows what is not complete by
age, against the deadline in the policy's data.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from memos_gov.domain import ids
from memos_gov.domain.facts import ErasureFacts
from memos_gov.erasure.report import Erasure
from memos_gov.erasure.statement import remains
from memos_gov.erasure.telling import Told, report_of, told
from memos_gov.errors import InvalidCommandError, NotFoundError
from memos_gov.queries.arguments import AuditArguments
from memos_gov.queries.asking import Evidence

ERASURE_COLUMNS = (
    "erasure",
    "state",
    "what",
    "name",
    "form",
    "checked",
    "remaining",
    "digest",
    "place",
    "started_at",
    "ended_at",
    "index",
    "why",
    "not_findable_since",
    "physically_gone_by",
)
REQUESTS_COLUMNS = (
    "erasure",
    "state",
    "subject",
    "cube",
    "requested_by",
    "requested_at",
    "age_days",
    "deadline",
    "overdue",
    "erased",
    "kept",
    "why",
)
FORM = "plaintext"
DEADLINE_S = 30 * 86_400
DAY_S = 86_400


def erasure(evidence: Evidence, erasure_id: str) -> Erasure:
    """
    Return an erasure as it stands; the question is recorded.

    Raises:
        DeniedError: Refused; recorded.
        NotFoundError: The tenant has no such erasure.
    """
    if not ids.is_opaque(erasure_id):
        raise NotFoundError
    evidence.ask("erasure", target=erasure_id)
    return report_of(evidence.governor, evidence.tenant, erasure_id)


def evidence_of(evidence: Evidence, about: AuditArguments) -> tuple[int, list[tuple[Any, ...]]]:
    """
    Return what each custodian, each kept cube and each remainder says, an erasure after the other.

    Of all erasures, oldest first, or of those of a person or a cube, or of one.

    Raises:
        InvalidCommandError: More than one of them is named; nothing was written.
    """
    named = [x for x in (about.erasure, about.subject, about.cube) if x is not None]
    if len(named) > 1:
        msg = "erasure: name an erasure, a subject or a cube, one of them"
        raise InvalidCommandError(msg, field="erasure")
    person = None if about.subject is None else _person(evidence, about.subject)
    wanted = person or about.cube or about.erasure
    index = evidence.ask("erasure", target=wanted)
    rows = [
        row
        for name, facts in _erasures(evidence)
        if wanted in {None, name, facts.subject, facts.cube}
        for row in _rows(
            name,
            facts,
            told(evidence.governor.log, evidence.governor.tables, evidence.tenant, facts),
        )
    ]
    return index, rows


def _person(evidence: Evidence, name: str) -> str:
    """Return the id of a person; an id is taken as it is, since an erased one has no name."""
    found = evidence.opaque("subject", name)
    return name if ids.is_opaque(name) and name.startswith("s_") else found


def _erasures(evidence: Evidence) -> list[tuple[str, ErasureFacts]]:
    """Return every erasure of the tenant, oldest first."""
    found = evidence.facts("erasure").items()
    kinds = [(name, facts) for name, facts in found if isinstance(facts, ErasureFacts)]
    return sorted(kinds, key=lambda x: (x[1].requested_index, x[0]))


def _rows(erasure_id: str, facts: ErasureFacts, said: Told) -> Iterator[tuple[Any, ...]]:
    def row(what: str, name: str, **values: Any) -> tuple[Any, ...]:
        whole = {"erasure": erasure_id, "state": facts.state, "what": what, "name": name}
        return tuple((whole | values).get(column) for column in ERASURE_COLUMNS)

    for receipt in facts.receipts:
        values = msgspec.structs.asdict(receipt)
        yield row("custodian", values.pop("custodian"), form=FORM, **values)
    for kept in said.kept:
        yield row("kept", kept.cube, form=FORM, why=[*kept.reasons, *kept.rules])
    for left in remains(facts, said) if facts.receipts else ():
        yield row("remains", left.pop("what") or "", **left)


def requests(evidence: Evidence, about: AuditArguments) -> tuple[int, list[tuple[Any, ...]]]:
    """
    Return the requests that are not complete, oldest first.

    Raises:
        InvalidCommandError: Somebody or something is named; nothing was written.
    """
    if about.subject is not None or about.cube is not None:
        msg = "subject: this question is about all requests"
        raise InvalidCommandError(msg, field="subject")
    index = evidence.ask("requests")
    found = [(name, x) for name, x in _erasures(evidence) if x.state != "completed"]
    opaque = {x for _, facts in found for x in (facts.subject, facts.requested_by) if x}
    names, deadline_s, now = evidence.names(opaque), _deadline_s(evidence), evidence.now
    rows = []
    for name, facts in found:
        due = facts.requested_at + deadline_s
        reasons = {x for kept in _kept(evidence, facts) for x in kept}
        rows.append(
            (
                name,
                facts.state,
                facts.subject and names[facts.subject],
                facts.cube,
                names[facts.requested_by],
                facts.requested_at,
                (now - facts.requested_at) // DAY_S,
                due,
                now > due,
                facts.erased,
                facts.kept,
                sorted(reasons),
            )
        )
    return index, rows


def _kept(evidence: Evidence, facts: ErasureFacts) -> Iterator[tuple[str, ...]]:
    """Yield why each cube had to be kept, by the newest page that spoke of it."""
    if facts.kept:
        yield from (
            kept.reasons
            for kept in told(
                evidence.governor.log, evidence.governor.tables, evidence.tenant, facts
            ).kept
        )


def _deadline_s(evidence: Evidence) -> int:
    """Return the deadline in the data of the tenant's active policy."""
    with evidence.governor.tables.snapshot(tenant=evidence.tenant) as snapshot:
        active = evidence.governor.attempt(snapshot, evidence.caller).policy.active
    data = msgspec.json.decode(evidence.bundles.get(active).data)["memos_gov"]
    return int(data.get("erasure", {}).get("deadline_s", DEADLINE_S))
