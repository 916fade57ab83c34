"""
The past of cubes: what was known then, and how policy is asked about it today.

Bitemporal: facts are taken as they stood at an index, and read at a valid
moment. What is shown is of then; what decides is of now. So a cube of the
past is judged as it stands today, with the personal numbers of the revision
that would be shown and under the stricter of today's label and the one that
revision was last kept under: neither a later lowering nor a later revision
opens what stood under a higher label.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec.structs import replace

from memos_gov.attempt import Attempt, kept_under
from memos_gov.domain import ids
from memos_gov.domain.as_of import FIELD, AsOf, Then
from memos_gov.domain.bundle import Vocabulary
from memos_gov.domain.commands import ReadCube
from memos_gov.domain.facts import (
    ContentFacts,
    Facts,
    GovernanceFacts,
    HoldsFacts,
    SubjectFacts,
)
from memos_gov.domain.questions import Cube
from memos_gov.domain.verdicts import Verdict, merge
from memos_gov.domain.vocabulary import AHEAD_MAX_S
from memos_gov.errors import InvalidCommandError
from memos_gov.ports import Snapshot


def then_of(snapshot: Snapshot, tenant: str, said: AsOf, now: int) -> Then:
    """
    Return where a moment lies in a tenant's history.

    Args:
        now: The present second; a few seconds more are the present too.

    Raises:
        InvalidCommandError: Names `as_of`: it has not come yet.
    """
    newest = snapshot.index(tenant)
    valid = None if said.valid is None else int(said.valid.timestamp())
    if valid is not None:
        _require_past(valid, now)
    if said.recorded is None:
        assert valid is not None
        return Then(index=newest, moment=valid, valid=valid)
    if isinstance(said.recorded, int):
        if said.recorded > newest:
            _refuse("lies beyond the end of the history")
        index, moment = said.recorded, snapshot.time_ms_of(tenant, said.recorded) // 1000
    else:
        moment = int(said.recorded.timestamp())
        _require_past(moment, now)
        index = snapshot.index_at(tenant, int(said.recorded.timestamp() * 1000))
    return Then(index=index, moment=moment if valid is None else valid, valid=valid)


def _require_past(moment: int, now: int) -> None:
    if moment - now > AHEAD_MAX_S:
        _refuse("lies in the future")


def _refuse(why: str) -> None:
    raise InvalidCommandError(f"{FIELD}: {why}", field=FIELD)


REVISIONS_MAX = 100


class Past:
    """One moment of the past of one tenant; nothing that is looked at here is relied on."""

    def __init__(self, snapshot: Snapshot, tenant: str, then: Then, words: Vocabulary) -> None:
        self.then = then
        self._snapshot = snapshot
        self._tenant = tenant
        self._words = words

    def facts(self, streams: Iterable[str]) -> dict[str, Facts]:
        """Return stream -> facts as they were recorded then."""
        found = self._snapshot.facts_as_of(streams, self.then.index)
        return {stream: facts for stream, (_, facts) in found.items()}

    def cubes(self, cubes: Iterable[str]) -> dict[str, Cube]:
        """
        Return cube id -> cube of those that were there then, with subjects as they were.

        A cube whose content says nothing about a valid time that was asked for is
        missing; with one, label, basis and shares are those of that moment.
        """
        wanted = list(cubes)
        facts = self.facts(s for cube in wanted for s in _streams(self._tenant, cube))
        found = {cube: self._cube(cube, facts) for cube in wanted}
        there = {cube: at for cube, at in found.items() if at is not None}
        people = self.facts({self._holds, *(s for at in there.values() for s in self._people(at))})
        return {cube: self._with_people(at, people) for cube, at in there.items()}

    def _cube(self, cube: str, facts: Mapping[str, Facts]) -> Cube | None:
        stream, ruled = _streams(self._tenant, cube)
        content, governance = facts.get(stream), facts.get(ruled)
        if not isinstance(content, ContentFacts) or not isinstance(governance, GovernanceFacts):
            return None
        if self.then.valid is not None and governance.is_over(self.then.valid):
            return None
        valid = self._valid_content(stream, content)
        return None if valid is None else Cube(cube, valid, self._ruled(governance), ())

    def _valid_content(self, stream: str, newest: ContentFacts) -> ContentFacts | None:
        """Return the newest revision about the valid time that was asked for."""
        if self.then.valid is None or newest.holds_at(self.then.valid):
            return newest
        for _, earlier in self._snapshot.versions(stream, self.then.index):
            if isinstance(earlier, ContentFacts) and earlier.holds_at(self.then.valid):
                return earlier
        return None

    def _ruled(self, facts: GovernanceFacts) -> GovernanceFacts:
        grants = facts.grants_at(self.then.moment)
        if self.then.valid is None:
            return replace(facts, grants=grants)
        return replace(
            facts,
            grants=grants,
            label=facts.label_at(self.then.valid),
            basis=facts.basis_at(self.then.valid),
        )

    def _people(self, cube: Cube) -> Iterator[str]:
        return (ids.subject_stream(self._tenant, s) for s in cube.governance.subjects)

    def _with_people(self, cube: Cube, facts: Mapping[str, Facts]) -> Cube:
        found = (facts.get(stream) for stream in self._people(cube))
        subjects = tuple(f if isinstance(f, SubjectFacts) else SubjectFacts() for f in found)
        guard = facts.get(self._holds)
        scoped = guard.holds if isinstance(guard, HoldsFacts) else ()
        return replace(cube, subjects=subjects, scoped=scoped)

    @property
    def _holds(self) -> str:
        """The stream of holds by scope."""
        return ids.guard_stream(self._tenant, "holds")

    def weigh(self, attempt: Attempt, command: ReadCube) -> tuple[tuple[Cube, ...], Verdict]:
        """Return the revisions that would be shown, and the verdict; of none it is unknown."""
        today = attempt.cubes([command.cube]).get(command.cube)
        # Looked up for a missing cube too, so that it takes the time of a hidden one.
        shown = self.revisions(command.cube) if command.every_revision else self._one(command.cube)
        if today is None:
            return (), attempt.weigh(command.ACTION, command.cube)[1]
        judged = self.as_judged(today, *shown) if shown else today
        verdict = attempt.judged(attempt.asked(command.ACTION), [judged])[command.cube]
        return shown, verdict if shown else merge(verdict, attempt.unknown())

    def _one(self, cube: str) -> tuple[Cube, ...]:
        return tuple(self.cubes([cube]).values())

    def revisions(self, cube: str) -> tuple[Cube, ...]:
        """Return the newest REVISIONS_MAX revisions recorded up to then, oldest first."""
        newest = self.cubes([cube]).get(cube)
        if newest is None:
            return ()
        known = self._contents(cube)
        kept = sorted(known)[-REVISIONS_MAX:]
        return tuple(Cube(cube, known[n], newest.governance, newest.subjects) for n in kept)

    def _contents(self, cube: str) -> dict[int, ContentFacts]:
        stream, _ = _streams(self._tenant, cube)
        return {
            content.revision: content
            for _, content in reversed(self._snapshot.versions(stream, self.then.index))
            if isinstance(content, ContentFacts)
        }

    def as_judged_showing(self, today: Cube, revisions: Iterable[int]) -> Cube:
        """Return a cube as policy was asked about it when these revisions were shown."""
        known = self._contents(today.cube)
        found = (known[n] for n in revisions if n in known)
        return self.as_judged(today, *(Cube(today.cube, x, today.governance, ()) for x in found))

    def as_judged(self, today: Cube, *shown: Cube) -> Cube:
        """
        Return a cube as policy is asked about it when these revisions of it would be shown.

        Whether they are valid now does not count: what was true then is what was asked for.
        """
        findings = sorted({kind for one in shown for kind in one.content.findings})
        labels = {
            label
            for one in shown
            for label in kept_under(self._snapshot, self._tenant, today, one.content.revision)
        }
        content = replace(
            today.content,
            findings=tuple(findings),
            valid_from=min(one.content.valid_from for one in shown),
            valid_to=None,
        )
        label = self._words.strictest(today.governance.label, *sorted(labels))
        governance = replace(today.governance, label=label, valid_to=None)
        return replace(today, content=content, governance=governance)


def _streams(tenant: str, cube: str) -> tuple[str, str]:
    return ids.content_stream(tenant, cube), ids.governance_stream(tenant, cube)
