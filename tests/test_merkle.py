"""The tree of RFC 6962: known roots, and an appender that equals the definition."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memos_gov.transparency import merkle
from memos_gov.transparency.leaf import CODES, LEAF_BYTES, leaf_entry

HASHES = st.lists(st.binary(min_size=32, max_size=32), max_size=40)
# The test vectors of Certificate Transparency (merkle_tree_test.cc).
INPUTS = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def defined(leaves: list[bytes]) -> bytes:
    """Return MTH of RFC 6962, 2.1, over leaf hashes, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    both = defined(leaves[:split]) + defined(leaves[split:])
    return hashlib.sha256(b"\x01" + both).digest()


@pytest.mark.parametrize("size", range(9))
def test_root_of_the_known_tree_is_the_published_one(size: int) -> None:
    """Other people's numbers, not ours."""
    leaves = [merkle.leaf_hash(bytes.fromhex(text)) for text in INPUTS[:size]]

    assert ROOTS[size] == merkle.root_of(leaves).hex()


@given(HASHES)
def test_root_by_appending_is_the_root_by_definition(leaves: list[bytes]) -> None:
    """The frontier forgets nothing that counts."""
    assert defined(leaves) == merkle.root_of(leaves)


@given(HASHES)
def test_frontier_packed_and_unpacked_goes_on_alike(leaves: list[bytes]) -> None:
    """A checkpoint in between changes no root, and a frontier stays logarithmic."""
    frontier: merkle.Frontier = ()
    for size, leaf in enumerate(leaves):
        frontier = merkle.append(merkle.unpack(merkle.pack(frontier)), size, leaf)

    assert merkle.root_of(leaves) == merkle.root(frontier)
    assert len(leaves).bit_count() == len(frontier)


@given(HASHES.filter(bool), st.data())
def test_root_changes_with_any_leaf(leaves: list[bytes], data: st.DataObject) -> None:
    """Nothing in the history can be exchanged."""
    place = data.draw(st.integers(0, len(leaves) - 1))
    other = bytes([leaves[place][0] ^ 1]) + leaves[place][1:]

    changed = [*leaves[:place], other, *leaves[place + 1 :]]

    assert merkle.root_of(leaves) != merkle.root_of(changed)


def test_leaf_and_node_hashes_never_meet() -> None:
    """Prefixes 0x00 and 0x01: an inner node is never taken for a leaf."""
    left, right = b"l" * 32, b"r" * 32

    assert merkle.leaf_hash(left + right) != merkle.node_hash(left, right)


FIELDS = {
    "index": 1,
    "command_id": b"c" * 16,
    "code": "accepted",
    "time_ms": 2,
    "header_hash": b"h" * 32,
    "sealed_hash": b"s" * 32,
    "detail_hash": b"d" * 32,
    "salt": b"t" * 16,
}
OTHERS = {
    "index": 3,
    "command_id": b"x" * 16,
    "code": "refused",
    "time_ms": 4,
    "header_hash": b"x" * 32,
    "sealed_hash": b"x" * 32,
    "detail_hash": b"x" * 32,
    "salt": b"x" * 16,
}


def test_leaf_entry_has_its_fixed_form() -> None:
    """Anybody can build it from the table in `leaf.py`."""
    entry = leaf_entry(**FIELDS)  # type: ignore[arg-type]

    expected = (
        b"\x01" + bytes(7) + b"\x01" + b"c" * 16 + b"\x00" + bytes(7) + b"\x02"
        + b"h" * 32 + b"s" * 32 + b"d" * 32 + b"t" * 16
    )  # fmt: skip
    assert expected == entry
    assert LEAF_BYTES == len(entry) == 146


@pytest.mark.parametrize("field", FIELDS)
def test_leaf_entry_depends_on_every_field(field: str) -> None:
    """What an entry leaves out could be changed."""
    other = FIELDS | {field: OTHERS[field]}

    assert leaf_entry(**FIELDS) != leaf_entry(**other)  # type: ignore[arg-type]


def test_outcome_codes_keep_their_numbers() -> None:
    """They are published: a number is never given again."""
    expected = {
        "accepted": 0,
        "refused": 1,
        "invalid": 2,
        "incomplete": 3,
        "stale": 4,
        "id_reused": 5,
        "late": 6,
        "unknown_type": 7,
        "forged": 8,
    }

    assert expected == CODES
