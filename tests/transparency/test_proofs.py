"""Proofs: published vectors, the definition, and every way in which one can be wrong."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memos_gov.errors import NotVerifiedError
from memos_gov.transparency import proofs
from tests.transparency import naive

SIZES = st.integers(1, 70)
LEAVES = naive.made(70)


def refuses(verify: Callable[..., None], *args: Any, **named: Any) -> bool:
    """Tell whether a verifier refuses."""
    try:
        verify(*args, **named)
    except NotVerifiedError:
        return True
    return False


def of_inclusion(v: dict[str, Any]) -> bool:
    """Run an inclusion vector."""
    return refuses(
        proofs.verify_inclusion,
        v["leafHash"],
        index=v["leafIdx"],
        size=v["treeSize"],
        proof=v["proof"],
        root=v["root"],
    )


def of_consistency(v: dict[str, Any]) -> bool:
    """Run a consistency vector."""
    return refuses(
        proofs.verify_consistency,
        old=v["size1"],
        old_root=v["root1"],
        new=v["size2"],
        new_root=v["root2"],
        proof=v["proof"],
    )


def of_subtree_inclusion(v: dict[str, Any]) -> bool:
    """Run an inclusion vector of a subtree."""
    return refuses(
        proofs.verify_subtree_inclusion,
        v["leafHash"],
        index=v["leafIdx"],
        start=v["start"],
        end=v["end"],
        proof=v["proof"],
        root=v["root"],
    )


def of_subtree_consistency(v: dict[str, Any]) -> bool:
    """Run a consistency vector of a subtree."""
    return refuses(
        proofs.verify_subtree_consistency,
        start=v["start"],
        end=v["end"],
        subtree_root=v["root1"],
        size=v["size"],
        root=v["root2"],
        proof=v["proof"],
    )


VECTORS: dict[str, tuple[int, Callable[[dict[str, Any]], bool]]] = {
    "inclusion": (98, of_inclusion),
    "consistency": (98, of_consistency),
    "subtreeinclusion": (204, of_subtree_inclusion),
    "subtreeconsistency": (118, of_subtree_consistency),
}


def vector(path: Path) -> dict[str, Any]:
    """Return a vector, its hashes as bytes."""
    found = json.loads(path.read_text())
    for name in ("root", "root1", "root2", "leafHash"):
        if name in found:
            found[name] = base64.b64decode(found[name])
    found["proof"] = [base64.b64decode(text or "") for text in found["proof"] or ()]
    return dict(found)


@pytest.mark.parametrize("kind", VECTORS)
def test_vector_of_others_is_judged_as_they_say(shared_data: Path, kind: str) -> None:
    """All of them: valid proofs hold, and each of the broken ones is refused."""
    count, run = VECTORS[kind]
    folder = shared_data / "merkle" / "testdata" / kind
    found = {str(path.relative_to(folder)): vector(path) for path in folder.rglob("*.json")}

    wrong = [name for name, each in sorted(found.items()) if run(each) != each["wantErr"]]

    assert [] == wrong
    assert count == len(found)


@given(SIZES, st.data())
def test_inclusion_proof_is_that_of_the_definition_and_holds(
    size: int, data: st.DataObject
) -> None:
    """Made like the recursive one of RFC 6962, and accepted."""
    index = data.draw(st.integers(0, size - 1))
    leaves = LEAVES[:size]

    made = proofs.inclusion_proof(index, size, lambda start, end: naive.mth(leaves[start:end]))

    assert naive.path(index, leaves) == made
    proofs.verify_inclusion(
        leaves[index], index=index, size=size, proof=made, root=naive.mth(leaves)
    )


@given(SIZES, st.data())
def test_consistency_proof_is_the_one_defined_and_holds(size: int, data: st.DataObject) -> None:
    """Made like the recursive one of RFC 6962, and accepted."""
    old = data.draw(st.integers(1, size))
    leaves = LEAVES[:size]

    made = proofs.consistency_proof(old, size, lambda start, end: naive.mth(leaves[start:end]))

    assert naive.proof(old, leaves) == made
    roots = {"old_root": naive.mth(leaves[:old]), "new_root": naive.mth(leaves)}
    proofs.verify_consistency(old=old, new=size, proof=made, **roots)


@given(SIZES, st.data())
def test_inclusion_proof_for_another_place_or_size_is_refused(
    size: int, data: st.DataObject
) -> None:
    """It holds only where the same way leads to the root; the checkpoint names the size."""
    index = data.draw(st.integers(0, size - 1))
    other_index, other_size = data.draw(st.integers(-1, 71)), data.draw(st.integers(-1, 71))
    leaves = LEAVES[:size]
    proof, root = naive.path(index, leaves), naive.mth(leaves)

    found = refuses(
        proofs.verify_inclusion,
        leaves[index],
        index=other_index,
        size=other_size,
        proof=proof,
        root=root,
    )

    shape = naive_shape(other_index, other_size)
    same_way = shape is not None and shape == naive_shape(index, size)
    assert found is not same_way


def naive_shape(index: int, size: int) -> list[str] | None:
    """Return on which side each sibling stands; two trees of one shape have the same proofs."""
    if not 0 <= index < size:
        return None
    if size == 1:
        return []
    middle = naive.split(size)
    if index < middle:
        return [*(naive_shape(index, middle) or []), "right"]
    return [*(naive_shape(index - middle, size - middle) or []), "left"]


@given(SIZES, st.data())
def test_consistency_proof_with_any_bit_changed_is_refused(size: int, data: st.DataObject) -> None:
    """Roots and hashes alike."""
    old = data.draw(st.integers(1, size))
    leaves = LEAVES[:size]
    parts = [naive.mth(leaves[:old]), naive.mth(leaves), *naive.proof(old, leaves)]
    part = data.draw(st.integers(0, len(parts) - 1))
    bit = data.draw(st.integers(0, 255))
    parts[part] = (int.from_bytes(parts[part]) ^ 1 << bit).to_bytes(32)

    assert refuses(
        proofs.verify_consistency,
        old=old,
        old_root=parts[0],
        new=size,
        new_root=parts[1],
        proof=parts[2:],
    )


@given(SIZES, st.data())
def test_inclusion_proof_with_any_bit_changed_is_refused(size: int, data: st.DataObject) -> None:
    """Leaf, root and hashes alike."""
    index = data.draw(st.integers(0, size - 1))
    leaves = LEAVES[:size]
    parts = [leaves[index], naive.mth(leaves), *naive.path(index, leaves)]
    part = data.draw(st.integers(0, len(parts) - 1))
    bit = data.draw(st.integers(0, 255))
    parts[part] = (int.from_bytes(parts[part]) ^ 1 << bit).to_bytes(32)

    assert refuses(
        proofs.verify_inclusion,
        parts[0],
        index=index,
        size=size,
        proof=parts[2:],
        root=parts[1],
    )


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_hash_that_is_not_32_bytes_is_refused_wherever_it_stands(length: int) -> None:
    """Also where it would only be compared with itself."""
    other = b"x" * length

    assert refuses(proofs.verify_inclusion, other, index=0, size=1, proof=[], root=other)
    assert refuses(
        proofs.verify_consistency,
        old=1,
        old_root=other,
        new=2,
        new_root=naive.node(other, LEAVES[0]),
        proof=[LEAVES[0]],
    )
    assert refuses(
        proofs.verify_consistency,
        old=1,
        old_root=LEAVES[0],
        new=2,
        new_root=naive.node(LEAVES[0], other),
        proof=[other],
    )


@pytest.mark.parametrize("new", [0, 1, 5])
def test_proof_from_the_empty_tree_is_refused(new: int) -> None:
    """Every tree begins with nothing, so nothing is shown."""
    empty, root = naive.mth([]), naive.mth(LEAVES[:new])

    assert refuses(
        proofs.verify_consistency, old=0, old_root=empty, new=new, new_root=root, proof=[]
    )


def test_claim_of_an_endless_tree_is_refused_at_once() -> None:
    """No recursion without a bound."""
    assert refuses(
        proofs.verify_inclusion,
        LEAVES[0],
        index=0,
        size=1 << 5000,
        proof=LEAVES[:1] * 5000,
        root=LEAVES[1],
    )
    assert refuses(
        proofs.verify_consistency,
        old=1,
        old_root=LEAVES[0],
        new=1 << 5000,
        new_root=LEAVES[1],
        proof=LEAVES[:1] * 5000,
    )


def test_refusal_says_which_proof_failed_and_why() -> None:
    """A reader learns what to look at."""
    with pytest.raises(NotVerifiedError, match="another root") as caught:
        proofs.verify_inclusion(LEAVES[0], index=0, size=1, proof=[], root=LEAVES[1])

    assert "inclusion proof" == caught.value.place
