"""One KV cache as a file: it opens as what it was sealed as, whole, and in no other way."""

import random

import msgspec
import pytest
from msgspec.structs import replace

from memos_gov.activation.sealed_file import MAGIC, Header, file_key, header_of, opened, sealed
from memos_gov.domain.codec import canonical
from memos_gov.domain.facts import Source
from memos_gov.errors import CorruptionError, SettingsError
from memos_gov.ports import KvCache
from tests.base_models import FINGERPRINT

KEY = b"k" * 32
KV_CACHE = KvCache((1, 7, 49_151), b"tensors of a very secret text" * 40)
HEADER = Header(
    address="ad" * 32,
    tenant="acme",
    members=(Source(cube="c_one", revision=3),),
    chain=("cc" * 32,),
    fingerprint=FINGERPRINT,
    policy="a" * 64,
    tokens=3,
    key_ids=("k_one",),
)
FILE = sealed(HEADER, KV_CACHE, KEY)


def test_file_opens_as_what_was_sealed() -> None:
    """Tokens and tensors, bit for bit."""
    assert KV_CACHE == opened(FILE, HEADER, KEY, "here")


def test_header_of_a_file_is_read_without_its_key_and_from_its_beginning() -> None:
    """What it is of is no secret; it is believed once the file was opened."""
    assert HEADER == header_of(FILE, "here") == header_of(FILE[:900], "here")


def test_file_shows_neither_tensors_nor_tokens() -> None:
    """Tokens are text as well as tensors are."""
    assert canonical(HEADER) in FILE
    assert b"secret" not in FILE
    assert b"49151" not in canonical(HEADER)
    assert FILE != sealed(HEADER, KV_CACHE, KEY)


def test_file_that_was_changed_anywhere_is_refused() -> None:
    """Each byte of what stands in the clear, and many of the rest."""
    clear = len(MAGIC) + 4 + len(canonical(HEADER)) + 12
    rest = random.Random(7).sample(range(clear, len(FILE)), 200)

    for place in (*range(clear), *rest, len(FILE) - 1):
        changed = bytearray(FILE)
        changed[place] ^= 1
        with pytest.raises((CorruptionError, SettingsError)):
            opened(bytes(changed), HEADER, KEY, "here")


def test_file_that_was_cut_anywhere_is_refused() -> None:
    """From nothing to all but one byte; and one that has more is no better."""
    for length in range(len(FILE)):
        with pytest.raises(CorruptionError, match="the KV cache here"):
            opened(FILE[:length], HEADER, KEY, "here")
    with pytest.raises(CorruptionError):
        opened(FILE + b"\0", HEADER, KEY, "here")


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("address", "ae" * 32),
        ("tenant", "other"),
        ("members", (Source(cube="c_one", revision=4),)),
        ("chain", ("cd" * 32,)),
        ("fingerprint", replace(FINGERPRINT, tokenizer="9" * 64)),
        ("policy", "b" * 64),
        ("tokens", 4),
        ("key_ids", ("k_two",)),
        ("adapter", "one"),
    ],
)
def test_file_of_another_thing_is_refused_by_the_part_that_differs(
    part: str, value: object
) -> None:
    """Swapped with another tenant's or set's, stale, or of another base model."""
    with pytest.raises(CorruptionError, match=f"is of another {part.replace('_', ' ')}"):
        opened(FILE, replace(HEADER, **{part: value}), KEY, "here")


def test_file_whose_header_was_forged_does_not_open() -> None:
    """It is what the ciphertext is bound to."""
    forged = replace(HEADER, tenant="other")
    raw = FILE.replace(b'"tenant":"acme"', b'"tenant":"other"')
    raw = MAGIC + len(canonical(forged)).to_bytes(4) + raw[len(MAGIC) + 4 :]

    with pytest.raises(CorruptionError, match="does not open with its key"):
        opened(raw, forged, KEY, "here")


def test_key_of_a_file_needs_the_key_of_every_cube_in_its_place() -> None:
    """Without one of them it cannot be had; nor is it that of another file."""
    keys = [b"a" * 32, b"b" * 32]

    assert file_key(keys, "x") == file_key(keys, "x")
    others = [file_key(keys[::-1], "x"), file_key(keys[:1], "x"), file_key(keys, "y")]
    assert file_key(keys, "x") not in others
    assert len({*others}) == len(others)


def test_file_under_another_key_does_not_open() -> None:
    """Each has its own."""
    with pytest.raises(CorruptionError, match="does not open with its key"):
        opened(FILE, HEADER, b"l" * 32, "here")


def test_file_of_a_newer_version_says_that_it_is() -> None:
    """Upgrading reads it; this program does not guess."""
    with pytest.raises(SettingsError, match="written by a newer version") as caught:
        opened(FILE.replace(MAGIC, b"memos-gov kv 2\n", 1), HEADER, KEY, "here")

    assert "Upgrade" in caught.value.remedy


def test_file_whose_header_has_a_field_more_is_refused() -> None:
    """Nothing of it is passed over."""
    fields = msgspec.json.decode(canonical(HEADER)) | {"more": 1}
    raw = canonical(fields)

    with pytest.raises(CorruptionError, match="header that does not read"):
        header_of(MAGIC + len(raw).to_bytes(4) + raw, "here")


def test_file_whose_tokens_are_fewer_than_said_is_refused() -> None:
    """Though it was sealed by us."""
    short = sealed(HEADER, KvCache((1, 7), b""), KEY)

    with pytest.raises(CorruptionError, match="another count of tokens"):
        opened(short, HEADER, KEY, "here")
