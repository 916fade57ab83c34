"""`.tlog-proof` files: what was made is verified, and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memos_gov.errors import NotVerifiedError
from memos_gov.transparency.checkpoints import TreeHead, sign_head
from memos_gov.transparency.merkle import leaf_hash
from memos_gov.transparency.notes import Signer
from memos_gov.transparency.tlog_proof import TlogProof, parse_tlog_proof, verify_tlog_proof
from tests.transparency import naive

SIGNER = Signer("example.org/log", b"k" * 32)
ENTRIES = [f"entry {at}".encode() for at in range(13)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


def a_proof(index: int, size: int, *, signer: Signer = SIGNER) -> TlogProof:
    """Return a proof for an entry, its extra the entry itself."""
    head = TreeHead(origin=signer.vkey.name, size=size, root=naive.mth(LEAVES[:size]))
    return TlogProof(
        index=index,
        hashes=tuple(naive.path(index, LEAVES[:size])),
        checkpoint=sign_head(head, signer),
        extra=ENTRIES[index],
    )


@given(st.integers(1, len(ENTRIES)), st.data())
def test_proof_written_and_read_verifies_its_entry(size: int, data: st.DataObject) -> None:
    """With the file and the key alone."""
    index = data.draw(st.integers(0, size - 1))

    proof = parse_tlog_proof(a_proof(index, size).text)

    assert a_proof(index, size) == proof
    assert size == verify_tlog_proof(proof, proof.extra, SIGNER.vkey).size


def test_proof_without_extra_has_no_line_for_it() -> None:
    """The format leaves the line out."""
    proof = TlogProof(index=0, hashes=(), checkpoint=a_proof(0, 1).checkpoint)

    assert proof.text.startswith("c2sp.org/tlog-proof@v1\nindex 0\n\nexample.org/log\n1\n")
    assert proof == parse_tlog_proof(proof.text)


def test_proof_with_any_bit_changed_is_refused() -> None:
    """Every bit of the file is covered by a hash, the signature, or the form."""
    raw, verified = a_proof(5, 13).text.encode(), []
    for bit in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            proof = parse_tlog_proof(changed.decode())
            verified.append(verify_tlog_proof(proof, proof.extra, SIGNER.vkey))
        except (NotVerifiedError, UnicodeDecodeError):
            continue

    assert [] == verified


def test_proof_for_another_entry_is_refused() -> None:
    """The entry that the verifier holds is the one that counts."""
    with pytest.raises(NotVerifiedError, match="another root"):
        verify_tlog_proof(a_proof(5, 13), ENTRIES[6], SIGNER.vkey)


def test_proof_of_another_log_is_refused() -> None:
    """Same tree, other signer."""
    other = a_proof(5, 13, signer=Signer("example.org/else", b"k" * 32))

    with pytest.raises(NotVerifiedError, match="no key that is trusted"):
        verify_tlog_proof(other, ENTRIES[5], SIGNER.vkey)


def test_proof_with_the_checkpoint_of_a_smaller_tree_is_refused() -> None:
    """A head from before the entry proves nothing about it."""
    older = TlogProof(
        index=5, hashes=a_proof(5, 13).hashes, checkpoint=a_proof(0, 5).checkpoint, extra=ENTRIES[5]
    )

    with pytest.raises(NotVerifiedError, match="index is not that of a leaf"):
        verify_tlog_proof(older, ENTRIES[5], SIGNER.vkey)


TEXT = a_proof(5, 13).text


@pytest.mark.parametrize(
    "text",
    [
        "",
        TEXT.replace("proof@v1", "proof@v2"),
        TEXT.replace("extra ", "extra  "),
        TEXT.replace("\nextra ", "\nextra \nextra "),
        TEXT.replace("index 5", "index 05"),
        TEXT.replace("index 5", "index -5"),
        TEXT.replace("index 5", "Index 5"),
        TEXT.replace("index 5\n", ""),
        TEXT.replace("index 5\n", "index 5\nindex 5\n"),
        TEXT.replace("index 5\n", "index 5\n\n"),
        TEXT.replace("index 5\n", "index 5\r\n"),
        TEXT.replace("index 5\n", "index 5\n" + "AAAA\n" * 65),
        TEXT.partition("\n\n")[0],
        " " + TEXT,
        TEXT + "\n",
    ],
)
def test_text_that_is_no_proof_is_refused(text: str) -> None:
    """There is one form."""
    with pytest.raises(NotVerifiedError):
        verify_tlog_proof(parse_tlog_proof(text), ENTRIES[5], SIGNER.vkey)
