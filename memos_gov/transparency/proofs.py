"""
Inclusion and consistency proofs over the tree of RFC 6962, made and verified.

Source: RFC 6962, sections 2.1.1 and 2.1.2, restated in RFC 9162; proofs about
a subtree `[start, end)` as in draft-ietf-plants-merkle-tree-certs, section 4,
of which a proof about the tree from its first leaf on is the special case.
Each function walks the tree downwards as the definitions do, so its depth is
at most 64.

A verifier raises, and names what does not hold; it never returns an opinion.
It hashes nothing, and compares nothing with a hash, that is not 32 bytes, and
refuses every proof from an empty tree, with which all trees are consistent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from memos_gov.errors import NotVerifiedError
from memos_gov.transparency.merkle import EMPTY_ROOT, HASH_BYTES, node_hash

SIZE_MAX = 2**64 - 1
INCLUSION, CONSISTENCY = "inclusion proof", "consistency proof"

RangeHash = Callable[[int, int], bytes]


def inclusion_proof(index: int, size: int, range_hash: RangeHash) -> list[bytes]:
    """
    Return the proof that leaf `index` is in the tree of `size` leaves, its sibling first.

    Args:
        range_hash: Returns MTH(D[start:end]), asked only for ranges of that tree.
    """
    assert 0 <= index < size
    start, end, path = 0, size, []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(range_hash(middle, end))
            end = middle
        else:
            path.append(range_hash(start, middle))
            start = middle
    return path[::-1]


def consistency_proof(old: int, new: int, range_hash: RangeHash) -> list[bytes]:
    """
    Return the proof that the tree of `new` leaves begins with the tree of `old`.

    Args:
        range_hash: As for `inclusion_proof`, of the tree of `new` leaves.
    """
    assert 0 < old <= new
    start, end, path = 0, new, []
    while old < end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(range_hash(middle, end))
            end = middle
        else:
            path.append(range_hash(start, middle))
            start = middle
    if start:
        path.append(range_hash(start, end))
    return path[::-1]


def verify_inclusion(
    leaf: bytes, *, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """
    Check that the leaf hash `leaf` stands at `index` of the tree of `size` leaves.

    Raises:
        NotVerifiedError: It does not, as far as this proof says.
    """
    verify_subtree_inclusion(leaf, index=index, start=0, end=size, proof=proof, root=root)


def verify_subtree_inclusion(
    leaf: bytes, *, index: int, start: int, end: int, proof: Sequence[bytes], root: bytes
) -> None:
    """
    Check that the leaf hash `leaf` stands at `index` of the subtree `[start, end)` under `root`.

    Raises:
        NotVerifiedError: It does not, there is no such subtree, or no such leaf in it.
    """
    _require_hashes(INCLUSION, leaf, root, *proof)
    _require_subtree(INCLUSION, start, end)
    if not start <= index < end:
        raise _failed(INCLUSION, "the index is not that of a leaf of the tree")
    path = iter(proof)
    if _climbed(leaf, index - start, end - start, path) != root:
        raise _failed(INCLUSION, "it leads to another root")
    _require_used(INCLUSION, path)


def verify_consistency(
    *, old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """
    Check that the tree of `new` leaves under `new_root` begins with that of `old` leaves.

    Trees of one size are consistent when their roots are equal; nothing is hashed then.

    Raises:
        NotVerifiedError: It does not, as far as this proof says, or `old` is 0.
    """
    if old == 0:
        raise _failed(CONSISTENCY, "nothing can be proven from an empty tree")
    verify_subtree_consistency(
        start=0, end=old, subtree_root=old_root, size=new, root=new_root, proof=proof
    )


def verify_subtree_consistency(
    *, start: int, end: int, subtree_root: bytes, size: int, root: bytes, proof: Sequence[bytes]
) -> None:
    """
    Check that the tree of `size` leaves under `root` has the subtree `[start, end)`.

    An empty range has the root of the empty tree and is part of every tree.

    Raises:
        NotVerifiedError: It has not, as far as this proof says, or there is no such subtree.
    """
    if not end <= size <= SIZE_MAX:
        raise _failed(CONSISTENCY, "the newer tree is smaller than the older one")
    if 0 <= start == end:
        _require_equal(subtree_root, EMPTY_ROOT, proof)
        return
    _require_subtree(CONSISTENCY, start, end)
    if end - start == size:
        _require_equal(subtree_root, root, proof)
        return
    _require_hashes(CONSISTENCY, subtree_root, root, *proof)
    path = iter(proof)
    inner, whole = _joined(subtree_root, start, end, size, path, known=True)
    if inner != subtree_root:
        raise _failed(CONSISTENCY, "it leads to another root of the older tree")
    if whole != root:
        raise _failed(CONSISTENCY, "it leads to another root of the newer tree")
    _require_used(CONSISTENCY, path)


def _climbed(leaf: bytes, index: int, size: int, path: Iterator[bytes]) -> bytes:
    """Return the root over a tree of `size` leaves that leaf and path give."""
    if size == 1:
        return leaf
    middle = _split(size)
    if index < middle:
        left = _climbed(leaf, index, middle, path)
        return node_hash(left, _next(INCLUSION, path))
    right = _climbed(leaf, index - middle, size - middle, path)
    return node_hash(_next(INCLUSION, path), right)


def _joined(
    subtree_root: bytes, start: int, end: int, size: int, path: Iterator[bytes], *, known: bool
) -> tuple[bytes, bytes]:
    """
    Return the roots of `[start, end)` and of the whole, as the path gives them.

    `known` is true as long as the range is the one whose root was given: at
    the bottom that root is taken instead of a hash of the path.
    """
    if start == 0 and end == size:
        bottom = subtree_root if known else _next(CONSISTENCY, path)
        return bottom, bottom
    middle = _split(size)
    if end <= middle:
        inner, left = _joined(subtree_root, start, end, middle, path, known=known)
        return inner, node_hash(left, _next(CONSISTENCY, path))
    if start >= middle:
        inner, right = _joined(
            subtree_root, start - middle, end - middle, size - middle, path, known=known
        )
        return inner, node_hash(_next(CONSISTENCY, path), right)
    inner, right = _joined(subtree_root, 0, end - middle, size - middle, path, known=False)
    left = _next(CONSISTENCY, path)
    return node_hash(left, inner), node_hash(left, right)


def _split(size: int) -> int:
    """Return the largest power of two below `size`, which is at least 2."""
    return 1 << (size - 1).bit_length() - 1


def _next(place: str, path: Iterator[bytes]) -> bytes:
    found = next(path, None)
    if found is None:
        raise _failed(place, "it is too short")
    return found


def _require_used(place: str, path: Iterator[bytes]) -> None:
    if next(path, None) is not None:
        raise _failed(place, "it is too long")


def _require_hashes(place: str, *hashes: bytes) -> None:
    if any(len(found) != HASH_BYTES for found in hashes):
        raise _failed(place, f"a hash in it has not {HASH_BYTES} bytes")


def _require_equal(one: bytes, other: bytes, proof: Sequence[bytes]) -> None:
    """Where no path leads from one root to the other, they are the same."""
    if one != other:
        raise _failed(CONSISTENCY, "the roots differ")
    _require_used(CONSISTENCY, iter(proof))


def _require_subtree(place: str, start: int, end: int) -> None:
    """A subtree begins at a multiple of the smallest power of two that holds it, and has leaves."""
    if not 0 <= start < end <= SIZE_MAX or start % (1 << (end - start - 1).bit_length()):
        raise _failed(place, "there is no such tree")


def _failed(place: str, message: str) -> NotVerifiedError:
    return NotVerifiedError(f"the {place} does not hold: {message}", place=place)
