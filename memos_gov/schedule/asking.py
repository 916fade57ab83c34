"""What policy says of cubes today, and the review that a record class needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from msgspec.structs import replace

from memos_gov.attempt import Attempt
from memos_gov.domain import ids, questions
from memos_gov.domain.facts import CaseFacts
from memos_gov.domain.questions import Question
from memos_gov.domain.verdicts import HELD, RetentionVerdict
from memos_gov.ports import Tables
from memos_gov.schedule.candidates import Candidate, last_uses
from memos_gov.schedule.report import Due, Standing

_STANDINGS: dict[str, Standing] = {"open": "waiting", "rejected": "rejected"}


class Asked(msgspec.Struct, frozen=True):
    """A cube as policy was asked about it, the answer, and the review where it needs one."""

    question: Question
    verdict: RetentionVerdict
    case: str | None = None
    review: CaseFacts | None = None
    erasing: bool = False

    @property
    def cube(self) -> str:
        """The cube's id."""
        return str(self.question["id"])

    @property
    def standing(self) -> Standing:
        """What stands between what is due and its being done."""
        if self.erasing:
            return "erasing"
        if not self.verdict.review:
            return "due"
        return "review" if self.review is None else _STANDINGS.get(self.review.state, "waiting")

    @property
    def approval(self) -> str | None:
        """The review that a second person approved, for what is due now."""
        return self.case if self.review is not None and self.review.state == "approved" else None

    def is_as_said(self, row: Candidate, policy: str) -> bool:
        """Whether the view's row says this already, of this policy."""
        held = HELD in self.verdict.rules
        answer = (self.verdict.due, self.verdict.action, policy, held)
        return answer == (row.due, row.action, row.policy, row.held)

    def due(self) -> Due:
        """Return what is due, for a report."""
        assert self.verdict.due is not None
        return Due(
            cube=self.cube,
            retention_class=self.question["retention_class"],
            action=self.verdict.action,
            due=self.verdict.due,
            standing=self.standing,
            rules=self.verdict.rules,
            steps=self.verdict.steps,
        )


def ask(attempt: Attempt, tables: Tables, cubes: Sequence[str], moment: int) -> Iterator[Asked]:
    """
    Yield what policy says of cubes at a moment, with the facts of today.

    A hold that is in force now counts, also for a moment before. Where a
    review was approved policy is asked again, as if it were.

    Raises:
        PolicyUnavailableError: No answer.
    """
    held_at = max(moment, attempt.now)
    used = last_uses(tables, attempt.tenant, cubes)
    known = attempt.cubes(cubes)
    asked = [
        questions.retained(cube, held_at, last_used_at=used.get(cube.cube))
        for cube in known.values()
    ]
    verdicts = attempt.judge.retention(attempt.tenant, moment, asked)
    for question in asked:
        cube = question["id"]
        if cube in verdicts:  # a cube that the answer leaves out is kept
            one = Asked(question, verdicts[cube], erasing=known[cube].erasing)
            yield _reviewed(attempt, one, moment)


def _reviewed(attempt: Attempt, asked: Asked, moment: int) -> Asked:
    verdict = asked.verdict
    if not verdict.review or not verdict.is_due(moment):
        return asked
    assert verdict.due is not None
    case = ids.disposal_case_id(asked.cube, verdict.due)
    review = attempt.get(ids.case_stream(attempt.tenant, case), CaseFacts)
    if review is None or review.state != "approved":
        return replace(asked, case=case, review=review)
    question = {**asked.question, "approved": True}
    found = attempt.judge.retention(attempt.tenant, moment, [question])
    verdict = found.get(asked.cube, verdict)
    return replace(asked, question=question, verdict=verdict, case=case, review=review)
