"""
Signed notes and verifier keys: text that carries its own signatures.

Source: C2SP signed-note (https://c2sp.org/signed-note), Ed25519 only. A text
is returned only once a key that the caller named has verified it. What was
signed by others is ignored, as the format demands; one bad signature of a
named key rejects the whole note. There is one form of everything: what does
not encode back to the same characters is no note.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from memos_gov.errors import InvalidCommandError, NotVerifiedError

NOTE_CHARS_MAX = 1_000_000
SIGNATURES_MAX = 64
PLACE = "signed note"

_ED25519 = b"\x01"
_ID_BYTES, _KEY_BYTES, _SIGNATURE_BYTES = 4, 32, 64
_DASH = "\N{EM DASH}"
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_NAME = re.compile(r"[^\s+\x00-\x1f]+")
_SIGNATURE_LINE = re.compile(rf"{_DASH} (?P<name>[^\s+]+) (?P<body>[A-Za-z0-9+/]+={{0,2}})")


class VerifierKey(msgspec.Struct, frozen=True):
    """The public half of a signing key, under the name it signs with; `str` gives the vkey."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """SHA-256(name, LF, type, key), its first four bytes."""
        named = self.name.encode() + b"\n" + _ED25519 + self.public
        return hashlib.sha256(named).digest()[:_ID_BYTES]

    def __str__(self) -> str:
        body = base64.b64encode(_ED25519 + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{body}"


class Signature(msgspec.Struct, frozen=True):
    """One signature line of a note, not verified yet."""

    name: str
    key_id: bytes
    signature: bytes


class Signer:
    """Signs notes with one Ed25519 key under one name."""

    def __init__(self, name: str, private_key: bytes) -> None:
        assert _NAME.fullmatch(name)
        self._private = Ed25519PrivateKey.from_private_bytes(private_key)
        self.vkey = VerifierKey(name, self._private.public_key().public_bytes_raw())

    def sign(self, text: str) -> str:
        """Return the note of a text that ends with a line feed."""
        assert text.endswith("\n")
        assert not _CONTROL.search(text)
        signature = self.vkey.key_id + self._private.sign(text.encode())
        return f"{text}\n{_DASH} {self.vkey.name} {base64.b64encode(signature).decode()}\n"


def parse_vkey(text: str) -> VerifierKey:
    """
    Return the key that a vkey, `<name>+<key id>+<base64>`, encodes.

    Raises:
        InvalidCommandError: It is no Ed25519 vkey, or its id is not that of its key.
    """
    name, _, rest = text.partition("+")
    _, _, body = rest.partition("+")
    try:
        raw = from_base64(body, PLACE)
    except NotVerifiedError:
        raw = b""
    key = VerifierKey(name, raw[1:])
    if not _NAME.fullmatch(name) or len(raw) != 1 + _KEY_BYTES or raw[:1] != _ED25519:
        msg = "vkey: is no Ed25519 verifier key, such as name+0123abcd+AbCd..."
        raise InvalidCommandError(msg, field="vkey")
    if str(key) != text:
        msg = "vkey: its key id is not that of its name and key"
        raise InvalidCommandError(msg, field="vkey")
    return key


def split_note(note: str) -> tuple[str, tuple[Signature, ...]]:
    """
    Return text and signatures of a note; nothing is verified.

    Raises:
        NotVerifiedError: It is no note.
    """
    if len(note) > NOTE_CHARS_MAX or _CONTROL.search(note):
        raise _failed("it is too long, or holds control characters")
    text, blank, block = note.rpartition("\n\n")
    lines = block.split("\n")
    if not blank or not text or lines.pop() or not 0 < len(lines) <= SIGNATURES_MAX:
        raise _failed("it is no text with signature lines")
    return f"{text}\n", tuple(_signature(line) for line in lines)


def _signature(line: str) -> Signature:
    found = _SIGNATURE_LINE.fullmatch(line)
    body = from_base64(found["body"], PLACE) if found else b""
    if found is None or len(body) <= _ID_BYTES:
        raise _failed("a signature line has another form")
    return Signature(found["name"], body[:_ID_BYTES], body[_ID_BYTES:])


def open_note(note: str, keys: Iterable[VerifierKey]) -> str:
    """
    Return the text of a note once one of `keys` is found to have signed it.

    Raises:
        NotVerifiedError: It is no note, none of the keys signed it, or a
            signature of one of them does not verify.
    """
    known = {(key.name, key.key_id): key for key in keys}
    text, signatures = split_note(note)
    mine = [s for s in signatures if (s.name, s.key_id) in known]
    if not mine:
        raise _failed("no key that is trusted here signed it")
    for signature in mine:
        _verify(known[signature.name, signature.key_id], text, signature.signature)
    return text


def _verify(key: VerifierKey, text: str, signature: bytes) -> None:
    try:
        public = Ed25519PublicKey.from_public_bytes(key.public)
        public.verify(signature, text.encode())
    except (InvalidSignature, ValueError) as error:
        raise _failed(f"the signature of {key.name} does not verify") from error


def from_base64(text: str, place: str) -> bytes:
    """
    Return the bytes of standard base64 in its one form: padded, and no stray bits.

    Raises:
        NotVerifiedError: It is another form; `place` says of what.
    """
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if base64.b64encode(raw).decode() != text or not text:
        raise NotVerifiedError(f"the {place} holds something that is not base64", place=place)
    return raw


def _failed(message: str) -> NotVerifiedError:
    return NotVerifiedError(f"the {PLACE} does not verify: {message}", place=PLACE)
