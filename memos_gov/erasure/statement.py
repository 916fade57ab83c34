"""
What the certificate of an erasure says: a statement made of the log alone.

The same history gives the same statement, whenever it is made, so its digest
can stand in the record that completes the erasure. It names ids, reasons,
rules, times and what remains; no name and no content.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from msgspec import to_builtins

from memos_gov.domain.facts import CustodianReceipt, ErasureFacts
from memos_gov.erasure.report import Kept
from memos_gov.erasure.telling import Told

Statement = dict[str, Any]
_HEADERS = "They prove what happened, by opaque ids; they hold no content and no name."
_CIPHERTEXT = "The log is append-only; every key that opens it was destroyed."
_BACKUPS = (
    "A copy of the vault made before opens it until the key-encryption keys of then are gone."
)
_QUERIES = "They may name the person. They are sealed under a key per month until that key ends."
_NAME = "Memories about the person are kept."
_OTHER_NAMES = (
    "Where the memories had any, they stand sealed in the directory: others may name them too."
)


def statement(
    tenant: str, erasure: str, facts: ErasureFacts, told: Told, *, completed_at: int
) -> Statement:
    """
    Return the statement of an erasure whose custodians have all reported.

    Args:
        completed_at: The time of the record that completes it, in seconds.
    """
    since = facts.backups_ended_at
    return {
        "tenant": tenant,
        "erasure": erasure,
        "subject": facts.subject,
        "cube": facts.cube,
        "requested_at": moment(facts.requested_at),
        "completed_at": moment(completed_at),
        "indexes": [facts.requested_index, _last_index(facts)],
        "policies": list(told.policies),
        "erased": list(told.erased),
        "kept": [_kept(kept) for kept in told.kept],
        "custodians": [_custodian(receipt) for receipt in facts.receipts],
        "unreadable_live_since": moment(completed_at),
        "unreadable_in_backups_since": None if since is None else moment(since),
        "remains": remains(facts, told),
    }


def moment(seconds: int) -> str:
    """Return a moment in UTC, to the second (RFC 3339)."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _last_index(facts: ErasureFacts) -> int:
    """Return the index of the last step before the completion."""
    return max((*facts.pages, *(receipt.index for receipt in facts.receipts)))


def _kept(kept: Kept) -> dict[str, Any]:
    return {"cube": kept.cube, "reasons": list(kept.reasons), "rules": list(kept.rules)}


def _custodian(receipt: CustodianReceipt) -> dict[str, Any]:
    said = to_builtins(receipt)
    times = {name: moment(said[name]) for name in ("started_at", "ended_at")}
    return {**said, **times}


def remains(facts: ErasureFacts, told: Told) -> list[dict[str, str | None]]:
    """Return what is still there and why, since when it is not found, and when it is gone."""
    ended = {receipt.custodian: moment(receipt.ended_at) for receipt in facts.receipts}
    since = facts.backups_ended_at
    backups = None if since is None else moment(since)
    unread, gone = ended.get("vault"), ended.get("index")
    said = [
        _remaining("headers of events", _HEADERS, None, None),
        _remaining("ciphertext in log and tables", _CIPHERTEXT, unread, None),
        _remaining("copies of the vault", _BACKUPS, backups, None),
        _remaining("entries of the index", "They were removed and overwritten.", gone, gone),
        _remaining("queries, and reasons of erasures", _QUERIES, None, None),
        _remaining("names of authors and conversations", _OTHER_NAMES, None, None),
    ]
    if facts.subject is not None and told.kept:
        said.append(_remaining("the person's name", _NAME, None, None))
    return said


def _remaining(
    what: str, why: str, since: str | None, gone_by: str | None
) -> dict[str, str | None]:
    return {"what": what, "why": why, "not_findable_since": since, "physically_gone_by": gone_by}
