"""
From something decided to an outcome: signed, appended durably, certified.

A proposal leaves here only as canonical bytes under this installation's MAC.
Nothing is returned before its record has an outcome, and before what it ended
is destroyed. What needs policy's verdict comes from the Governor; what needs
none (the control record, a genesis, a recovery, a worker's report) is proposed
as `unjudged`.
"""

from __future__ import annotations

import secrets
import threading
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime

import uuid_utils

from memos_gov.certify import SALT_BYTES
from memos_gov.destroyer import Destroyer
from memos_gov.domain import codec
from memos_gov.domain import events as e
from memos_gov.domain.history import Decided, LogPosition, Outcome
from memos_gov.errors import CorruptionError
from memos_gov.follow import Certifier
from memos_gov.ports import Clock, EventLog, Proposal, Tables

VIA = "operator-key"
DECIDED_MAX = 2_000


class Proposer:
    """An enrolled proposer of one log; safe to use from many threads at once."""

    def __init__(
        self,
        *,
        log: EventLog,
        tables: Tables,
        certifier: Certifier,
        destroyer: Destroyer,
        clock: Clock,
        mac_key_id: str,
        mac_key: bytes,
    ) -> None:
        self._log = log
        self._tables = tables
        self._certifier = certifier
        self._destroyer = destroyer
        self._clock = clock
        self.mac_key_id = mac_key_id
        self._mac_key = mac_key
        self._turns: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)
        self._decided: defaultdict[int, dict[LogPosition, Outcome]] = defaultdict(dict)

    def sign(self, data: codec.RecordData, command_id: str, name: str, time: str) -> bytes:
        """Return a record's canonical bytes under this proposer's MAC."""
        record = codec.Record(
            specversion="1.0",
            id=command_id,
            source=codec.SOURCE,
            type=f"{codec.TYPE_PREFIX}{name}",
            time=time,
            datacontenttype="application/json",
            dataschema=codec.SCHEMA_PREFIX,
            data=data,
        )
        return codec.sign(record, self._mac_key)

    def submit(self, proposals: Sequence[Proposal]) -> list[Outcome]:
        """
        Append records durably and return their outcomes, each once it is decided.

        Raises:
            UnavailableError: A backend did not answer. A record that ends
                something may stand with its keys still there: see `Destroyer`.
        """
        if not proposals:
            return []
        positions = self._log.append(proposals)
        wanted: defaultdict[int, list[LogPosition]] = defaultdict(list)
        for position in positions:
            wanted[position.partition].append(position)
        decided: dict[LogPosition, Outcome] = {}
        for partition, mine in wanted.items():
            with self._turns[partition]:
                decided |= self._certified(mine)
        return [decided[position] for position in positions]

    def _certified(self, positions: Sequence[LogPosition]) -> dict[LogPosition, Outcome]:
        """Return the outcomes of records of one partition, in whose turn the caller is."""
        found = self._taken(positions)
        if len(found) == len(positions):
            return found  # who had the turn before certified them, and ended what they ended
        for batch in self._certifier.batches(max(positions)):
            self._destroyer.follow(batch)
            self._keep(batch)
        found |= self._taken(positions)
        others = [position for position in positions if position not in found]
        if others:
            self._destroyer.catch_up()  # whoever certified it may have been killed since
        return found | {position: self._outcome(position) for position in others}

    def _taken(self, positions: Sequence[LogPosition]) -> dict[LogPosition, Outcome]:
        kept = self._decided[positions[0].partition]
        return {position: kept.pop(position) for position in positions if position in kept}

    def _keep(self, batch: Sequence[Decided]) -> None:
        """Keep outcomes for those who wait, the newest ones: some are of other processes."""
        kept = self._decided[batch[0].position.partition]
        kept |= {item.position: item.outcome for item in batch}
        for position in list(kept)[: max(len(kept) - DECIDED_MAX, 0)]:
            del kept[position]

    def _outcome(self, position: LogPosition) -> Outcome:
        """Return the outcome of a record that somebody else certified."""
        with self._tables.snapshot() as snapshot:
            outcome = snapshot.outcome(position)
        if outcome is None:
            msg = "a certified record has no outcome"
            raise CorruptionError(msg, place=position.place)
        return outcome

    def submit_unjudged(
        self,
        tenant: str,
        actor: str,
        *events: e.Event,
        action: str,
        command_id: str = "",
        at: int | None = None,
    ) -> Outcome:
        """
        Propose events without a verdict and return the record's outcome, whatever it is.

        Args:
            action: What is done, as the record's context says it.
            command_id: The idempotency key; a fresh one when empty.
            at: The time of the record in seconds, where an event speaks of it.
        """
        now = self._clock.now() if at is None else datetime.fromtimestamp(at, UTC)
        command_id = command_id or new_command_id()
        data = codec.RecordData(
            tenant=tenant,
            actor=actor,
            on_behalf_of=None,
            via=VIA,
            correlation=command_id,
            causation=None,
            command="",
            context=codec.RequestContext(action=action, purpose=""),
            relied_on={},
            verdict=None,
            events=tuple(codec.envelope(event, tenant, None, None) for event in events),
            salt=secrets.token_hex(SALT_BYTES),
            mac_key=self.mac_key_id,
        )
        body = self.sign(data, command_id, type(events[0]).__name__, codec.timestamp(now))
        return self.submit([Proposal(tenant, round(now.timestamp() * 1000), body)])[0]


def new_command_id() -> str:
    """Return a fresh idempotency key (UUIDv7, RFC 9562)."""
    return str(uuid_utils.uuid7())
