"""
The log against its outcomes: every record read again, every leaf derived again.

For each record: no gap before it, canonical bytes, a MAC of an enrolled
proposer, its tenant; an outcome whose leaf is the one these bytes give; and,
where asked for, payloads that open with their keys. Then, tenant by tenant,
the index without gaps and the root over the leaves. Memory does not grow with
the log. Whether the outcomes are right is not here: `tables.py` certifies
everything again.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from memos_gov.certify import parse
from memos_gov.domain import codec, ids
from memos_gov.domain.events import Event, OnContent
from memos_gov.domain.facts import GovernanceFacts
from memos_gov.domain.history import REPEATED, LogRecord, Outcome, Parsed
from memos_gov.errors import CorruptionError, NotFoundError
from memos_gov.follow import BATCH_RECORDS_MAX, mac_secret
from memos_gov.fsck.report import DESTROY, KEEP, REBUILD, RESTORE, Findings
from memos_gov.ports import EventLog, KeyStore, Tables
from memos_gov.sealing import Sealer
from memos_gov.transparency import merkle
from memos_gov.transparency.leaf import leaf_entry

STAGE = "records"
OFFSET_MIN = -(2**63)
_NO_ID = bytes(16)
_NO_HASH = bytes(32)
_UNTRUSTED = frozenset({"forged", "invalid"})


@dataclass(slots=True, kw_only=True)
class Records:
    """What the records are compared with; without `keys` no MAC and no payload is checked."""

    log: EventLog
    end: int
    tables: Tables | None
    keys: KeyStore | None
    opens_payloads: bool
    mac_keys: dict[str, bytes | None] = field(default_factory=dict)


def check_records(at: Records, findings: Findings) -> None:
    """Check every record below `end`, in order of the log, and then every tenant's tree."""
    _check_beginning(at.log, findings)
    expected, sizes = 0, Counter[str]()
    for batch in batches(at.log, at.end):
        outcomes = _outcomes(at.tables, batch)
        for record in batch:
            if record.offset != expected:
                findings.add(
                    f"log offset {expected}", "gap", "a record is missing from the log", RESTORE
                )
            expected = record.offset + 1
            _check(at, record, outcomes, sizes, findings)
        findings.counts["records"] += len(batch)
        findings.progress(STAGE, expected, at.end)
    if expected < at.end:
        findings.add(f"log offset {expected}", "gap", "the log ends before it should", RESTORE)
    if at.tables is not None:
        check_trees(at.tables, sizes, findings)


def _check_beginning(log: EventLog, findings: Findings) -> None:
    """Note every record that stands below offset 0, which nobody who reads the log sees."""
    for batch in batches(log, 0, OFFSET_MIN):
        for record in batch:
            place = f"log offset {record.offset}"
            findings.add(place, "before", "the record stands before the log's beginning", RESTORE)


def batches(log: EventLog, end: int, start: int = 0) -> Iterator[list[LogRecord]]:
    """Yield the records from `start` to below `end` in order."""
    while start < end:
        batch = [r for r in log.read(0, start, BATCH_RECORDS_MAX) if r.offset < end]
        if not batch:
            return
        yield batch
        start = batch[-1].offset + 1


def _outcomes(tables: Tables | None, batch: Sequence[LogRecord]) -> Mapping[int, Outcome]:
    if tables is None:
        return {}
    from memos_gov.projections.outcomes import outcomes_between

    with tables.connection() as connection:
        return outcomes_between(connection, 0, batch[0].offset, batch[-1].offset)


def _check(
    at: Records,
    stored: LogRecord,
    outcomes: Mapping[int, Outcome],
    sizes: Counter[str],
    findings: Findings,
) -> None:
    parsed = parse(stored)
    sound = _check_record(at, parsed, findings)
    if at.tables is None:
        return
    outcome = outcomes.get(stored.offset)
    if outcome is None:
        findings.add(f"outcomes (0, {stored.offset})", "outcome", "has no outcome", REBUILD)
    elif outcome.code == REPEATED:
        findings.counts["duplicates"] += 1
    else:
        _check_outcome(at, parsed, outcome, sizes, findings, sound=sound)


def _check_record(at: Records, parsed: Parsed, findings: Findings) -> bool:
    """Whether a record is by itself what it must be; says what it is not."""
    place, stored = f"log offset {parsed.at.offset}", parsed.at
    if parsed.record is None or parsed.problem:
        message = "the record is not canonical, or not one of ours; it was never applied"
        findings.add(place, "invalid", message)
    elif parsed.record.data.tenant != stored.tenant:
        findings.add(place, "tenant", "the record stands under another tenant's key")
    elif at.keys is not None and not _has_valid_mac(at, at.keys, parsed.record, stored.body):
        message = "no enrolled proposer made this record; it changes nothing"
        findings.add(place, "forged", message, tenant=stored.tenant)
    else:
        return at.keys is not None
    return False


def _has_valid_mac(at: Records, keys: KeyStore, record: codec.Record, body: bytes) -> bool:
    name = record.data.mac_key
    if name not in at.mac_keys:
        at.mac_keys[name] = keys.secret(ids.INSTANCE, mac_secret(name))
    key = at.mac_keys[name]
    return key is not None and codec.has_valid_mac(record, body, key)


def _check_outcome(
    at: Records,
    parsed: Parsed,
    outcome: Outcome,
    sizes: Counter[str],
    findings: Findings,
    *,
    sound: bool,
) -> None:
    offset, tenant = parsed.at.offset, outcome.tenant
    place = f"outcomes (0, {offset})"
    if outcome.index != sizes[tenant]:
        message = f"index {outcome.index} of {tenant} where {sizes[tenant]} is due"
        findings.add(place, "index", message, REBUILD, tenant=tenant)
    sizes[tenant] = outcome.index + 1
    if leaf_of(parsed, outcome) == outcome.leaf:
        if at.opens_payloads and at.keys is not None and outcome.final:
            _check_payloads(at.keys, at.tables, parsed, findings)
    elif sound:
        message = "another leaf than its record, which is properly sealed, gives"
        findings.add(place, "outcome", message, REBUILD, tenant=tenant)
    else:
        message = "the record is another one than the leaf in the tree was made of"
        findings.add(f"log offset {offset}", "leaf", message, KEEP, tenant=tenant)


def leaf_of(parsed: Parsed, outcome: Outcome) -> bytes:
    """Return the leaf hash that a record and its outcome give; b"" where they cannot."""
    record = parsed.record
    untrusted = outcome.tenant == ids.INSTANCE and outcome.code in _UNTRUSTED
    if outcome.command_id or not untrusted:
        if record is None:
            return b""
        command_id, salt = uuid.UUID(record.id).bytes, bytes.fromhex(record.data.salt)
        time_ms, hashes = codec.milliseconds(record.time), codec.header_hash(record)
    else:
        command_id, salt, time_ms = _NO_ID, _NO_ID, 0
        hashes = (hashlib.sha256(parsed.at.body).digest(), _NO_HASH)
    try:
        entry = leaf_entry(
            index=outcome.index,
            command_id=command_id,
            code=outcome.code,
            time_ms=time_ms,
            header_hash=hashes[0],
            sealed_hash=hashes[1],
            detail_hash=hashlib.sha256(codec.canonical(outcome.detail)).digest(),
            salt=salt,
        )
    except (KeyError, ValueError):
        return b""
    return merkle.leaf_hash(entry)


def _check_payloads(
    keys: KeyStore, tables: Tables | None, parsed: Parsed, findings: Findings
) -> None:
    """Open every payload of a record and forget it at once; one of an erased cube must not open."""
    assert parsed.record is not None
    sealer, data = Sealer(keys), parsed.record.data
    for env, event in zip(data.events, parsed.events, strict=True):
        if env.sealed is None or env.key_id is None:
            continue
        place, erased = f"log offset {parsed.at.offset}", _is_erased(tables, event, data.tenant)
        try:
            sealer.open(
                event,
                env.sealed,
                env.key_id,
                tenant=data.tenant,
                command_id=parsed.record.id,
                version=env.version,
            )
            findings.counts["payloads"] += 1
            if erased:
                message = f"the key {env.key_id} of an erased cube is still in the vault"
                findings.add(place, "key", message, DESTROY, tenant=data.tenant)
        except NotFoundError:
            findings.counts["destroyed"] += erased
            if not erased:
                message = f"the key {env.key_id} of a payload is not in the vault"
                findings.add(place, "key", message, RESTORE, tenant=data.tenant)
        except (CorruptionError, ValueError):
            message = f"a payload does not open with its key {env.key_id}"
            findings.add(place, "key", message, RESTORE, tenant=data.tenant)


def _is_erased(tables: Tables | None, event: Event, tenant: str) -> bool:
    """Whether an event is content of a cube that was erased."""
    if tables is None or not isinstance(event, OnContent):
        return False
    stream = ids.governance_stream(tenant, event.cube)
    with tables.snapshot() as snapshot:
        _, facts = snapshot.facts([stream]).get(stream, (0, None))
    return isinstance(facts, GovernanceFacts) and facts.state == "erased"


def check_trees(tables: Tables, sizes: Mapping[str, int], findings: Findings) -> None:
    """Compare each tree with the root over the leaves in the order of their index."""
    from sqlalchemy import select

    from memos_gov.projections.tables import OutcomeRow, TreeRow, table_of

    tree, outcome = table_of(TreeRow), table_of(OutcomeRow)
    with tables.connection() as connection:
        trees = {row.tenant: row for row in connection.execute(select(tree))}
        for tenant in sorted({*sizes, *trees}):
            query = select(outcome.c.leaf).where(outcome.c.tenant == tenant)
            query = query.where(outcome.c.idx.is_not(None)).order_by(outcome.c.idx)
            rows = connection.execute(query.execution_options(yield_per=BATCH_RECORDS_MAX))
            findings.roots[tenant] = merkle.root_of(row.leaf for row in rows).hex()
            row = trees.get(tenant)
            kept = None if row is None else merkle.root(merkle.unpack(row.frontier)).hex()
            if kept != findings.roots[tenant] or row is None or row.size != sizes.get(tenant, 0):
                message = "the tree is not the one that its leaves make"
                findings.add(f"trees ({tenant})", "root", message, REBUILD, tenant=tenant)
            findings.counts["trees"] += 1
