"""Signed checkpoints: one form, one origin, and nothing believed before it is signed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memos_gov.errors import NotVerifiedError
from memos_gov.transparency.checkpoints import (
    TreeHead,
    head_in,
    open_checkpoint,
    origin_of,
    parse_head,
    sign_head,
)
from memos_gov.transparency.notes import Signer

ORIGIN = origin_of("0123abcd", "acme")
SIGNER = Signer(ORIGIN, b"k" * 32)
ROOT = b"r" * 32


@given(st.integers(0, 2**64 - 1), st.binary(min_size=32, max_size=32))
def test_checkpoint_signed_and_opened_states_the_same_head(size: int, root: bytes) -> None:
    """The empty tree and the largest one too."""
    head = TreeHead(origin=ORIGIN, size=size, root=root)

    assert head == open_checkpoint(sign_head(head, SIGNER), SIGNER.vkey)


def test_checkpoint_is_named_for_instance_and_tenant() -> None:
    """So a head of one tenant never passes for that of another."""
    assert "memos-gov/0123abcd/acme" == ORIGIN


def test_checkpoint_of_another_origin_is_refused_though_the_key_signed_it() -> None:
    """A key signs for the log of its own name only."""
    head = TreeHead(origin="memos-gov/0123abcd/other", size=1, root=ROOT)
    note = SIGNER.sign(head.text)

    with pytest.raises(NotVerifiedError, match="another log"):
        open_checkpoint(note, SIGNER.vkey)


def test_checkpoint_of_another_key_is_refused() -> None:
    """The origin alone is only a claim."""
    head = TreeHead(origin=ORIGIN, size=1, root=ROOT)
    note = sign_head(head, Signer(ORIGIN, b"x" * 32))

    assert head == head_in(note)
    with pytest.raises(NotVerifiedError):
        open_checkpoint(note, SIGNER.vkey)


def test_extension_lines_of_a_checkpoint_are_passed_over() -> None:
    """Other logs may have some."""
    head = TreeHead(origin=ORIGIN, size=3, root=ROOT)

    assert head == parse_head(f"{head.text}more\nand more\n")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n3\n", "\n03\n"),
        ("\n3\n", "\n+3\n"),
        ("\n3\n", "\n-3\n"),
        ("\n3\n", "\n٣\n"),
        ("\n3\n", "\n18446744073709551616\n"),
        ("\n3\n", "\n\n"),
        ("\n3\n", "\n"),
        (ORIGIN, ""),
        ("cnI=\n", "cnI="),
        ("cnI=\n", "cnI=\n\nmore\n"),
        ("cnI=\n", "cnI=\n\n"),
        ("cnI=", "cnJ="),
        ("cnI=", "cg=="),
        ("cnI=", "cnI= "),
    ],
)
def test_text_that_is_no_checkpoint_is_refused(old: str, new: str) -> None:
    """Nobody reads two sizes into one text."""
    text = TreeHead(origin=ORIGIN, size=3, root=ROOT).text
    changed = text.replace(old, new)
    assert changed != text

    with pytest.raises(NotVerifiedError):
        parse_head(changed)
