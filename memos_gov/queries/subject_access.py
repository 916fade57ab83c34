"""Audit `subject`: everything held about a person, with purpose, basis, source and recipients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from memos_gov.attempt import Attempt
from memos_gov.domain import ids, questions
from memos_gov.domain.facts import SubjectFacts
from memos_gov.domain.questions import Cube
from memos_gov.errors import InvalidCommandError, PolicyUnavailableError
from memos_gov.past import Past
from memos_gov.queries.arguments import AuditArguments
from memos_gov.queries.asking import Evidence, Names

COLUMNS = (
    "cube",
    "form",
    "revision",
    "label",
    "state",
    "purposes",
    "basis",
    "origin",
    "author",
    "sources",
    "owner",
    "shared_with",
    "read_by",
    "consent_given",
    "consent_withdrawn",
    "holds",
    "restricted",
    "region",
    "recorded_at",
    "valid_from",
    "valid_to",
    "retention_class",
    "retention_action",
    "due",
)
PAGE = 200
OWN_RECORD = "subject"


def held_about(evidence: Evidence, about: AuditArguments) -> tuple[int, list[tuple[Any, ...]]]:
    """
    Return one row a cube about a person, oldest first.

    Where consents or holds of the person stand in the log, a last row of the
    form `subject` says so, also when no cube is held. As of a moment, all of it
    is as it was known then; what retention says of it is said by today's policy.

    Raises:
        InvalidCommandError: No person is named, or a cube is; nothing was written.
    """
    about.takes("subject", "cube")
    if about.subject is None or about.cube is not None:
        msg = "subject: name the person this is about, and no cube"
        raise InvalidCommandError(msg, field="subject")
    person = evidence.opaque("subject", about.subject)
    index = evidence.ask("subject", target=person)
    evidence.follower.catch_up("cubes", "accesses")
    return index, [*_cube_rows(evidence, person), *_own_row(evidence, person)]


def _cube_rows(evidence: Evidence, person: str) -> Iterator[tuple[Any, ...]]:
    found, then, last = _cubes_of(evidence, person), evidence.then, evidence.last_act()
    for start in range(0, len(found), PAGE):
        with evidence.governor.tables.snapshot(tenant=evidence.tenant) as snapshot:
            attempt = evidence.governor.attempt(snapshot, evidence.caller)
            cubes = _looked_up(evidence, attempt, found[start : start + PAGE])
            judge, now = attempt.judge, attempt.now if then is None else then.moment
        try:
            asked = [questions.retained(cube, now) for cube in cubes]
            kept = judge.retention(evidence.tenant, now, asked)
        except PolicyUnavailableError:
            kept = {}
        readers = _readers(evidence, [cube.cube for cube in cubes], last)
        opaque = {x for cube in cubes for x in _ids(cube)}
        names = evidence.names(opaque | {actor for actors in readers.values() for actor in actors})
        for cube in cubes:
            verdict = kept.get(cube.cube)
            retention = (verdict.action, verdict.due) if verdict else ("unknown", None)
            read_by = sorted(names[actor] for actor in readers.get(cube.cube, ()))
            yield _row(cube, names, read_by, retention, now)


def _looked_up(evidence: Evidence, attempt: Attempt, cubes: Sequence[str]) -> list[Cube]:
    """Return cubes as they are, or those that were there then as they were."""
    if evidence.then is None:
        return list(attempt.cubes(cubes).values())
    words = evidence.governor.words(attempt.policy.active)
    past = Past(attempt.snapshot, evidence.tenant, evidence.then, words)
    return list(past.cubes(cubes).values())


def _cubes_of(evidence: Evidence, person: str) -> list[str]:
    from sqlalchemy import select

    from memos_gov.projections.tables import CubeRow, CubeWordRow, table_of

    cube, word = table_of(CubeRow), table_of(CubeWordRow)
    query = (
        select(cube.c.cube)
        .join(word, (word.c.tenant == cube.c.tenant) & (word.c.cube == cube.c.cube))
        .where(cube.c.tenant == evidence.tenant, word.c.kind == "subject", word.c.value == person)
        .order_by(cube.c.recorded_at, cube.c.cube)
    )
    return [row.cube for row in evidence.rows(query)]


def _readers(evidence: Evidence, cubes: Sequence[str], last: int) -> dict[str, list[str]]:
    """Return cube -> who was given it, up to an index."""
    from sqlalchemy import select

    from memos_gov.projections.tables import AccessRow, table_of

    access = table_of(AccessRow)
    query = (
        select(access.c.cube, access.c.actor)
        .where(access.c.tenant == evidence.tenant, access.c.effect == "allow")
        .where(access.c.cube.in_(cubes), access.c.idx <= last)
        .distinct()
    )
    found: dict[str, list[str]] = {}
    for row in evidence.rows(query):
        found.setdefault(row.cube, []).append(row.actor)
    return found


def _ids(cube: Cube) -> Iterator[str]:
    governance = cube.governance
    yield governance.owner
    yield from (g.principal for g in governance.grants)
    yield from (hold.matter for hold in cube.holds)
    if governance.author is not None:
        yield governance.author


def _row(
    cube: Cube,
    names: Names,
    readers: list[str],
    retention: tuple[str, int | None],
    now: int,
) -> tuple[Any, ...]:
    governance = cube.governance
    consent = questions.consent(cube.subjects, now)
    matters = {hold.matter for hold in cube.holds if hold.holds_at(now)}
    return (
        cube.cube,
        governance.form,
        cube.content.revision,
        governance.label,
        governance.state,
        list(governance.purposes),
        governance.basis,
        governance.origin,
        governance.author and names[governance.author],
        list(governance.sources),
        names[governance.owner],
        sorted(names[g.principal] for g in governance.grants if g.holds_at(now)),
        readers,
        consent["given"],
        consent["withdrawn"],
        sorted(names[m] for m in matters),
        cube.restricted,
        governance.region,
        governance.recorded_at,
        cube.content.valid_from,
        cube.valid_to,
        governance.retention_class,
        *retention,
    )


def _own_row(evidence: Evidence, person: str) -> Iterator[tuple[Any, ...]]:
    """Yield what the log holds of the person apart from any cube, if anything."""
    stream, then = ids.subject_stream(evidence.tenant, person), evidence.then
    with evidence.governor.tables.snapshot(tenant=evidence.tenant) as snapshot:
        known = (
            snapshot.facts([stream])
            if then is None
            else (snapshot.facts_as_of([stream], then.index))
        )
    _, facts = known.get(stream, (0, None))
    if not isinstance(facts, SubjectFacts):
        return
    now = evidence.now
    matters = {hold.matter for hold in facts.holds if hold.holds_at(now)}
    names, words = evidence.names(matters), facts.consent_at(now)
    values = dict.fromkeys(COLUMNS) | {
        "form": OWN_RECORD,
        "consent_given": sorted(p for p, yes in words.items() if yes),
        "consent_withdrawn": sorted(p for p, yes in words.items() if not yes),
        "holds": sorted(names[m] for m in matters),
        "restricted": facts.restricted,
    }
    yield tuple(values[column] for column in COLUMNS)
