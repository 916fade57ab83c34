"""
Assessing a command: load what it is about, ask policy, and lay both before `decide`.

One function a shape of command: about a cube, about new content, about
something else. Each returns a `Situation` and a verdict for every target.
Sets of cubes (recall, list) are assessed in `recall.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from memos_gov.admission import Admission, Entry, masked
from memos_gov.attempt import Assessed, Attempt
from memos_gov.deriving import Deriving, OpenContent
from memos_gov.domain import commands as c
from memos_gov.domain import ids, questions
from memos_gov.domain.bundle import Vocabulary
from memos_gov.domain.commands import seconds
from memos_gov.domain.decide import Ancestry, Situation, act_target
from memos_gov.domain.events import CubeContent
from memos_gov.domain.facts import (
    BaseModelFacts,
    CaseFacts,
    ConsentFact,
    ErasureFacts,
    MatterFacts,
    SubjectFacts,
)
from memos_gov.domain.lineage import named_by, own_traits, own_word
from memos_gov.domain.questions import Question
from memos_gov.domain.verdicts import Verdict, merge
from memos_gov.naming import unknown

__all__ = ["Assessed", "Assessor"]


class Assessor:
    """Assesses one command in one attempt."""

    def __init__(
        self, attempt: Attempt, command_id: str, words: Vocabulary, open_content: OpenContent
    ) -> None:
        self._attempt = attempt
        self._command_id = command_id
        self._labels = words.labels
        self._open_content = open_content
        self._admission = Admission(attempt, command_id, words)
        self._deriving = Deriving(attempt, command_id, self._admission, open_content)

    def assess(self, command: c.Command) -> Assessed:
        """Return the situation of a command and policy's verdict on it."""
        match command:
            case c.RememberCube():
                return self._remember(command)
            case c.ReviseCube():
                return self._revise(command)
            case c.EraseCube():
                return self._erase_cube(command)
            case c.EraseSubject():
                return self._erase_subject(command)
            case c.TransformCubes():
                return self._transform(command)
            case c.OnCubes() | c.SplitCube() | c.RollBackCube():
                return self._deriving.assess(command, self._situation())
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
            labels=self._labels,
            known=at.known,
            descendants=at.descendants,
            depth=at.depth,
        )

    def _on_cube(self, command: c.Command, cube_id: str) -> Assessed:
        act = act_target(command)
        becomes = questions.becomes(command)
        cube, verdict = self._attempt.weigh(command.ACTION, cube_id, act, becomes)
        situation = self._with_others(replace(self._situation(), cube=cube), command)
        return Assessed(situation, verdict, {cube_id: verdict})

    def _transform(self, command: c.TransformCubes) -> Assessed:
        """Assess cubes each of which policy must allow to be brought into another form."""
        at = self._attempt
        found, verdicts = at.weigh_all((command.ACTION,), command.cubes, act_target(command))
        at.get(ids.base_model_stream(at.tenant), BaseModelFacts)  # (`known` holds it then)
        verdict = merge(*(replace(answer, obligations=()) for answer in verdicts.values()))
        cubes = tuple(found[cube] for cube in command.cubes if cube in found)
        situation = replace(self._situation(), cubes=cubes, approval=at.approval)
        return Assessed(situation, verdict, verdicts)

    def _with_others(self, situation: Situation, command: c.Command) -> Situation:
        """Add the principal or the matter that a command on a cube names."""
        if isinstance(command, c.ShareCube):
            return replace(situation, target=self._attempt.principal(command.principal))
        if isinstance(command, c.PlaceHold):
            return replace(situation, matter=self._matter(command.matter))
        if isinstance(command, c.RelabelCube) and situation.cube is not None:
            return replace(situation, index=self._attempt.depth(command.cube, command.label))
        return situation

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

        def consented(subject: str, facts: SubjectFacts) -> SubjectFacts:
            return _with_consents(facts, command, at.now) if subject in own.subjects else facts

        own = own_word(command, at.now)
        entry = Entry(
            content=CubeContent(content=command.content, metadata=command.metadata),
            traits=own_traits(command),
            named=named_by(command, at.now),
            consented=consented,
        )
        consents = self._consent_verdicts(command)
        entered = self._admission.enter(command.ACTION, entry, Ancestry(heritage=own), *consents)
        assert entered.verdict is not None
        situation = replace(
            self._situation(),
            admitted=entered.admitted,
            ancestry=entered.ancestry,
            barred=entered.barred,
        )
        return Assessed(situation, entered.verdict, {cube_id: entered.verdict})

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
        new = CubeContent(content=command.content, metadata=command.metadata or {})
        entered = self._admission.reenter(command.ACTION, cube, new, access.verdict)
        verdict, barred = entered.verdict, entered.barred
        # Nothing is opened for a revision that is refused.
        before = self._open_content(at.tenant, cube) if verdict.allows and not barred else None
        content = _joined(command, masked(new, verdict.masks), before)
        admitted = self._admission.admit(verdict, content, entered.label, entered.facts)
        situation = replace(
            access.situation, admitted=admitted, link=entered.link, barred=entered.barred
        )
        return Assessed(situation, verdict, {command.cube: verdict})

    def _erase_cube(self, command: c.EraseCube) -> Assessed:
        """Assess a cube and every one that was made of it, since all of them end together."""
        at = self._attempt
        asked = self._on_cube(command, command.cube)
        cube = asked.situation.cube
        if cube is None:
            return asked
        derived = at.cubes(at.descendants(command.cube))
        verdicts = at.judged(at.asked(command.ACTION, act_target(command)), derived.values())
        situation = replace(
            asked.situation,
            erasing=any(x.erasing for x in (cube, *derived.values())),
            kept_erasure=self._kept(cube.governance.erasure, cube=command.cube),
        )
        verdict = merge(asked.verdict, *verdicts.values())
        return Assessed(situation, verdict, {**asked.by_target, **verdicts})

    def _erase_subject(self, command: c.EraseSubject) -> Assessed:
        at = self._attempt
        (facts,) = at.subjects([command.subject])
        assessed = self._act(command, _subject_target(command.subject, facts, at.now))
        # A name that ended meanwhile may still have been read just before.
        if facts.erased or command.subject == unknown("subject"):
            verdict = merge(assessed.verdict, at.unknown())
            return Assessed(assessed.situation, verdict, {command.subject: verdict})
        kept = self._kept(facts.erasure, subject=command.subject)
        situation = replace(assessed.situation, erasing=facts.erasing, kept_erasure=kept)
        return assessed._replace(situation=situation)

    def _kept(
        self, erasure: str | None, *, subject: str | None = None, cube: str | None = None
    ) -> str | None:
        """Return an erasure if it is of exactly this target and had to keep all of it."""
        at = self._attempt
        if erasure is None:
            return None
        facts = at.get(ids.erasure_stream(at.tenant, erasure), ErasureFacts)
        found = facts and (facts.state, facts.subject, facts.cube)
        return erasure if found == ("kept", subject, cube) else None

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
        situation = replace(self._situation(), case=case)
        if case.action == "admit":
            situation = replace(situation, cube=at.cubes([case.target]).get(case.target))
            targets[case.target] = verdict
        return Assessed(situation, verdict, targets)

    def _act(self, command: c.Command, target: Question) -> Assessed:
        at = self._attempt
        action = command.action if isinstance(command, c.AskAudit) else command.ACTION
        verdict = at.judge.action(at.asked(action, act_target(command)), target)
        situation = self._situation()
        if isinstance(command, c.RegisterBaseModel):
            at.get(ids.base_model_stream(at.tenant), BaseModelFacts)  # (`known` holds it then)
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


def _joined(command: c.ReviseCube, new: CubeContent, before: CubeContent | None) -> CubeContent:
    """
    Return a cube's whole content: what was there is kept where the command says so.

    Raises:
        InvalidCommandError: It would be over CONTENT_BYTES_MAX.
    """
    if before is None:
        return new
    metadata = before.metadata if command.metadata is None else new.metadata
    if command.mode == "overwrite":
        return CubeContent(content=new.content, metadata=metadata)
    whole = c.make(c.Whole, content=f"{before.content}\n{new.content}").content
    return CubeContent(content=whole, metadata={**before.metadata, **new.metadata})
