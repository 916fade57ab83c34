"""
What tables of every technology make of their rows: facts, outcomes, and what a batch needs.

A backend answers `Lookups` in its own SQL; the rest is here once, so that two
of them cannot differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import msgspec

from memos_gov.domain import ids
from memos_gov.domain.facts import Facts, GovernanceFacts, facts_type
from memos_gov.domain.history import Known, Needs, Outcome, Tree
from memos_gov.domain.lineage import is_live
from memos_gov.errors import CorruptionError

OUTCOME = "partition, log_offset, tenant, idx, command_id, code, detail, actor, command, leaf"


class Lookups(Protocol):
    """What a certifier's transaction finds by name, however many names there are."""

    def facts(self, streams: Iterable[str]) -> dict[str, tuple[int, Facts]]:
        """Return stream -> (version, facts) of those that were ever written."""

    def children(self, tenant: str, cubes: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Return cube -> the cubes made directly of it, oldest first, of those that have any."""

    def trees(self, tenants: Iterable[str]) -> dict[str, Tree]:
        """Return tenant -> tree of those that were founded."""

    def finals(self, tenant: str, commands: Iterable[str]) -> list[Outcome]:
        """Return the final outcomes of commands of a tenant."""


def known_of(lookups: Lookups, wanted: Needs) -> Known:
    """Return what is known of `wanted`; see `Certification.load`."""
    known = Known(trees=lookups.trees(wanted.tenants))
    _add(lookups, known, wanted.streams)
    for tenant, commands in _by_tenant(wanted.commands).items():
        found = lookups.finals(tenant, commands)
        known.outcomes |= {(tenant, outcome.command_id): outcome for outcome in found}
    for tenant, cubes in _by_tenant(wanted.narrowed).items():
        _add_descendants(lookups, known, tenant, cubes)
    _add(lookups, known, _subject_streams(known) - wanted.streams)
    return known


def _by_tenant(pairs: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for tenant, name in pairs:
        found.setdefault(tenant, set()).add(name)
    return found


def _add(lookups: Lookups, known: Known, streams: set[str]) -> None:
    for stream, (version, facts) in lookups.facts(streams).items():
        known.facts[stream], known.versions[stream] = facts, version


def _add_descendants(lookups: Lookups, known: Known, tenant: str, cubes: set[str]) -> None:
    """Add who was made of `cubes`, step by step, no further than cubes that are still live."""
    seen, frontier = set(cubes), cubes
    while frontier:
        children = lookups.children(tenant, frontier)
        for cube, made in children.items():
            known.children[ids.lineage_stream(tenant, cube)] = made
        fresh = {cube for made in children.values() for cube in made} - seen
        streams = {cube: ids.governance_stream(tenant, cube) for cube in fresh}
        _add(lookups, known, {*streams.values()} - known.facts.keys())
        _add(lookups, known, {ids.lineage_stream(tenant, cube) for cube in fresh})
        frontier = {cube for cube in fresh if is_live(known.facts.get(streams[cube]))}
        seen |= fresh


def _subject_streams(known: Known) -> set[str]:
    return {
        ids.subject_stream(stream.split("/", 1)[0], subject)
        for stream, facts in known.facts.items()
        if isinstance(facts, GovernanceFacts)
        for subject in facts.subjects
    }


def document_of(stream: str, doc: bytes) -> Facts:
    """
    Return the facts of a row of `facts`.

    Raises:
        CorruptionError: They do not decode.
    """
    try:
        return msgspec.json.decode(doc, type=facts_type(stream))
    except (TypeError, ValueError) as error:
        msg = f"the facts of {stream} do not decode"
        raise CorruptionError(msg, place=f"tables {stream}") from error


def outcome_of(row: Sequence[Any]) -> Outcome:
    """Return an outcome from a row of `OUTCOME`."""
    _, _, tenant, idx, command_id, code, detail, actor, command, leaf = row
    return Outcome(
        tenant=tenant,
        index=idx,
        code=code,
        detail=msgspec.json.decode(detail),
        command_id=command_id,
        actor=actor,
        command=command,
        leaf=leaf,
    )


def index_at(newest: int, time_ms_of: Callable[[int], int], time_ms: int) -> int:
    """Return the newest index whose log time is not after `time_ms`; halves the history for it."""
    low, high = -1, newest
    while low < high:
        middle = (low + high + 1) // 2
        if time_ms_of(middle) <= time_ms:
            low = middle
        else:
            high = middle - 1
    return low
