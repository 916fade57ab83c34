"""
The question of a recorded verdict, rebuilt, and asked again of the same bundle.

The request context and the facts at the versions of `relied_on` are the
question; nothing of today goes in. The second the question was asked in is
taken from the record. What a record does not keep (content before masking,
what a refused command named besides its target) makes a question that cannot
be rebuilt, and that is said instead of guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from msgspec.structs import replace

from memos_gov.domain import codec, ids, questions
from memos_gov.domain import commands as c
from memos_gov.domain import events as e
from memos_gov.domain.facts import (
    WORKER_FACTS,
    CaseFacts,
    ConsentFact,
    CorrelationFacts,
    Facts,
    PrincipalFacts,
    SubjectFacts,
)
from memos_gov.domain.questions import Caller, Cube, Question
from memos_gov.domain.verdicts import Verdict, merge
from memos_gov.judge import Judge
from memos_gov.past import Past

F = TypeVar("F", bound=Facts)
E = TypeVar("E", bound=e.Event)

_MAKES_OF_CUBES = frozenset(kind.ACTION for kind in (c.MergeCubes, c.SummariseCubes, c.SplitCube))
_NEW_CONTENT = frozenset(kind.ACTION for kind in (c.ReviseCube, c.RollBackCube))
_CONSENTS = e.ConsentGiven | e.ConsentWithdrawn

NOT_KEPT = "the log does not keep what this question named"
NOT_EXACT = "policy had content changed before it was kept, so the question cannot be rebuilt"
NOT_ALONE = "a plan is asked about a whole page, and about uses that the record does not hold"
OF_THE_PAST = "what this showed of the past is not kept with a refusal"
NO_ANSWER = "the verdict relied on no facts of this, so policy cannot be asked again"


class NotRebuilt(Exception):  # noqa: N818 (an answer of its own: why there is no question)
    """A question that the record does not hold in full."""


class Again:
    """One recorded question, with the facts it relied on."""

    def __init__(
        self,
        record: codec.Record,
        events: tuple[e.Event, ...],
        facts: Mapping[str, Facts],
        past: Past,
    ) -> None:
        """Take what the record says and relied on; `past` knows the revisions it named."""
        self._past = past
        self._data = record.data
        self._events = events
        self._facts = facts
        self._now = codec.milliseconds(record.time) // 1000

    def ask(self, judge: Judge, target: str) -> Verdict:
        """
        Return what the bundle answers now to the question about `target`.

        Raises:
            NotRebuilt: The record does not hold the whole question.
        """
        if self._event(e.ErasurePlanned) is not None:
            raise NotRebuilt(NOT_ALONE)
        remembered = self._born(target)
        if remembered is not None:
            admission = judge.admission(self._asked(target), self._admission(remembered))
            return merge(admission, *self._consents(judge, remembered))
        released = self._event(e.HoldReleased)
        if released is not None:  # the verdict on its cubes is that on the matter
            target = released.matter
        if target.startswith("c_"):
            return self._of_cube(judge, target)
        return judge.action(self._asked(target), self._target(target))

    def _consents(self, judge: Judge, remembered: e.CubeRemembered) -> Iterator[Verdict]:
        """Ask about each consent that came with a cube, as when it was remembered."""
        words = [x for x in self._events if isinstance(x, _CONSENTS)]
        given = {isinstance(x, e.ConsentGiven) for x in words}
        for action in sorted("consent_give" if yes else "consent_withdraw" for yes in given):
            asked = {**self._asked(remembered.cube), "action": action}
            for subject in sorted({x.subject for x in words}):
                yield judge.action(asked, self._about(subject))

    def _about(self, subject: str) -> Question:
        facts = self._subject(subject)
        held, limited = facts.held_at(self._now), facts.restricted
        return questions.target("subject", id=subject, held=held, restricted=limited)

    def _of_cube(self, judge: Judge, target: str) -> Verdict:
        cube = self._cube(target)
        if self._data.context.action.startswith("review_"):
            msg = NOT_KEPT
            raise NotRebuilt(msg)
        asked, action = self._asked(target), self._data.context.action
        facts = questions.cube_facts(self._shown(cube), self._data.tenant, self._now)
        access = judge.cubes(asked, [facts], self._becomes())[target]
        if action in _MAKES_OF_CUBES:
            return merge(judge.cubes({**asked, "action": "read"}, [facts])[target], access)
        if action not in _NEW_CONTENT or not access.allows:
            return access
        return merge(access, judge.admission(asked, self._readmission(cube)))

    def _shown(self, cube: Cube) -> Cube:
        """Return a cube as it was judged; of a look at the past with what it was to show."""
        read, refused = self._event(e.CubesRead), self._event(e.CommandRefused)
        if read is not None and read.recorded is not None:
            revisions = [shown.revision for shown in read.cubes if shown.cube == cube.cube]
            return self._past.as_judged_showing(cube, revisions)
        if refused is not None and refused.recorded is not None:
            raise NotRebuilt(OF_THE_PAST)
        return cube

    def _becomes(self) -> Question:
        """Return the words that the act gave a cube; of a refused one they are not kept."""
        action = self._data.context.action
        relabelled, rebased = self._event(e.CubeRelabelled), self._event(e.CubeRebased)
        if action == "relabel" and relabelled is not None:
            return {**questions.STAYS, "label": relabelled.label}
        if action == "rebase" and rebased is not None:
            return {**questions.STAYS, "basis": rebased.basis}
        if action in {"relabel", "rebase"}:
            msg = NOT_KEPT
            raise NotRebuilt(msg)
        return questions.STAYS

    def _asked(self, target: str) -> Question:
        data = self._data
        caller = Caller(
            tenant=data.tenant,
            principal=data.actor,
            via=data.via,
            purpose=data.context.purpose,
            correlation=data.correlation,
            session=data.context.session,
            channel=data.context.channel,
            region=data.context.region,
        )
        stream = ids.principal_stream(data.tenant, data.actor)
        actor = self._get(stream, PrincipalFacts) or PrincipalFacts()
        if data.actor in ids.WORKERS:
            actor = WORKER_FACTS
        approved = self._is_approved(target)
        return questions.asked(caller, actor, data.context.action, self._now, approved=approved)

    def _is_approved(self, target: str) -> bool:
        data = self._data
        if data.context.approval is None:
            return False
        stream = ids.case_stream(data.tenant, data.context.approval)
        case = self._get(stream, CaseFacts)
        return (
            case is not None
            and (case.state, case.actor, case.action)
            == (
                "approved",
                data.actor,
                data.context.action,
            )
            and target in case.target.split("/")
        )

    def _get(self, stream: str, facts_type: type[F]) -> F | None:
        found = self._facts.get(stream)
        return found if isinstance(found, facts_type) else None

    def _event(self, event_type: type[E]) -> E | None:
        return next((event for event in self._events if isinstance(event, event_type)), None)

    def _born(self, cube: str) -> e.CubeRemembered | None:
        """Return the event by which a cube came to be in this record, if it did."""
        born = (event for event in self._events if isinstance(event, e.CubeRemembered))
        return next((event for event in born if event.cube == cube), None)

    def _session_reads(self) -> int:
        """Return how many cubes had been read in the session."""
        data = self._data
        stream = ids.correlation_stream(data.tenant, data.actor, data.correlation)
        session = self._get(stream, CorrelationFacts) or CorrelationFacts()
        return len(session.reads) + session.full

    def _subject(self, subject: str) -> SubjectFacts:
        stream = ids.subject_stream(self._data.tenant, subject)
        return self._get(stream, SubjectFacts) or SubjectFacts()

    def _cube(self, cube: str) -> Cube:
        found = questions.cube_in(self._facts, self._data.tenant, cube)
        if found is None:
            msg = NO_ANSWER
            raise NotRebuilt(msg)
        return found

    def _admission(self, event: e.CubeRemembered) -> Question:
        """Return the candidate, whose content was kept as it came."""
        self._check_kept_as_it_came(event.cube)
        subjects = tuple(self._with_consents(subject) for subject in event.subjects)
        candidate = {field: getattr(event, field) for field in _CANDIDATE}
        return {
            "cube": {**candidate, "session_reads": self._session_reads()},
            "findings": list(event.findings),
            "consent": questions.consent(subjects, self._now),
            "restricted": any(s.restricted for s in subjects),
        }

    def _readmission(self, cube: Cube) -> Question:
        event = self._event(e.CubeRevised) or self._event(e.CubeRolledBack)
        if event is None:
            msg = NOT_KEPT
            raise NotRebuilt(msg)
        self._check_kept_as_it_came(cube.cube)
        candidate = {field: getattr(cube.governance, field, None) for field in _CANDIDATE}
        relabelled = self._event(e.CubeRelabelled)
        if relabelled is not None:  # (no obligation did it: the content stood under this label)
            candidate["label"] = relabelled.label
        # (A record from before revisions had sources names no session, nor does a way back.)
        reads = self._session_reads()
        return {
            "cube": {**candidate, "size_bytes": event.size_bytes, "session_reads": reads},
            "findings": list(event.findings),
            "consent": questions.consent(cube.subjects, self._now),
            "restricted": cube.restricted,
        }

    def _check_kept_as_it_came(self, target: str) -> None:
        recorded = self._data.verdict.by_target[target] if self._data.verdict else None
        if recorded is None or any(o.kind in {"mask", "label"} for o in recorded.obligations):
            msg = NOT_EXACT
            raise NotRebuilt(msg)

    def _with_consents(self, subject: str) -> SubjectFacts:
        """Return a subject's facts with the consents that came in the same record."""
        words = tuple(
            ConsentFact(
                purpose=event.purpose,
                given=isinstance(event, e.ConsentGiven),
                valid_from=event.valid_from,
                valid_to=event.valid_to,
            )
            for event in self._events
            if isinstance(event, _CONSENTS) and event.subject == subject
        )
        facts = self._subject(subject)
        return replace(facts, consents=(*facts.consents, *words))

    def _target(self, target: str) -> Question:
        """Return what an act was about, as far as its events say it."""
        action, actor = self._data.context.action, self._data.actor
        event: Any = next((x for x in self._events if not isinstance(x, e.CommandRefused)), None)
        match action:
            case "recall" | "list" | "vault_rotate":
                return questions.target("tenant", id=target)
            case "policy_activate":
                return questions.target("policy", id=target)
            case "release":
                return questions.target("subject", id=target, held=True)
            case "hold" if target == self._data.tenant:
                return questions.target("tenant", id=target)
            case "consent_give" | "consent_withdraw" | "hold" | "erase":
                return self._about(target)
            case "review_approve" | "review_reject":
                case = self._get(ids.case_stream(self._data.tenant, target), CaseFacts)
                own = case is not None and case.actor == actor
                return questions.target("case", id=target, own=own)
        if isinstance(event, e.AuditAsked) and action != "history":
            return questions.target("audit", id=event.target, name=event.question)
        if isinstance(event, e.PrincipalAdded | e.RolesGranted | e.RolesRevoked):
            own = event.principal == actor
            given: dict[str, Any] = {}
            if isinstance(event, e.PrincipalAdded):
                given = {"clearance": event.clearance, "purposes": event.purposes}
            return questions.target("principal", id=target, roles=event.roles, own=own, **given)
        msg = NOT_KEPT
        raise NotRebuilt(msg)


_CANDIDATE = (
    "form",
    "label",
    "purposes",
    "basis",
    "region",
    "retention_class",
    "semantic_type",
    "origin",
    "size_bytes",
)
