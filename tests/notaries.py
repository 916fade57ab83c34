"""A notary over a history in memory: heads as it would sign them, right or wrong."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.facts import CheckpointFacts
from memos_gov.domain.history import Outcome
from memos_gov.transparency.checkpoints import TreeHead, origin_of, sign_head
from memos_gov.transparency.notes import Signer
from tests.records import LOG_FOUNDED, TENANT, History, a_record
from tests.transparency import naive

ORIGIN = origin_of(LOG_FOUNDED.instance, TENANT)
SIGNER = Signer(ORIGIN, b"v" * 32)


def a_history() -> History:
    """Return a founded log whose tenant has a real verifier key."""
    return History(verifier_key=SIGNER.vkey.public.hex())


def leaves(history: History, tenant: str = TENANT) -> list[bytes]:
    """Return the leaf hashes of a tenant's tree so far."""
    found = (outcome for rows in history.rows for outcome in rows.outcomes)
    return [row[10] for row in found if row[2] == tenant and row[3] is not None]  # type: ignore[misc]


def newest(history: History, tenant: str = TENANT) -> CheckpointFacts | None:
    """Return the newest head that the history accepted."""
    facts = history.known.facts.get(ids.checkpoint_stream(tenant))
    assert facts is None or isinstance(facts, CheckpointFacts)
    return facts


def a_checkpoint(
    history: History,
    *,
    tenant: str = TENANT,
    size: int | None = None,
    signer: Signer | None = None,
    head: TreeHead | None = None,
    **changes: Any,
) -> e.CheckpointSigned:
    """Return the event of an honest head over the first `size` leaves, with `changes`."""
    mine, before = leaves(history, tenant), newest(history, tenant)
    size = len(mine) if size is None else size
    signer = signer or Signer(origin_of(LOG_FOUNDED.instance, tenant), b"v" * 32)
    head = head or TreeHead(origin=signer.vkey.name, size=size, root=naive.mth(mine[:size]))
    proof = naive.proof(before.size, mine[:size]) if before and 0 < before.size <= size else []
    event = e.CheckpointSigned(
        size=head.size,
        root=head.root.hex(),
        note=signer.sign(head.text) if head.origin != signer.vkey.name else sign_head(head, signer),
        rules=1,
        first_offset=0 if before is None else before.last_offset + 1,
        last_offset=len(history.records) - 1,
        outcomes=(),
        consistency=tuple(found.hex() for found in proof),
    )
    return replace(event, **changes)


def propose(
    history: History, event: e.CheckpointSigned, tenant: str = TENANT, **how: Any
) -> Outcome:
    """Append a checkpoint as the notary does: its own actor, and no verdict."""
    fields: dict[str, Any] = {"actor": ids.NOTARY, "verdict": None, "tenant": tenant} | how
    return history.append(a_record(event, **fields), tenant)
