"""
One attempt at a command: what was known, which versions that relies on, and what policy said.

Every fact an attempt looks at is loaded here from one snapshot, and its
stream's version noted; the record names all of them (`relied_on`), so the
certifier can tell whether anything moved since.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from memos_gov.domain import ids
from memos_gov.domain.decide import Situation
from memos_gov.domain.facts import (
    WORKER_FACTS,
    CaseFacts,
    ContentFacts,
    CorrelationFacts,
    Facts,
    GovernanceFacts,
    PolicyFacts,
    PrincipalFacts,
    SubjectFacts,
)
from memos_gov.domain.lineage import DESCENDANTS_MAX, is_live, strictest, walk
from memos_gov.domain.questions import (
    STAYS,
    Caller,
    Cube,
    Question,
    asked,
    cube_facts,
    cube_in,
    missing_cube,
    next_edge,
    planned,
)
from memos_gov.domain.reliance import base_streams, cube_streams
from memos_gov.domain.verdicts import UNKNOWN_TARGET, IndexDepth, Verdict, merge, refusal
from memos_gov.errors import NotFoundError
from memos_gov.judge import Judge
from memos_gov.ports import Snapshot

F = TypeVar("F", bound=Facts)
UNKNOWN_TARGET_S = 60
_NONE: tuple[int, Facts | None] = (0, None)


class Assessed(NamedTuple):
    """What `decide` gets, and what the record says of policy's answer."""

    situation: Situation
    verdict: Verdict
    by_target: dict[str, Verdict]


class Attempt:
    """The facts of one snapshot as seen by one caller, now."""

    def __init__(
        self, snapshot: Snapshot, caller: Caller, now: int, judge_of: Callable[[str], Judge]
    ) -> None:
        self.snapshot = snapshot
        self.caller = caller
        self.tenant = caller.tenant
        self.now = now
        self.index = snapshot.index(caller.tenant)
        self.approval: str | None = None
        self.relied_on: dict[str, int] = {}
        self._facts: dict[str, Facts] = {}
        self.load(base_streams(caller.tenant, caller.principal, caller.on_behalf_of))
        self.policy = self._policy()
        self.judge = judge_of(self.policy.active)

    def load(self, streams: Iterable[str]) -> None:
        """Load what is not loaded yet, and rely on it."""
        missing = [s for s in streams if s not in self.relied_on]
        if not missing:
            return
        found = self.snapshot.facts(missing)
        for stream in missing:
            version, facts = found.get(stream, (0, None))
            self.relied_on[stream] = version
            if facts is not None:
                self._facts[stream] = facts

    def get(self, stream: str, facts_type: type[F]) -> F | None:
        """Return the facts of a stream, loaded when they were not."""
        self.load([stream])
        facts = self._facts.get(stream)
        return facts if isinstance(facts, facts_type) else None

    @property
    def known(self) -> Mapping[str, Facts]:
        """The facts loaded so far."""
        return self._facts

    def _policy(self) -> PolicyFacts:
        facts = self.get(ids.guard_stream(self.tenant, "policy"), PolicyFacts)
        if facts is None:
            raise NotFoundError("there is no such tenant")
        return facts

    @property
    def actor(self) -> PrincipalFacts:
        """The facts of who acts; a principal without a role for one that was never added."""
        if self.caller.principal in ids.WORKERS:
            return WORKER_FACTS
        stream = ids.principal_stream(self.tenant, self.caller.principal)
        return self.get(stream, PrincipalFacts) or PrincipalFacts()

    def principal(self, principal: str) -> PrincipalFacts | None:
        """Return the facts of a principal, None when never added."""
        return self.get(ids.principal_stream(self.tenant, principal), PrincipalFacts)

    def subjects(self, subjects: Iterable[str]) -> tuple[SubjectFacts, ...]:
        """Return the facts of subjects, empty ones for those never heard of."""
        streams = [ids.subject_stream(self.tenant, s) for s in subjects]
        self.load(streams)
        return tuple(self.get(s, SubjectFacts) or SubjectFacts() for s in streams)

    def cubes(self, cubes: Iterable[str]) -> dict[str, Cube]:
        """Return cube id -> cube of those that exist, with their subjects."""
        wanted = list(cubes)
        self.load(s for cube in wanted for s in cube_streams(self.tenant, cube, {}))
        self.load(s for cube in wanted for s in cube_streams(self.tenant, cube, self._facts))
        found = {cube: cube_in(self._facts, self.tenant, cube) for cube in wanted}
        return {cube: facts for cube, facts in found.items() if facts is not None}

    def revision(self, cube: Cube, revision: int) -> Cube | None:
        """Return a cube as its content was at a revision; None where it never had it."""
        stream = ids.content_stream(self.tenant, cube.cube)
        for _, facts in self.snapshot.versions(stream, self.index):
            if isinstance(facts, ContentFacts) and facts.revision == revision:
                return replace(cube, content=facts)
        return None

    def labelled(self, cube: Cube, revision: int, labels: Mapping[str, int]) -> Cube:
        """Return a cube under the stricter of its label and the one a revision was kept under."""
        kept = kept_under(self.snapshot, self.tenant, cube, revision)
        label = strictest(labels, cube.governance.label, *kept)
        return replace(cube, governance=replace(cube.governance, label=label))

    @property
    def session(self) -> CorrelationFacts:
        """What the caller has read in this session."""
        caller = self.caller
        stream = ids.correlation_stream(self.tenant, caller.principal, caller.correlation)
        return self.get(stream, CorrelationFacts) or CorrelationFacts()

    def descendants(self, cube: str, most: int | None = DESCENDANTS_MAX) -> tuple[str, ...]:
        """Return the live descendants of a cube, loaded; some of them if more than `most`."""
        found = walk(cube, self._live_children, most)
        for stream_of in (ids.content_stream, ids.governance_stream):
            self.load(stream_of(self.tenant, x) for x in found)
        self.load(ids.lineage_stream(self.tenant, x) for x in (cube, *found))
        return found

    def depth(self, cube: str, label: str) -> IndexDepth | None:
        """Return how deep a cube that is loaded would be indexed under a label."""
        content = self.get(ids.content_stream(self.tenant, cube), ContentFacts)
        governance = self.get(ids.governance_stream(self.tenant, cube), GovernanceFacts)
        if content is None or governance is None:
            return None
        facts = {
            "form": governance.form,
            "label": label,
            "semantic_type": governance.semantic_type,
            "quarantined": False,
            "findings": content.findings,
        }
        return self.judge.index_depth(self.tenant, self.now, planned(cube, facts))

    def _live_children(self, cubes: Sequence[str]) -> list[str]:
        """Return what was made of `cubes` and can be narrowed; what cannot is not relied on."""
        made = self.snapshot.children(self.tenant, cubes)
        streams = {
            ids.governance_stream(self.tenant, cube): cube
            for source in cubes
            for cube in made.get(source, ())
        }
        facts = self.snapshot.facts(streams)
        return [cube for stream, cube in streams.items() if is_live(facts.get(stream, _NONE)[1])]

    def forget_all_but(self, cubes: Iterable[str]) -> None:
        """Stop relying on cubes that will not be returned, and on their subjects."""
        base = base_streams(self.tenant, self.caller.principal, self.caller.on_behalf_of)
        keep = {*base, ids.case_stream(self.tenant, self.caller.approval or "")}
        for cube in cubes:
            keep.update(cube_streams(self.tenant, cube, self._facts))
        self.relied_on = {s: v for s, v in self.relied_on.items() if s in keep}

    def asked(self, action: str, act: str = "") -> Question:
        """Return the part that all questions of this attempt share."""
        approved = self._is_approved(action, act)
        return asked(self.caller, self.actor, action, self.now, approved=approved)

    def _is_approved(self, action: str, act: str) -> bool:
        """Whether a review approved exactly this act of this actor."""
        if self.caller.approval is None:
            return False
        case = self.get(ids.case_stream(self.tenant, self.caller.approval), CaseFacts)
        approved = case is not None and (case.state, case.actor, case.action, case.target) == (
            "approved",
            self.caller.principal,
            action,
            act,
        )
        if approved:
            self.approval = self.caller.approval
        return approved

    def weigh(
        self, action: str, cube_id: str, act: str = "", becomes: Question = STAYS
    ) -> tuple[Cube | None, Verdict]:
        """
        Return a cube and the verdict on it; a missing one is refused like a hidden one.

        Args:
            becomes: What the act would make of the cube.
        """
        cube = self.cubes([cube_id]).get(cube_id)
        asked = self.asked(action, act)
        if cube is not None:
            return cube, self.judged(asked, [cube], becomes)[cube_id]
        facts = missing_cube(cube_id, self.caller, self.now)
        answer = self.judge.cubes(asked, [facts], becomes)[cube_id]
        return None, merge(answer, self.unknown())

    def weigh_all(
        self, actions: Sequence[str], cube_ids: Sequence[str], act: str
    ) -> tuple[dict[str, Cube], dict[str, Verdict]]:
        """Return the cubes there are, and the verdict on each to do all the actions to it."""
        found = self.cubes(cube_ids)
        absent = [c for c in cube_ids if c not in found]
        missing = [missing_cube(cube, self.caller, self.now) for cube in absent]
        verdicts: dict[str, Verdict] = {}
        for action in actions:
            answers = self.judged(self.asked(action, act), found.values(), missing=missing)
            for cube, answer in answers.items():
                verdicts[cube] = merge(verdicts[cube], answer) if cube in verdicts else answer
        for cube in absent:
            verdicts[cube] = merge(verdicts[cube], self.unknown())
        return found, verdicts

    def judged(
        self,
        asked: Question,
        cubes: Collection[Cube],
        becomes: Question = STAYS,
        missing: Sequence[Question] = (),
    ) -> dict[str, Verdict]:
        """
        Return the verdict on each cube, and on those that are `missing`.

        None outlives the next moment at which a share, a consent or a hold of
        its cube begins or ends: those were resolved at `now`.
        """
        facts = [*(cube_facts(cube, self.tenant, self.now) for cube in cubes), *missing]
        verdicts = self.judge.cubes(asked, facts, becomes)
        for cube in cubes:
            edge = next_edge(cube, self.now)
            verdict = verdicts[cube.cube]
            if edge is not None and edge < verdict.valid_until:
                verdicts[cube.cube] = replace(verdict, valid_until=edge)
        return verdicts

    def unknown(self) -> Verdict:
        """Return the refusal of what does not exist in this tenant."""
        return refusal(UNKNOWN_TARGET, self.now + UNKNOWN_TARGET_S)


def kept_under(snapshot: Snapshot, tenant: str, cube: Cube, revision: int) -> tuple[str, ...]:
    """Return the label that a former revision of a cube had when the next one came."""
    if revision >= cube.content.revision:
        return ()
    newer = [
        content.event_index
        for _, content in snapshot.versions(
            ids.content_stream(tenant, cube.cube), snapshot.index(tenant)
        )
        if isinstance(content, ContentFacts) and content.revision > revision
    ]
    ruled = ids.governance_stream(tenant, cube.cube)
    _, facts = snapshot.facts_as_of([ruled], min(newer) - 1).get(ruled, _NONE)
    return (facts.label,) if isinstance(facts, GovernanceFacts) else ()
