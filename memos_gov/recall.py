"""
Reading: candidates, verdicts, an accepted read event, and only then content.

    scope -> candidates in order -> verdicts in batches -> read event ->
    accepted? -> struck cubes out -> open -> mask -> return

A refused cube is invisible: it takes no place among the `k` hits, however
many refused ones rank above, and no count of them is returned. Cubes that
moved between verdict and acceptance are struck out by the certifier. Content
is opened after acceptance, from exactly the revision the verdict was about,
and only within READ_DEADLINE_S of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import msgspec

from memos_gov.assess import Assessed
from memos_gov.attempt import Attempt
from memos_gov.domain import commands as c
from memos_gov.domain import detectors, questions
from memos_gov.domain.decide import Situation, decide, decide_read
from memos_gov.domain.events import Draft, ReadDetail
from memos_gov.domain.questions import Caller, Cube
from memos_gov.domain.verdicts import Scope, Verdict
from memos_gov.domain.vocabulary import check_words
from memos_gov.errors import OvertakenError, UnavailableError
from memos_gov.governor import Governor, retried
from memos_gov.materializers.plaintext import IndexFollower
from memos_gov.naming import Names
from memos_gov.ports import CubeIndex, Snapshot
from memos_gov.proposer import new_command_id
from memos_gov.queries import CubeFinder
from memos_gov.receipts import Prepared

READ_DEADLINE_S = 30.0
CANDIDATES_FIRST = 32
CANDIDATES_MAX = 512
ReadCommand = c.ReadCube | c.RecallCubes | c.ListCubes


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
    recorded_at: int
    valid_from: int
    content: str | None
    metadata: dict[str, str]
    redactions: dict[str, int]


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a read returned, and where it is recorded; nothing about what was left out."""

    hits: tuple[Hit, ...]
    index: int
    snapshot: int
    verdict: Verdict
    verdict_id: str


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """The cubes a read may return, and why others stay hidden."""

    verdict: Verdict
    cubes: tuple[Cube, ...]
    by_target: dict[str, Verdict]
    refused: dict[str, int]
    detail: ReadDetail


class Reader:
    """Reads, recalls and lists cubes for callers."""

    def __init__(
        self,
        governor: Governor,
        index: CubeIndex,
        follower: IndexFollower,
        finder: CubeFinder,
    ) -> None:
        self._governor = governor
        self._index = index
        self._follower = follower
        self._finder = finder
        self._scopes: dict[tuple[object, ...], Scope] = {}

    def read(self, caller: Caller, command: ReadCommand) -> Reading:
        """
        Return what the caller may see, after the read is accepted.

        Raises:
            DeniedError, NotFoundError, PolicyUnavailableError: Refused; recorded.
            UnavailableError: Acceptance took longer than READ_DEADLINE_S, or
                everything kept moving; nothing was returned.
        """
        return retried(lambda: self._read_once(caller, command, new_command_id()))

    def _read_once(self, caller: Caller, command: ReadCommand, command_id: str) -> Reading:
        governor = self._governor
        if isinstance(command, c.RecallCubes):
            self._follower.catch_up()
        if isinstance(command, c.ListCubes):
            self._finder.catch_up()
        with governor.tables.snapshot() as snapshot:
            attempt = governor.attempt(snapshot, caller)
            digest = governor.command_digest(caller.tenant, command)
            words = governor.words(attempt.policy.active)
            check_words(caller, words)
            check_words(command, words)
            asked, _ = Names(governor.keys, caller.tenant).resolve(command)
            chosen = self._choose(attempt, asked)
            prepared = self._prepare(attempt, asked, command_id, digest, chosen)
        outcome = governor.submit([prepared])[0]
        governor.conclude(caller, command, prepared, outcome)
        self._check_deadline(attempt, prepared)
        struck = set(outcome.detail.get("struck", ()))
        kept = [cube for cube in chosen.cubes if cube.cube not in struck]
        if isinstance(command, c.ReadCube) and not kept:
            raise OvertakenError
        opens = not isinstance(command, c.ListCubes)
        with governor.tables.snapshot() as snapshot:
            hits = tuple(self._hits(snapshot, caller.tenant, kept, chosen, opens=opens))
        return Reading(
            hits=hits,
            index=outcome.index,
            snapshot=attempt.index,
            verdict=chosen.verdict,
            verdict_id=command_id,
        )

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

    def _choose(self, attempt: Attempt, command: ReadCommand) -> Chosen:
        if isinstance(command, c.ReadCube):
            return self._choose_one(attempt, command)
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
        if isinstance(command, c.RecallCubes):
            ranked = self._index.search(attempt.tenant, command.query, scope)
            return self._choose_many(attempt, command, verdict, ranked, command.k, command.query)
        if command.after and not attempt.weigh(command.ACTION, command.after)[1].allows:
            command = command.model_copy(update={"after": None})
        found = self._finder.find(command, attempt.tenant, scope)
        return self._choose_many(attempt, command, verdict, found, command.limit, "")

    def _choose_one(self, attempt: Attempt, command: c.ReadCube) -> Chosen:
        found, verdict = attempt.weigh(command.ACTION, command.cube)
        return Chosen(
            verdict=verdict,
            cubes=(found,) if found and verdict.allows else (),
            by_target={command.cube: verdict},
            refused={},
            detail=ReadDetail(query="", candidates=(command.cube,)),
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

    def _choose_many(
        self,
        attempt: Attempt,
        command: ReadCommand,
        verdict: Verdict,
        ranked: Iterator[str],
        wanted: int,
        query: str,
    ) -> Chosen:
        """Take the first `wanted` allowed cubes, asking policy about ever larger batches."""
        chosen: list[Cube] = []
        by_target: dict[str, Verdict] = {attempt.tenant: verdict}
        refused: Counter[str] = Counter()
        candidates: list[str] = []
        asked, size = attempt.asked(command.ACTION), CANDIDATES_FIRST
        while len(chosen) < wanted and (batch := list(islice(ranked, size))):
            candidates += batch
            cubes = attempt.cubes(batch)
            verdicts = attempt.judged(asked, cubes.values())
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
        soonest = min([verdict.valid_until, *(v.valid_until for v in by_target.values())])
        return Chosen(
            verdict=msgspec.structs.replace(verdict, valid_until=soonest),
            cubes=tuple(chosen),
            by_target=by_target,
            refused=dict(sorted(refused.items())),
            detail=ReadDetail(query=query, candidates=tuple(candidates[: CANDIDATES_MAX * 2])),
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
                recorded_at=governance.recorded_at,
                valid_from=cube.content.valid_from,
                content=content,
                metadata=metadata,
                redactions=redactions,
            )

    def _names(self, tenant: str, cubes: Iterable[Cube]) -> dict[str, str]:
        opaque = {x for cube in cubes for x in (*cube.governance.subjects, cube.governance.owner)}
        return self._governor.keys.names(tenant, opaque)
