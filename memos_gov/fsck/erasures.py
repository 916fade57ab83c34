"""
Certificates of erasures against the log: each statement is derived again.

A certificate says what its statement says, and the record that completed the
erasure holds the statement's digest. Here the statement is made of the log once
more; another digest means that the log, or what was certified, was changed.
That what was erased stays so is looked at by `keys.py` and `index.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

from memos_gov.domain.facts import ErasureFacts
from memos_gov.erasure.statement import statement
from memos_gov.erasure.telling import told
from memos_gov.fsck.report import KEEP, Findings
from memos_gov.fsck.streams import pages_of
from memos_gov.ports import EventLog, Tables
from memos_gov.transparency.certificate import statement_digest


def check_erasures(log: EventLog, tables: Tables, findings: Findings) -> None:
    """Derive the statement of each completed erasure again."""
    for tenant, erasure, facts in _completed(tables):
        place = f"erasure {erasure} of {tenant}"
        with findings.guarded(place, "certificate", KEEP):
            assert facts.completed_at is not None
            decided = told(log, tables, tenant, facts)
            said = statement(tenant, erasure, facts, decided, completed_at=facts.completed_at)
            if statement_digest(said) != facts.statement:
                message = "the log does not give the statement that was certified"
                findings.add(place, "certificate", message, KEEP, tenant=tenant)
            findings.counts["certificates"] += 1


def _completed(tables: Tables) -> Iterator[tuple[str, str, ErasureFacts]]:
    """Yield tenant, id and facts of each erasure that was completed."""
    for page in pages_of(tables):
        parts = {stream: stream.split("/") for stream in page}
        named = [stream for stream, part in parts.items() if part[1:2] == ["erasure"]]
        with tables.snapshot() as snapshot:
            found = snapshot.facts(named)
        for stream, (_, facts) in sorted(found.items()):
            if isinstance(facts, ErasureFacts) and facts.completed_at is not None:
                tenant, _, erasure = parts[stream]
                yield tenant, erasure, facts
