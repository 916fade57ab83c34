"""Memories about people, and what of an erasure can be seen from outside."""

from __future__ import annotations

from typing import Any

import msgspec

from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.facts import Facts
from memos_gov.service import Actor, Service


def remembered(owner: Actor, *contents: str, subjects: tuple[str, ...], **words: Any) -> list[str]:
    """Keep complaints about people; return their cubes."""
    words = {"retention_class": "complaint", "basis": "contract"} | words
    made = [owner.remember(text, subjects=subjects, **words).cube_id for text in contents]
    return [cube for cube in made if cube is not None]


def facts(gov: Service, stream: str, tenant: str = "default") -> Facts:
    """Return the newest facts of a stream of the tenant."""
    name = f"{tenant}/{stream}"
    with gov.rooms.governor.tables.snapshot() as snapshot:
        return snapshot.facts([name])[name][1]


def state(gov: Service, cube: str) -> str:
    """Return the state of a cube; `restricted` for one that is stored and no longer used."""
    found: Any = facts(gov, f"cube/{cube}/governance")
    return "restricted" if found.restricted and found.state != "erased" else str(found.state)


def events(gov: Service, tenant: str = "default") -> list[tuple[int, str, dict[str, Any]]]:
    """Return index, type and header of every event of the tenant, in order."""
    with gov.rooms.governor.tables.snapshot() as snapshot:
        newest = snapshot.newest_events(tenant, 100_000)
    found = [(x.index, x.type, msgspec.json.decode(x.header)) for x in newest]
    return found[::-1]


def story(gov: Service) -> list[tuple[str, dict[str, Any]]]:
    """Return the events of erasures without what differs from run to run: times and ids."""
    told = (e.ErasureRequested, e.SubjectRestricted, e.CubeRestricted, e.ErasurePlanned)
    told += (e.CubeErased, e.CustodianErased, e.SubjectErased, e.ErasureCompleted)  # type: ignore[assignment]
    kinds = {kind.__name__ for kind in told}
    changing = {"started_at", "ended_at", "statement", "erasure"}
    return [
        (kind, {name: value for name, value in header.items() if name not in changing})
        for _, kind, header in events(gov)
        if kind in kinds
    ]


def subject_of(gov: Service, cube: str) -> str:
    """Return the opaque id of the first person a cube is about."""
    found: Any = facts(gov, f"cube/{cube}/governance")
    return str(found.subjects[0])


def log_end(gov: Service) -> int:
    """Return how many records there are."""
    return gov.rooms.governor.log.end(0)


def open_erasures(gov: Service) -> tuple[str, ...]:
    """Return the erasures that are gone on with."""
    with gov.rooms.governor.tables.snapshot() as snapshot:
        stream = ids.open_erasures_stream("default")
        found: Any = snapshot.facts([stream]).get(stream, (0, None))[1]
    return () if found is None else tuple(found.erasures)
