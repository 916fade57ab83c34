"""What became of an erasure: ids, reasons and rules, never a name and never content."""

from __future__ import annotations

import msgspec

from memos_gov.domain.facts import CustodianReceipt
from memos_gov.domain.verdicts import Step


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """
    A cube that had to be kept: it is stored and no longer used, for these reasons.

    `steps` are how that follows; they are told of an erasure that was only asked about.
    """

    cube: str
    reasons: tuple[str, ...]
    rules: tuple[str, ...]
    steps: tuple[Step, ...] = ()


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """
    An erasure as it stands.

    `state` is `requested`, `erasing` or `checking` while it goes on, `kept`
    where all of it had to be kept (ask again once that is over), `completed`
    at the end, and `dry_run` for one that was only asked about, with what
    would be erased and kept. Times are seconds since the epoch; `subject` is
    the opaque id.
    """

    id: str
    state: str
    subject: str | None
    cube: str | None
    requested_at: int
    completed_at: int | None
    erased: tuple[str, ...]
    kept: tuple[Kept, ...]
    custodians: tuple[CustodianReceipt, ...] = ()
    statement: str = ""
    index: int = -1
