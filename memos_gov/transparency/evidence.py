"""
Files of evidence, checked offline: certificates, proofs and checkpoints.

The reader brings the verifier key; what a file says about its own key counts
for nothing. Bytes come in, so that no folder and no log is needed.
"""

from __future__ import annotations

from typing import Any

import msgspec

from memos_gov.errors import NotVerifiedError
from memos_gov.transparency import merkle
from memos_gov.transparency.certificate import verify_certificate
from memos_gov.transparency.checkpoints import TreeHead, open_checkpoint
from memos_gov.transparency.leaf import parse_entry
from memos_gov.transparency.notes import VerifierKey
from memos_gov.transparency.tlog_proof import FIRST_LINE, parse_tlog_proof, verify_tlog_proof

PLACE = "file"


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a file was found to prove, under a tree head that the key signed.

    `what` is `checkpoint`, `proof`, or the kind of a certificate. A proof and a
    certificate are about the record at `index`, decided with `outcome` at
    `time_ms`; `leaf` is its hash in hex. A certificate has its `statement` and
    the `event` that it stands under.
    """

    what: str
    origin: str
    size: int
    root: str
    index: int | None = None
    outcome: str | None = None
    time_ms: int | None = None
    leaf: str | None = None
    event: str | None = None
    statement: dict[str, Any] | None = None


def verify_evidence(raw: bytes, key: VerifierKey, *, proof: bytes | None = None) -> Verified:
    """
    Check one file of evidence.

    Args:
        raw: The file; it says itself what it is.
        proof: The `.tlog-proof` beside a certificate.

    Raises:
        NotVerifiedError: It does not hold, or is no evidence of ours.
    """
    if raw.startswith(b"{"):
        if proof is None:
            raise NotVerifiedError("the certificate lacks its .tlog-proof", place=PLACE)
        return _certificate(raw, _text(proof), key)
    text = _text(raw)
    if text.startswith(f"{FIRST_LINE}\n"):
        return _proof(text, key)
    return _verified("checkpoint", open_checkpoint(text, key))


def _certificate(raw: bytes, text: str, key: VerifierKey) -> Verified:
    proof = parse_tlog_proof(text)
    found = verify_certificate(raw, proof, key)
    return _verified(
        found.kind,
        found.head,
        index=found.index,
        outcome="accepted",
        time_ms=found.time_ms,
        leaf=merkle.leaf_hash(proof.extra).hex(),
        event=found.event,
        statement=found.statement,
    )


def _proof(text: str, key: VerifierKey) -> Verified:
    proof = parse_tlog_proof(text)
    entry = parse_entry(proof.extra)
    if entry.index != proof.index:
        raise NotVerifiedError("the leaf entry has another index than the proof", place=PLACE)
    return _verified(
        "proof",
        verify_tlog_proof(proof, proof.extra, key),
        index=entry.index,
        outcome=entry.code,
        time_ms=entry.time_ms,
        leaf=merkle.leaf_hash(proof.extra).hex(),
    )


def _verified(what: str, head: TreeHead, **found: Any) -> Verified:
    return Verified(what=what, origin=head.origin, size=head.size, root=head.root.hex(), **found)


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise NotVerifiedError("the file is not UTF-8", place=PLACE) from None
