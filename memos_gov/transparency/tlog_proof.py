"""
`.tlog-proof` files: everything needed to check offline that a log holds an entry.

Source: C2SP tlog-proof (https://c2sp.org/tlog-proof). A file holds the
entry's index, its inclusion proof, and the signed checkpoint that the proof
leads to. `extra` is not authenticated by the format; ours holds the leaf
entry, whose hash the proof authenticates. There is one form: what does not
encode back to the same characters is refused.
"""

from __future__ import annotations

import base64

import msgspec

from memos_gov.errors import NotVerifiedError
from memos_gov.transparency import merkle
from memos_gov.transparency.checkpoints import TreeHead, number, open_checkpoint
from memos_gov.transparency.notes import VerifierKey, from_base64
from memos_gov.transparency.proofs import verify_inclusion

FIRST_LINE = "c2sp.org/tlog-proof@v1"
SUFFIX = ".tlog-proof"
PLACE = "tlog-proof"
HASHES_MAX = 64


class TlogProof(msgspec.Struct, frozen=True, kw_only=True):
    """A proof as it stands in a file; `checkpoint` is the signed note, nothing is verified yet."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str
    extra: bytes = b""

    @property
    def text(self) -> str:
        """The file."""
        extra = [f"extra {_base64(self.extra)}"] if self.extra else []
        hashes = [_base64(found) for found in self.hashes]
        lines = [FIRST_LINE, *extra, f"index {self.index}", *hashes, "", self.checkpoint]
        return "\n".join(lines)


def parse_tlog_proof(text: str) -> TlogProof:
    """
    Return the proof of a file.

    Raises:
        NotVerifiedError: It is none, or not in its one form.
    """
    head, _, checkpoint = text.partition("\n\n")
    first, *lines = head.split("\n")
    if first != FIRST_LINE:
        raise _failed("the first line is another one")
    extra = b""
    if lines and lines[0].startswith("extra "):
        extra = from_base64(lines.pop(0).removeprefix("extra "), PLACE)
    if not lines or not lines[0].startswith("index ") or len(lines) > HASHES_MAX + 1:
        raise _failed("it has not the lines of one")
    index = number(lines.pop(0).removeprefix("index "), PLACE)
    hashes = tuple(from_base64(line, PLACE) for line in lines)
    return TlogProof(index=index, hashes=hashes, checkpoint=checkpoint, extra=extra)


def verify_tlog_proof(proof: TlogProof, entry: bytes, key: VerifierKey) -> TreeHead:
    """
    Check that the log of `key` holds `entry` at the index of the proof, and return its head.

    Raises:
        NotVerifiedError: It does not, as far as this proof says.
    """
    head = open_checkpoint(proof.checkpoint, key)
    verify_inclusion(
        merkle.leaf_hash(entry),
        index=proof.index,
        size=head.size,
        proof=proof.hashes,
        root=head.root,
    )
    return head


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _failed(message: str) -> NotVerifiedError:
    return NotVerifiedError(f"the {PLACE} does not hold: {message}", place=PLACE)
