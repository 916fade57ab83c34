"""Audit `artefacts`: which cubes are kept in another form, since when, and whether that stands."""

from __future__ import annotations

from typing import Any

from memos_gov.domain import ids
from memos_gov.domain.facts import ArtefactFacts, BaseModelFacts, ContentFacts, Source
from memos_gov.domain.lineage.descent import is_usable
from memos_gov.queries.arguments import AuditArguments
from memos_gov.queries.asking import Evidence

COLUMNS = (
    "artefact",
    "form",
    "cubes",
    "base_model",
    "requested_at",
    "requested_by",
    "stands",
    "index",
)


def artefacts(evidence: Evidence, about: AuditArguments) -> tuple[int, list[tuple[Any, ...]]]:
    """
    Return one row an artefact, oldest first; those of one cube only where it is named.

    One stands where each of its cubes has the revision that went in, and the
    base model is the tenant's still. What does not is in no file any more.
    """
    about.takes("cube")
    index = evidence.ask("artefacts", target=about.cube)
    found = {
        name: facts
        for name, facts in evidence.facts("artefact").items()
        if isinstance(facts, ArtefactFacts)
        and about.cube in {None, *(source.cube for source in facts.sources)}
    }
    standing = _Standing(evidence, {s for facts in found.values() for s in facts.sources})
    names = evidence.names({facts.requested_by for facts in found.values()})
    rows = [
        (
            name,
            facts.form,
            [source.cube for source in facts.sources],
            facts.base_model,
            facts.requested_at,
            names[facts.requested_by],
            standing.holds(facts),
            facts.index,
        )
        for name, facts in found.items()
    ]
    return index, sorted(rows, key=lambda row: row[-1])


class _Standing:
    def __init__(self, evidence: Evidence, sources: set[Source]) -> None:
        self._tenant = evidence.tenant
        self._base_model = ids.base_model_stream(self._tenant)
        ways = (ids.content_stream, ids.governance_stream)
        streams = [way(self._tenant, source.cube) for source in sources for way in ways]
        last = evidence.last_act()
        with evidence.governor.tables.snapshot(tenant=self._tenant) as snapshot:
            known = snapshot.facts_as_of([*streams, self._base_model], last)
        self._facts = {stream: facts for stream, (_, facts) in known.items()}

    def holds(self, artefact: ArtefactFacts) -> bool:
        """Whether an artefact still is of what its cubes are."""
        base_model = self._facts.get(self._base_model)
        current = isinstance(base_model, BaseModelFacts) and base_model.base_model
        return current == artefact.base_model and all(map(self._is_as_it_was, artefact.sources))

    def _is_as_it_was(self, source: Source) -> bool:
        content = self._facts.get(ids.content_stream(self._tenant, source.cube))
        governance = self._facts.get(ids.governance_stream(self._tenant, source.cube))
        same = isinstance(content, ContentFacts) and content.revision == source.revision
        return same and is_usable(governance)
