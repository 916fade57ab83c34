"""
The certificate of a completed erasure: its statement, signed, and proven to stand in the log.

The statement is made again of the log and must be the one whose digest the
completing record holds, so what is certified is what was recorded then.
"""

from __future__ import annotations

from memos_gov.domain.facts import ErasureFacts
from memos_gov.erasure.eraser import Eraser
from memos_gov.erasure.statement import statement
from memos_gov.erasure.telling import told
from memos_gov.errors import ConflictError, CorruptionError
from memos_gov.governor import Governor
from memos_gov.proving import Certificate, Prover
from memos_gov.transparency.certificate import statement_digest

KIND = "memos-gov/erasure/v1"
_REMEDIES = {
    "kept": "Ask again with `memos-gov forget` once what keeps it is over.",
    "checking": "It waits until other processes have let go; opening the folder goes on with it.",
}
_GOES_ON = "Opening the folder goes on with it; `memos-gov audit requests` shows it."


def certificate(
    governor: Governor, prover: Prover, eraser: Eraser, tenant: str, erasure: str
) -> Certificate:
    """
    Return the certificate of an erasure, as it stands now.

    Once the vault was rotated it also says since when no backup opens what was
    erased; that is recorded the first time it is asked for.

    Raises:
        NotFoundError: The tenant has no such erasure.
        ConflictError: It is not complete yet.
        CorruptionError: The log does not give the statement that was recorded.
    """
    facts = eraser.end_backups(tenant, erasure)
    at = _completed_at(facts)
    said = statement(
        tenant, erasure, facts, told(governor.log, governor.tables, tenant, facts), completed_at=at
    )
    if statement_digest(said) != facts.statement:
        msg = "the log no longer gives the statement of this erasure"
        raise CorruptionError(msg, place=f"{tenant} {erasure}")
    return prover.certificate(tenant, facts.index, kind=KIND, statement=said)


def _completed_at(facts: ErasureFacts) -> int:
    if facts.completed_at is None:
        msg = f"the erasure is not complete; it is {facts.state}"
        raise ConflictError(msg, remedy=_REMEDIES.get(facts.state, _GOES_ON))
    return facts.completed_at
