"""The records of the schedule: what is written down, reviewed, ended, or to be erased."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from memos_gov.assess import Assessed
from memos_gov.attempt import Attempt
from memos_gov.domain import commands as c
from memos_gov.domain import ids, questions
from memos_gov.domain.decide import Situation, act_target, decide
from memos_gov.domain.questions import Caller
from memos_gov.domain.verdicts import Verdict, merge
from memos_gov.governor import Governor
from memos_gov.ports import Snapshot
from memos_gov.proposer import new_command_id
from memos_gov.receipts import Prepared
from memos_gov.schedule.asking import Asked

VIA = "worker"


class Act(NamedTuple):
    """What is proposed about cubes, and how they are counted once it is accepted."""

    asked: tuple[Asked, ...]
    command: c.ScheduleCube | c.DisposeCube | c.EraseDue
    what: str

    @property
    def cubes(self) -> list[str]:
        """The cubes it is about."""
        return [one.cube for one in self.asked]


class Acting:
    """Prepares the worker's records in one tenant, each under a verdict of its own."""

    def __init__(self, governor: Governor, tenant: str) -> None:
        self._governor = governor
        self._tenant = tenant

    def caller(self, approval: str | None = None) -> Caller:
        """Return the worker as policy knows it."""
        return Caller(
            tenant=self._tenant,
            principal=ids.SCHEDULER,
            via=VIA,
            purpose="",
            correlation=ids.SCHEDULER,
            approval=approval,
        )

    def attempt(self, snapshot: Snapshot, approval: str | None = None) -> Attempt:
        """Return an attempt of the worker."""
        return self._governor.attempt(snapshot, self.caller(approval))

    def begin(self, moment: int) -> int:
        """
        Record that a run begins, and return its index.

        Raises:
            DeniedError, NotFoundError: Policy lets no schedule run; recorded.
        """
        governor = self._governor
        command = c.make(c.FollowSchedule, until=datetime.fromtimestamp(moment, UTC))
        with governor.tables.snapshot() as snapshot:
            attempt = self.attempt(snapshot)
            target = questions.target("tenant", id=self._tenant)
            verdict = attempt.judge.action(attempt.asked(command.ACTION), target)
            assessed = self._assessed(attempt, verdict, {self._tenant: verdict})
            prepared = self._proposed(attempt, command, assessed)
        outcome = governor.submit([prepared])[0]
        return governor.conclude(attempt.caller, command, prepared, outcome).index

    def prepare(self, snapshot: Snapshot, act: Act) -> Prepared:
        """Return the record of an act."""
        if isinstance(act.command, c.EraseDue):
            return self._erasure(snapshot, act.asked, act.command)
        (asked,) = act.asked
        attempt = self.attempt(snapshot, asked.approval)
        target = act_target(act.command)
        cube, verdict = attempt.weigh(act.command.ACTION, asked.cube, target)
        assessed = self._assessed(
            attempt,
            verdict,
            {asked.cube: verdict},
            cube=cube,
            case=asked.review,
            retention=asked.verdict,
            approval=attempt.approval,
        )
        return self._proposed(attempt, act.command, assessed)

    def _erasure(self, snapshot: Snapshot, asked: Sequence[Asked], command: c.EraseDue) -> Prepared:
        attempt = self.attempt(snapshot)
        cubes = attempt.cubes(command.cubes).values()
        verdicts = attempt.judged(attempt.asked(command.ACTION), cubes)
        assessed = self._assessed(
            attempt,
            merge(*verdicts.values()),
            verdicts,
            cubes=tuple(cubes),
            retentions={one.cube: one.verdict for one in asked},
            reviews=tuple(one.approval for one in asked if one.approval is not None),
        )
        return self._proposed(attempt, command, assessed)

    def _assessed(
        self, attempt: Attempt, verdict: Verdict, by_target: dict[str, Verdict], **facts: object
    ) -> Assessed:
        situation = Situation(
            tenant=self._tenant,
            actor=ids.SCHEDULER,
            command_id=new_command_id(),
            now=attempt.now,
            labels=self._governor.words(attempt.policy.active).labels,
            known=attempt.known,
            descendants=attempt.descendants,
            depth=attempt.depth,
            **facts,  # type: ignore[arg-type]  # (fields of the situation, by name)
        )
        return Assessed(situation, verdict, by_target)

    def _proposed(self, attempt: Attempt, command: c.Command, assessed: Assessed) -> Prepared:
        governor, situation = self._governor, assessed.situation
        drafts = decide(command, situation, assessed.verdict)
        digest = governor.command_digest(self._tenant, command)
        return governor.propose(attempt, command, situation.command_id, digest, assessed, drafts)
