"""
Assessing a command: load what it is about, ask policy, and lay both before `decide`.

One function a shape of command: about a cube, about new content, about
something else. Each returns a `Situation` and a verdict for every target.
Sets of cubes (recall, list) are assessed in `recall.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from memos_gov.attempt import Attempt
from memos_gov.domain import commands as c
from memos_gov.domain import detectors, ids, questions
from memos_gov.domain.bundle import Vocabulary
from memos_gov.domain.commands import seconds
from memos_gov.domain.decide import Admitted, Situation, act_target
from memos_gov.domain.events import CubeContent
from memos_gov.domain.facts import (
    CaseFacts,
    ConsentFact,
    MatterFacts,
    SubjectFacts,
)
from memos_gov.domain.questions import Cube, Question
from memos_gov.domain.verdicts import FindingKind, IndexDepth, Verdict, merge

OpenContent = Callable[[str, Cube], CubeContent]
Contentful = c.RememberCube | c.ReviseCube


class Assessed(NamedTuple):
    """What `decide` gets, and what the record says of policy's answer."""

    situation: Situation
    verdict: Verdict
    by_target: dict[str, Verdict]


class Assessor:
    """Assesses one command in one attempt."""

    def __init__(
        self, attempt: Attempt, command_id: str, words: Vocabulary, open_content: OpenContent
    ) -> None:
        self._attempt = attempt
        self._command_id = command_id
        self._words = words
        self._open_content = open_content

    def assess(self, command: c.Command) -> Assessed:
        """Return the situation of a command and policy's verdict on it."""
        match command:
            case c.RememberCube():
                return self._remember(command)
            case c.ReviseCube():
                return self._revise(command)
            case c.OnCube():
                return self._on_cube(command, command.cube)
            case c.PlaceHold(cube=str() as cube):
                return self._on_cube(command, cube)
            case c.OnCase():
                return self._on_case(command)
            case _:
                return self._act(command, self._target(command))

    def _situation(self) -> Situation:
        at = self._attempt
        return Situation(
            tenant=at.tenant,
            actor=at.caller.principal,
            command_id=self._command_id,
            now=at.now,
            policy=at.policy.active,
            approval=at.approval,
        )

    def _on_cube(self, command: c.Command, cube_id: str) -> Assessed:
        act = act_target(command)
        becomes = questions.becomes(command)
        cube, verdict = self._attempt.weigh(command.ACTION, cube_id, act, becomes)
        situation = self._with_others(replace(self._situation(), cube=cube), command)
        return Assessed(situation, verdict, {cube_id: verdict})

    def _with_others(self, situation: Situation, command: c.Command) -> Situation:
        """Add the principal or the matter that a command on a cube names."""
        if isinstance(command, c.ShareCube):
            return replace(situation, target=self._attempt.principal(command.principal))
        if isinstance(command, c.PlaceHold):
            return replace(situation, matter=self._matter(command.matter))
        if isinstance(command, c.RelabelCube) and situation.cube is not None:
            return replace(situation, index=self._depth(situation.cube, command.label))
        return situation

    def _depth(self, cube: Cube, label: str) -> IndexDepth:
        """Return how deep a cube would be indexed under a label."""
        at, governance = self._attempt, cube.governance
        facts = {
            "form": governance.form,
            "label": label,
            "semantic_type": governance.semantic_type,
            "quarantined": False,
            "findings": cube.content.findings,
        }
        return at.judge.index_depth(at.tenant, at.now, questions.planned(cube.cube, facts))

    def _matter(self, matter: str) -> MatterFacts | None:
        at = self._attempt
        facts = at.get(ids.matter_stream(at.tenant, matter), MatterFacts)
        targets = [hold.target for hold in facts.holds] if facts else []
        at.subjects(target.id for target in targets if target.kind == "subject")
        at.cubes(target.id for target in targets if target.kind == "cube")
        return facts

    def _remember(self, command: c.RememberCube) -> Assessed:
        at = self._attempt
        cube_id = ids.cube_id_of(self._command_id)
        at.load((ids.content_stream(at.tenant, cube_id), ids.governance_stream(at.tenant, cube_id)))
        subjects = tuple(_with_consents(s, command, at.now) for s in at.subjects(command.subjects))
        found = _kinds(command.content, command.metadata)
        candidate = questions.admission(command, found, subjects, at.now)
        admission = at.judge.admission(at.asked(command.ACTION), candidate)
        verdict = merge(admission, *self._consent_verdicts(command))
        admitted = self._admit(verdict, command, command.label, candidate)
        situation = replace(self._situation(), admitted=admitted)
        return Assessed(situation, verdict, {cube_id: verdict})

    def _consent_verdicts(self, command: c.RememberCube) -> Iterator[Verdict]:
        """Ask whether the actor may record the consents that come with a cube."""
        at = self._attempt
        actions = {c.GiveConsent if word.given else c.WithdrawConsent for word in command.consents}
        for action in sorted(kind.ACTION for kind in actions):
            for subject, facts in zip(command.subjects, at.subjects(command.subjects), strict=True):
                yield at.judge.action(at.asked(action), _subject_target(subject, facts, at.now))

    def _revise(self, command: c.ReviseCube) -> Assessed:
        at = self._attempt
        access = self._on_cube(command, command.cube)
        cube = access.situation.cube
        if cube is None or not access.verdict.allows:
            return access
        candidate = questions.readmission(
            command, cube, _kinds(command.content, command.metadata), at.now
        )
        admission = at.judge.admission(at.asked(command.ACTION), candidate)
        verdict = merge(access.verdict, admission)
        # Nothing is opened for a revision that policy refuses.
        before = self._open_content(at.tenant, cube) if verdict.allows else None
        admitted = self._admit(verdict, command, cube.governance.label, candidate, before)
        situation = replace(access.situation, admitted=admitted)
        return Assessed(situation, verdict, {command.cube: verdict})

    def _admit(
        self,
        verdict: Verdict,
        command: Contentful,
        label: str,
        candidate: Question,
        before: CubeContent | None = None,
    ) -> Admitted | None:
        """Fulfil the obligations of an admission before anything is sealed."""
        if not verdict.allows:
            return None
        content = _joined(command, _masked(command, verdict.masks), before)
        label = self._strictest(label, verdict)
        findings = _kinds(content.content, content.metadata)
        # What waits in quarantine is planned as it will be once it is approved.
        facts = {
            **candidate["cube"],
            "label": label,
            "quarantined": False,
            "findings": findings,
        }
        at = self._attempt
        plan = questions.planned(ids.cube_id_of(self._command_id), facts)
        return Admitted(
            content=content.content,
            metadata=content.metadata,
            label=label,
            quarantined=any(o.kind == "quarantine" for o in verdict.obligations),
            findings=findings,
            index=at.judge.index_depth(at.tenant, at.now, plan),
        )

    def _strictest(self, label: str, verdict: Verdict) -> str:
        """Return the highest of the asked label and those that policy demands."""
        demanded = (o.label for o in verdict.obligations if o.kind == "label")
        return self._words.strictest(label, *(x for x in demanded if x))

    def _on_case(self, command: c.OnCase) -> Assessed:
        at = self._attempt
        case = at.get(ids.case_stream(at.tenant, command.case), CaseFacts)
        if case is None:
            target = questions.target("case", id=command.case)
            answer = at.judge.action(at.asked(command.ACTION), target)
            verdict = merge(answer, at.unknown())
            return Assessed(self._situation(), verdict, {command.case: verdict})
        own = case.actor == at.caller.principal
        target = questions.target("case", id=command.case, own=own)
        verdict = at.judge.action(at.asked(command.ACTION), target)
        targets = {command.case: verdict}
        if case.action == "admit":
            at.cubes([case.target])
            targets[case.target] = verdict
        return Assessed(replace(self._situation(), case=case), verdict, targets)

    def _act(self, command: c.Command, target: Question) -> Assessed:
        at = self._attempt
        action = command.action if isinstance(command, c.AskAudit) else command.ACTION
        verdict = at.judge.action(at.asked(action, act_target(command)), target)
        situation = self._situation()
        if isinstance(command, c.AddPrincipal | c.GrantRoles | c.RevokeRoles):
            situation = replace(situation, target=at.principal(command.principal))
        targets = {target["id"] or "": verdict}
        if isinstance(command, c.PlaceHold | c.ReleaseHold):
            situation = replace(situation, matter=self._matter(command.matter))
        if isinstance(command, c.ReleaseHold) and situation.matter is not None:
            held = (hold.target for hold in situation.matter.holds)
            targets |= {one.id: verdict for one in held if one.kind == "cube"}
        return Assessed(situation, verdict, targets)

    def _target(self, command: c.Command) -> Question:
        at = self._attempt
        match command:
            case c.AddPrincipal() | c.GrantRoles() | c.RevokeRoles():
                own = command.principal == at.caller.principal
                given = command.model_dump(include={"clearance", "purposes"})
                return questions.target(
                    "principal", id=command.principal, roles=command.roles, own=own, **given
                )
            case c.OnSubject() | c.PlaceHold(subject=str()):
                assert command.subject is not None
                (facts,) = at.subjects([command.subject])
                return _subject_target(command.subject, facts, at.now)
            case c.ReleaseHold():
                return questions.target("subject", id=command.matter, held=True)
            case c.ActivatePolicy():
                return questions.target("policy", id=command.policy)
            case c.AskAudit():
                return questions.target("audit", id=command.target, name=command.question)
            case _:
                return questions.target("tenant", id=at.tenant)


def _with_consents(facts: SubjectFacts, command: c.RememberCube, now: int) -> SubjectFacts:
    """Return a subject's facts as they will stand with the consents that come with the cube."""
    words = tuple(
        ConsentFact(
            purpose=word.purpose,
            given=word.given,
            valid_from=seconds(word.valid_from, now),
            valid_to=None if word.valid_to is None else seconds(word.valid_to, now),
        )
        for word in command.consents
    )
    return replace(facts, consents=(*facts.consents, *words)) if words else facts


def _subject_target(subject: str, facts: SubjectFacts, now: int) -> Question:
    held = facts.held_at(now)
    return questions.target("subject", id=subject, held=held, restricted=facts.restricted)


def _masked(command: Contentful, kinds: tuple[FindingKind, ...]) -> CubeContent:
    """Return what a command brings, without the personal numbers of `kinds`."""
    metadata = command.metadata or {}
    return CubeContent(
        content=detectors.mask(command.content, kinds)[0],
        metadata={key: detectors.mask(value, kinds)[0] for key, value in metadata.items()},
    )


def _joined(command: Contentful, new: CubeContent, before: CubeContent | None) -> CubeContent:
    """
    Return a cube's whole content: what was there is kept where the command says so.

    Raises:
        InvalidCommandError: It would be over CONTENT_BYTES_MAX.
    """
    if before is None or not isinstance(command, c.ReviseCube):
        return new
    metadata = before.metadata if command.metadata is None else new.metadata
    if command.mode == "overwrite":
        return CubeContent(content=new.content, metadata=metadata)
    whole = c.make(c.Whole, content=f"{before.content}\n{new.content}").content
    return CubeContent(content=whole, metadata={**before.metadata, **new.metadata})


def _kinds(content: str, metadata: Mapping[str, str] | None) -> tuple[FindingKind, ...]:
    """Return the kinds of personal numbers in content and metadata, sorted."""
    texts = (content, *(metadata or {}).values())
    return tuple(sorted({found.kind for text in texts for found in detectors.find(text)}))
