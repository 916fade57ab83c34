"""
Signed checkpoints: how large a log's tree is and which root it has, as a signed note.

Source: C2SP tlog-checkpoint (https://c2sp.org/tlog-checkpoint). The name of
the key is the origin of the log, and a checkpoint of another origin is
refused even where its signature verifies.
"""

from __future__ import annotations

import base64
import re
from functools import lru_cache

import msgspec

from memos_gov.errors import NotVerifiedError
from memos_gov.transparency.merkle import HASH_BYTES
from memos_gov.transparency.notes import Signer, VerifierKey, from_base64, open_note, split_note
from memos_gov.transparency.proofs import SIZE_MAX

PLACE = "checkpoint"
_NUMBER = re.compile(r"0|[1-9][0-9]{0,19}")
_HEAD_LINES = 3


class TreeHead(msgspec.Struct, frozen=True, kw_only=True):
    """A tree at one moment: whose it is, how many leaves it has, and the root over them."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """What is signed: origin, size and root, a line each."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def origin_of(instance: str, tenant: str) -> str:
    """Return the origin of a tenant's log, which is also the name of its verifier key."""
    return f"memos-gov/{instance}/{tenant}"


def sign_head(head: TreeHead, signer: Signer) -> str:
    """Return the signed checkpoint of a head of the signer's own log."""
    assert head.origin == signer.vkey.name
    return signer.sign(head.text)


def parse_head(text: str) -> TreeHead:
    """
    Return the head that the text of a checkpoint states; extension lines are passed over.

    Raises:
        NotVerifiedError: It is no checkpoint.
    """
    *lines, rest = text.split("\n")
    if rest or len(lines) < _HEAD_LINES or not all(lines):
        raise _failed("it has not the lines of one")
    origin, size, root = lines[:_HEAD_LINES]
    head = TreeHead(origin=origin, size=number(size, PLACE), root=from_base64(root, PLACE))
    if len(head.root) != HASH_BYTES:
        raise _failed(f"its root has not {HASH_BYTES} bytes")
    return head


@lru_cache(maxsize=64)
def open_checkpoint(note: str, key: VerifierKey) -> TreeHead:
    """
    Return the head of a signed checkpoint once `key` is found to have signed it.

    The newest ones are met again and again (recorded, published, witnessed), so
    what was found of them is kept.

    Raises:
        NotVerifiedError: It did not, it is no checkpoint, or one of another log.
    """
    head = parse_head(open_note(note, [key]))
    if head.origin != key.name:
        raise _failed("it is that of another log than the key's")
    return head


def head_in(note: str) -> TreeHead:
    """
    Return the head that a checkpoint states without asking who signed it.

    Raises:
        NotVerifiedError: It is no checkpoint.
    """
    return parse_head(split_note(note)[0])


def number(text: str, place: str) -> int:
    """
    Return a number in decimal without leading zeros, at most 2**64 - 1.

    Raises:
        NotVerifiedError: It is none; `place` says of what.
    """
    if not _NUMBER.fullmatch(text) or int(text) > SIZE_MAX:
        raise NotVerifiedError(f"the {place} holds something that is no number", place=place)
    return int(text)


def _failed(message: str) -> NotVerifiedError:
    return NotVerifiedError(f"the {PLACE} does not hold: {message}", place=PLACE)
