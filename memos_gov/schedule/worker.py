"""
The worker of the schedule: asks about a page of cubes, and does what is due.

It acts as a principal of the engine, for whom nobody can stand, under policy's
verdict like everybody else. A page is one append; what moved meanwhile is
asked about again, a few times, and then left to the next run. What is due to
be erased goes through the process of every erasure, as many cubes together as
a page has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from memos_gov.domain import commands as c
from memos_gov.domain import ids
from memos_gov.domain.history import Outcome
from memos_gov.erasure import Eraser
from memos_gov.errors import UnavailableError
from memos_gov.follow import Follower
from memos_gov.fsck.report import Progress
from memos_gov.governor import Governor, retried
from memos_gov.ports import Snapshot
from memos_gov.receipts import Prepared
from memos_gov.schedule.acting import Act, Acting
from memos_gov.schedule.asking import Asked, ask
from memos_gov.schedule.candidates import Candidate, asked_again, count_due, due_by, rows_of
from memos_gov.schedule.moment import moment_of, newest
from memos_gov.schedule.report import Due, ScheduleReport

QUIET = timedelta(days=1)
VIEWS = ("cubes", "due", "usage")
TURNS_MAX = 4
DONE = {"archive": "archived", "expire": "expired"}
ERASE = "erase"


class Scheduler:
    """The schedule of one tenant; a run is one object's one use of `run`."""

    def __init__(self, governor: Governor, follower: Follower, eraser: Eraser, tenant: str) -> None:
        self._governor = governor
        self._follower = follower
        self._eraser = eraser
        self._tenant = tenant
        self._acting = Acting(governor, tenant)
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
        if not dry_run:
            self._eraser.resume()
        self._follower.catch_up(*VIEWS)
        index = -1 if dry_run else retried(lambda: self._acting.begin(self._moment))
        for page in self._pages(progress):
            if dry_run:
                self._look(page)
            else:
                self._turn(page)
        return ScheduleReport(
            tenant=self._tenant,
            now=self._moment,
            dry_run=dry_run,
            done={what: cubes for what, cubes in sorted(self._done.items()) if cubes},
            due=tuple(sorted(self._due, key=lambda due: (due.due, due.cube))),
            index=index,
        )

    def has_work(self) -> bool:
        """
        Return whether a run would do something now, by a look that writes nothing.

        A tenant that was quiet for QUIET has some: its run, a record, vouches for the
        clock, so that a clock that jumps is told from a tenant that nobody uses.

        Raises:
            PolicyUnavailableError: Policy did not answer.
        """
        clock = self._governor.clock.now()
        if clock - newest(self._governor, self._tenant) > QUIET:
            return True
        self._moment = int(clock.timestamp())
        self._follower.catch_up(*VIEWS)
        return any(self._has_act(page) for page in self._pages(None) if page)

    def _has_act(self, page: list[Candidate]) -> bool:
        rows = {one.cube: one for one in page}
        with self._governor.tables.snapshot() as snapshot:
            asked = self._ask(snapshot, list(rows))
        return any(self._act(one, rows[one.cube]) or self._is_ending(one) for one in asked)

    def _pages(self, progress: Progress | None) -> Iterator[list[Candidate]]:
        """Yield pages of cubes to ask about: first those to be asked again, then those due."""
        tables, tenant, seen = self._governor.tables, self._tenant, set[str]()
        with tables.snapshot() as snapshot:
            self._policy = self._acting.attempt(snapshot).policy.active
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

    def _ask(self, snapshot: Snapshot, cubes: Sequence[str]) -> list[Asked]:
        attempt = self._acting.attempt(snapshot)
        return list(ask(attempt, self._governor.tables, cubes, self._moment))

    def _look(self, page: list[Candidate]) -> None:
        """Note what is due of a page."""
        with self._governor.tables.snapshot() as snapshot:
            for asked in self._ask(snapshot, [one.cube for one in page]):
                if asked.verdict.is_due(self._moment):
                    self._due.append(asked.due())
                    self._done[asked.standing] += 1

    def _turn(self, page: list[Candidate]) -> None:
        """Handle a page, and again what was overtaken, a few times."""
        for _ in range(TURNS_MAX):
            moved = self._handle({one.cube: one for one in page}) if page else []
            page = rows_of(self._governor.tables, self._tenant, moved)
        self._done["overtaken"] += len(page)

    def _handle(self, page: Mapping[str, Candidate]) -> list[str]:
        """Ask about cubes and propose what follows; return those that moved meanwhile."""
        with self._governor.tables.snapshot() as snapshot:
            asked = self._ask(snapshot, list(page))
            acts = [act for one in asked if (act := self._act(one, page[one.cube]))]
            ending = [one for one in asked if self._is_ending(one)]
            acts += self._erasures(snapshot, ending)
            prepared = [self._acting.prepare(snapshot, act) for act in acts]
        outcomes = self._governor.submit(prepared)
        moved: list[str] = []
        for act, record, outcome in zip(acts, prepared, outcomes, strict=True):
            if outcome.code in {"stale", "late"}:
                moved += act.cubes
            else:
                self._count(act, record, outcome)
        if outcomes:
            self._follower.catch_up(*VIEWS)
        return moved

    def _act(self, asked: Asked, row: Candidate) -> Act | None:
        """Return what is to be proposed about a cube alone; None for nothing."""
        if not asked.verdict.is_due(self._moment):
            if asked.is_as_said(row, self._policy):
                return None
            return Act((asked,), c.ScheduleCube(cube=asked.cube), "dated")
        if asked.standing == "review":
            return Act((asked,), c.ScheduleCube(cube=asked.cube), "reviews")
        if asked.standing != "due":
            self._done[asked.standing] += 1
        elif asked.verdict.action in DONE:
            return Act((asked,), c.DisposeCube(cube=asked.cube), DONE[asked.verdict.action])
        return None

    def _is_ending(self, asked: Asked) -> bool:
        due = asked.verdict.is_due(self._moment) and asked.standing == "due"
        return due and asked.verdict.action == ERASE

    def _erasures(self, snapshot: Snapshot, ending: Sequence[Asked]) -> Iterator[Act]:
        """Yield erasures: one of all from which nothing was made, and one for each other."""
        attempt = self._acting.attempt(snapshot)
        alone = {one.cube for one in ending if attempt.descendants(one.cube)}
        together = [one for one in ending if one.cube not in alone]
        for group in (together, *([one] for one in ending if one.cube in alone)):
            if group:
                cubes = tuple(one.cube for one in group)
                yield Act(tuple(group), c.EraseDue(cubes=cubes), ERASE)

    def _count(self, act: Act, record: Prepared, outcome: Outcome) -> None:
        """Count what became of an act; an erasure that was accepted is gone on with."""
        if outcome.code != "accepted":
            self._done[outcome.code] += len(act.cubes)
        elif act.what != ERASE:
            self._done[act.what] += len(act.cubes)
        else:
            self._erase(ids.erasure_id_of(record.command_id), len(act.cubes))

    def _erase(self, erasure: str, cubes: int) -> None:
        """Go on with an erasure; one that cannot be finished now stays open."""
        with suppress(UnavailableError):
            facts = self._eraser.go_on(self._tenant, erasure, wait=False)
            self._done["erased"] += facts.erased
            self._done["kept"] += facts.kept
            cubes -= facts.erased + facts.kept
        self._done["erasing"] += cubes
