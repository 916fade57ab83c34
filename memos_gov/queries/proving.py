"""Proofs as questions of evidence: asked, recorded, and then made."""

from __future__ import annotations

import msgspec

from memos_gov.domain.commands import make
from memos_gov.notary import Notary
from memos_gov.proving import Proof, Prover
from memos_gov.queries.arguments import ShowArguments
from memos_gov.queries.asking import Evidence
from memos_gov.transparency.checkpoints import head_in


class SignedHead(msgspec.Struct, frozen=True, kw_only=True):
    """A signed checkpoint: `note` as a verifier reads it, and what it states; `root` in hex."""

    origin: str
    size: int
    root: str
    note: str


def log_checkpoint(evidence: Evidence, notary: Notary) -> SignedHead:
    """
    Sign the head of the tenant's log as it stands, the question included.

    Raises:
        DeniedError: Refused; recorded.
        CorruptionError: The log contradicts a head that was signed.
    """
    evidence.ask("log-checkpoint", "log_read")
    note = notary.checkpoint(evidence.tenant).note
    head = head_in(note)
    return SignedHead(origin=head.origin, size=head.size, root=head.root.hex(), note=note)


def log_prove(evidence: Evidence, prover: Prover, index: int) -> Proof:
    """
    Prove that a record stands in the tenant's log.

    Raises:
        InvalidCommandError: `index` can be none; nothing was written.
        DeniedError: Refused; recorded.
        NotFoundError: The tenant's history has no such index.
    """
    index = make(ShowArguments, index=index).index
    evidence.ask("log-prove", "log_read", str(index))
    return prover.prove(evidence.tenant, index)
