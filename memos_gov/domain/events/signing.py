"""What the notary says of a tenant's log: a signed head, and what became of its records."""

from __future__ import annotations

import msgspec

from memos_gov.domain import ids
from memos_gov.domain.events.event import Event
from memos_gov.domain.verdicts import Integer


class RecordedOutcome(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    What became of the record at a log offset, where that is not plain acceptance.

    `detail` is that of the outcome; of an accepted read it names the cubes
    struck out. `apart` says that the record could not be trusted and stands, as
    evidence, in the tree of `_instance`.
    """

    offset: Integer
    code: str
    detail: dict[str, tuple[str, ...]]
    apart: bool


class CheckpointSigned(Event, frozen=True, kw_only=True):
    """
    The head of the tenant's tree, signed, and the outcomes that replay obeys.

    Every record under the tenant's key at a log offset from `first_offset`
    to `last_offset` was accepted without detail, except as `outcomes` say, in order.
    `consistency` proves that this tree begins with that of the checkpoint
    before; hashes are in hex. `rules` is the certifier's version.
    """

    size: Integer
    root: str
    note: str
    rules: Integer
    first_offset: Integer
    last_offset: Integer
    outcomes: tuple[RecordedOutcome, ...]
    consistency: tuple[str, ...]

    def stream(self, tenant: str) -> str:
        """Return the stream of the tenant's checkpoints."""
        return ids.checkpoint_stream(tenant)
