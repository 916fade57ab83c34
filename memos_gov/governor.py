"""
The Governor: every command goes through here, and leaves as one record.

handle = load facts -> ask policy -> decide -> seal -> append -> certify ->
receipt. Nothing is returned before the record was accepted, and a record
that relied on something that moved is tried again from "load facts" under
the same command id. Refusals are recorded like everything else; the caller
then gets the error that says what can be done.

Not here: reads of content (`recall.py`), questions to the tables
(`queries.py`), and the founding of logs and tenants (`founding.py`).
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from memos_gov.assess import Assessed, Assessor
from memos_gov.attempt import Attempt
from memos_gov.certify import SALT_BYTES
from memos_gov.domain import codec, ids
from memos_gov.domain import commands as c
from memos_gov.domain.bundle import Vocabulary
from memos_gov.domain.decide import decide
from memos_gov.domain.events import (
    CubeContent,
    Draft,
)
from memos_gov.domain.history import LogPosition, Outcome
from memos_gov.domain.lineage import may_narrow
from memos_gov.domain.questions import Caller, Cube
from memos_gov.domain.reliance import required_streams, session_streams
from memos_gov.domain.vocabulary import check_times, check_words
from memos_gov.due_dates import dated
from memos_gov.errors import (
    ConflictError,
    CorruptionError,
    DeniedError,
    InvalidCommandError,
    NotFoundError,
    OvertakenError,
    PolicyUnavailableError,
    UnavailableError,
)
from memos_gov.follow import Certifier
from memos_gov.judge import Judge
from memos_gov.leasing import AHEAD_S, Leasing
from memos_gov.naming import Names
from memos_gov.notary import Notary
from memos_gov.parity import require_parity
from memos_gov.ports import (
    Clock,
    EventLog,
    KeyStore,
    PolicyBundles,
    PolicyEngine,
    Proposal,
    Snapshot,
    Tables,
)
from memos_gov.proposer import Proposer, new_command_id
from memos_gov.receipts import (
    NOT_WRITTEN,
    Prepared,
    Receipt,
    only_asked,
    raise_refusal,
    receipt_of,
    whole_verdict,
)
from memos_gov.sealing import Sealer, month_name

T = TypeVar("T")

ATTEMPTS_MAX = 8


class Governor:
    """Handles commands; safe to use from many threads at once."""

    def __init__(
        self,
        *,
        log: EventLog,
        tables: Tables,
        keys: KeyStore,
        engine: PolicyEngine,
        bundles: PolicyBundles,
        certifier: Certifier,
        clock: Clock,
        proposer: Proposer,
        leasing: Leasing,
        notary: Notary | None,
        peers: Sequence[PolicyEngine] = (),
    ) -> None:
        """
        Take the rooms.

        Args:
            notary: Signs what a command made due; None where workers do that.
            peers: A bundle decides only where they answer its golden questions alike.
        """
        self.log = log
        self.tables = tables
        self.keys = keys
        self.clock = clock
        self.certifier = certifier
        self.leasing = leasing
        self.sealer = Sealer(keys, leasing.hold)
        self._engine = engine
        self._peers = peers
        self._bundles = bundles
        self.proposer = proposer
        self._notary = notary
        self._judges: dict[str, Judge] = {}
        self._vocabularies: dict[str, Vocabulary] = {}

    def handle(
        self,
        caller: Caller,
        command: c.Command,
        *,
        command_id: str | None = None,
        dry_run: bool = False,
    ) -> Receipt:
        """
        Do what a command asks, or refuse it, and record which.

        Args:
            command_id: The idempotency key, a UUID; the same id with the same
                command returns the first receipt. A fresh one when None.
            dry_run: Ask policy and decide, write only that it was asked (under
                an id of its own); a refusal is recorded like any other.

        Raises:
            InvalidCommandError: A word or time cannot be; nothing was written.
            DeniedError: Policy refused; recorded.
            NotFoundError: Unknown, or not to be known; recorded.
            ConflictError: The domain refused, or the id belongs to another
                command.
            PolicyUnavailableError: Policy did not answer; recorded as refused.
            UnavailableError: A backend did not answer, or everything kept
                moving; send the same command id again.
        """
        if command_id is None or dry_run:
            command_id = new_command_id()
        ids.check_command_id(command_id)
        return retried(lambda: self._handle_once(caller, command, command_id, dry_run=dry_run))

    def _handle_once(
        self, caller: Caller, command: c.Command, command_id: str, *, dry_run: bool
    ) -> Receipt:
        self.leasing.hold(ahead_s=AHEAD_S)
        with self.tables.snapshot(tenant=caller.tenant) as snapshot:
            earlier = self._earlier(snapshot, caller, command, command_id)
            if earlier is not None:
                return earlier
            names = Names(self.keys, caller.tenant)
            prepared = self.prepare(snapshot, caller, command, command_id, names, dry_run=dry_run)
        self._enter(names, [prepared])
        outcome = self.submit([prepared])[0]
        receipt = self.conclude(caller, command, prepared, outcome)
        if dry_run:
            return msgspec.structs.replace(receipt, index=NOT_WRITTEN, code="dry_run", leaf="")
        return receipt

    def handle_many(
        self, caller: Caller, commands: Sequence[tuple[str, c.Command]]
    ) -> list[Receipt | Exception]:
        """
        Handle commands, each under its command id, as one append and one certification.

        One that fails leaves the others alone: its place in the result holds
        its error. What went stale meanwhile is handled again by itself.
        """
        results: list[Receipt | Exception] = []
        names = Names(self.keys, caller.tenant)
        self.leasing.hold(ahead_s=AHEAD_S)
        with self.tables.snapshot(tenant=caller.tenant) as snapshot:
            made = [self._prepared(snapshot, caller, cmd, cid, names) for cid, cmd in commands]
        prepared = [item for item in made if isinstance(item, Prepared)]
        try:
            self._enter(names, prepared)
        except OvertakenError:
            return [self._handled(caller, cmd, cid) for cid, cmd in commands]
        outcomes = iter(self.submit(prepared))
        for (command_id, command), item in zip(commands, made, strict=True):
            if not isinstance(item, Prepared):
                results.append(item)
                continue
            results.append(self._concluded(caller, command, command_id, item, next(outcomes)))
        return results

    def _prepared(
        self,
        snapshot: Snapshot,
        caller: Caller,
        command: c.Command,
        command_id: str,
        names: Names,
    ) -> Prepared | Receipt | Exception:
        try:
            ids.check_command_id(command_id)
            earlier = self._earlier(snapshot, caller, command, command_id)
            return earlier or self.prepare(snapshot, caller, command, command_id, names)
        except _CALLERS_FAULT as error:
            return error

    def _concluded(
        self,
        caller: Caller,
        command: c.Command,
        command_id: str,
        prepared: Prepared,
        outcome: Outcome,
    ) -> Receipt | Exception:
        try:
            return self.conclude(caller, command, prepared, outcome)
        except OvertakenError:
            return self._handled(caller, command, command_id)
        except _CALLERS_FAULT as error:
            return error

    def _handled(self, caller: Caller, command: c.Command, command_id: str) -> Receipt | Exception:
        try:
            return self.handle(caller, command, command_id=command_id)
        except _CALLERS_FAULT as error:
            return error

    def _enter(self, names: Names, prepared: Sequence[Prepared]) -> None:
        """
        Let the directory know the newcomers of what was allowed, before any record names them.

        Raises:
            OvertakenError: Somebody else entered one of them first.
        """
        if not names.enter({i for p in prepared for i in p.newcomers}):
            raise OvertakenError

    def attempt(self, snapshot: Snapshot, caller: Caller) -> Attempt:
        """Return an attempt on a snapshot, judged by the tenant's active policy, under a lease."""
        self.leasing.hold()
        return Attempt(snapshot, caller, self.now(snapshot), self.judge)

    def now(self, snapshot: Snapshot) -> int:
        """Return the second that questions about a snapshot are asked at."""
        # A clock that stepped back must not make a revocation lie in the future.
        now_ms = max(round(self.clock.now().timestamp() * 1000), snapshot.log_time_ms())
        return now_ms // 1000

    def judge(self, digest: str) -> Judge:
        """Return the judge of a bundle."""
        return self._judges.setdefault(digest, Judge(self._engine, digest))

    def words(self, digest: str) -> Vocabulary:
        """Return the words of a bundle."""
        if digest not in self._vocabularies:
            self._vocabularies[digest] = self._bundles.get(digest).vocabulary
        return self._vocabularies[digest]

    def prepare(
        self,
        snapshot: Snapshot,
        caller: Caller,
        command: c.Command,
        command_id: str,
        names: Names,
        *,
        dry_run: bool = False,
    ) -> Prepared:
        """
        Return the record of a command, decided and sealed but not yet proposed.

        Raises:
            InvalidCommandError: A word or time cannot be, an allowed
                activation names a bundle that is not kept, contradicts
                itself or is answered differently by another engine, or the
                record would be over RECORD_BYTES_MAX.
        """
        attempt = self.attempt(snapshot, caller)
        words = self.words(attempt.policy.active)
        check_words(caller, words)
        check_words(command, words)
        check_times(command, self.clock.now())
        digest = self.command_digest(caller.tenant, command)
        command, newcomers = names.resolve(command)
        assessor = Assessor(attempt, command_id, words, self.open_content)
        assessed = assessor.assess(command)
        if isinstance(command, c.ActivatePolicy) and assessed.verdict.allows:
            self._require_bundle(command.policy)
        drafts = decide(command, assessed.situation, assessed.verdict)
        if dry_run:
            drafts = only_asked(command, drafts)
        prepared = self.propose(attempt, command, command_id, digest, assessed, drafts)
        if dry_run or prepared.refused:
            return prepared
        return msgspec.structs.replace(prepared, newcomers=newcomers)

    def _require_bundle(self, digest: str) -> None:
        try:
            bundle = self._bundles.get(digest)
        except PolicyUnavailableError as error:
            msg = "policy: no bundle of this digest is kept here"
            remedy = "`memos-gov policy list` shows those that are kept."
            raise InvalidCommandError(msg, field="policy", remedy=remedy) from error
        bundle.check()
        require_parity(bundle, {type(each).__name__: each for each in (self._engine, *self._peers)})

    def propose(
        self,
        attempt: Attempt,
        command: c.Command,
        command_id: str,
        digest: str,
        assessed: Assessed,
        drafts: tuple[Draft, ...],
    ) -> Prepared:
        """Return drafts as a signed record that names everything it relies on, due dates too."""
        now, caller = self.clock.now(), attempt.caller
        drafts = dated(attempt, drafts, int(now.timestamp()))
        self._rely(attempt, drafts)
        verdict = assessed.verdict
        data = codec.RecordData(
            tenant=caller.tenant,
            actor=caller.principal,
            on_behalf_of=caller.on_behalf_of,
            via=caller.via,
            correlation=caller.correlation,
            causation=None,
            command=digest,
            context=_context(caller, command),
            relied_on=attempt.relied_on,
            verdict=codec.RecordedVerdict(
                effect=verdict.effect,
                by_target=assessed.by_target,
                policy=attempt.policy.active,
                valid_until=verdict.valid_until,
            ),
            events=tuple(self.sealer.seal(d, caller.tenant, command_id, now) for d in drafts),
            salt=secrets.token_hex(SALT_BYTES),
            mac_key=self.proposer.mac_key_id,
        )
        body = self.proposer.sign(data, command_id, type(command).__name__, codec.timestamp(now))
        if len(body) > codec.RECORD_BYTES_MAX:
            msg = f"content: the record is over {codec.RECORD_BYTES_MAX} bytes (RECORD_BYTES_MAX)"
            raise InvalidCommandError(msg, field="content")
        proposal = Proposal(caller.tenant, round(now.timestamp() * 1000), body)
        return Prepared(command_id=command_id, proposal=proposal, verdict=verdict, drafts=drafts)

    def _rely(self, attempt: Attempt, drafts: tuple[Draft, ...]) -> None:
        """Load, and so rely on, everything that the record of these drafts must name."""
        tenant, caller = attempt.tenant, attempt.caller
        events = [draft.event for draft in drafts]
        for event in events:
            attempt.load(required_streams(event, tenant, attempt.known))
        attempt.load(session_streams(events, tenant, caller.principal, caller.correlation))
        attempt.load(ids.lineage_stream(tenant, x) for x in map(may_narrow, events) if x)

    def submit(self, prepared: Sequence[Prepared]) -> list[Outcome]:
        """
        Append records durably and return their outcomes, each once it is decided.

        Raises:
            CorruptionError: A signed head was due and the log contradicts the
                one before; what was accepted stands.
        """
        outcomes = self.proposer.submit([p.proposal for p in prepared])
        if self._notary is not None:
            self._notary.after(outcomes)
        return outcomes

    def conclude(
        self, caller: Caller, command: c.Command, prepared: Prepared, outcome: Outcome
    ) -> Receipt:
        """Return the receipt of a decided record, or raise what its outcome means."""
        if outcome.code in {"stale", "late"}:
            raise OvertakenError
        if outcome.code == "id_reused":
            msg = "the command id belongs to another command"
            raise ConflictError(msg)
        if outcome.code not in {"accepted", "refused"}:
            msg = f"the record was rejected as {outcome.code}"
            raise UnavailableError(msg, backend="certifier")
        receipt = receipt_of(caller, prepared, outcome)
        if outcome.code == "refused":
            raise_refusal(prepared, receipt.index)
        return receipt

    def _earlier(
        self, snapshot: Snapshot, caller: Caller, command: c.Command, command_id: str
    ) -> Receipt | None:
        """Return the first receipt of a command that was decided before."""
        found = snapshot.outcome_of(caller.tenant, command_id)
        if found is None:
            return None
        position, outcome = found
        month = outcome.command.partition("/")[0]
        digest = self.command_digest(caller.tenant, command, month)
        # Once a month's key is destroyed, the id and the principal decide.
        same = digest in ("", outcome.command)
        if not same or outcome.actor != caller.principal:
            msg = "the command id belongs to another command"
            raise ConflictError(msg)
        return self._first_receipt(caller, position, outcome)

    def _first_receipt(self, caller: Caller, position: LogPosition, outcome: Outcome) -> Receipt:
        record = codec.decode(self.log.read(position.partition, position.offset, 1)[0].body)
        recorded = record.data.verdict
        assert recorded is not None
        drafts = tuple(Draft(codec.decode_header(env)) for env in record.data.events)
        prepared = Prepared(
            command_id=record.id,
            proposal=Proposal(caller.tenant, 0, b""),
            verdict=whole_verdict(recorded, drafts),
            drafts=drafts,
        )
        if outcome.code == "refused":
            raise_refusal(prepared, outcome.index)
        return msgspec.structs.replace(receipt_of(caller, prepared, outcome), repeated=True)

    def command_digest(self, tenant: str, command: c.Command, month: str = "") -> str:
        """Return `<month>/<HMAC>` of a command as the caller sent it, under the month's key."""
        name = month or month_name(self.clock.now())
        key = self.keys.secret(tenant, name, create=not month)
        if key is None:
            return ""
        text = codec.canonical([type(command).__name__, command.model_dump(mode="json")])
        return f"{name}/{hmac.digest(key, text, 'sha256').hex()}"

    def open_content(self, tenant: str, cube: Cube) -> CubeContent:
        """Return a cube's current content, for the process's own use before admission."""
        with self.tables.snapshot(tenant=tenant) as snapshot:
            return self.read_content(snapshot, tenant, cube)

    def read_content(self, snapshot: Snapshot, tenant: str, cube: Cube) -> CubeContent:
        """Return the sealed payload of a cube's revision, opened."""
        stored = snapshot.content_event(tenant, cube.cube, cube.content.event_index)
        if stored is None:
            msg = "a cube's content event is missing"
            raise CorruptionError(msg, place=f"{tenant} {cube.cube}")
        return self.sealer.open_content(stored, tenant)

    def close(self) -> None:
        """Release the pool of keys."""
        self.sealer.close()


_CALLERS_FAULT = (
    InvalidCommandError,
    ConflictError,
    NotFoundError,
    DeniedError,
    UnavailableError,
)


def retried(act: Callable[[], T]) -> T:
    """
    Call `act`, and again while it is overtaken, after short random waits.

    Raises:
        OvertakenError: At every one of ATTEMPTS_MAX attempts.
    """
    try:
        return act()
    except OvertakenError:
        pass
    from tenacity import (  # only what was overtaken pays for its import
        Retrying,
        retry_if_exception_type,
        stop_after_attempt,
        wait_random_exponential,
    )

    for attempt in Retrying(
        stop=stop_after_attempt(ATTEMPTS_MAX - 1),
        wait=wait_random_exponential(multiplier=0.002, max=0.2),
        retry=retry_if_exception_type(OvertakenError),
        reraise=True,
    ):
        with attempt:
            return act()
    raise AssertionError


def _context(caller: Caller, command: c.Command) -> codec.RequestContext:
    action = command.action if isinstance(command, c.AskAudit) else command.ACTION
    return codec.RequestContext(
        action=action,
        purpose=caller.purpose,
        session=caller.session,
        channel=caller.channel,
        region=caller.region,
        approval=caller.approval,
    )
