"""Audit `state`: a cube as it stood at a moment of both clocks, and the events that led there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from memos_gov.domain import questions
from memos_gov.domain.as_of import Then
from memos_gov.domain.questions import Cube
from memos_gov.errors import InvalidCommandError, NotFoundError
from memos_gov.past import Past
from memos_gov.queries.arguments import AuditArguments
from memos_gov.queries.asking import Evidence
from memos_gov.queries.history import changes_of

COLUMNS = ("part", "index", "time_s", "name", "value", "actor")
STATE, EVENT = "state", "event"
_CONTENT = ("revision", "mode", "valid_from", "valid_to", "size_bytes", "findings")
_GOVERNANCE = (
    "form",
    "state",
    "frozen",
    "quarantined",
    "label",
    "basis",
    "purposes",
    "origin",
    "semantic_type",
    "region",
    "retention_class",
    "priority",
    "sources",
    "recorded_at",
)


def stood(evidence: Evidence, about: AuditArguments) -> tuple[int, list[tuple[Any, ...]]]:
    """
    Return one row a governed fact of the cube then, and one an event that led there, in order.

    Raises:
        InvalidCommandError: No cube is named, or a person is; nothing was written.
        NotFoundError: There is no such cube, or was none then; the question is recorded.
    """
    if about.cube is None or about.subject is not None:
        msg = "cube: name the cube this is about, and no person"
        raise InvalidCommandError(msg, field="cube")
    index = evidence.ask("state", target=about.cube)
    cube, then = _cube(evidence, about.cube)
    facts = [(STATE, None, None, name, value, None) for name, value in _facts(evidence, cube, then)]
    events = [
        (EVENT, change.index, change.time_s, change.type, change.changes, change.actor)
        for change in changes_of(evidence, about.cube)
    ]
    return index, [*facts, *events]


def _cube(evidence: Evidence, cube_id: str) -> tuple[Cube, Then]:
    governor = evidence.governor
    with governor.tables.snapshot(tenant=evidence.tenant) as snapshot:
        attempt = governor.attempt(snapshot, evidence.caller)
        then = evidence.then or Then(index=attempt.index, moment=attempt.now)
        words = governor.words(attempt.policy.active)
        cube = Past(snapshot, evidence.tenant, then, words).cubes([cube_id]).get(cube_id)
    if cube is None:
        raise NotFoundError
    return cube, then


def _facts(evidence: Evidence, cube: Cube, then: Then) -> Iterator[tuple[str, Any]]:
    """Yield each fact by its name; people and matters by theirs."""
    governance = cube.governance
    matters = {hold.matter for hold in cube.holds if hold.holds_at(then.moment)}
    people = {governance.owner, *governance.subjects, *(g.principal for g in governance.grants)}
    placed = {x for x in (governance.author, governance.conversation) if x}
    names = evidence.names({*people, *matters, *placed})
    consent = questions.consent(cube.subjects, then.moment)
    for name in _CONTENT:
        yield name, _plain(getattr(cube.content, name))
    for name in _GOVERNANCE:
        yield name, _plain(getattr(governance, name))
    yield "owner", names[governance.owner]
    yield "author", governance.author and names[governance.author]
    yield "conversation", governance.conversation and names[governance.conversation]
    yield "subjects", [names[s] for s in governance.subjects]
    yield "shared_with", sorted(f"{names[g.principal]} ({g.scope})" for g in governance.grants)
    yield "consent_given", consent["given"]
    yield "consent_withdrawn", consent["withdrawn"]
    yield "holds", sorted(names[m] for m in matters)
    yield "restricted", cube.restricted


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
