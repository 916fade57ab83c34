"""
Certificates of erasures against the log: each statement is derived again.

A certificate says what its statement says, and the record that completed the
erasure holds the statement's digest. Here the statement is made of the log once
more; another digest means that the log, or what was certified, was changed.
Certificates that lie in the folder are verified as a stranger would. That what
was erased stays so is looked at by `keys.py` and `index.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from memos_gov.domain import ids
from memos_gov.domain.facts import ErasureFacts, LogFacts
from memos_gov.erasure.statement import statement
from memos_gov.erasure.telling import told
from memos_gov.errors import NotVerifiedError
from memos_gov.fsck.report import CERTIFY, KEEP, Findings
from memos_gov.fsck.streams import pages_of
from memos_gov.ports import EventLog, Tables
from memos_gov.transparency.certificate import statement_digest
from memos_gov.transparency.checkpoints import origin_of
from memos_gov.transparency.evidence import verify_evidence
from memos_gov.transparency.notes import VerifierKey


class CertificateFile(NamedTuple):
    """A certificate that lies in a folder, its `.tlog-proof`, and where that is."""

    place: str
    body: bytes
    proof: bytes


class _Statement(msgspec.Struct):
    tenant: str


class _Certificate(msgspec.Struct):
    statement: _Statement


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


def check_certificates(
    files: Iterable[CertificateFile], tables: Tables, public: str, findings: Findings
) -> None:
    """
    Verify every certificate that lies in the folder, under the key of the folder.

    Args:
        public: The public half of the key that signs, in hex.
    """
    with tables.snapshot() as snapshot:
        _, facts = snapshot.facts([ids.log_stream()]).get(ids.log_stream(), (0, None))
    assert isinstance(facts, LogFacts)
    for file in files:
        with findings.guarded(file.place, "certificate_file", CERTIFY):
            tenant = msgspec.json.decode(file.body, type=_Certificate).statement.tenant
            key = VerifierKey(origin_of(facts.instance, tenant), bytes.fromhex(public))
            try:
                verify_evidence(file.body, key, proof=file.proof)
            except NotVerifiedError as error:
                findings.add(file.place, "certificate_file", str(error), CERTIFY, tenant=tenant)
            findings.counts["certificate_files"] += 1
