"""
Signed heads in the log: which may follow which, and how one is read. Pure.

A head is believed when the tenant's verifier key signed it and its tree begins
with that of the head before. Whether its root is that of the records told
where the tree has that size: at certification, or when the log is replayed.
"""

from __future__ import annotations

from memos_gov.domain import ids
from memos_gov.domain.events import CheckpointSigned
from memos_gov.domain.facts import CheckpointFacts, PolicyFacts
from memos_gov.domain.history import Known, LogRecord, Recorded, Tree
from memos_gov.errors import CorruptionError, NotVerifiedError
from memos_gov.transparency import merkle
from memos_gov.transparency.checkpoints import TreeHead, head_in, open_checkpoint, origin_of
from memos_gov.transparency.notes import VerifierKey
from memos_gov.transparency.proofs import verify_consistency

PLACE = "recorded checkpoint"
_INVALID = ("invalid", {"why": ["checkpoint"]})

Problem = tuple[str, dict[str, list[str]]]


def checkpoint_problem(event: CheckpointSigned, at: LogRecord, known: Known) -> Problem | None:
    """
    Return code and detail of a checkpoint that certification must reject; None of a sound one.

    It is stale when nothing is new in it, or when the tree of a log without a
    verifier key has grown meanwhile; otherwise its root is the tree's where the
    sizes are equal, and a consistent one below.
    """
    stream, tree = event.stream(at.tenant), known.trees[at.tenant]
    before, policy = known.facts.get(stream), known.facts.get(ids.guard_stream(at.tenant, "policy"))
    assert before is None or isinstance(before, CheckpointFacts)
    public = policy.verifier_key if isinstance(policy, PolicyFacts) else None
    is_old = before is not None and event.size <= before.size
    if is_old or (public is None and event.size < tree.size):
        return "stale", {"streams": [stream]}
    origin = origin_of(known.log.instance if known.log else "", at.tenant)
    try:
        head = check_head(event, before, origin=origin, public=public)
    except NotVerifiedError:
        return _INVALID
    is_other = head.size == tree.size and head.root != merkle.root(tree.frontier)
    if is_other or head.size > tree.size or event.last_offset >= at.offset:
        return _INVALID
    return None


def require_signed_root(tenant: str, tree: Tree, at: LogRecord, recorded: Recorded) -> None:
    """
    Check a tree that was signed at this size: whatever was replayed, it is the same again.

    Raises:
        CorruptionError: It has another root.
    """
    signed = recorded.heads.get(tenant, {}).get(tree.size)
    if signed is not None and signed != merkle.root(tree.frontier):
        msg = f"the log no longer gives the root signed for {tenant} at {tree.size} records"
        raise CorruptionError(msg, place=at.position.place)


def check_head(
    event: CheckpointSigned, before: CheckpointFacts | None, *, origin: str, public: str | None
) -> TreeHead:
    """
    Return the head that an event states, once it may follow the one before.

    Args:
        origin: Of the tenant's log.
        public: The tenant's verifier key in hex; None for a log that has none.

    Raises:
        NotVerifiedError: It may not, or was not signed, or contradicts itself.
    """
    head = _signed(event.note, origin, public)
    if (head.origin, head.size, head.root.hex()) != (origin, event.size, event.root):
        raise _failed("it states another head than its note")
    offsets = [told.offset for told in event.outcomes]
    if sorted(set(offsets)) != offsets:
        raise _failed("its outcomes are not in order")
    if offsets and not event.first_offset <= offsets[0] <= offsets[-1] <= event.last_offset:
        raise _failed("its outcomes lie outside of what it covers")
    if event.first_offset != (0 if before is None else before.last_offset + 1):
        raise _failed("it leaves records out")
    if event.size < 1 or event.last_offset < event.first_offset - 1:
        raise _failed("it covers nothing")
    _check_consistency(event, before, head)
    return head


def _signed(note: str, origin: str, public: str | None) -> TreeHead:
    if public is None:
        return head_in(note)
    try:
        key = VerifierKey(origin, bytes.fromhex(public))
    except ValueError:
        raise _failed("the tenant's verifier key is none") from None
    return open_checkpoint(note, key)


def _check_consistency(
    event: CheckpointSigned, before: CheckpointFacts | None, head: TreeHead
) -> None:
    try:
        proof = [bytes.fromhex(found) for found in event.consistency]
    except ValueError:
        raise _failed("its consistency proof is none") from None
    if before is None:
        if proof:
            raise _failed("it is the first one and proves consistency")
        return
    old_root = bytes.fromhex(before.root)
    verify_consistency(
        old=before.size, old_root=old_root, new=head.size, new_root=head.root, proof=proof
    )


def _failed(message: str) -> NotVerifiedError:
    return NotVerifiedError(f"the {PLACE} does not hold: {message}", place=PLACE)
