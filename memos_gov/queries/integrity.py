"""
Audit `integrity`: the log verified from its beginning, for the tenant that asks.

Everything is checked, and only what concerns the tenant or the whole log is
shown. This question writes no event when it is allowed, so that it can be
asked of a folder at any time without changing it; a refusal is recorded.
"""

from __future__ import annotations

from typing import Any

from memos_gov.domain import questions
from memos_gov.errors import InvalidCommandError
from memos_gov.follow import read_checkpoint
from memos_gov.fsck.records import check_log
from memos_gov.fsck.report import Findings
from memos_gov.queries.arguments import AuditArguments
from memos_gov.queries.asking import Evidence

COLUMNS = ("check", "place", "result")
CHECKS = {
    "before": "no record stands before the first",
    "gap": "every offset holds a record",
    "invalid": "every record is canonical",
    "forged": "every record was made by an enrolled proposer",
    "tenant": "every record stands under its own tenant",
    "outcome": "every record has an outcome",
    "index": "every index is given once, without gaps",
    "leaf": "every leaf is that of its record",
    "root": "the root is that of the leaves",
}
GOOD = "ok"


def integrity(evidence: Evidence, about: AuditArguments) -> tuple[int, list[tuple[Any, ...]]]:
    """
    Return one row a check, and one a finding; the last row has the recomputed root.

    Raises:
        InvalidCommandError: A subject, a cube or a moment is named.
        DeniedError: Refused; recorded.
    """
    if about.subject is not None or about.cube is not None:
        msg = "subject: this question is about the whole log"
        raise InvalidCommandError(msg, field="subject")
    about.takes()
    if evidence.then is not None:
        msg = "as_of: the log is verified as it stands; it is the same at every moment"
        raise InvalidCommandError(msg, field="as_of")
    index, findings = _asked(evidence), Findings()
    governor = evidence.governor
    with governor.tables.connection() as connection:
        certified = [
            read_checkpoint(connection, "certifier", partition).next_offset
            for partition in range(governor.log.partitions)
        ]
    check_log(governor.log, certified, governor.tables, governor.keys, findings)
    report = findings.report()
    mine = [x for x in report.findings if x.tenant in {"", evidence.tenant}]
    bad = {finding.kind for finding in mine}
    rows: list[tuple[Any, ...]] = [
        (text, "", GOOD) for kind, text in CHECKS.items() if kind not in bad
    ]
    rows += [(CHECKS.get(x.kind, x.kind), x.place, x.message) for x in mine]
    return index, [*rows, ("recomputed root", evidence.tenant, report.roots[evidence.tenant])]


def _asked(evidence: Evidence) -> int:
    """Ask policy without a record; where it does not allow, ask again with one, which refuses."""
    with evidence.governor.tables.snapshot(tenant=evidence.tenant) as snapshot:
        attempt = evidence.governor.attempt(snapshot, evidence.caller)
        target = questions.target("audit", name="integrity")
        allowed = attempt.judge.action(attempt.asked("audit"), target).allows
    return attempt.index if allowed else evidence.ask("integrity")
