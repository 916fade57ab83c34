"""
One KV cache as a file: a header in the clear, and everything else sealed.

    memos-gov kv 1 LF | length of the header (4 bytes, big endian) | header |
    nonce (12 bytes) | AES-256-GCM of: count of tokens (4 bytes, little endian) |
    tokens (4 bytes each) | safetensors

All that stands before the nonce is associated data: whose it is, of which cubes
at which revisions, by which base model, under which policy. The header holds
ids and digests, no text; tokens are text and are sealed. A file opens only as
what it was sealed as, and the tensors are in a format that runs no code.

The key is derived (HKDF, RFC 5869) from the content keys of all its cubes. So a
file has no key of its own that somebody would have to destroy: when the key of
any of its cubes is destroyed, it opens no more, and no more in a backup either.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from memos_gov.activation.members import packed, unpacked
from memos_gov.domain.codec import canonical
from memos_gov.domain.facts import Source
from memos_gov.domain.fingerprint import Fingerprint
from memos_gov.errors import CorruptionError, SettingsError
from memos_gov.ports import KvCache

NAME, VERSION = b"memos-gov kv ", b"1\n"
MAGIC = NAME + VERSION
KEY_BYTES = 32
LENGTH_BYTES, NONCE_BYTES, TAG_BYTES, TOKEN_BYTES = 4, 12, 16, 4
HEADER_BYTES_MAX = 1_000_000
REMEDY = "Remove it: it is made again when needed."


class Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    What a KV cache is of, in the clear.

    `chain` has a link and `key_ids` a content key for each of `members`;
    `tokens` is how many there are;
    `adapter` names what was active on top of the base model, "" for nothing.
    """

    address: str
    tenant: str
    members: tuple[Source, ...]
    chain: tuple[str, ...]
    fingerprint: Fingerprint
    policy: str
    tokens: int
    key_ids: tuple[str, ...]
    adapter: str = ""


def file_key(content_keys: Sequence[bytes], name: str) -> bytes:
    """Return the key of a file, from the content keys of its members in order."""
    derivation = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=MAGIC + name.encode())
    return derivation.derive(b"".join(content_keys))


def sealed(header: Header, kv_cache: KvCache, key: bytes) -> bytes:
    """Return the bytes of a file."""
    clear = _clear(header)
    body = packed([len(kv_cache.tokens), *kv_cache.tokens]) + kv_cache.tensors
    nonce = secrets.token_bytes(NONCE_BYTES)
    return clear + nonce + AESGCM(key).encrypt(nonce, body, clear)


def _clear(header: Header) -> bytes:
    raw = canonical(header)
    return MAGIC + len(raw).to_bytes(LENGTH_BYTES) + raw


def header_of(raw: bytes, place: str) -> Header:
    """
    Return the header of a file, of which `raw` is the beginning or all.

    What it says is believed only once the file was opened.

    Raises:
        SettingsError: A newer version of this program wrote it.
        CorruptionError: It is no such file, or it was cut.
    """
    return _parts(raw, place)[0]


def opened(raw: bytes, expected: Header, key: bytes, place: str) -> KvCache:
    """
    Return the KV cache of a file that is exactly what is expected.

    Args:
        expected: What it must be in every part.

    Raises:
        SettingsError: A newer version of this program wrote it.
        CorruptionError: It is another one, or was changed or cut. Names the part.
    """
    header, clear = _parts(raw, place)
    require_equal(header, expected, place)
    end = len(clear) + NONCE_BYTES
    if len(raw) < end + TAG_BYTES + TOKEN_BYTES:
        raise _corrupt("was cut", place)
    try:
        body = AESGCM(key).decrypt(raw[len(clear) : end], memoryview(raw)[end:], clear)
    except InvalidTag as error:
        raise _corrupt("does not open with its key", place) from error
    return _kv_cache(body, header, place)


def require_equal(found: Header, expected: Header, place: str) -> None:
    """
    Refuse a file that is another one than expected.

    Raises:
        CorruptionError: Names the first part that differs.
    """
    for name in Header.__struct_fields__:
        if getattr(found, name) != getattr(expected, name):
            raise _corrupt(f"is of another {name.replace('_', ' ')}", place)


def _kv_cache(body: bytes, header: Header, place: str) -> KvCache:
    count = int.from_bytes(body[:TOKEN_BYTES], "little")
    end = TOKEN_BYTES * (1 + count)
    if count != header.tokens or len(body) < end:
        raise _corrupt("holds another count of tokens", place)
    return KvCache(unpacked(body[TOKEN_BYTES:end]), body[end:])


def _parts(raw: bytes, place: str) -> tuple[Header, bytes]:
    """Return the header, and the bytes up to its end."""
    if raw.startswith(NAME) and not raw.startswith(MAGIC) and len(raw) >= len(MAGIC):
        msg = f"the KV cache {place} was written by a newer version"
        raise SettingsError(msg, remedy="Upgrade memos-gov, or remove the file.")
    start = len(MAGIC) + LENGTH_BYTES
    if not raw.startswith(MAGIC) or len(raw) < start:
        raise _corrupt("is no file of this program", place)
    length = int.from_bytes(raw[len(MAGIC) : start])
    clear = raw[: start + length]
    if length > HEADER_BYTES_MAX or len(clear) < start + length:
        raise _corrupt("was cut", place)
    try:
        header = msgspec.json.decode(clear[start:], type=Header)
    except msgspec.DecodeError as error:
        raise _corrupt("has a header that does not read", place) from error
    if _clear(header) != clear:
        raise _corrupt("has a header that is not canonical", place)
    return header, clear


def _corrupt(what: str, place: str) -> CorruptionError:
    return CorruptionError(f"the KV cache {place} {what}", place=place, remedy=REMEDY)
