"""
Records with real MACs, and a history that certifies them in memory.

The history is the pure certifier with everything it knows kept, so a test
says which record follows which and what became of each.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from memos_gov.certify import certify, needs, parse
from memos_gov.domain import codec, ids
from memos_gov.domain import events as e
from memos_gov.domain.history import Known, LogRecord, Outcome, Rows
from memos_gov.domain.lineage import may_narrow
from memos_gov.domain.reliance import base_streams, required_streams, session_streams
from memos_gov.domain.verdicts import Verdict
from tests.domain.given import NOW, OWNER, POLICY

TENANT = "acme"
KEY, KEY_ID = b"k" * 32, "m_one"
SEALED = "c2VhbGVk"
SESSION = "session-1"
TYPES = tuple(sorted(e.type_name(kind) for kind in e.EVENT_VERSIONS.values()))
_ids = iter(range(1, 10_000_000))


def an_id() -> str:
    """Return a fresh command id."""
    return str(uuid.UUID(int=(7 << 76) | (2 << 62) | next(_ids)))


def allowing(targets: Iterable[str], **changes: Any) -> codec.RecordedVerdict:
    """Return a recorded permission for targets."""
    answer = Verdict("allow", (), (), ("role/steward",), NOW + 60)
    fields = {
        "effect": "allow",
        "by_target": dict.fromkeys(targets, answer),
        "policy": POLICY,
        "valid_until": NOW + 60,
    }
    return codec.RecordedVerdict(**(fields | changes))  # type: ignore[arg-type]


def refusing(effect: Any = "refuse") -> codec.RecordedVerdict:
    """Return a recorded refusal."""
    answer = Verdict(effect, (), (), (), NOW + 60)
    return codec.RecordedVerdict(
        effect=effect, by_target={"": answer}, policy=POLICY, valid_until=NOW + 60
    )


def targets_of(events: Iterable[e.Event]) -> set[str]:
    """Return the cubes that events are about, or made of."""
    found: set[str] = set()
    for event in events:
        found.update(x.cube for x in getattr(event, "cubes", ()))
        if isinstance(event, e.CubeDerived):
            found.update(source.cube for source in event.sources)
        if isinstance(event, e.OnContent | e.OnGovernance | e.RetentionScheduled):
            found.add(event.cube)
    return found


def a_record(
    *events: e.Event,
    tenant: str = TENANT,
    actor: str = OWNER,
    command_id: str = "",
    command: str = "",
    relied_on: Mapping[str, int] | None = None,
    verdict: codec.RecordedVerdict | str | None = "allow",
    time_s: float = NOW,
    sealed: str = SEALED,
    key_id: str = "k_one",
    key: bytes = KEY,
    **data: Any,
) -> bytes:
    """Return canonical bytes under a MAC; `data` replaces fields of the record's data."""
    if isinstance(verdict, str):
        verdict = allowing(targets_of(events) | {""})
    command_id = command_id or an_id()
    envelopes = tuple(_envelope(event, tenant, sealed, key_id) for event in events)
    fields = codec.RecordData(
        tenant=tenant,
        actor=actor,
        on_behalf_of=None,
        via="operator-key",
        correlation=SESSION,
        causation=None,
        command=command or f"month:2026-11/{command_id}",
        context=codec.RequestContext(action="remember", purpose="research"),
        relied_on=dict(relied_on or {}),
        verdict=verdict,
        events=envelopes,
        salt="5a" * 16,
        mac_key=KEY_ID,
    )
    record = codec.Record(
        specversion="1.0",
        id=command_id,
        source=codec.SOURCE,
        type=f"{codec.TYPE_PREFIX}RememberCube",
        time=codec.timestamp(datetime.fromtimestamp(time_s, UTC)),
        datacontenttype="application/json",
        dataschema=codec.SCHEMA_PREFIX,
        data=replace(fields, **data),
    )
    return codec.sign(record, key)


def _envelope(event: e.Event, tenant: str, sealed: str, key_id: str) -> codec.Envelope:
    seals = isinstance(event, e.CubeRemembered | e.CubeRevised | e.CubeRolledBack)
    return codec.envelope(event, tenant, sealed if seals else None, key_id if seals else None)


LOG_FOUNDED = e.LogFounded(instance="one", partitions=1, mac_key=KEY_ID, event_types=TYPES, rules=1)


def tenant_founded(**changes: Any) -> e.TenantFounded:
    """Return the genesis of a tenant."""
    fields = {
        "principal": OWNER,
        "roles": ("steward",),
        "clearance": "secret",
        "purposes": ("research",),
        "regions": ("*",),
        "policy": POLICY,
        "verifier_key": "00",
        "recovery_key": "00",
    }
    return e.TenantFounded(**(fields | changes))  # type: ignore[arg-type]


class History:
    """A log in memory, certified record by record."""

    def __init__(self, *, founded: bool = True, **tenant: Any) -> None:
        self.known = Known()
        self.records: list[LogRecord] = []
        self.rows: list[Rows] = []
        if founded:
            self.found_log()
            self.found_tenant(**tenant)

    def found_log(self, **changes: Any) -> Outcome:
        """Append the control record."""
        event = replace(LOG_FOUNDED, **changes)
        return self.append(a_record(event, tenant=ids.INSTANCE, verdict=None), ids.INSTANCE)

    def found_tenant(self, tenant: str = TENANT, **changes: Any) -> Outcome:
        """Append the genesis of a tenant."""
        return self.append(a_record(tenant_founded(**changes), tenant=tenant, verdict=None), tenant)

    def append(self, body: bytes, tenant: str = TENANT) -> Outcome:
        """Append bytes under a tenant's key and return what became of them."""
        record = LogRecord(0, len(self.records), tenant, body)
        self.records.append(record)
        parsed = [parse(record)]
        needs(parsed)
        rows = certify(parsed, self.known, {KEY_ID: KEY, "m_two": b"2" * 32})
        self.rows.append(rows)
        return rows.by_offset[record.offset]

    def relied_on(
        self,
        *events: e.Event,
        actor: str = OWNER,
        on_behalf_of: str | None = None,
        session: str = SESSION,
    ) -> dict[str, int]:
        """Return everything that a record of these events must name, at its version now."""
        tenant = TENANT
        streams = {*base_streams(tenant, actor, on_behalf_of)}
        streams.update(session_streams(events, tenant, actor, session))
        streams.update(self._lineage(events))
        for event in events:
            streams.update(required_streams(event, tenant, self.known.facts))
        return {stream: self.known.versions.get(stream, 0) for stream in streams}

    def _lineage(self, events: Iterable[e.Event]) -> Iterator[str]:
        """Yield the lineage of every cube that is narrowed, with its descendants."""
        frontier = [cube for event in events if (cube := may_narrow(event.newest()))]
        seen: set[str] = set()
        while frontier:
            stream = ids.lineage_stream(TENANT, frontier.pop())
            if stream not in seen:
                seen.add(stream)
                frontier += self.known.children.get(stream, ())
                yield stream

    def propose(self, *events: e.Event, **changes: Any) -> Outcome:
        """Append a record that names all it relies on."""
        actor = changes.get("actor", OWNER)
        relied = self.relied_on(
            *events,
            actor=actor,
            on_behalf_of=changes.get("on_behalf_of"),
            session=changes.get("correlation", SESSION),
        )
        return self.append(a_record(*events, **({"relied_on": relied} | changes)))

    @property
    def bodies(self) -> list[bytes]:
        """The bytes so far."""
        return [record.body for record in self.records]
