"""
Reading: candidates, verdicts, an accepted read event, and only then content.

    scope -> candidates in order -> verdicts in batches -> read event ->
    accepted? -> struck cubes out -> open -> mask -> return

A read as of the past is judged by today, and shows what was known then
(`past.py`); a recall of the past ranks anew, and opens content for that before
acceptance (`past_recall.py`).

A refused cube is invisible: it takes no place among the `k` hits, however
many refused ones rank above, and no count of them is returned. Cubes that
moved between verdict and acceptance are struck out by the certifier. Content
is opened after acceptance, from exactly the revision the verdict was about,
and only within READ_DEADLINE_S of it. Within a budget, what is to be masked is
opened before, for its masked length alone (`Reader._lines`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice

import msgspec

from memos_gov.assess import Assessed
from memos_gov.attempt import Attempt
from memos_gov.domain import commands as c
from memos_gov.domain import detectors, questions
from memos_gov.domain.as_of import Then
from memos_gov.domain.bundle import Vocabulary
from memos_gov.domain.decide import Situation, decide, decide_read
from memos_gov.domain.events import Draft, ReadDetail
from memos_gov.domain.questions import Caller, Cube, Question
from memos_gov.domain.verdicts import FindingKind, Scope, Verdict, merge
from memos_gov.domain.vocabulary import check_words
from memos_gov.errors import NotFoundError, OvertakenError, UnavailableError
from memos_gov.governor import Governor, retried
from memos_gov.leasing import AHEAD_S
from memos_gov.materializers.plaintext import IndexFollower
from memos_gov.naming import Names
from memos_gov.packing import Line, fitting, packed
from memos_gov.past import Past, then_of
from memos_gov.past_recall import PastRecall, Scratch
from memos_gov.ports import CubeIndex, Embedder, Snapshot
from memos_gov.present_recall import PresentRecall, Ranked
from memos_gov.proposer import new_command_id
from memos_gov.queries import CubeFinder
from memos_gov.ranking import CANDIDATES_FIRST, CANDIDATES_MAX
from memos_gov.receipts import Prepared

READ_DEADLINE_S = 30.0
ReadCommand = c.ReadCube | c.ReadCubes | c.RecallCubes | c.ListCubes
_OF_THEN = {"label": None, "state": None}  # what a listing of the past looks for is of then


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """
    One cube as the caller may see it, best first by `rank` (from 1).

    `redactions` counts what was masked, by kind. A listed cube has no content.
    """

    cube_id: str
    revision: int
    rank: int
    label: str
    state: str
    purposes: tuple[str, ...]
    subjects: tuple[str, ...]
    owner: str
    author: str | None
    conversation: str | None
    position: int | None
    recorded_at: int
    valid_from: int
    content: str | None
    metadata: dict[str, str]
    redactions: dict[str, int]


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a read returned, and where it is recorded; nothing about what was left out.

    `partial` says of a recall of the past that the oldest of the cubes that may
    be seen were not ranked, because there are more than PAST_CUBES_MAX. `text`
    holds what a recall within a budget packed (`packing.py`).
    """

    hits: tuple[Hit, ...]
    index: int
    snapshot: int
    verdict: Verdict
    verdict_id: str
    partial: bool = False
    text: str | None = None


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """The cubes a read may return, as they are shown, and why others stay hidden."""

    verdict: Verdict
    cubes: tuple[Cube, ...]
    by_target: dict[str, Verdict]
    refused: dict[str, int]
    detail: ReadDetail
    partial: bool = False


class Reader:
    """Reads, recalls and lists cubes for callers."""

    def __init__(
        self,
        governor: Governor,
        index: CubeIndex,
        follower: IndexFollower,
        finder: CubeFinder,
        scratch: Scratch,
        embedder: Embedder | None = None,
    ) -> None:
        """Take the rooms that are read from; `scratch` enters an index that is never stored."""
        self._governor = governor
        self._follower = follower
        self._finder = finder
        self._present_recall = PresentRecall(index, governor.keys, embedder)
        self._past_recall = PastRecall(governor, finder, scratch)
        self._scopes: dict[tuple[object, ...], Scope] = {}

    def read(self, caller: Caller, command: ReadCommand) -> Reading:
        """
        Return what the caller may see, after the read is accepted.

        Raises:
            InvalidCommandError: `as_of` has not come yet; nothing was written.
            DeniedError, NotFoundError, PolicyUnavailableError: Refused; recorded.
            UnavailableError: Acceptance took longer than READ_DEADLINE_S, or
                everything kept moving; nothing was returned.
        """
        return retried(lambda: self._read_once(caller, command, new_command_id()))

    def _read_once(self, caller: Caller, command: ReadCommand, command_id: str) -> Reading:
        governor = self._governor
        self._catch_up(command)
        governor.leasing.hold(ahead_s=AHEAD_S)
        with governor.tables.snapshot(tenant=caller.tenant) as snapshot:
            attempt = governor.attempt(snapshot, caller)
            digest = governor.command_digest(caller.tenant, command)
            words = governor.words(attempt.policy.active)
            check_words(caller, words)
            check_words(command, words)
            asked, _ = Names(governor.keys, caller.tenant).resolve(command)
            past = self._past(attempt, asked, words)
            asked = asked.model_copy(update=_came_down(past))
            chosen = self._choose(attempt, asked, past)
            prepared = self._prepare(attempt, asked, command_id, digest, chosen)
        outcome = governor.submit([prepared])[0]
        governor.conclude(caller, command, prepared, outcome)
        self._check_deadline(attempt, prepared)
        struck = set(outcome.detail.get("struck", ()))
        kept = [cube for cube in chosen.cubes if cube.cube not in struck]
        if isinstance(command, c.ReadCube | c.ReadCubes) and len(kept) < len(chosen.cubes):
            raise OvertakenError
        opens = not isinstance(command, c.ListCubes)
        with governor.tables.snapshot(tenant=caller.tenant) as snapshot:
            hits = tuple(self._hits(snapshot, caller.tenant, kept, chosen, opens=opens))
        text = None
        if isinstance(command, c.RecallCubes) and command.budget is not None:
            hits, text = _packed(hits, command.budget)
        return Reading(
            hits=hits,
            index=outcome.index,
            snapshot=attempt.index,
            verdict=chosen.verdict,
            verdict_id=command_id,
            partial=chosen.partial,
            text=text,
        )

    def _catch_up(self, command: ReadCommand) -> None:
        """Bring what candidates are found in to the present."""
        if isinstance(command, c.RecallCubes) and command.as_of is None:
            self._follower.catch_up()
        elif not isinstance(command, c.ReadCube | c.ReadCubes):
            self._finder.catch_up()

    def _past(self, attempt: Attempt, command: ReadCommand, words: Vocabulary) -> Past | None:
        """Return the moment of the past that a command is about; None for the present alone."""
        if not isinstance(command, c.ReadCubes) and command.as_of is not None:
            then = then_of(attempt.snapshot, attempt.tenant, command.as_of, attempt.now)
        elif isinstance(command, c.ReadCube) and command.every_revision:
            then = Then(index=attempt.index, moment=attempt.now)
        else:
            return None
        return Past(attempt.snapshot, attempt.tenant, then, words)

    def _check_deadline(self, attempt: Attempt, prepared: Prepared) -> None:
        """Return nothing that policy no longer vouches for."""
        now = self._governor.clock.now().timestamp()
        if now >= prepared.verdict.valid_until or now - attempt.now > READ_DEADLINE_S:
            msg = "the read was accepted too late to return anything"
            raise UnavailableError(msg, backend="certifier")

    def _prepare(
        self,
        attempt: Attempt,
        command: ReadCommand,
        command_id: str,
        digest: str,
        chosen: Chosen,
    ) -> Prepared:
        attempt.forget_all_but(chosen.by_target)
        situation = Situation(
            tenant=attempt.tenant,
            actor=attempt.caller.principal,
            command_id=command_id,
            now=attempt.now,
        )
        assessed = Assessed(situation, chosen.verdict, chosen.by_target)
        drafts: tuple[Draft, ...]
        if chosen.verdict.allows:
            drafts = decide_read(
                command,
                chosen.cubes,
                snapshot=attempt.index,
                refused=chosen.refused,
                detail=chosen.detail,
            )
        else:
            drafts = decide(command, situation, chosen.verdict)
        return self._governor.propose(attempt, command, command_id, digest, assessed, drafts)

    def _choose(self, attempt: Attempt, command: ReadCommand, past: Past | None) -> Chosen:
        if isinstance(command, c.ReadCube):
            return self._choose_one(attempt, command, past)
        if isinstance(command, c.ReadCubes):
            return self._choose_all(attempt, command)
        verdict = attempt.judge.action(
            attempt.asked(command.ACTION), questions.target("tenant", id=attempt.tenant)
        )
        if not verdict.allows:
            return Chosen(
                verdict=verdict,
                cubes=(),
                by_target={attempt.tenant: verdict},
                refused={},
                detail=ReadDetail(query="", candidates=()),
            )
        scope = self._scope(attempt, command.ACTION)
        if isinstance(command, c.RecallCubes) and past is not None:
            ranked = self._past_recall.rank(attempt, command, scope, past)
            return self._choose_ranked(attempt, command, verdict, ranked)
        if isinstance(command, c.RecallCubes):
            ranked = self._present_recall.rank(attempt, command, scope)
            return self._choose_ranked(attempt, command, verdict, ranked)
        if command.after and not attempt.weigh(command.ACTION, command.after)[1].allows:
            command = command.model_copy(update={"after": None})
        wanted = command if past is None else command.model_copy(update=_OF_THEN)
        found = self._finder.find(wanted, attempt.tenant, scope)
        return self._choose_listed(attempt, command, verdict, found, past)

    def _choose_ranked(
        self, attempt: Attempt, command: c.RecallCubes, verdict: Verdict, ranked: Ranked
    ) -> Chosen:
        """Choose all that was ranked, or what of it fits the budget by the size that it shows."""
        cubes = ranked.cubes
        if command.budget is not None:
            places = fitting(self._lines(attempt, ranked), command.budget)
            cubes = tuple(cubes[place] for place in places)
        allowed = {cube.cube: ranked.verdicts[cube.cube] for cube in cubes}
        return Chosen(
            verdict=_soonest(verdict, allowed.values()),
            cubes=cubes,
            by_target={attempt.tenant: verdict, **allowed},
            refused=dict(sorted(ranked.refused.items())),
            detail=_detail(command.query, ranked.candidates),
            partial=ranked.partial,
        )

    def _lines(self, attempt: Attempt, ranked: Ranked) -> Iterator[Line]:
        """
        Yield what each cube takes at the most, by nothing that its reader may not see.

        Its size is public to who may read all of it. What is masked is opened and
        measured as it would be shown, since from what fits and what does not one
        could tell how long the masked words are.
        """
        names = self._names(attempt.tenant, ranked.cubes)
        for cube in ranked.cubes:
            size = cube.content.size_bytes
            if masks := ranked.verdicts[cube.cube].masks:
                size = self._shown_chars(attempt, cube, masks)
            yield _line(cube, names, size)

    def _shown_chars(self, attempt: Attempt, cube: Cube, masks: Collection[FindingKind]) -> int:
        """Return how long a masked content is; more than any budget where its key is gone."""
        try:
            payload = self._governor.read_content(attempt.snapshot, attempt.tenant, cube)
        except NotFoundError:
            return c.RECALL_BUDGET_MAX + 1
        return len(detectors.mask(payload.content, masks)[0])

    def _choose_one(self, attempt: Attempt, command: c.ReadCube, past: Past | None) -> Chosen:
        shown: tuple[Cube, ...]
        if past is None:
            found, verdict = attempt.weigh(command.ACTION, command.cube)
            shown = () if found is None else (found,)
        else:
            shown, verdict = past.weigh(attempt, command)
        return Chosen(
            verdict=verdict,
            cubes=shown if verdict.allows else (),
            by_target={command.cube: verdict},
            refused={},
            detail=ReadDetail(query="", candidates=(command.cube,)),
        )

    def _choose_all(self, attempt: Attempt, command: c.ReadCubes) -> Chosen:
        """Choose every cube that is named, or none where policy refuses one."""
        found, verdicts = attempt.weigh_all((command.ACTION,), command.cubes, "")
        verdict = merge(*(msgspec.structs.replace(v, obligations=()) for v in verdicts.values()))
        return Chosen(
            verdict=verdict,
            cubes=tuple(found.values()) if verdict.allows else (),
            by_target=verdicts,
            refused={},
            detail=_detail("", command.cubes),
        )

    def _scope(self, attempt: Attempt, action: str) -> Scope:
        """Return the actor's scope, kept as long as actor, purpose and policy stay."""
        caller = attempt.caller
        key = (
            caller.tenant,
            caller.principal,
            attempt.actor,
            caller.purpose,
            caller.region,
            action,
            attempt.policy.active,
        )
        found = self._scopes.get(key)
        if found is None:
            found = self._scopes[key] = attempt.judge.scope(attempt.asked(action))
        return found

    def _choose_listed(
        self,
        attempt: Attempt,
        command: c.ListCubes,
        verdict: Verdict,
        listed: Iterator[str],
        past: Past | None,
    ) -> Chosen:
        """Take the first allowed cubes, asking policy about ever larger batches."""
        wanted = command.limit
        chosen: list[Cube] = []
        by_target: dict[str, Verdict] = {attempt.tenant: verdict}
        refused: Counter[str] = Counter()
        candidates: list[str] = []
        asked, size = attempt.asked(command.ACTION), CANDIDATES_FIRST
        while len(chosen) < wanted and (batch := list(islice(listed, size))):
            candidates += batch
            cubes, verdicts = _weighed(attempt, asked, batch, command, past)
            for cube_id in batch:
                answer = verdicts.get(cube_id)
                if answer is None or len(chosen) == wanted:
                    continue
                if answer.allows:
                    chosen.append(cubes[cube_id])
                    by_target[cube_id] = answer
                else:
                    refused.update(r.code for r in answer.reasons)
            size = min(size * 2, CANDIDATES_MAX)
        return Chosen(
            verdict=_soonest(verdict, by_target.values()),
            cubes=tuple(chosen),
            by_target=by_target,
            refused=dict(sorted(refused.items())),
            detail=_detail("", candidates),
        )

    def _hits(
        self,
        snapshot: Snapshot,
        tenant: str,
        cubes: Sequence[Cube],
        chosen: Chosen,
        *,
        opens: bool,
    ) -> Iterator[Hit]:
        names = self._names(tenant, cubes)
        for rank, cube in enumerate(cubes, 1):
            content: str | None = None
            metadata: dict[str, str] = {}
            redactions: dict[str, int] = {}
            if opens:
                payload = self._governor.read_content(snapshot, tenant, cube)
                masks = chosen.by_target[cube.cube].masks
                content, masked = detectors.mask(payload.content, masks)
                redactions = {str(kind): count for kind, count in masked.items()}
                metadata = {k: detectors.mask(v, masks)[0] for k, v in payload.metadata.items()}
            governance = cube.governance
            yield Hit(
                cube_id=cube.cube,
                revision=cube.content.revision,
                rank=rank,
                label=governance.label,
                state=governance.state,
                purposes=governance.purposes,
                subjects=tuple(names.get(s, s) for s in governance.subjects),
                owner=names.get(governance.owner, governance.owner),
                author=_name(governance.author, names),
                conversation=_name(governance.conversation, names),
                position=governance.position,
                recorded_at=governance.recorded_at,
                valid_from=cube.content.valid_from,
                content=content,
                metadata=metadata,
                redactions=redactions,
            )

    def _names(self, tenant: str, cubes: Iterable[Cube]) -> dict[str, str]:
        facts = [cube.governance for cube in cubes]
        said = {x for of in facts for x in (of.author, of.conversation) if x is not None}
        opaque = {x for of in facts for x in (*of.subjects, of.owner)}
        return self._governor.keys.names(tenant, opaque | said)


def _name(opaque: str | None, names: Mapping[str, str]) -> str | None:
    return None if opaque is None else names.get(opaque, opaque)


def _line(cube: Cube, names: Mapping[str, str], size: int) -> Line:
    """Return what a cube of a size takes at the most, before its content may be returned."""
    facts = cube.governance
    author, conversation = _name(facts.author, names) or "", facts.conversation or ""
    return Line(conversation, cube.content.valid_from, facts.position or 0, author, size)


def _packed(hits: tuple[Hit, ...], budget: int) -> tuple[tuple[Hit, ...], str]:
    """Return what fits, and as one text; masks can make content longer, so the last may go."""
    lines = [
        Line(
            hit.conversation or "",
            hit.valid_from,
            hit.position or 0,
            hit.author or "",
            len(hit.content or ""),
            hit.content or "",
        )
        for hit in hits
    ]
    kept = [*fitting(lines, budget)]
    shown = (msgspec.structs.replace(hits[place], rank=n) for n, place in enumerate(kept, 1))
    return tuple(shown), packed([lines[place] for place in kept])


def _weighed(
    attempt: Attempt,
    asked: Question,
    batch: Sequence[str],
    command: ReadCommand,
    past: Past | None,
) -> tuple[Mapping[str, Cube], Mapping[str, Verdict]]:
    """Return the cubes of a batch as they would be shown, and the verdicts on them."""
    today = attempt.cubes(batch)
    if past is None:
        return today, attempt.judged(asked, today.values())
    found = past.cubes(today)
    shown = {cube: at for cube, at in found.items() if _is_wanted(command, at)}
    judged = [past.as_judged(today[cube], at) for cube, at in shown.items()]
    return shown, attempt.judged(asked, judged)


def _came_down(past: Past | None) -> dict[str, int | None]:
    """Return what a record keeps of a look at the past."""
    if past is None:
        return {"recorded": None, "valid": None}
    return {"recorded": past.then.index, "valid": past.then.valid}


def _is_wanted(command: ReadCommand, cube: Cube) -> bool:
    """Whether a cube of the past had the label and the state that a listing asks for."""
    return not isinstance(command, c.ListCubes) or (
        command.label in {None, cube.governance.label}
        and command.state in {None, cube.governance.state}
    )


def _soonest(verdict: Verdict, others: Iterable[Verdict]) -> Verdict:
    """Return a verdict that ends with the first of all that stand beside it."""
    soonest = min([verdict.valid_until, *(v.valid_until for v in others)])
    return msgspec.structs.replace(verdict, valid_until=soonest)


def _detail(query: str, candidates: Sequence[str]) -> ReadDetail:
    return ReadDetail(query=query, candidates=tuple(candidates[: CANDIDATES_MAX * 2]))
