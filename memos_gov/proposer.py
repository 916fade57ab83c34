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
from collections.abc import Sequence
from datetime import UTC, datetime

import uuid_utils

from memos_gov.certify import SALT_BYTES
from memos_gov.deciding import Deciding
from memos_gov.destroyer import Destroyer
from memos_gov.domain import codec
from memos_gov.domain import events as e
from memos_gov.domain.history import Outcome
from memos_gov.ports import Clock, EventLog, Proposal

VIA = "operator-key"
_ENDS = tuple(f'"type":"{kind.__name__}"'.encode() for kind in (e.CubeErased, e.SubjectErased))


class Proposer:
    """An enrolled proposer of one log; safe to use from many threads at once."""

    def __init__(
        self,
        *,
        log: EventLog,
        deciding: Deciding,
        destroyer: Destroyer,
        clock: Clock,
        mac_key_id: str,
        mac_key: bytes,
    ) -> None:
        self._log = log
        self._deciding = deciding
        self._destroyer = destroyer
        self._clock = clock
        self.mac_key_id = mac_key_id
        self._mac_key = mac_key

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
            UnavailableError: A backend did not answer, or no certifier decided
                in time: the outcome is unknown, so send the same command id
                again. A record that ends something may stand with its keys
                still there: see `Destroyer`.
        """
        if not proposals:
            return []
        positions = self._log.append(proposals)
        outcomes = self._deciding.outcomes(positions)
        for position, proposal in zip(positions, proposals, strict=True):
            # A substring costs nothing; what certifies may have been killed before it destroyed.
            if any(mark in proposal.body for mark in _ENDS):
                self._destroyer.reach(position)
        return outcomes

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
