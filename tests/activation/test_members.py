"""Sets of cubes: one order, and an address that moves with everything that decides about it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from memos_gov.activation.members import Member, address, chain, ordered, packed, unpacked
from memos_gov.domain.facts import Source
from memos_gov.domain.fingerprint import Fingerprint
from tests.base_models import FINGERPRINT

SECRET, POLICY = b"s" * 32, "a" * 64
ONE, TWO, THREE = (Source(cube=f"c_{n}", revision=1) for n in "123")
TOKENS = (1, 50, 49_151)


def place(**changes: object) -> str:
    """Return the address of an ordinary set, changed in one part."""
    said = {
        "secret": SECRET,
        "fingerprint": FINGERPRINT,
        "policy": POLICY,
        "members": (ONE, TWO),
        "tokens": TOKENS,
    } | changes
    tokens = said.pop("tokens")
    return address(said["secret"], chain(**said), tokens)


@given(st.permutations([("c_b", 0), ("c_a", 1), ("c_c", 0), ("c_d", 2)]))
def test_members_of_a_set_have_one_order(said: list[tuple[str, int]]) -> None:
    """By label, then by cube: in whatever order they were named."""
    members = [
        Member(cube=cube, revision=1, key_id="k", rank=rank, text="x") for cube, rank in said
    ]

    assert ["c_b", "c_c", "c_a", "c_d"] == [member.cube for member in ordered(members)]


@pytest.mark.parametrize(
    "changes",
    [
        {"secret": b"t" * 32},
        {"policy": "b" * 64},
        {"members": (TWO, ONE)},
        {"members": (ONE,)},
        {"members": (ONE, TWO, THREE)},
        {"members": (ONE, replace(TWO, revision=2))},
        {"tokens": (*TOKENS, 1)},
        {"tokens": TOKENS[::-1]},
        *(
            {"fingerprint": replace(FINGERPRINT, **{p: "9.9"})}
            for p in Fingerprint.__struct_fields__
        ),
    ],
)
def test_address_moves_with_every_part(changes: dict[str, object]) -> None:
    """Another tenant, policy, member, revision, order, token, or base model."""
    assert place() == place()
    assert place() != place(**changes)


def test_chains_of_sets_that_begin_alike_have_links_in_common() -> None:
    """And none after the first difference, even where members come back."""
    first = chain(SECRET, FINGERPRINT, POLICY, (ONE, TWO, THREE))
    second = chain(SECRET, FINGERPRINT, POLICY, (ONE, THREE, TWO))

    assert first[0] == second[0]
    assert set() == set(first[1:]) & set(second[1:])


@given(st.lists(st.integers(0, 2**32 - 1)))
def test_tokens_packed_are_unpacked(tokens: list[int]) -> None:
    """Four bytes each."""
    assert tuple(tokens) == unpacked(packed(tokens))
    assert 4 * len(tokens) == len(packed(tokens))
