"""
The eraser: goes on with what was asked for until it is complete or has to wait.

    requested, erasing   the next page of the plan
    checking             keys and names destroyed, index emptied, custodians read
                         back one by one; then, once no other process may have
                         an opened key any more, completion
    kept, completed      nothing more to do

Where it stands is read from the log after each step, never remembered, so a
process that was killed, or another one beside it, goes on from the same place.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from msgspec.structs import replace

from memos_gov.destroyer import Destroyer
from memos_gov.domain import commands as c
from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.facts import ErasureFacts, OpenErasures
from memos_gov.domain.verdicts import Custodian
from memos_gov.erasure.custodians import Erased, Tensors, read_back
from memos_gov.erasure.pages import UNDECIDED, Pages
from memos_gov.erasure.report import Erasure
from memos_gov.erasure.statement import statement
from memos_gov.erasure.steps import BACKUPS, COMPLETED, step_id
from memos_gov.erasure.telling import Told, facts_of, told
from memos_gov.errors import UnavailableError
from memos_gov.follow import Follower
from memos_gov.governor import Governor
from memos_gov.materializers.plaintext import IndexFollower
from memos_gov.naming import Names
from memos_gov.ports import CubeIndex
from memos_gov.transparency.certificate import statement_digest

Progress = Callable[[str, int, int], None]
ACTION = "erase"
WAIT_S = 0.25


class Eraser:
    """Goes on with erasures; safe to use from many threads, and beside other processes."""

    def __init__(
        self,
        governor: Governor,
        follower: Follower,
        index: CubeIndex,
        index_follower: IndexFollower,
        destroyer: Destroyer,
        tensors: Tensors = lambda _: (),
    ) -> None:
        """
        Take the rooms.

        Args:
            tensors: Of which cubes the files of tensors of a tenant are.
        """
        self._tensors = tensors
        self._governor = governor
        self._follower = follower
        self._index = index
        self._index_follower = index_follower
        self._destroyer = destroyer
        self.pages = Pages(governor, follower)

    def resume(self) -> None:
        """
        Go on with every erasure that is open, as far as it goes without waiting.

        One that cannot go on now stays open and keeps nobody from anything else.
        """
        for tenant, erasure in self.open_erasures():
            with suppress(UnavailableError):
                self.go_on(tenant, erasure, wait=False)

    def open_erasures(self) -> list[tuple[str, str]]:
        """Return tenant and id of every erasure to go on with: one look-up a tenant."""
        with self._governor.tables.snapshot() as snapshot:
            guards = {ids.open_erasures_stream(tenant): tenant for tenant in snapshot.tenants()}
            found = snapshot.facts(guards)
        return [
            (guards[stream], erasure)
            for stream, (_, facts) in sorted(found.items())
            if isinstance(facts, OpenErasures)
            for erasure in facts.erasures
        ]

    def preview(self, tenant: str, command: c.EraseSubject | c.EraseCube) -> Erasure:
        """
        Return what an erasure would erase and keep now; nothing is recorded.

        Raises:
            PolicyUnavailableError: Policy gives no answer.
        """
        asked, _ = Names(self._governor.keys, tenant).resolve(command)
        subject = asked.subject if isinstance(asked, c.EraseSubject) else None
        cube = asked.cube if isinstance(asked, c.EraseCube) else None
        return self.pages.preview(tenant, subject=subject, cube=cube)

    def go_on(
        self, tenant: str, erasure: str, *, wait: bool = True, progress: Progress | None = None
    ) -> ErasureFacts:
        """
        Take every step that is left of an erasure; return how far it came.

        Args:
            wait: Wait for other processes to let go of opened keys; else leave
                the completion to a later run.

        Raises:
            PolicyUnavailableError, UnavailableError: It stays open and is gone
                on with later; what it is about stays restricted.
            NotFoundError: The tenant has no such erasure.
        """
        at = Step(self._governor, tenant, erasure, progress)
        while at.facts.state in UNDECIDED:
            self.pages.propose(tenant, erasure)
            at.tell("pages", len(at.facts.pages))
        if at.facts.state == "checking":
            self._check(at)
            if self._is_let_go(at, wait=wait):
                self._complete(at)
        return at.facts

    def _check(self, at: Step) -> None:
        """Make sure that everything ended, and let each custodian say so."""
        self._destroyer.settle()
        self._index_follower.catch_up()
        self._follower.catch_up("cubes")
        self._governor.leasing.begin_anew()  # custodians look into the vault, not into memory
        told = at.told
        for custodian in at.facts.unreported:
            at.propose(self._reported(at, custodian, told), custodian)
            at.tell(custodian, 1)

    def _reported(self, at: Step, custodian: Custodian, told: Told) -> e.CustodianErased:
        """Return what a custodian found, who looks while nobody can bring anything back."""
        if custodian != "index":
            return self._read_back(at, custodian, told)
        with self._index_follower.emptied(at.tenant, told.erased):
            return self._read_back(at, custodian, told)

    def _read_back(self, at: Step, custodian: Custodian, told: Told) -> e.CustodianErased:
        """
        Return what a custodian found.

        Raises:
            UnavailableError: Something is left.
        """
        governor, started_at = self._governor, at.now
        erased = Erased(
            tenant=at.tenant,
            subject=at.facts.subject,
            cubes=told.erased,
            log=governor.log,
            tables=governor.tables,
            keys=governor.keys,
            index=self._index,
            tensors=self._tensors,
        )
        found = read_back(custodian, erased)
        if found.remaining:
            msg = f"{custodian} still holds {found.remaining} of {found.checked} erased things"
            raise UnavailableError(msg, backend=custodian)
        return e.CustodianErased(
            erasure=at.erasure,
            custodian=custodian,
            checked=found.checked,
            remaining=found.remaining,
            digest=found.digest,
            place=found.place,
            started_at=started_at,
            ended_at=at.now,
        )

    def _is_let_go(self, at: Step, *, wait: bool) -> bool:
        """Whether no other process may have open what ended; wait until it is so."""
        leasing, ended = self._governor.leasing, at.facts.pages[-1]
        leasing.begin_anew()  # who goes on with the same erasure need not wait for this one
        while holders := leasing.waiting(at.tenant, ended):
            if not wait:
                return False
            at.tell("other processes", len(holders))
            time.sleep(WAIT_S)
            leasing.hold()
        return True

    def _complete(self, at: Step) -> None:
        facts, now = at.facts, at.now
        said = statement(at.tenant, at.erasure, facts, at.told, completed_at=now)
        event = e.ErasureCompleted(
            erasure=at.erasure,
            erased=facts.erased,
            kept=facts.kept,
            statement=statement_digest(said),
        )
        at.propose(event, COMPLETED, at=now)

    def end_backups(self, tenant: str, erasure: str) -> ErasureFacts:
        """
        Record since when no backup of the vault opens what was erased, once the vault says so.

        Raises:
            NotFoundError: The tenant has no such erasure.
        """
        at = Step(self._governor, tenant, erasure, None)
        facts = at.facts
        if facts.completed_at is None or facts.backups_ended_at is not None:
            return facts
        since_ms = self._governor.keys.unreadable_since((facts.completed_at + 1) * 1000)
        if since_ms is None:
            return facts
        ended = replace(facts, backups_ended_at=since_ms // 1000 + 1)
        said = statement(tenant, erasure, ended, at.told, completed_at=facts.completed_at)
        event = e.BackupsEnded(
            erasure=erasure, since=since_ms // 1000 + 1, statement=statement_digest(said)
        )
        at.propose(event, BACKUPS)
        return at.facts


class Step:
    """One erasure while it is gone on with: where it stands, and how a report is proposed."""

    def __init__(
        self, governor: Governor, tenant: str, erasure: str, progress: Progress | None
    ) -> None:
        self._governor = governor
        self.tenant = tenant
        self.erasure = erasure
        self._progress = progress

    @property
    def facts(self) -> ErasureFacts:
        """How far it has come by now."""
        return facts_of(self._governor, self.tenant, self.erasure)

    @property
    def told(self) -> Told:
        """What its pages decided."""
        return told(self._governor.log, self._governor.tables, self.tenant, self.facts)

    @property
    def now(self) -> int:
        """The time, in seconds."""
        return int(self._governor.clock.now().timestamp())

    def tell(self, stage: str, done: int) -> None:
        """Tell whoever watches."""
        if self._progress is not None:
            self._progress(stage, done, done)

    def propose(self, event: e.OnErasure, step: str, at: int | None = None) -> None:
        """Propose a report; one that another process was first with is as good."""
        governor = self._governor
        command_id = step_id(governor.keys, self.tenant, self.erasure, step)
        outcome = governor.proposer.submit_unjudged(
            self.tenant, ids.ERASER, event, action=ACTION, command_id=command_id, at=at
        )
        if outcome.code != "accepted":
            msg = f"the report of {step} was not accepted ({outcome.code})"
            raise UnavailableError(msg, backend="certifier")
