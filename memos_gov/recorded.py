"""
Outcomes that the log itself records, read before it is replayed.

The notary writes, per tenant and in the tenant's own log, what became of the
records before (`CheckpointSigned`). Replay obeys that and judges the rest
alone, so a later certifier cannot rewrite history; the root signed at each
size says whether what comes out is what was. Only what an enrolled proposer
wrote, the tenant's key signed, and the heads before allow is obeyed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from memos_gov.certify import parse
from memos_gov.domain import codec, ids
from memos_gov.domain import events as e
from memos_gov.domain.facts import CheckpointFacts
from memos_gov.domain.history import LogRecord, Parsed, Recorded, Told
from memos_gov.errors import NotVerifiedError
from memos_gov.heads import check_head
from memos_gov.ports import EventLog
from memos_gov.transparency.checkpoints import origin_of

PAGE_RECORDS = 1000
_MARKS = tuple(
    f'"type":"{kind.__name__}"'.encode()
    for kind in (e.LogFounded, e.TenantFounded, e.CheckpointSigned)
)

MacKey = Callable[[str], bytes | None]


def recorded_outcomes(log: EventLog, partition: int, mac_key: MacKey) -> Recorded:
    """
    Return what the signed checkpoints of a partition say; nothing where there are none.

    Args:
        mac_key: Returns the MAC key of a proposer by its id.
    """
    reading = _Reading()
    for record in _records(log, partition):
        # A substring costs a thousandth of decoding every record twice.
        if any(mark in record.body for mark in _MARKS):
            _read(parse(record), reading, mac_key)
    return reading.recorded


@dataclass(slots=True)
class _Reading:
    instance: str = ""
    partitions: int = 1
    keys: dict[str, str] = field(default_factory=dict)
    heads: dict[str, CheckpointFacts] = field(default_factory=dict)
    recorded: Recorded = field(default_factory=Recorded)


def _records(log: EventLog, partition: int) -> Iterator[LogRecord]:
    start = 0
    while page := log.read(partition, start, PAGE_RECORDS):
        yield from page
        start = page[-1].offset + 1


def _read(item: Parsed, reading: _Reading, mac_key: MacKey) -> None:
    """Take in what a record says: whose log this is, a tenant's key, or what became of others."""
    record = item.record
    if record is None or record.data.tenant != item.at.tenant:
        return
    key = mac_key(record.data.mac_key)
    if key is None or not codec.has_valid_mac(record, item.at.body, key):
        return
    match item.events:
        case (e.LogFounded() as founded,) if item.at.offset == 0:
            reading.instance, reading.partitions = founded.instance, founded.partitions
        case (e.TenantFounded() as founded,):
            reading.keys.setdefault(record.data.tenant, founded.verifier_key)
        case (e.CheckpointSigned() as event,) if record.data.actor == ids.NOTARY:
            _obey(event, item.at, reading)


def _obey(event: e.CheckpointSigned, at: LogRecord, reading: _Reading) -> None:
    tenant = at.tenant
    if ids.partition_of(tenant, reading.partitions) != at.partition:
        return  # (one that was copied from where it belongs says nothing here)
    if not ids.is_control(tenant) and tenant not in reading.keys:
        return
    before, origin = reading.heads.get(tenant), origin_of(reading.instance, tenant)
    try:
        head = check_head(event, before, origin=origin, public=reading.keys.get(tenant))
    except NotVerifiedError:
        return
    if event.last_offset >= at.offset:
        return
    reading.heads[tenant] = CheckpointFacts(
        size=event.size,
        root=event.root,
        note=event.note,
        last_offset=event.last_offset,
        index=0,
        signed_at=0,
    )
    recorded = reading.recorded
    recorded.heads.setdefault(tenant, {})[event.size] = head.root
    recorded.spans.setdefault(tenant, []).append((event.first_offset, event.last_offset))
    for told in event.outcomes:
        detail = {name: list(values) for name, values in told.detail.items()}
        recorded.told[told.offset] = Told(told.code, detail, told.apart)
