"""
`given(*events).when(command, verdict).then(*events)`: the domain, a line a rule.

No log, no policy, no clock: events evolve into facts as they would in
certification, the command's situation is read from them, and `decide` answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from memos_gov.domain import commands as c
from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.decide import Admitted, Drafts, Situation, decide
from memos_gov.domain.evolve import Occurrence, evolve
from memos_gov.domain.facts import (
    ContentFacts,
    Facts,
    GovernanceFacts,
    PolicyFacts,
    Source,
    SubjectFacts,
)
from memos_gov.domain.lineage import is_live, walk
from memos_gov.domain.questions import Cube
from memos_gov.domain.verdicts import Effect, Reason, Verdict

TENANT, NOW = "acme", 1_795_000_000
COMMAND_ID = "01a20996-a52e-7333-90d2-0b5b494901a1"
CUBE, NEW_CUBE = "c_cube", ids.cube_id_of(COMMAND_ID)
CASE, NEW_CASE = "r_case", ids.case_id_of(COMMAND_ID)
OWNER, ANN, SUBJECT, MATTER = "p_owner", "p_ann", "s_one", "m_one"
POLICY, OTHER_POLICY = "a" * 64, "b" * 64


def a_verdict(effect: Effect = "allow", *reasons: str) -> Verdict:
    """Return policy's answer, every reason of it public."""
    found = tuple(Reason(code, public=True) for code in reasons)
    return Verdict(effect, found, (), ("role/steward",), NOW + 60)


ALLOWED = a_verdict()
LABELS = {"public": 0, "internal": 1, "confidential": 2, "secret": 3}


def remembered(**changes: object) -> e.CubeRemembered:
    """Return the event of an ordinary cube."""
    fields: dict[str, object] = {
        "cube": CUBE,
        "form": "plaintext",
        "origin": "user",
        "semantic_type": "fact",
        "author": None,
        "conversation": None,
        "position": None,
        "subjects": (SUBJECT,),
        "owner": OWNER,
        "label": "internal",
        "purposes": ("complaint-handling",),
        "basis": "contract",
        "region": "global",
        "retention_class": "standard",
        "priority": "normal",
        "state": "activated",
        "quarantined": False,
        "findings": (),
        "index": "full",
        "size_bytes": 5,
        "valid_from": NOW,
        "valid_to": None,
        "sources": (),
    }
    return e.CubeRemembered(**(fields | changes))  # type: ignore[arg-type]


def fold(*events: e.Event, actor: str = OWNER) -> dict[str, Facts]:
    """Return the facts that follow from events, in order."""
    known: dict[str, Facts] = {}
    for index, event in enumerate(events):
        at = Occurrence(tenant=TENANT, index=index, now=NOW, actor=actor, key_id="k_one")
        known |= evolve(event, at, known)
    return known


@dataclass(frozen=True)
class Given:
    """What is known before the command."""

    events: tuple[e.Event, ...]

    def when(
        self,
        command: c.Command,
        verdict: Verdict = ALLOWED,
        admitted: Admitted | None = None,
        **seen: Any,
    ) -> Decision:
        """Decide a command whose names are opaque ids already; `seen` adds to the situation."""
        known = fold(*self.events)
        at = situation(command, known, admitted)
        found = {"descendants": descendants_in(self.events, known)} | seen
        at = replace(at, known=known, **found)
        return Decision(decide(command, at, verdict), known)

    def cubes(self, *cubes: str) -> tuple[Cube, ...]:
        """Return cubes as they stand."""
        known = fold(*self.events)
        return tuple(found for cube in cubes if (found := _cube(cube, known)))


@dataclass(frozen=True)
class Decision:
    """What was decided."""

    drafts: Drafts
    known: dict[str, Facts]

    def then(self, *events: e.Event) -> None:
        """Expect exactly these events, in this order."""
        assert events == tuple(draft.event for draft in self.drafts)

    def refused(self, *reasons: str) -> None:
        """Expect a refusal for these reasons, which changes no facts."""
        (draft,) = self.drafts
        assert isinstance(draft.event, e.CommandRefused)
        assert reasons == draft.event.reasons
        assert self.known == fold_on(self.known, draft.event)


def fold_on(known: dict[str, Facts], event: e.Event) -> dict[str, Facts]:
    """Return the facts after one more event."""
    at = Occurrence(tenant=TENANT, index=99, now=NOW, actor=OWNER, key_id="k_two")
    return {**known, **evolve(event, at, known)}


def given(*events: e.Event) -> Given:
    """Begin with a history."""
    return Given(events)


def descendants_in(
    events: tuple[e.Event, ...], known: dict[str, Facts]
) -> Callable[[str], tuple[str, ...]]:
    """Return what finds the live descendants of a cube, by the events that made them."""

    def step(cubes: Sequence[str]) -> list[str]:
        made = [x for x in events if isinstance(x, e.CubeDerived)]
        found = [x.cube for x in made if {s.cube for s in x.sources} & set(cubes)]
        return [x for x in found if is_live(known.get(ids.governance_stream(TENANT, x)))]

    return lambda cube: walk(cube, step)


def derived(cube: str, *sources: str, **changes: object) -> e.CubeDerived:
    """Return that a cube was made of first revisions of others."""
    fields: dict[str, object] = {
        "pathway": "summarise",
        "sources": tuple(Source(cube=source, revision=1) for source in sources),
        "expires_at": None,
        "valid_to": None,
    }
    return e.CubeDerived(cube=cube, **(fields | changes))  # type: ignore[arg-type]


def made_of(*sources: str, cube: str, **changes: object) -> tuple[e.Event, ...]:
    """Return the events of a cube that was made of others."""
    return remembered(cube=cube, sources=sources, **changes), derived(cube, *sources)


def admit(content: str = "hello", **changes: object) -> Admitted:
    """Return content as an admission without obligations lets it in."""
    fields: dict[str, object] = {
        "content": content,
        "metadata": {},
        "label": "internal",
        "quarantined": False,
        "findings": (),
        "index": "full",
    }
    return Admitted(**(fields | changes))  # type: ignore[arg-type]


def situation(
    command: c.Command, known: dict[str, Facts], admitted: Admitted | None = None
) -> Situation:
    """Return what `decide` looks at, read from facts as the assessor reads it."""
    policy = known.get(ids.guard_stream(TENANT, "policy"))
    case = _facts(known, ids.case_stream(TENANT, _text(command, "case")))
    return Situation(
        tenant=TENANT,
        actor=OWNER,
        command_id=COMMAND_ID,
        now=NOW,
        cube=_cube(getattr(command, "cube", None) or getattr(case, "target", None), known),
        admitted=admitted,
        target=_facts(known, ids.principal_stream(TENANT, _text(command, "principal"))),
        matter=_facts(known, ids.matter_stream(TENANT, _text(command, "matter"))),
        case=case,
        policy=policy.active if isinstance(policy, PolicyFacts) else "",
        labels=LABELS,
    )


def _text(command: c.Command, field: str) -> str:
    return str(getattr(command, field, ""))


def _facts(known: dict[str, Facts], stream: str) -> Any:
    return known.get(stream)


def _cube(cube: str | None, known: dict[str, Facts]) -> Cube | None:
    content = known.get(ids.content_stream(TENANT, cube or ""))
    governance = known.get(ids.governance_stream(TENANT, cube or ""))
    if not isinstance(content, ContentFacts) or not isinstance(governance, GovernanceFacts):
        return None
    streams = [ids.subject_stream(TENANT, s) for s in governance.subjects]
    subjects = [known.get(s) for s in streams]
    found = tuple(s if isinstance(s, SubjectFacts) else SubjectFacts() for s in subjects)
    return Cube(cube or "", content, governance, found)
