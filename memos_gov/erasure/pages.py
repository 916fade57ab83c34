"""
The plan of an erasure, carried out a page at a time.

A page is one record: at most PAGE_CUBES_MAX cubes, each erased or kept as
policy answers, and at the end the name of the person where nothing is kept.
It relies on every cube, its subjects and the guards, so a hold that comes
meanwhile makes it stale and it is judged again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import msgspec
from msgspec.structs import replace

from memos_gov.assess import Assessed
from memos_gov.attempt import Attempt
from memos_gov.domain import commands as c
from memos_gov.domain import events as e
from memos_gov.domain import ids, questions
from memos_gov.domain.decide import Situation
from memos_gov.domain.erasing import PAGE_CUBES_MAX
from memos_gov.domain.facts import ErasureFacts
from memos_gov.domain.lineage import DESCENDANTS_MAX, Barred, narrowed
from memos_gov.domain.questions import Caller, Question
from memos_gov.domain.verdicts import ErasureAnswer, ErasurePlan, Reason, Verdict
from memos_gov.erasure.finding import about, last_uses
from memos_gov.erasure.report import Erasure, Kept
from memos_gov.erasure.steps import page_step, step_id
from memos_gov.follow import Follower
from memos_gov.governor import Governor, retried

VIA = "worker"
UNDECIDED = frozenset({"requested", "erasing"})
PREVIEW = "dry_run"


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """The next cubes of an erasure, and policy's plan for those that are there to be erased."""

    cubes: tuple[str, ...]
    more: bool
    plan: ErasurePlan

    @property
    def erased(self) -> list[str]:
        """The cubes to be erased, in order."""
        return self._with("erase")

    @property
    def kept(self) -> list[str]:
        """The cubes to be kept, in order."""
        return self._with("keep")

    def _with(self, action: str) -> list[str]:
        return sorted(cube for cube, x in self.plan.cubes.items() if x.action == action)


class Pages:
    """Plans erasures and proposes the pages; safe to use from many threads at once."""

    def __init__(self, governor: Governor, follower: Follower) -> None:
        self._governor = governor
        self._follower = follower

    def propose(self, tenant: str, erasure: str) -> None:
        """
        Carry out the next page of an erasure; nothing where every page was.

        Raises:
            PolicyUnavailableError: No answer; nothing is erased and it stays open.
            UnavailableError: Everything kept moving, or a backend did not answer.
        """
        self._follower.catch_up("cubes", "usage")
        retried(lambda: self._propose(tenant, erasure))

    def _propose(self, tenant: str, erasure: str) -> None:
        governor, command = self._governor, c.make(c.PlanErasure, erasure=erasure)
        with governor.tables.snapshot() as snapshot:
            attempt = governor.attempt(snapshot, eraser(tenant, erasure))
            facts = attempt.get(ids.erasure_stream(tenant, erasure), ErasureFacts)
            if facts is None or facts.state not in UNDECIDED:
                return
            number = len(facts.pages) + 1
            command_id = step_id(governor.keys, tenant, erasure, page_step(number))
            page, events = self._whole(attempt, erasure, facts)
            assessed = _assessed(attempt, command_id, facts, page.plan)
            drafts = tuple(e.Draft(event) for event in events)
            prepared = governor.propose(attempt, command, command_id, "", assessed, drafts)
        outcome = governor.submit([prepared])[0]
        governor.conclude(attempt.caller, command, prepared, outcome)

    def _whole(
        self, attempt: Attempt, erasure: str, facts: ErasureFacts
    ) -> tuple[Page, tuple[e.Event, ...]]:
        """Return a page that fits one record with all that it means for what was made of it."""
        size = PAGE_CUBES_MAX
        while True:
            page = self.next(attempt, facts, size)
            events = tuple(_events(erasure, facts, page))
            # What was linked to a cube may be older than it and so come later: one always goes.
            reached = self._reached(attempt, events, DESCENDANTS_MAX if size > 1 else None)
            if not isinstance(reached, Barred):
                return page, (*events, *reached)
            size //= 2

    def _reached(
        self, attempt: Attempt, events: tuple[e.Event, ...], most: int | None
    ) -> tuple[e.Event, ...] | Barred:
        return narrowed(
            events,
            tenant=attempt.tenant,
            known=attempt.known,
            descendants=partial(attempt.descendants, most=most),
            labels=self._governor.words(attempt.policy.active).labels,
            depth=attempt.depth,
            now=attempt.now,
            command_id="",
            most=most,
        )

    def preview(self, tenant: str, *, subject: str | None, cube: str | None) -> Erasure:
        """
        Return what an erasure would erase and keep now; nothing is recorded.

        Raises:
            PolicyUnavailableError: Policy gives no answer.
        """
        self._follower.catch_up("cubes", "usage")
        facts = _imagined(subject, cube)
        erased: list[str] = []
        kept: list[Kept] = []
        with self._governor.tables.snapshot() as snapshot:
            attempt = self._governor.attempt(snapshot, eraser(tenant, PREVIEW))
            if cube is not None:
                facts = replace(facts, cubes=(cube, *attempt.descendants(cube)))
            while facts.state in UNDECIDED:
                page = self.next(attempt, facts, PAGE_CUBES_MAX)
                erased += page.erased
                kept += [_kept(x, page.plan.cubes[x]) for x in page.kept]
                facts = replace(
                    facts,
                    last=page.cubes[-1] if page.cubes else None,
                    kept=len(kept),
                    state="erasing" if page.more else "checking",
                )
            now = attempt.now
        return Erasure(
            id="",
            state=PREVIEW,
            subject=subject,
            cube=cube,
            requested_at=now,
            completed_at=None,
            erased=tuple(erased),
            kept=tuple(kept),
        )

    def next(self, attempt: Attempt, facts: ErasureFacts, size: int) -> Page:
        """Return the page after `facts.last`, of at most `size` cubes, as policy plans it now."""
        named, more = self._after(attempt.tenant, facts, size)
        cubes = [x for x in attempt.cubes(named).values() if x.governance.state != "erased"]
        target = self._target(attempt, facts, last=not more)
        used = last_uses(self._governor.tables, attempt.tenant, [x.cube for x in cubes])
        now = attempt.now
        asked = [
            questions.erased(x, target["id"], now, last_used_at=used.get(x.cube)) for x in cubes
        ]
        plan = attempt.judge.erasure(attempt.tenant, now, target, asked)
        return Page(cubes=tuple(named), more=more, plan=plan)

    def _target(self, attempt: Attempt, facts: ErasureFacts, *, last: bool) -> Question:
        if facts.subject is None:
            # What the schedule asks for together names no cube above the others.
            return questions.erasure_target(
                "cube", facts.cube or "", held=False, kept=facts.kept, last=last
            )
        (subject,) = attempt.subjects([facts.subject])
        held = subject.held_at(attempt.now)
        return questions.erasure_target(
            "subject", facts.subject, held=held, kept=facts.kept, last=last
        )

    def _after(self, tenant: str, facts: ErasureFacts, size: int) -> tuple[list[str], bool]:
        """Return the cubes of the next page, and whether more follow."""
        if facts.subject is None:
            found = sorted(cube for cube in facts.cubes if cube > (facts.last or ""))
        else:
            tables = self._governor.tables
            found = about(tables, tenant, facts.subject, facts.last, size + 1)
        return found[:size], len(found) > size


def _imagined(subject: str | None, cube: str | None) -> ErasureFacts:
    """Return an erasure as it would stand right after it was asked for."""
    return ErasureFacts(
        state="requested",
        subject=subject,
        cube=cube,
        cubes=(),
        requested_by="",
        requested_at=0,
        requested_index=0,
        index=0,
    )


def _kept(cube: str, answer: ErasureAnswer) -> Kept:
    codes = tuple(sorted(reason.code for reason in answer.reasons))
    return Kept(cube=cube, reasons=codes, rules=answer.rules, steps=answer.steps)


def eraser(tenant: str, erasure: str) -> Caller:
    """Return the worker that goes on with an erasure."""
    return Caller(tenant=tenant, principal=ids.ERASER, via=VIA, purpose="", correlation=erasure)


def _events(erasure: str, facts: ErasureFacts, page: Page) -> Iterator[e.Event]:
    answers = page.plan.cubes
    yield _planned(erasure, facts, page)
    for cube in page.erased:
        yield e.CubeErased(cube=cube, erasure=erasure)
    for cube in page.kept:
        reasons = tuple(sorted(reason.code for reason in answers[cube].reasons))
        yield e.CubeRestricted(cube=cube, erasure=erasure, reasons=reasons)
    if facts.subject is not None and page.plan.subject == "erase" and not page.more:
        yield e.SubjectErased(subject=facts.subject, erasure=erasure)


def _planned(erasure: str, facts: ErasureFacts, page: Page) -> e.ErasurePlanned:
    erased, kept = len(page.erased), len(page.kept)
    keeps = facts.kept + kept > 0 or (facts.subject and page.plan.subject == "keep")
    nothing = facts.erased + erased == 0 and keeps
    return e.ErasurePlanned(
        erasure=erasure,
        subject=facts.subject,
        page=len(facts.pages) + 1,
        erased=erased,
        kept=kept,
        last=page.cubes[-1] if page.cubes else facts.last,
        state="erasing" if page.more else "kept" if nothing else "checking",
        custodians=() if page.more or nothing else page.plan.custodians,
    )


def _assessed(
    attempt: Attempt, command_id: str, facts: ErasureFacts, plan: ErasurePlan
) -> Assessed:
    """Return the plan as the record's verdict: each cube may become what its answer says."""
    situation = Situation(
        tenant=attempt.tenant, actor=ids.ERASER, command_id=command_id, now=attempt.now
    )
    by_target = {cube: _verdict(x, plan) for cube, x in plan.cubes.items()}
    if facts.subject is not None:
        rules = (f"erasure/subject_{plan.subject}",)
        by_target[facts.subject] = Verdict("allow", (), (), rules, plan.valid_until)
    whole = Verdict("allow", (), (), (), plan.valid_until)
    return Assessed(situation, whole, by_target)


def _verdict(answer: ErasureAnswer, plan: ErasurePlan) -> Verdict:
    reasons: Sequence[Reason] = sorted(set(answer.reasons))
    return Verdict("allow", tuple(reasons), (), tuple(sorted(answer.rules)), plan.valid_until)
