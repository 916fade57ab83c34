"""A small log with a certificate in it, made of real records and a real signer."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from memos_gov.domain import codec
from memos_gov.transparency.certificate import build_certificate, statement_digest
from memos_gov.transparency.checkpoints import TreeHead, origin_of, sign_head
from memos_gov.transparency.leaf import leaf_entry
from memos_gov.transparency.merkle import leaf_hash
from memos_gov.transparency.notes import Signer
from memos_gov.transparency.tlog_proof import TlogProof
from tests.domain.given import NOW
from tests.records import KEY, SEALED, TENANT, a_record
from tests.transparency import naive

KIND = "memos-gov/erasure/v1"
STATEMENT = {"subject": "s_one", "cubes": 3, "remains": ["headers: ids only", "“näher”"]}
SIGNER = Signer(origin_of("0123abcd", TENANT), b"k" * 32)
SIZE, INDEX = 7, 4


def a_stating_record(statement: dict[str, Any] = STATEMENT, *, events: int = 1) -> codec.Record:
    """Return a record whose events end with one that has the statement's digest."""
    header = codec.canonical({"erasure": "x_one", "statement": statement_digest(statement)})
    completed = codec.Envelope(
        type="ErasureCompleted",
        version=1,
        stream=f"{TENANT}/erasure/x_one",
        header=msgspec.Raw(header),
        sealed=None,
        key_id=None,
    )
    other = replace(completed, type="Other", header=msgspec.Raw(b"{}"), sealed=SEALED, key_id="k_1")
    record = codec.decode(a_record())
    data = replace(record.data, events=(*[other] * (events - 1), completed))
    return codec.decode(codec.sign(replace(record, data=data), KEY))


def an_entry(record: codec.Record, **changes: Any) -> bytes:
    """Return the leaf entry of an accepted record."""
    header, sealed = codec.header_hash(record)
    fields: dict[str, Any] = {
        "index": INDEX,
        "command_id": bytes.fromhex(record.id.replace("-", "")),
        "code": "accepted",
        "time_ms": NOW * 1000,
        "header_hash": header,
        "sealed_hash": sealed,
        "detail_hash": naive.sha(codec.canonical({})),
        "salt": bytes.fromhex(record.data.salt),
    }
    return leaf_entry(**(fields | changes))


def a_proof(
    entry: bytes, *, signer: Signer = SIGNER, size: int = SIZE, index: int = INDEX
) -> TlogProof:
    """Return the proof that a log of other entries holds this one."""
    leaves = naive.made(size)
    leaves[index] = leaf_hash(entry)
    head = TreeHead(origin=signer.vkey.name, size=size, root=naive.mth(leaves))
    return TlogProof(
        index=index,
        hashes=tuple(naive.path(index, leaves)),
        checkpoint=sign_head(head, signer),
        extra=entry,
    )


def a_certificate(
    statement: dict[str, Any] = STATEMENT,
    *,
    signer: Signer = SIGNER,
    record: codec.Record | None = None,
    detail: dict[str, Any] | None = None,
) -> bytes:
    """Return the certificate of a statement."""
    record = record or a_stating_record(statement)
    return build_certificate(KIND, statement, record=record, detail=detail or {}, signer=signer)


def a_pair() -> tuple[bytes, TlogProof]:
    """Return a certificate and its proof."""
    record = a_stating_record(events=2)
    return a_certificate(record=record), a_proof(an_entry(record))
