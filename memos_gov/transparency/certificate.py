"""
Certificates: a signed statement that stands in the log, checked with two files and a key.

A certificate is canonical JSON on one line:

    certificate  its kind, such as `memos-gov/erasure/v1`
    statement    what is certified, in words and numbers
    record       the record that says so, each `sealed` replaced by its SHA-256 in hex
    detail       the detail of its outcome
    origin       whose log it is
    signature    one signature line of a note (C2SP signed-note) over the text of
                 `signed_text`: kind, origin, SHA-256 of the canonical rest

Beside it lies a `.tlog-proof` whose `extra` is the record's leaf entry. The
chain: statement -> its SHA-256 in a header of the record -> header and sealed
hash of the entry -> leaf -> inclusion -> root -> checkpoint -> the key that
the reader brings. Nothing in the files is trusted, not even which key it is.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from memos_gov.domain import codec
from memos_gov.errors import NotVerifiedError
from memos_gov.transparency.checkpoints import TreeHead
from memos_gov.transparency.leaf import LeafEntry, parse_entry
from memos_gov.transparency.notes import Signer, VerifierKey, open_note
from memos_gov.transparency.tlog_proof import TlogProof, verify_tlog_proof

PLACE = "certificate"
KIND = re.compile(r"memos-gov/[a-z-]{1,40}/v1")
STATEMENT = "statement"
_SIGNED = frozenset({"certificate", STATEMENT, "record", "detail", "origin"})
_ACCEPTED = "accepted"
_NOTHING = hashlib.sha256(b"").digest()

Document = dict[str, Any]


class Certified(msgspec.Struct, frozen=True, kw_only=True):
    """What a certificate was found to say: `statement`, under an event at a place in the log."""

    kind: str
    statement: Document
    event: str
    index: int
    time_ms: int
    head: TreeHead


def statement_digest(statement: Mapping[str, Any]) -> str:
    """Return SHA-256 of the canonical JSON of a statement, in hex, as an event's header has it."""
    return hashlib.sha256(codec.canonical(statement)).hexdigest()


def build_certificate(
    kind: str,
    statement: Mapping[str, Any],
    *,
    record: codec.Record,
    detail: Mapping[str, Any],
    signer: Signer,
) -> bytes:
    """
    Return the certificate of a statement whose digest stands in a header of `record`.

    Args:
        kind: Of the form of `KIND`.
        detail: The detail of the record's outcome.
        signer: Of the log that the record stands in.
    """
    assert KIND.fullmatch(kind)
    bare, _ = codec.stripped(record)
    document: Document = {
        "certificate": kind,
        STATEMENT: statement,
        "record": bare,
        "detail": detail,
        "origin": signer.vkey.name,
    }
    note = signer.sign(signed_text(kind, signer.vkey.name, codec.canonical(document)))
    signature = note.rpartition("\n\n")[2].removesuffix("\n")
    return codec.canonical({**document, "signature": signature}) + b"\n"


def signed_text(kind: str, origin: str, rest: bytes) -> str:
    """Return what is signed: kind, origin and the SHA-256 of the rest in hex, a line each."""
    return f"{kind}\n{origin}\n{hashlib.sha256(rest).hexdigest()}\n"


def verify_certificate(certificate: bytes, proof: TlogProof, key: VerifierKey) -> Certified:
    """
    Check a certificate and its proof from the statement to the signature of the checkpoint.

    Raises:
        NotVerifiedError: A link does not hold; the message says which.
    """
    document = _opened(certificate, key)
    entry = parse_entry(proof.extra)
    record = document["record"]
    event = _event_of(document[STATEMENT], record)
    _check_record(record, entry, key.name)
    _check_outcome(document["detail"], entry)
    if entry.index != proof.index:
        raise _failed("its leaf entry has another index than the proof")
    return Certified(
        kind=document["certificate"],
        statement=document[STATEMENT],
        event=event,
        index=entry.index,
        time_ms=entry.time_ms,
        head=verify_tlog_proof(proof, proof.extra, key),
    )


def _opened(certificate: bytes, key: VerifierKey) -> Document:
    """Return the document of a certificate that has its one form and is signed by `key`."""
    try:
        document = msgspec.json.decode(certificate, type=Document)
        signature = document.pop("signature")
        kind, origin = document["certificate"], document["origin"]
        rest = codec.canonical(document)
        whole = codec.canonical({**document, "signature": signature}) + b"\n"
    except (msgspec.MsgspecError, KeyError, ValueError, RecursionError):
        raise _failed("it is no certificate") from None
    if whole != certificate or document.keys() != _SIGNED:
        raise _failed("it has not the one form of a certificate")
    if not isinstance(kind, str) or not KIND.fullmatch(kind):
        raise _failed("its kind is unknown")
    if origin != key.name:
        raise _failed("it is that of another log than the key's")
    if not isinstance(signature, str) or "\n" in signature:
        raise _failed("its signature is no signature line")
    open_note(f"{signed_text(kind, key.name, rest)}\n{signature}\n", [key])
    return document


def _event_of(statement: Any, record: Any) -> str:
    """Return the type of the one event of the record whose header has the statement's digest."""
    try:
        digest = statement_digest(statement)
        events = {env["header"][STATEMENT]: env["type"] for env in _stating(record)}
    except (KeyError, TypeError, AttributeError):
        raise _failed("its record has another form") from None
    if digest not in events or len(events) != 1:
        raise _failed("the record is not about this statement")
    return str(events[digest])


def _stating(record: Any) -> list[Any]:
    return [env for env in record["data"]["events"] if STATEMENT in env["header"]]


def _check_record(record: Any, entry: LeafEntry, origin: str) -> None:
    """The record is the one that the entry was made of, and stands in the log of `origin`."""
    if hashlib.sha256(codec.canonical(record)).digest() != entry.header_hash:
        raise _failed("the record is not the one of the leaf entry")
    try:
        sealed = [env["sealed"] for env in record["data"]["events"]]
        digests = [_NOTHING if digest is None else bytes.fromhex(digest) for digest in sealed]
        tenant, command_id = record["data"]["tenant"], record["id"].replace("-", "")
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _failed("its record has another form") from None
    if hashlib.sha256(b"".join(digests)).digest() != entry.sealed_hash:
        raise _failed("the sealed payloads are not those of the leaf entry")
    if command_id != entry.command_id.hex() or tenant != origin.rpartition("/")[2]:
        raise _failed("the record is that of another command or log")


def _check_outcome(detail: Any, entry: LeafEntry) -> None:
    if entry.code != _ACCEPTED:
        raise _failed(f"the log did not accept the record ({entry.code})")
    if hashlib.sha256(codec.canonical(detail)).digest() != entry.detail_hash:
        raise _failed("the detail of the outcome is another one")


def _failed(message: str) -> NotVerifiedError:
    return NotVerifiedError(f"the {PLACE} does not verify: {message}", place=PLACE)
