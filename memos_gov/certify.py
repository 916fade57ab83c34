"""
Records in, decided history out: the deterministic heart.

`certify` is pure. It takes records in log order and what is known at the
checkpoint, and gives every record one outcome: accepted, refused, rejected
with a code, or a duplicate of an earlier final one. The same records and the
same state give the same rows on every machine and at every time. A record never
stops it; what cannot be trusted is evidence in the partition's own tree.

Rejections (log order of the checks): `invalid`, `forged`, `unknown_type`,
`id_reused`, `late`, `incomplete`, `stale`. Only accepted and refused are
final: a rejected command id may come again.

A record that a signed checkpoint says something about is not judged again: what
it says is obeyed, and a root that differs from a signed one stops everything.

Not here: reading the log, loading and writing rows (backends), and any view
but the facts that decide (followers).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

import msgspec

from memos_gov.domain import codec, ids
from memos_gov.domain import events as e
from memos_gov.domain.erasing import REPORTS, is_out_of_reach, is_report, may_end
from memos_gov.domain.evolve import Occurrence, evolve, touched
from memos_gov.domain.facts import PolicyFacts
from memos_gov.domain.history import (
    ACCEPTED,
    REPEATED,
    Known,
    LogRecord,
    Needs,
    Outcome,
    Parsed,
    Rows,
    Told,
    Tree,
)
from memos_gov.domain.lineage import may_narrow
from memos_gov.domain.lineage.record import descend, fault_of, session_of
from memos_gov.domain.recovery import is_recovery_signature
from memos_gov.domain.reliance import (
    base_streams,
    cube_streams,
    required_streams,
    session_streams,
)
from memos_gov.domain.rules_version import require_rules, unknown_here
from memos_gov.heads import checkpoint_problem, require_signed_root
from memos_gov.transparency import merkle
from memos_gov.transparency.leaf import entry_of

SALT_BYTES = 16
SALT = re.compile(rf"[0-9a-f]{{{2 * SALT_BYTES}}}")
_UNJUDGED = (e.LogFounded, e.LogExtended, e.TenantFounded, e.CheckpointSigned, *REPORTS)
_SEALED = (e.CubeRemembered, e.CubeRevised, e.CubeRolledBack)


class Rejected(Exception):  # noqa: N818 (not an error: an outcome on its way out of the checks)
    """A record fails a check."""

    def __init__(self, code: str, **detail: Iterable[str]) -> None:
        super().__init__(code)
        self.code = code
        self.detail = {key: sorted(values) for key, values in detail.items()}


def parse(at: LogRecord) -> Parsed:
    """Return the record and its events; a problem, not an exception, when it has none."""
    try:
        record = codec.decode(at.body)
        _check_form(record)
    except (ValueError, msgspec.MsgspecError, RecursionError):
        return Parsed(at, problem="invalid", why="record")
    try:
        return Parsed(at, record, tuple(codec.decode_header(env) for env in record.data.events))
    except KeyError:
        return Parsed(at, record, problem="unknown_type", why="event")
    except (ValueError, msgspec.MsgspecError, RecursionError):
        return Parsed(at, record, problem="invalid", why="header")


def _check_form(record: codec.Record) -> None:
    """Raise ValueError unless id, time and salt have their one form."""
    codec.milliseconds(record.time)
    if not ids.COMMAND_ID.fullmatch(record.id) or not SALT.fullmatch(record.data.salt):
        msg = "the id or the salt has another form"
        raise ValueError(msg)


def needs(batch: Sequence[Parsed]) -> Needs:
    """Return what `certify` will look at."""
    wanted = Needs(partition=batch[0].at.partition if batch else 0)
    for item in batch:
        if item.record is None:
            continue
        data = item.record.data
        wanted.tenants.add(data.tenant)
        wanted.commands.add((data.tenant, item.record.id))
        wanted.streams.update(data.relied_on)
        wanted.streams.add(ids.guard_stream(data.tenant, "policy"))
        for event in item.events:
            # What else an event requires, a complete record names.
            wanted.streams.update(touched(event, data.tenant))
            if isinstance(event, e.CubesRead | e.CubeRemembered | e.CubeRevised):
                wanted.streams.add(session_of(data))
            if (cube := may_narrow(event)) is not None:
                wanted.narrowed.add((data.tenant, cube))
    return wanted


def certify(batch: Sequence[Parsed], known: Known, mac_keys: Mapping[str, bytes]) -> Rows:
    """
    Decide every record of `batch`, in order, and return the rows.

    Args:
        batch: Consecutive records of one partition.
        known: At least what `needs(batch)` names; carried forward in place.
        mac_keys: Key id -> MAC key of each enrolled proposer.

    Raises:
        SettingsError: The log permits an event type that this program lacks, or
            is decided by rules of a newer one.
        CorruptionError: A tree has another root than the one that was signed.
    """
    rows = Rows()
    for item in batch:
        known.partition = item.at.partition
        require_rules(known.log)
        _decide(item, known, mac_keys, rows)
    return rows


def _decide(item: Parsed, known: Known, mac_keys: Mapping[str, bytes], rows: Rows) -> None:
    told = known.recorded.of(item.at)
    if told is not None and _obeyed(item, told, known, mac_keys, rows):
        return
    try:
        record = _trusted(item, known, mac_keys)
    except Rejected as rejected:
        _close(item, None, known.control, rejected.code, rejected.detail, known, rows)
        return
    _tell_time(record, known)
    tenant = record.data.tenant
    earlier = known.outcomes.get((tenant, record.id))
    try:
        _check_prefixes(record)
        if earlier is not None and earlier.final and _same_command(earlier, record):
            _repeat(item, earlier, known, rows)
            return
        code, detail = _judge(item, record, earlier, known)
    except Rejected as rejected:
        code, detail = rejected.code, rejected.detail
        if tenant not in known.trees:  # index 0 of a tenant is its genesis, nothing else
            _close(item, None, known.control, code, detail, known, rows)
            return
    _close(item, record, tenant, code, detail, known, rows)


def _obeyed(
    item: Parsed, told: Told, known: Known, mac_keys: Mapping[str, bytes], rows: Rows
) -> bool:
    """Give a record the outcome that is recorded; False where it cannot have it."""
    if told.apart:
        with suppress(Rejected):  # (a genesis that was rejected still told the time)
            _tell_time(_trusted(item, known, mac_keys), known)
        _close(item, None, known.control, told.code, told.detail, known, rows)
        return True
    record = item.record
    if record is None or record.data.tenant != item.at.tenant:
        return False
    if told.code == REPEATED:
        earlier = known.outcomes.get((record.data.tenant, record.id))
        if earlier is not None:
            _tell_time(record, known)
            _repeat(item, earlier, known, rows)
        return earlier is not None
    final = told.code in {ACCEPTED, "refused"}
    if final and item.problem == "unknown_type":
        raise unknown_here()
    if final and item.problem:
        return False
    _tell_time(record, known)
    _close(item, record, record.data.tenant, told.code, told.detail, known, rows)
    return True


def _tell_time(record: codec.Record, known: Known) -> None:
    known.log_time_ms = max(known.log_time_ms, codec.milliseconds(record.time))


def _trusted(item: Parsed, known: Known, mac_keys: Mapping[str, bytes]) -> codec.Record:
    """Return the record if an enrolled proposer made it for a tenant of this log."""
    record = item.record
    if record is None:
        raise Rejected(item.problem, why=[item.why])
    key = mac_keys.get(record.data.mac_key)
    log = known.log
    if log and record.data.mac_key not in log.mac_keys:
        key = None
    if key is None or not codec.has_valid_mac(record, item.at.body, key):
        raise Rejected("forged")
    tenant = record.data.tenant
    if tenant != item.at.tenant or not known.holds(tenant):
        raise Rejected("invalid", why=["tenant"])
    if tenant not in known.trees and not _founds(item, record, known):
        raise Rejected("invalid", why=["tenant"])
    return record


def _founds(item: Parsed, record: codec.Record, known: Known) -> bool:
    """Whether a record may be the first of its tenant's tree."""
    match item.events:
        case (e.LogFounded(),):
            return record.data.tenant == known.control and item.at.offset == 0
        case (e.TenantFounded(),):
            return ids.is_tenant(record.data.tenant) and record.data.verdict is None
        case _:
            return False


def _check_prefixes(record: codec.Record) -> None:
    """Every stream relied on is the tenant's own."""
    prefix = f"{record.data.tenant}/"
    if not all(stream.startswith(prefix) for stream in record.data.relied_on):
        raise Rejected("invalid", why=["stream"])


def _same_command(earlier: Outcome, record: codec.Record) -> bool:
    return (earlier.actor, earlier.command) == (record.data.actor, record.data.command)


def _judge(
    item: Parsed, record: codec.Record, earlier: Outcome | None, known: Known
) -> tuple[str, dict[str, list[str]]]:
    """Return (code, detail) of a trusted record that is no duplicate."""
    _check_events(item, record, known)
    if earlier is not None and earlier.final:
        raise Rejected("id_reused")
    if record.data.verdict is None:
        _check_unjudged(item, record, known)
        _check_lineage(item, record, known)
        return "accepted", {}
    _check_verdict(item, record, known)
    if any(event.REFUSAL for event in item.events):
        return "refused", {}
    detail = _check_reliance(item, record, known)
    _check_lineage(item, record, known)
    return "accepted", detail


def _check_events(item: Parsed, record: codec.Record, known: Known) -> None:
    """Known types, permitted by the log, each on its own stream and with its payload."""
    types = {f"{env.type}.v{env.version}" for env in record.data.events}
    if unknown := types - known.permitted:
        raise Rejected("unknown_type", types=unknown)
    if item.problem == "unknown_type":
        raise unknown_here()
    if item.problem or not item.events:
        raise Rejected("invalid", why=[item.why or "events"])
    for env, event in zip(record.data.events, item.events, strict=True):
        if env.stream != event.stream(record.data.tenant):
            raise Rejected("invalid", why=["stream"])
        if not all(ids.STREAM.fullmatch(s) for s in touched(event, record.data.tenant)):
            raise Rejected("invalid", why=["id"])
        if isinstance(event, e.RetentionScheduled) and not ids.is_opaque(event.cube):
            raise Rejected("invalid", why=["id"])
        if isinstance(event, _SEALED) and not (env.sealed and env.key_id):
            raise Rejected("invalid", why=["sealed"])


def _check_unjudged(item: Parsed, record: codec.Record, known: Known) -> None:
    """The records that need no verdict: control, genesis, recovery, checkpoint, reports."""
    tenant = record.data.tenant
    match item.events:
        case (e.LogFounded() | e.TenantFounded(),) if tenant not in known.trees:
            return
        case (e.LogExtended(),) if ids.is_control(tenant):
            return
        case (e.OnErasure() as event,) if is_report(event, tenant, record.data.actor, known.facts):
            return
        case (e.PolicyRolledBack() as event,):
            facts = known.facts.get(event.stream(tenant))
            if isinstance(facts, PolicyFacts) and is_recovery_signature(
                event, tenant, record.id, facts
            ):
                return
        case (e.CheckpointSigned() as event,) if record.data.actor == ids.NOTARY:
            if problem := checkpoint_problem(event, item.at, known):
                raise Rejected(problem[0], **problem[1])
            return
    raise Rejected("invalid", why=["verdict"])


def _check_verdict(item: Parsed, record: codec.Record, known: Known) -> None:
    """The active policy said yes to every target in time, or only a refusal is proposed."""
    verdict = record.data.verdict
    assert verdict is not None
    policy = known.facts.get(ids.guard_stream(record.data.tenant, "policy"))
    refused = any(event.REFUSAL for event in item.events)
    if any(isinstance(event, _UNJUDGED) for event in item.events):
        raise Rejected("invalid", why=["verdict"])
    if refused:
        if not all(event.REFUSAL or isinstance(event, e.ReviewOpened) for event in item.events):
            raise Rejected("invalid", why=["verdict"])
        return
    allowed = {target for target, answer in verdict.by_target.items() if answer.allows}
    if verdict.effect != "allow" or not _cubes_of(item.events) <= allowed:
        raise Rejected("invalid", why=["verdict"])
    if not isinstance(policy, PolicyFacts) or policy.active != verdict.policy:
        raise Rejected("stale", streams=[ids.guard_stream(record.data.tenant, "policy")])
    if known.log_time_ms >= verdict.valid_until * 1000:
        raise Rejected("late")
    if not may_end(item.events, record.data.tenant, record.data.actor, known.facts):
        raise Rejected("invalid", why=["ending"])


def _cubes_of(events: Sequence[e.Event]) -> set[str]:
    """Return the cubes that need a permission each; the narrowed and the read have theirs."""
    found: set[str] = set()
    narrowed = {event.cube for event in events if isinstance(event, e.CubeNarrowed)}
    for event in events:
        if isinstance(event, e.CubeNarrowed):
            continue
        if isinstance(event, e.CubeDerived) and event.pathway != "correlation":
            found.update(source.cube for source in event.sources)
        if isinstance(event, e.RetentionScheduled) and event.cube in narrowed:
            continue
        if isinstance(event, e.OnContent | e.OnGovernance | e.RetentionScheduled):
            found.add(event.cube)
        elif isinstance(event, e.CubesRead):
            found.update(c.cube for c in event.cubes)
    return found


def _check_reliance(item: Parsed, record: codec.Record, known: Known) -> dict[str, list[str]]:
    """Return the struck cubes of a read; everything else that moved rejects the record."""
    data = record.data
    base = base_streams(data.tenant, data.actor, data.on_behalf_of)
    must = {*base}
    for event in item.events:
        must.update(required_streams(event, data.tenant, known.facts))
    session = (data.tenant, data.actor, data.correlation)
    must.update(session_streams(item.events, *session, says=known.says))
    if not must <= data.relied_on.keys():
        raise Rejected("incomplete", streams=must - data.relied_on.keys())
    moved = {s for s, version in data.relied_on.items() if known.versions.get(s, 0) != version}
    reads = [event for event in item.events if isinstance(event, e.CubesRead)]
    if moved and (not reads or moved & set(base)):
        raise Rejected("stale", streams=moved)
    struck = {
        c.cube
        for read in reads
        for c in read.cubes
        if moved & set(cube_streams(data.tenant, c.cube, known.facts))
        or is_out_of_reach(read, c.cube, data.tenant, known.facts)
    }
    return {"struck": sorted(struck)} if moved or struck else {}


def _check_lineage(item: Parsed, record: codec.Record, known: Known) -> None:
    """What is made of cubes is no looser than they are, and what befalls them befalls it."""
    fault = fault_of(item.events, record.data, known) if known.derives else None
    if fault is not None:
        raise Rejected(fault.code, **fault.detail)


def _repeat(item: Parsed, earlier: Outcome, known: Known, rows: Rows) -> None:
    """A duplicate gets the earlier outcome, no index and no leaf."""
    rows.by_offset[item.at.offset] = earlier
    rows.repeats.add(item.at.offset)
    rows.outcomes.append(
        (
            item.at.partition,
            item.at.offset,
            earlier.tenant,
            None,
            earlier.command_id,
            REPEATED,
            codec.canonical({"index": earlier.index}),
            earlier.actor,
            earlier.command,
            None,
            None,
            known.log_time_ms,
            None,
        )
    )


def _close(
    item: Parsed,
    record: codec.Record | None,
    tenant: str,
    code: str,
    detail: dict[str, list[str]],
    known: Known,
    rows: Rows,
) -> None:
    """Give the record its index and leaf, and write down what follows from it."""
    tree = known.trees.get(tenant, Tree())
    entry = entry_of(record, item.at.body, index=tree.size, code=code, detail=detail)
    outcome = _outcome(record, tenant, tree.size, code, detail, merkle.leaf_hash(entry))
    grown = Tree(tree.size + 1, merkle.append(tree.frontier, tree.size, outcome.leaf))
    require_signed_root(tenant, grown, item.at, known.recorded)
    known.trees[tenant] = rows.trees[tenant] = grown
    rows.by_offset[item.at.offset] = outcome
    time_ms = codec.milliseconds(record.time) if record else None
    rows.outcomes.append(
        (
            item.at.partition,
            item.at.offset,
            tenant,
            outcome.index,
            outcome.command_id,
            code,
            codec.canonical(detail),
            outcome.actor,
            outcome.command,
            time_ms,
            outcome.leaf,
            known.log_time_ms,
            entry,
        )
    )
    if record is not None and outcome.final:
        known.outcomes[(tenant, record.id)] = outcome
        _apply(item, record, outcome, known, rows)


def _outcome(
    record: codec.Record | None,
    tenant: str,
    index: int,
    code: str,
    detail: dict[str, list[str]],
    leaf: bytes,
) -> Outcome:
    return Outcome(
        tenant=tenant,
        index=index,
        code=code,
        detail=detail,
        command_id=record.id if record else "",
        actor=record.data.actor if record else "",
        command=record.data.command if record else "",
        leaf=leaf,
    )


def _apply(item: Parsed, record: codec.Record, outcome: Outcome, known: Known, rows: Rows) -> None:
    """Append the events and evolve the facts they touch."""
    data = record.data
    now = codec.milliseconds(record.time) // 1000
    reads = known.derives and any(isinstance(event, e.CubesRead) for event in item.events)
    correlation = session_of(data) if reads else ""
    for seq, (env, event) in enumerate(zip(data.events, item.events, strict=True)):
        at = Occurrence(
            tenant=data.tenant,
            index=outcome.index,
            now=now,
            actor=data.actor,
            key_id=env.key_id or "",
            correlation=correlation,
            struck=frozenset(outcome.detail.get("struck", ())),
        )
        rows.events.append(
            (
                data.tenant,
                outcome.index,
                seq,
                env.type,
                env.version,
                env.stream,
                bytes(env.header),
                env.sealed,
                env.key_id,
            )
        )
        for stream, facts in evolve(event, at, known.facts).items():
            version = known.versions.get(stream, 0) + 1
            known.facts[stream], known.versions[stream] = facts, version
            rows.versions[stream] = version
            rows.facts.append(
                (stream, version, data.tenant, outcome.index, now, codec.canonical(facts))
            )
        if isinstance(event, e.CubeDerived | e.CubeLinked):
            descend(event, data.tenant, outcome.index, known, rows)
