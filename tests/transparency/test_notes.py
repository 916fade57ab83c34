"""Signed notes: published examples, our own, and everything that is none."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memos_gov.errors import InvalidCommandError, NotVerifiedError
from memos_gov.transparency.notes import Signer, VerifierKey, open_note, parse_vkey, split_note

# The example of the specification.
PUBLISHED_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
PUBLISHED_NOTE = (
    "This is an example message.\n\n"
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3m"
    "FXmRKuwHjG1Yu72IneyaQM=\n"
)
SIGNER = Signer("example.org/log", b"k" * 32)
OTHER = Signer("example.org/other", b"o" * 32)
TEXT = "first\n\nlast\n"
NOTE = SIGNER.sign(TEXT)
TEXTS = st.lists(st.text(st.characters(exclude_categories=["C", "Z"]), max_size=8)).map(
    lambda lines: "\n".join(["text", *lines, ""])
)


def test_published_note_is_opened_with_its_published_key() -> None:
    """Other people's signature, not ours."""
    key = parse_vkey(PUBLISHED_VKEY)

    assert "This is an example message.\n" == open_note(PUBLISHED_NOTE, [key])
    assert "530d903a" == key.key_id.hex()


@given(TEXTS, st.binary(min_size=32, max_size=32))
def test_note_that_was_signed_is_opened_to_its_text(text: str, private: bytes) -> None:
    """Empty lines in the text stay where they are."""
    signer = Signer("example.org/any", private)

    assert text == open_note(signer.sign(text), [signer.vkey])


@given(st.binary(min_size=32, max_size=32))
def test_vkey_written_and_read_is_the_same(public: bytes) -> None:
    """Whatever the bytes of the key, base64's plus sign too."""
    key = VerifierKey("example.org/any", public)

    assert key == parse_vkey(str(key))


def test_note_with_any_bit_changed_is_refused() -> None:
    """Text, name, key id and signature alike; what is not UTF-8 is no text at all."""
    raw, opened = NOTE.encode(), []
    for bit in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            opened.append(open_note(changed.decode(), [SIGNER.vkey]))
        except (NotVerifiedError, UnicodeDecodeError):
            continue

    assert [] == opened


def test_note_signed_by_others_too_is_opened() -> None:
    """Lines of keys that nobody named are ignored, wherever they stand."""
    line, other = NOTE.rpartition("\n\n")[2], OTHER.sign(TEXT).rpartition("\n\n")[2]

    assert TEXT == open_note(f"{TEXT}\n{other}{line}", [SIGNER.vkey])
    assert TEXT == open_note(f"{TEXT}\n{line}{other * 15}", [SIGNER.vkey])


def test_note_with_one_bad_signature_of_a_named_key_is_refused() -> None:
    """Even where another named key signed properly."""
    line = NOTE.rpartition("\n\n")[2]
    forged = OTHER.sign("another text\n").rpartition("\n\n")[2]

    with pytest.raises(NotVerifiedError, match="does not verify"):
        open_note(f"{TEXT}\n{line}{forged}", [SIGNER.vkey, OTHER.vkey])


def test_note_of_another_key_is_refused() -> None:
    """The same name does not help, nor does the same key under another name."""
    same_name = Signer(SIGNER.vkey.name, b"x" * 32).vkey
    same_key = VerifierKey("example.org/else", SIGNER.vkey.public)

    for key in (OTHER.vkey, same_name, same_key):
        with pytest.raises(NotVerifiedError, match="no key that is trusted"):
            open_note(NOTE, [key])


def test_note_opened_without_any_key_is_refused() -> None:
    """Nobody is trusted by default."""
    with pytest.raises(NotVerifiedError):
        open_note(NOTE, [])


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n",
        "text\n",
        "text\n\n",
        "\n\n— name aaaaaaaa\n",
        NOTE.removesuffix("\n"),
        NOTE + "\n",
        NOTE.replace("\n", "\r\n"),
        NOTE.replace("first", "fi\trst"),
        NOTE.replace("— ", "- "),
        NOTE.replace("— ", "—  "),
        NOTE.replace("— ", "—\N{NO-BREAK SPACE}"),
        NOTE.replace("=\n", "\n"),
        NOTE + "— example.org/log\n",
        NOTE + "— example.org/log AAAAAA==\n",
        NOTE + "— a+b AAAAAAAAAAAA\n",
        TEXT + "\n" + NOTE.rpartition("\n\n")[2] * 65,
        "x" * 1_000_001,
    ],
)
def test_text_that_is_no_note_is_refused(note: str) -> None:
    """There is one form, so that nobody reads two things into one note."""
    with pytest.raises(NotVerifiedError):
        split_note(note)
    with pytest.raises(NotVerifiedError):
        open_note(note, [SIGNER.vkey])


def test_signature_in_another_form_of_base64_is_refused() -> None:
    """Stray bits behind the last byte would make two notes of one."""
    head, _, body = NOTE.removesuffix("\n").rpartition(" ")
    assert body.endswith("=")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    stray = letters[letters.index(body[-2]) | 1]
    other = f"{body[:-2]}{stray}="
    assert other != body
    assert base64.b64decode(other) == base64.b64decode(body)

    with pytest.raises(NotVerifiedError, match="base64"):
        open_note(f"{head} {other}\n", [SIGNER.vkey])


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "name",
        "name+530d903a",
        PUBLISHED_VKEY + "=",
        PUBLISHED_VKEY.replace("530d903a", "530d903b"),
        PUBLISHED_VKEY.replace("530d903a", "530D903A"),
        PUBLISHED_VKEY.replace("foo", "bar"),
        PUBLISHED_VKEY.replace("/foo", " foo"),
        PUBLISHED_VKEY.replace("+Aeky", "+Aiky"),
        PUBLISHED_VKEY[:-4],
        f"{PUBLISHED_VKEY}\n",
    ],
)
def test_text_that_is_no_vkey_is_refused_by_name(vkey: str) -> None:
    """A key that is off by a letter must not become another key."""
    with pytest.raises(InvalidCommandError) as caught:
        parse_vkey(vkey)

    assert "vkey" == caught.value.field
