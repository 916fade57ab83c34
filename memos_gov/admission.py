"""
Admission: whether content may enter, and as what.

Policy is asked with what would rule the content; its obligations (mask,
label, quarantine) are fulfilled before anything is sealed. Where the content
is the actor's own words, everything the actor has read in the session becomes
a source of it, and policy is asked a second time about what it inherits,
unless the first answer unlinks it. So it is with a new cube and with new words
for one that is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from memos_gov.attempt import Attempt
from memos_gov.domain import detectors, questions
from memos_gov.domain.bundle import Vocabulary
from memos_gov.domain.decide import Admitted, Ancestry
from memos_gov.domain.events import CubeContent
from memos_gov.domain.facts import Source, SubjectFacts
from memos_gov.domain.ids import cube_id_of
from memos_gov.domain.lineage import (
    SOURCES_MAX,
    Barred,
    Link,
    Named,
    Traits,
    inherit,
    link,
    new_sources,
    strictest,
)
from memos_gov.domain.questions import Cube, Question
from memos_gov.domain.verdicts import UNDEFINED, FindingKind, Verdict, merge, refusal
from memos_gov.errors import PolicyUnavailableError


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """
    Content on its way in: what it is, what is said of it, and of which cubes it was made.

    `consented` returns the facts of a subject as they stand with the consents
    that come along.
    """

    content: CubeContent
    traits: Traits
    named: Named
    sources: tuple[Cube, ...] = ()
    consented: Callable[[str, SubjectFacts], SubjectFacts] = lambda _, facts: facts


class Entered(msgspec.Struct, frozen=True, kw_only=True):
    """
    What policy said of an entry, and what it is made of.

    `barred` are the domain's reasons against it; without a verdict policy was
    not asked, since these stood before.
    """

    verdict: Verdict | None = None
    admitted: Admitted | None = None
    ancestry: Ancestry | None = None
    barred: tuple[str, ...] = ()


class Reentered(msgspec.Struct, frozen=True, kw_only=True):
    """
    What policy said of new words for a cube, and what of the session they carry into it.

    `label` is the cube's from then on, before obligations; `facts` are what
    policy looked at.
    """

    verdict: Verdict
    facts: Question
    label: str
    link: Link | None = None
    barred: tuple[str, ...] = ()


class Admission:
    """Admits content in one attempt of one command."""

    def __init__(self, attempt: Attempt, command_id: str, words: Vocabulary) -> None:
        self._attempt = attempt
        self._command_id = command_id
        self._labels = words.labels

    def enter(
        self, action: str, entry: Entry, own: Ancestry | None = None, *others: Verdict
    ) -> Entered:
        """
        Admit what an actor says in words of its own.

        Args:
            own: What rules it where it has no sources; None where the command names some.
            others: Verdicts that policy gave on other parts of the command.
        """
        first = self._enter(action, entry, own or self._ancestry(entry, ()), *others)
        verdict, session = first.verdict, self._attempt.session
        if verdict is None or not verdict.allows or verdict.unlinks:
            return first
        named = {cube.cube for cube in entry.sources}
        reads = tuple(read for read in session.reads if read.cube not in named)
        if session.full or len(reads) + len(named) > SOURCES_MAX:
            return Entered(verdict=verdict, barred=("too_many_sources",))
        if not reads:
            return first
        second = self._enter(action, entry, self._ancestry(entry, reads), *others)
        if second.verdict is not None and second.verdict.unlinks:
            return replace(first, verdict=merge(verdict, second.verdict))
        return second if second.verdict else replace(second, verdict=verdict)

    def enter_verbatim(self, action: str, entry: Entry) -> Entered:
        """Admit what is taken from the sources word by word: the session adds nothing to it."""
        return self._enter(action, entry, self._ancestry(entry, ()))

    def _ancestry(self, entry: Entry, reads: tuple[Source, ...]) -> Ancestry | Entered:
        """Return what the entry inherits of its sources and of reads, or why it cannot be."""
        at = self._attempt
        found = at.cubes(source.cube for source in reads)
        # What was read may have stood under a label that a later revision no longer has.
        read = (at.labelled(found[x.cube], x.revision, self._labels) for x in reads)
        cubes = (*entry.sources, *read)
        try:
            heritage = inherit(entry.named, cubes, self._due(cubes), self._labels)
        except PolicyUnavailableError as error:
            return Entered(verdict=refusal(error.reason, at.now + 1))
        if isinstance(heritage, Barred):
            return Entered(barred=heritage.reasons)
        sources = tuple(Source(cube=c.cube, revision=c.content.revision) for c in entry.sources)
        return Ancestry(heritage=heritage, sources=sources, reads=reads)

    def _due(self, cubes: Sequence[Cube]) -> list[int | None]:
        """
        Return when each cube is due to end today; no answer of policy is none to derive on.

        A cube that is only due for the archive does not end, nor what is made of it.
        """
        at = self._attempt
        asked = [questions.retained(cube, at.now) for cube in cubes]
        kept = at.judge.retention(at.tenant, at.now, asked)
        if missing := {cube.cube for cube in cubes} - kept.keys():
            msg = f"policy said nothing about the keeping of {len(missing)} sources"
            raise PolicyUnavailableError(msg, reason=UNDEFINED)
        answers = [kept[cube.cube] for cube in cubes]
        return [None if answer.action == "archive" else answer.due for answer in answers]

    def _enter(
        self, action: str, entry: Entry, ancestry: Ancestry | Entered, *others: Verdict
    ) -> Entered:
        """Ask policy about an entry with what it inherits, and fulfil the obligations."""
        if isinstance(ancestry, Entered):
            return ancestry
        at, heritage, traits = self._attempt, ancestry.heritage, entry.traits
        candidate = questions.admission(
            heritage,
            content=entry.content.content,
            semantic_type=traits.semantic_type,
            origin=traits.origin,
            findings=kinds_in(entry.content.content, entry.content.metadata),
            subjects=[
                entry.consented(subject, facts)
                for subject, facts in zip(
                    heritage.subjects, at.subjects(heritage.subjects), strict=True
                )
            ],
            session_reads=len(at.session.reads) + at.session.full,
            now=at.now,
        )
        verdict = merge(at.judge.admission(at.asked(action), candidate), *others)
        content = masked(entry.content, verdict.masks)
        admitted = self.admit(verdict, content, heritage.label, candidate["cube"])
        return Entered(verdict=verdict, admitted=admitted, ancestry=ancestry)

    def reenter(self, action: str, cube: Cube, content: CubeContent, access: Verdict) -> Reentered:
        """
        Return policy's whole verdict on what an actor says anew in a cube, in words of its own.

        Args:
            access: The verdict on the act itself, which allows it.
        """
        session = self._attempt.session
        reads = len(session.reads) + session.full
        verdict, facts = self.readmit(action, cube, content, access, reads)
        first = Reentered(verdict=verdict, facts=facts, label=cube.governance.label)
        if not reads or not verdict.allows or verdict.unlinks:
            return first
        if session.full:
            return replace(first, barred=("too_many_sources",))
        linked = self._link(cube, session.reads)
        if isinstance(linked, Verdict):
            return replace(first, verdict=merge(verdict, linked))
        if isinstance(linked, Barred):
            return replace(first, barred=linked.reasons)
        ruled = self._ruled(cube, session.reads)
        if ruled.governance.label == first.label:
            return replace(first, link=linked)
        verdict, facts = self.readmit(action, ruled, content, access, reads)
        if verdict.unlinks:
            return replace(first, verdict=merge(first.verdict, verdict))
        label = ruled.governance.label
        return Reentered(verdict=verdict, facts=facts, label=label, link=linked)

    def _link(self, cube: Cube, reads: Sequence[Source]) -> Link | Barred | Verdict | None:
        """Return what is added to a cube's sources, if anything, or why it cannot be."""
        at, added = self._attempt, new_sources(cube, reads)
        if not added:
            return None
        found = at.cubes(source.cube for source in added)
        sources = [found[source.cube] for source in added]
        try:
            due = self._due(sources)
        except PolicyUnavailableError as error:
            return refusal(error.reason, at.now + 1)
        return link(cube, added, sources, due, at.descendants(cube.cube))

    def _ruled(self, cube: Cube, reads: Sequence[Source]) -> Cube:
        """Return a cube under the strictest label that anything read in the session stood under."""
        at = self._attempt
        found = at.cubes(read.cube for read in reads)
        seen = [at.labelled(found[x.cube], x.revision, self._labels) for x in reads]
        label = strictest(self._labels, cube.governance.label, *(x.governance.label for x in seen))
        return replace(cube, governance=replace(cube.governance, label=label))

    def readmit(
        self, action: str, cube: Cube, content: CubeContent, access: Verdict, reads: int = 0
    ) -> tuple[Verdict, Question]:
        """
        Return policy's whole verdict on new content of a cube, and the facts it looked at.

        Args:
            reads: How many cubes the actor has read in the session, where it is its own words.
        """
        at, findings = self._attempt, kinds_in(content.content, content.metadata)
        candidate = questions.readmission(content.content, cube, findings, at.now, reads)
        answer = at.judge.admission(at.asked(action), candidate)
        return merge(access, answer), candidate["cube"]

    def admit(
        self, verdict: Verdict, content: CubeContent, label: str, facts: Question
    ) -> Admitted | None:
        """
        Return content as it is sealed; None where policy refuses it.

        Args:
            content: Masked already, and whole.
            facts: What else the choice of forms looks at.
        """
        if not verdict.allows:
            return None
        demanded = [o.label for o in verdict.obligations if o.kind == "label"]
        label = strictest(self._labels, label, *demanded)
        findings = kinds_in(content.content, content.metadata)
        # What waits in quarantine is planned as it will be once it is approved.
        facts = {**facts, "label": label, "quarantined": False, "findings": findings}
        at = self._attempt
        plan = questions.planned(cube_id_of(self._command_id), facts)
        return Admitted(
            content=content.content,
            metadata=content.metadata,
            label=label,
            quarantined=any(o.kind == "quarantine" for o in verdict.obligations),
            findings=findings,
            index=at.judge.index_depth(at.tenant, at.now, plan),
        )


def kinds_in(content: str, metadata: Mapping[str, str] | None) -> tuple[FindingKind, ...]:
    """Return the kinds of personal numbers in content and metadata, sorted."""
    texts = (content, *(metadata or {}).values())
    return tuple(sorted({found.kind for text in texts for found in detectors.find(text)}))


def masked(content: CubeContent, kinds: tuple[FindingKind, ...]) -> CubeContent:
    """Return content without the personal numbers of `kinds`."""
    return CubeContent(
        content=detectors.mask(content.content, kinds)[0],
        metadata={key: detectors.mask(value, kinds)[0] for key, value in content.metadata.items()},
    )
