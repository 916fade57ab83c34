"""View `cubes`: each cube as it stands now, with the columns that scopes and questions name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection

from memos_gov.domain import ids
from memos_gov.domain.evolve import touched_cubes
from memos_gov.domain.facts import ContentFacts, Facts, GovernanceFacts
from memos_gov.domain.history import Decided
from memos_gov.projections.outcomes import among, newest_facts
from memos_gov.projections.tables import CubeRow, CubeWordRow, StreamRow, table_of
from memos_gov.projections.upsert import remove, upsert

_PIECE = 1000


class CubesView:
    """Rows of `cubes` and `cube_words` for every cube that a batch touched."""

    name = "cubes"

    def apply(self, connection: Connection, batch: Sequence[Decided]) -> None:
        """Write the touched cubes as their facts stand."""
        cubes = sorted(_touched(batch))
        for start in range(0, len(cubes), _PIECE):
            piece = cubes[start : start + _PIECE]
            wanted = among(connection, table_of(StreamRow).c.stream, list(_streams(piece)))
            facts = newest_facts(connection, wanted)
            rows = [row for tenant, cube in piece if (row := _row(tenant, cube, facts))]
            upsert(connection, table_of(CubeRow), rows)
            _replace_words(connection, piece, facts)


def _touched(batch: Iterable[Decided]) -> set[tuple[str, str]]:
    """Return (tenant, cube) of every cube whose facts a batch changed."""
    accepted = (item for item in batch if item.outcome.code == "accepted")
    return {
        (item.outcome.tenant, cube)
        for item in accepted
        for cube in touched_cubes(item.parsed.events, item.outcome.tenant)
    }


def _streams(cubes: Iterable[tuple[str, str]]) -> Iterator[str]:
    for tenant, cube in cubes:
        yield ids.content_stream(tenant, cube)
        yield ids.governance_stream(tenant, cube)


def _row(tenant: str, cube: str, facts: dict[str, Facts]) -> dict[str, Any] | None:
    content = facts.get(ids.content_stream(tenant, cube))
    governance = facts.get(ids.governance_stream(tenant, cube))
    if not isinstance(content, ContentFacts) or not isinstance(governance, GovernanceFacts):
        return None
    return {
        "tenant": tenant,
        "cube": cube,
        "revision": content.revision,
        "form": governance.form,
        "state": governance.state,
        "label": governance.label,
        "owner": governance.owner,
        "basis": governance.basis,
        "region": governance.region,
        "retention_class": governance.retention_class,
        "semantic_type": governance.semantic_type,
        "frozen": governance.frozen,
        "quarantined": governance.quarantined,
        "recorded_at": governance.recorded_at,
        "valid_from": content.valid_from,
    }


def _replace_words(
    connection: Connection, cubes: Sequence[tuple[str, str]], facts: dict[str, Facts]
) -> None:
    table = table_of(CubeWordRow)
    remove(connection, table, ("tenant", "cube"), cubes)
    rows = [word for tenant, cube in cubes for word in _words(tenant, cube, facts)]
    upsert(connection, table, rows)


def _words(tenant: str, cube: str, facts: dict[str, Facts]) -> Iterator[dict[str, Any]]:
    governance = facts.get(ids.governance_stream(tenant, cube))
    if not isinstance(governance, GovernanceFacts):
        return
    values = {
        "purpose": governance.purposes,
        "subject": governance.subjects,
        "shared_with": tuple(g.principal for g in governance.grants),
    }
    for kind, words in values.items():
        for value in dict.fromkeys(words):
            yield {"tenant": tenant, "cube": cube, "kind": kind, "value": value}
