"""A clock that tests move, and what they look for in the log or put into it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from memos_gov.domain import codec, ids
from memos_gov.domain import events as e
from memos_gov.domain.history import Outcome
from memos_gov.domain.reliance import required_streams
from memos_gov.domain.verdicts import Verdict
from memos_gov.ports import Proposal
from memos_gov.proposer import new_command_id
from memos_gov.service import Service

PURPOSE = "complaint-handling"
CARD = "4111 1111 1111 1111"
DAY = timedelta(days=1)


class SetClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        """Return the time it was set to."""
        return self.time

    def later(self, by: timedelta = DAY) -> datetime:
        """Let time pass, and return what it was half way."""
        self.time += by
        return self.time - by / 2


def newest(gov: Service, tenant: str = "default") -> tuple[codec.Record, tuple[e.Event, ...]]:
    """Return the newest record of the log and its events."""
    log = gov.rooms.governor.log
    record = codec.decode(log.read(0, log.end(0) - 1, 1)[0].body)
    return record, tuple(codec.decode_header(env) for env in record.data.events)


def proposed(gov: Service, event: e.OnGovernance) -> Outcome:
    """Propose an event under an allowing verdict, as a worker's record would bring it."""
    governor, command_id = gov.rooms.governor, new_command_id()
    with governor.tables.snapshot() as snapshot:
        caller = gov.acting_as("owner").caller
        if isinstance(event, e.CubeErased):
            caller = replace(caller, principal=ids.ERASER)
        attempt = governor.attempt(snapshot, caller)
        attempt.cubes([event.cube])
        attempt.descendants(event.cube)
        attempt.load(required_streams(event, attempt.tenant, attempt.known))
    allowing = Verdict("allow", (), (), (), attempt.now + 60)
    data = codec.RecordData(
        tenant=attempt.tenant,
        actor=attempt.caller.principal,
        on_behalf_of=None,
        via=attempt.caller.via,
        correlation=command_id,
        causation=None,
        command=f"month:2026-03/{command_id}",
        context=codec.RequestContext(action="erase", purpose=PURPOSE),
        relied_on=attempt.relied_on,
        verdict=codec.RecordedVerdict(
            effect="allow",
            by_target={event.cube: allowing},
            policy=attempt.policy.active,
            valid_until=allowing.valid_until,
        ),
        events=(codec.envelope(event, attempt.tenant, None, None),),
        salt="5a" * 16,
        mac_key=governor.proposer.mac_key_id,
    )
    now = governor.clock.now()
    body = governor.proposer.sign(data, command_id, "EraseCube", codec.timestamp(now))
    proposal = Proposal(attempt.tenant, round(now.timestamp() * 1000), body)
    return governor.proposer.submit([proposal])[0]
