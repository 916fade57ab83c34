"""Proofs from a real folder: asked for, made out of tiles, and verified by a stranger."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

import memos_gov
from memos_gov.domain import codec, ids
from memos_gov.domain.events import Event
from memos_gov.errors import (
    CorruptionError,
    DeniedError,
    InvalidCommandError,
    NotFoundError,
    NotVerifiedError,
    UnavailableError,
)
from memos_gov.service import Service
from memos_gov.transparency.certificate import statement_digest
from memos_gov.transparency.evidence import verify_evidence
from memos_gov.transparency.leaf import parse_entry
from memos_gov.transparency.notes import parse_vkey
from memos_gov.transparency.tlog_proof import parse_tlog_proof

PURPOSE = "complaint-handling"
KIND = "memos-gov/erasure/v1"
STATEMENT = {"case": "x_one", "count": 2}


def owner(gov: Service) -> Any:
    """Return the first principal."""
    return gov.acting_as("owner", purpose=PURPOSE)


def test_record_is_proven_by_file_and_key_alone(gov: Service, tmp_path: Path) -> None:
    """Index, outcome and leaf are those of the receipt."""
    receipt = owner(gov).remember("kept")

    path = owner(gov).prove(receipt.index).save(tmp_path / "proofs")

    found = verify_evidence(path.read_bytes(), parse_vkey(owner(gov).vkey))
    assert f"{receipt.index}.tlog-proof" == path.name
    assert (receipt.index, "accepted", receipt.leaf) == (found.index, found.outcome, found.leaf)


def test_proof_is_of_the_record_that_stands_there(gov: Service) -> None:
    """Anybody with the record can hash it into the entry, also after its key is gone."""
    receipt = owner(gov).remember("kept")
    record = codec.decode(owner(gov).log_show(receipt.index).record.encode())

    entry = parse_entry(parse_tlog_proof(owner(gov).prove(receipt.index).text).extra)

    bare, digests = codec.stripped(record)
    assert hashlib.sha256(codec.canonical(bare)).digest() == entry.header_hash
    assert hashlib.sha256(b"".join(digests)).digest() == entry.sealed_hash
    assert b"kept" not in codec.canonical(bare)


def test_every_record_of_a_tenant_can_be_proven(gov: Service) -> None:
    """Refusals, questions and checkpoints too."""
    owner(gov).remember("kept")
    with pytest.raises(DeniedError):
        gov.acting_as("nobody", purpose=PURPOSE).remember("no")
    vkey, codes = parse_vkey(owner(gov).vkey), []
    for index in range(6):
        proof = owner(gov).prove(index).text
        codes.append(verify_evidence(proof.encode(), vkey).outcome)

    assert ["accepted", "accepted", "refused", *["accepted"] * 3] == codes


def test_proof_of_an_old_record_signs_nothing_new(gov: Service) -> None:
    """The newest head covers it already."""
    owner(gov).checkpoint()
    first = owner(gov).prove(0)

    assert first.text == owner(gov).prove(0).text


def test_proof_of_a_tenant_does_not_verify_under_another_ones_key(gov: Service) -> None:
    """Same folder, same signing key, another name."""
    gov.add_tenant("other", principal="owner")
    other = gov.acting_as("owner", tenant="other", purpose=PURPOSE)
    proof = owner(gov).prove(0).text.encode()

    with pytest.raises(NotVerifiedError):
        verify_evidence(proof, parse_vkey(other.vkey))


@pytest.mark.parametrize("index", [10_000, 2**53 - 1])
def test_proof_of_a_record_that_is_not_there_is_not_found(gov: Service, index: int) -> None:
    """Nothing is signed for it."""
    with pytest.raises(NotFoundError):
        owner(gov).prove(index)


@pytest.mark.parametrize("index", [-1, "1", 1.5, None, True])
def test_proof_of_what_is_no_index_names_the_field(gov: Service, index: Any) -> None:
    """Nothing is written."""
    with pytest.raises(InvalidCommandError) as caught:
        owner(gov).prove(index)

    assert "index" == caught.value.field


def test_proofs_and_heads_are_for_those_who_may_read_the_log(gov: Service) -> None:
    """An agent may not; an auditor may."""
    for name, role in (("bot", "agent"), ("aud", "auditor")):
        owner(gov).add_principal(name, roles=[role], purposes=[PURPOSE])
    bot, aud = (gov.acting_as(name, purpose=PURPOSE) for name in ("bot", "aud"))

    for attempt in (lambda: bot.prove(0), bot.checkpoint):
        with pytest.raises(DeniedError):
            attempt()
    assert 0 == aud.prove(0).index
    assert aud.checkpoint().size > 0


def test_tiles_that_were_damaged_are_made_again_for_a_proof(gov: Service, folder: Path) -> None:
    """A proof that does not verify is never handed out."""
    owner(gov).checkpoint()
    for path in (folder / "tiles" / "default" / "tile").rglob("*"):
        if path.is_file():
            path.write_bytes(b"\0" * path.stat().st_size)

    proof = owner(gov).prove(1)

    assert 1 == verify_evidence(proof.text.encode(), parse_vkey(owner(gov).vkey)).index


def test_proof_that_cannot_be_written_says_so(gov: Service, tmp_path: Path) -> None:
    """The folder is a file."""
    (tmp_path / "file").write_text("x")

    with pytest.raises(UnavailableError, match="cannot be written"):
        owner(gov).prove(0).save(tmp_path / "file")


# --- Certificates ----------------------------------------------------------------------


class Stated(Event, frozen=True, kw_only=True):
    """An event of these tests that has a statement's digest."""

    statement: str


@pytest.fixture
def stated(gov: Service, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return the index of a record whose event has the digest of `STATEMENT`."""
    governor = gov.rooms.governor
    monkeypatch.setitem(codec._HEADERS, ("Stated", 1), msgspec.json.Decoder(Stated))
    monkeypatch.setattr("memos_gov.certify._check_events", lambda *_: None)
    monkeypatch.setattr("memos_gov.certify._check_unjudged", lambda *_: None)
    event = Stated(statement=statement_digest(STATEMENT))
    outcome = governor.proposer.submit_unjudged("default", ids.ERASER, event, action="erase")
    assert "accepted" == outcome.code
    return outcome.index


def test_certificate_from_a_folder_verifies_with_two_files_and_a_key(
    gov: Service, stated: int, tmp_path: Path
) -> None:
    """Whatever event states it."""
    made = gov.rooms.prover.certificate("default", stated, kind=KIND, statement=STATEMENT)
    path = made.save(tmp_path / "proof")

    raw, proof = path.read_bytes(), path.with_suffix(".tlog-proof").read_bytes()
    found = verify_evidence(raw, parse_vkey(owner(gov).vkey), proof=proof)
    assert (KIND, STATEMENT, "Stated", stated) == (
        found.what,
        found.statement,
        found.event,
        found.index,
    )
    assert ("certificate.json", owner(gov).vkey.split("+")[0]) == (path.name, made.origin)


def test_certificate_of_what_the_record_does_not_state_is_not_made(
    gov: Service, stated: int
) -> None:
    """Not even with all keys at hand."""
    for index, statement in ((stated, {"case": "x_two"}), (0, STATEMENT)):
        with pytest.raises(CorruptionError):
            gov.rooms.prover.certificate("default", index, kind=KIND, statement=statement)


def test_certificate_of_a_tenant_shows_no_ciphertext(gov: Service) -> None:
    """A record is stripped before it leaves."""
    receipt = owner(gov).remember("kept")
    record = codec.decode(owner(gov).log_show(receipt.index).record.encode())

    bare, _ = codec.stripped(record)

    sealed = record.data.events[0].sealed
    assert sealed is not None
    assert sealed.encode() not in codec.canonical(bare)
    assert replace(bare, data=record.data) == record


def test_proof_needs_an_open_folder_only_to_be_made(folder: Path) -> None:
    """Verified after the folder is closed."""
    with memos_gov.open(folder) as gov:
        vkey, proof = owner(gov).vkey, owner(gov).prove(0).text

    assert 0 == verify_evidence(proof.encode(), parse_vkey(vkey)).index
