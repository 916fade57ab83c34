"""Certificates: the whole chain holds, and no link of it can be exchanged."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from memos_gov.domain import codec
from memos_gov.errors import NotVerifiedError
from memos_gov.transparency.certificate import signed_text, verify_certificate
from memos_gov.transparency.notes import Signer
from memos_gov.transparency.tlog_proof import parse_tlog_proof
from tests.records import SEALED, TENANT
from tests.transparency.certificates import (
    INDEX,
    KIND,
    SIGNER,
    SIZE,
    STATEMENT,
    a_certificate,
    a_pair,
    a_proof,
    a_stating_record,
    an_entry,
)

Document = dict[str, Any]


def changed(certificate: bytes, change: Callable[[Document], None], *, sign: bool = True) -> bytes:
    """Return a certificate with a change, signed again by its own signer."""
    document = json.loads(certificate)
    signature = document.pop("signature")
    change(document)
    if sign:
        text = signed_text(document["certificate"], document["origin"], codec.canonical(document))
        signature = SIGNER.sign(text).rpartition("\n\n")[2].removesuffix("\n")
    return codec.canonical({**document, "signature": signature}) + b"\n"


def test_certificate_and_proof_verify_from_statement_to_signature() -> None:
    """What is certified, and where it stands."""
    certificate, proof = a_pair()

    found = verify_certificate(certificate, proof, SIGNER.vkey)

    assert (KIND, STATEMENT, "ErasureCompleted") == (found.kind, found.statement, found.event)
    assert (INDEX, SIZE, SIGNER.vkey.name) == (found.index, found.head.size, found.head.origin)


def test_certificate_shows_no_ciphertext() -> None:
    """What was sealed stands there as a digest only, so that it may be shown to anybody."""
    certificate, _ = a_pair()

    assert SEALED not in certificate.decode()
    assert TENANT in certificate.decode()


def test_certificate_with_any_bit_changed_is_refused() -> None:
    """Every bit of the file."""
    certificate, proof = a_pair()
    verified = []
    for bit in range(len(certificate) * 8):
        raw = bytearray(certificate)
        raw[bit // 8] ^= 1 << bit % 8
        try:
            verified.append(verify_certificate(bytes(raw), proof, SIGNER.vkey))
        except NotVerifiedError:
            continue

    assert [] == verified


def test_proof_of_a_certificate_with_any_bit_changed_is_refused() -> None:
    """Every bit of the other file."""
    certificate, proof = a_pair()
    text, verified = proof.text.encode(), []
    for bit in range(len(text) * 8):
        raw = bytearray(text)
        raw[bit // 8] ^= 1 << bit % 8
        try:
            other = parse_tlog_proof(raw.decode())
            verified.append(verify_certificate(certificate, other, SIGNER.vkey))
        except (NotVerifiedError, UnicodeDecodeError):
            continue

    assert [] == verified


def test_certificate_under_another_key_is_refused() -> None:
    """A key of the same name, and the key of another tenant."""
    certificate, proof = a_pair()
    for name in (SIGNER.vkey.name, "memos-gov/0123abcd/other"):
        with pytest.raises(NotVerifiedError):
            verify_certificate(certificate, proof, Signer(name, b"x" * 32).vkey)


def test_certificate_with_the_proof_of_another_log_is_refused() -> None:
    """The same entry in the log of another tenant, signed by that log."""
    record = a_stating_record()
    other = Signer("memos-gov/0123abcd/other", b"k" * 32)

    with pytest.raises(NotVerifiedError):
        verify_certificate(
            a_certificate(record=record), a_proof(an_entry(record), signer=other), SIGNER.vkey
        )


def test_certificate_of_a_record_of_another_tenant_is_refused() -> None:
    """A log vouches for its own tenant only."""
    other = Signer("memos-gov/0123abcd/other", b"k" * 32)
    record = a_stating_record()

    with pytest.raises(NotVerifiedError, match="another command or log"):
        verify_certificate(
            a_certificate(record=record, signer=other),
            a_proof(an_entry(record), signer=other),
            other.vkey,
        )


def test_certificate_with_the_checkpoint_of_a_smaller_tree_is_refused() -> None:
    """A head from before the record says nothing about it."""
    certificate, proof = a_pair()
    older = a_proof(an_entry(a_stating_record()), size=INDEX, index=0).checkpoint

    with pytest.raises(NotVerifiedError, match="index"):
        verify_certificate(certificate, replace(proof, checkpoint=older), SIGNER.vkey)


def test_certificate_with_an_edited_statement_is_refused_whoever_signs_it() -> None:
    """The signature alone does not make it stand in the log."""
    certificate, proof = a_pair()
    edited = changed(certificate, lambda d: d["statement"].update(cubes=4))

    with pytest.raises(NotVerifiedError, match="not about this statement"):
        verify_certificate(edited, proof, SIGNER.vkey)


def test_certificate_with_an_edited_record_is_refused_whoever_signs_it() -> None:
    """Nor can the record be fitted to another statement."""
    statement = {"subject": "s_two"}
    _, proof = a_pair()

    with pytest.raises(NotVerifiedError, match="not the one of the leaf entry"):
        verify_certificate(a_certificate(statement), proof, SIGNER.vkey)


def test_certificate_with_another_detail_is_refused_whoever_signs_it() -> None:
    """The outcome is part of the leaf."""
    certificate, proof = a_pair()
    edited = changed(certificate, lambda d: d["detail"].update(struck=[]))

    with pytest.raises(NotVerifiedError, match="detail"):
        verify_certificate(edited, proof, SIGNER.vkey)


@pytest.mark.parametrize("code", ["refused", "stale", "forged", "late"])
def test_certificate_of_a_record_that_was_not_accepted_is_refused(code: str) -> None:
    """Only what the log accepted happened."""
    record = a_stating_record()

    with pytest.raises(NotVerifiedError, match=code):
        verify_certificate(
            a_certificate(record=record), a_proof(an_entry(record, code=code)), SIGNER.vkey
        )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("command_id", b"x" * 16),
        ("header_hash", b"x" * 32),
        ("sealed_hash", b"x" * 32),
        ("detail_hash", b"x" * 32),
        ("index", INDEX + 1),
    ],
)
def test_certificate_with_the_entry_of_another_record_is_refused(field: str, value: Any) -> None:
    """Each field of the entry is held against the record, though the log holds the entry."""
    record = a_stating_record()
    entry = an_entry(record, **{field: value})

    with pytest.raises(NotVerifiedError):
        verify_certificate(a_certificate(record=record), a_proof(entry), SIGNER.vkey)


def test_certificate_of_a_record_that_states_nothing_is_refused() -> None:
    """An event without the field certifies nothing."""
    record = codec.decode(codec.sign(a_stating_record(), b"k" * 32))
    bare = replace(record, data=replace(record.data, events=()))

    with pytest.raises(NotVerifiedError, match="not about this statement"):
        verify_certificate(a_certificate(record=bare), a_proof(an_entry(bare)), SIGNER.vkey)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(more=1),
        lambda d: d.pop("detail"),
        lambda d: d.update(certificate="memos-gov/erasure/v2"),
        lambda d: d.update(certificate="erasure"),
        lambda d: d.update(origin="memos-gov/0123abcd/other"),
        lambda d: d.update(statement=None),
        lambda d: d.update(statement=["a"]),
        lambda d: d.update(record=None),
        lambda d: d.update(record=[]),
        lambda d: d.update(record={"data": {"events": [{"header": None}]}}),
        lambda d: d["record"]["data"].update(events=5),
        lambda d: d["record"]["data"]["events"][0].pop("sealed"),
        lambda d: d["record"]["data"]["events"][0].update(sealed="zz"),
        lambda d: d["record"]["data"]["events"][-1]["header"].update(statement=["x"]),
    ],
)
def test_document_of_another_form_is_refused_whoever_signs_it(
    change: Callable[[Document], None],
) -> None:
    """No shape of JSON is an accident."""
    certificate, proof = a_pair()

    with pytest.raises(NotVerifiedError):
        verify_certificate(changed(certificate, change), proof, SIGNER.vkey)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"[]\n",
        b"null\n",
        b"\xff\n",
        b"[" * 100_000,
        b'{"signature":1}\n',
    ],
)
def test_bytes_that_are_no_certificate_are_refused(raw: bytes) -> None:
    """Whatever is handed in, one error comes out."""
    with pytest.raises(NotVerifiedError):
        verify_certificate(raw, a_pair()[1], SIGNER.vkey)


def test_certificate_in_another_form_is_refused() -> None:
    """White space, the order of keys, a key twice: one document has one file."""
    certificate, proof = a_pair()
    pretty = json.dumps(json.loads(certificate), indent=1).encode() + b"\n"
    twice = certificate.replace(b'{"certificate"', b'{"statement":{},"certificate"')

    for raw in (pretty, twice, certificate.removesuffix(b"\n"), certificate + b"\n"):
        with pytest.raises(NotVerifiedError, match="one form"):
            verify_certificate(raw, proof, SIGNER.vkey)


def test_certificate_with_a_second_signature_line_is_refused() -> None:
    """The field holds one line."""
    certificate, proof = a_pair()
    document = json.loads(certificate)
    document["signature"] += "\n" + document["signature"]

    with pytest.raises(NotVerifiedError, match="signature line"):
        verify_certificate(codec.canonical(document) + b"\n", proof, SIGNER.vkey)
