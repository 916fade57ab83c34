"""
The worker of the schedule: asks about a page of cubes, and does what is due.

It acts as a principal of the engine, for whom nobody can stand, under policy's
verdict like everybody else. A page is one append; what moved meanwhile is
asked about again, a few times, and then left to the next run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from memos_gov.assess import Assessed
from memos_gov.domain import commands as c
from memos_gov.domain import ids, questions
from memos_gov.domain.decide import Situation, act_target, decide
from memos_gov.domain.history import Outcome
from memos_gov.domain.questions import Caller
from memos_gov.follow import Follower
from memos_gov.fsck.report import Progress
from memos_gov.governor import Governor, retried
from memos_gov.ports import Snapshot
from memos_gov.proposer import new_command_id
from memos_gov.receipts import Prepared
from memos_gov.schedule.asking import Asked, ask
from memos_gov.schedule.candidates import Candidate, asked_again, count_due, due_by, rows_of
from memos_gov.schedule.moment import moment_of
from memos_gov.schedule.report import Due, ScheduleReport

VIA = "worker"
VIEWS = ("cubes", "due", "usage")
TURNS_MAX = 4
DONE = {"archive": "archived", "expire": "expired"}


class Step(NamedTuple):
    """What is proposed about a cube, and how it is counted once it is accepted."""

    asked: Asked
    command: c.ScheduleCube | c.DisposeCube
    what: str


class Scheduler:
    """The schedule of one tenant; a run is one object's one use of `run`."""

    def __init__(self, governor: Governor, follower: Follower, tenant: str) -> None:
        self._governor = governor
        self._follower = follower
        self._tenant = tenant
        self._policy = ""
        self._moment = 0
        self._done: Counter[str] = Counter()
        self._due: list[Due] = []

    def run(
        self,
        now: datetime | None = None,
        *,
        dry_run: bool = False,
        progress: Progress | None = None,
    ) -> ScheduleReport:
        """
        Do what is due by `now`, or say what would be done.

        To every cube at most one thing is done. A run that was killed is gone on
        with by the next one. A dry run writes nothing, and may look ahead.

        Args:
            now: By when things are due; the clock's time when None. It confirms
                a clock that has jumped.

        Raises:
            InvalidCommandError: Names `now`: it lies ahead, or the clock has
                jumped and it is not said; nothing was written.
            DeniedError, NotFoundError: Policy lets no schedule run; recorded.
            PolicyUnavailableError: Policy did not answer; what was done before stays.
        """
        self._moment = moment_of(self._governor, self._tenant, now, dry_run=dry_run)
        self._follower.catch_up(*VIEWS)
        index = -1 if dry_run else retried(self._begin)
        for page in self._pages(progress):
            if dry_run:
                self._look(page)
            else:
                self._turn(page)
        return ScheduleReport(
            tenant=self._tenant,
            now=self._moment,
            dry_run=dry_run,
            done=dict(sorted(self._done.items())),
            due=tuple(sorted(self._due, key=lambda due: (due.due, due.cube))),
            index=index,
        )

    def _caller(self, approval: str | None = None) -> Caller:
        return Caller(
            tenant=self._tenant,
            principal=ids.SCHEDULER,
            via=VIA,
            purpose="",
            correlation=ids.SCHEDULER,
            approval=approval,
        )

    def _begin(self) -> int:
        """Record that a run begins, and return its index; where policy refuses, that."""
        governor, caller, command_id = self._governor, self._caller(), new_command_id()
        command = c.make(c.FollowSchedule, until=datetime.fromtimestamp(self._moment, UTC))
        with governor.tables.snapshot() as snapshot:
            attempt = governor.attempt(snapshot, caller)
            target = questions.target("tenant", id=self._tenant)
            verdict = attempt.judge.action(attempt.asked(command.ACTION), target)
            situation = Situation(
                tenant=self._tenant,
                actor=caller.principal,
                command_id=command_id,
                now=attempt.now,
            )
            assessed = Assessed(situation, verdict, {self._tenant: verdict})
            drafts = decide(command, situation, verdict)
            prepared = governor.propose(attempt, command, command_id, "", assessed, drafts)
        outcome = governor.submit([prepared])[0]
        return governor.conclude(caller, command, prepared, outcome).index

    def _pages(self, progress: Progress | None) -> Iterator[list[Candidate]]:
        """Yield pages of cubes to ask about: first those to be asked again, then those due."""
        tables, tenant, seen = self._governor.tables, self._tenant, set[str]()
        with tables.snapshot() as snapshot:
            self._policy = self._governor.attempt(snapshot, self._caller()).policy.active
        after = ""
        while page := asked_again(tables, tenant, self._policy, after):
            yield page
            seen.update(one.cube for one in page)
            after = page[-1].cube
            if progress is not None:
                progress("asked again", len(seen), len(seen))
        total, acted, place = count_due(tables, tenant, self._moment), 0, (-1, "")
        while page := due_by(tables, tenant, self._policy, self._moment, place):
            yield [one for one in page if one.cube not in seen]
            place, acted = (page[-1].due or 0, page[-1].cube), acted + len(page)
            if progress is not None:
                progress("due", acted, max(total, acted))

    def _ask(self, snapshot: Snapshot, cubes: Iterator[str]) -> Iterator[Asked]:
        attempt = self._governor.attempt(snapshot, self._caller())
        return ask(attempt, self._governor.tables, list(cubes), self._moment)

    def _look(self, page: list[Candidate]) -> None:
        """Note what is due of a page."""
        with self._governor.tables.snapshot() as snapshot:
            for asked in self._ask(snapshot, (one.cube for one in page)):
                if asked.verdict.is_due(self._moment):
                    self._due.append(asked.due())
                    self._done[asked.standing] += 1

    def _turn(self, page: list[Candidate]) -> None:
        """Handle a page, and again what was overtaken, a few times."""
        for _ in range(TURNS_MAX):
            moved = self._handle({one.cube: one for one in page}) if page else []
            page = rows_of(self._governor.tables, self._tenant, moved)
        if page:
            self._done["overtaken"] += len(page)

    def _handle(self, page: Mapping[str, Candidate]) -> list[str]:
        """Ask about cubes and propose what follows; return those that moved meanwhile."""
        with self._governor.tables.snapshot() as snapshot:
            asked = self._ask(snapshot, iter(page))
            steps = [step for one in asked if (step := self._step(one, page[one.cube]))]
            prepared = [self._prepare(snapshot, step) for step in steps]
        outcomes = self._governor.submit(prepared)
        if outcomes:
            self._follower.catch_up(*VIEWS)
        decided = zip(steps, outcomes, strict=True)
        return [step.asked.cube for step, outcome in decided if self._is_left(step, outcome)]

    def _is_left(self, step: Step, outcome: Outcome) -> bool:
        """Count what became of a step, or tell that it must be taken again."""
        if outcome.code in {"stale", "late"}:
            return True
        self._done[step.what if outcome.code == "accepted" else outcome.code] += 1
        return False

    def _step(self, asked: Asked, row: Candidate) -> Step | None:
        """Return what is to be proposed about a cube; None for nothing."""
        if not asked.verdict.is_due(self._moment):
            if asked.is_as_said(row, self._policy):
                return None
            return Step(asked, c.ScheduleCube(cube=asked.cube), "dated")
        if asked.standing == "review":
            return Step(asked, c.ScheduleCube(cube=asked.cube), "reviews")
        if asked.standing != "due" or asked.verdict.action not in DONE:
            self._done[asked.standing] += 1
            return None
        return Step(asked, c.DisposeCube(cube=asked.cube), DONE[asked.verdict.action])

    def _prepare(self, snapshot: Snapshot, step: Step) -> Prepared:
        """Return the record of a step, under a verdict of its own."""
        governor, asked, command = self._governor, step.asked, step.command
        attempt = governor.attempt(snapshot, self._caller(asked.approval))
        cube, verdict = attempt.weigh(command.ACTION, asked.cube, act_target(command))
        command_id = new_command_id()
        situation = Situation(
            tenant=self._tenant,
            actor=ids.SCHEDULER,
            command_id=command_id,
            now=attempt.now,
            cube=cube,
            case=asked.review,
            retention=asked.verdict,
            approval=attempt.approval,
            labels=governor.words(attempt.policy.active).labels,
            known=attempt.known,
            descendants=attempt.descendants,
            depth=attempt.depth,
        )
        assessed = Assessed(situation, verdict, {asked.cube: verdict})
        drafts = decide(command, situation, verdict)
        digest = governor.command_digest(self._tenant, command)
        return governor.propose(attempt, command, command_id, digest, assessed, drafts)
