"""The objects of a connected client: written, removed and read by tenant."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from weaviate import WeaviateClient
from weaviate.classes.config import ConsistencyLevel
from weaviate.classes.data import DataObject
from weaviate.classes.query import Filter

from memos_gov.backends.weaviate.finding import Cubes, count
from memos_gov.backends.weaviate.objects import (
    PAGE,
    is_sound,
    object_id,
    object_of,
    pieces,
)
from memos_gov.errors import EntriesRefusedError, UnavailableError
from memos_gov.ports import PARKED, IndexEntry, ParkedCube

PARTITIONS_MAX = 10_000


class OpenedStore:
    """The collections of a connected client: objects by tenant, and how far they have come."""

    def __init__(self, client: WeaviateClient, cubes: Cubes, positions: Cubes) -> None:
        # Every replica has what is acknowledged, so none finds what was removed.
        everywhere = ConsistencyLevel.ALL
        self.client = client
        self._cubes = cubes.with_consistency_level(everywhere)
        self._positions = positions.with_consistency_level(everywhere)

    def position(self, partition: int) -> int:
        """Return the position of a partition that was written last; -1 before the first."""
        found: Any = self._positions.query.fetch_object_by_id(_place(partition))
        return -1 if found is None else int(found.properties["position"])

    def standing(self) -> str:
        """Return a word that no other state of the entries has."""
        return " ".join(sorted(str(each.get("written")) for each in self._written()))

    def _written(self) -> list[Mapping[str, Any]]:
        found = self._positions.query.fetch_objects(limit=PARTITIONS_MAX).objects
        return [each.properties for each in found]

    def advance(self, partition: int, position: int, before: int, *, changed: bool) -> None:
        """
        Write a position in the place of the one before; unchanged entries stand as they stood.

        Raises:
            UnavailableError: Another stands there by now.
        """
        found: Any = self._positions.query.fetch_object_by_id(_place(partition))
        if before != (-1 if found is None else int(found.properties["position"])):
            msg = "somebody else has written to the index meanwhile"
            raise UnavailableError(msg, backend="index")
        word = secrets.token_hex(16) if changed or found is None else found.properties["written"]
        written = {"partition": partition, "position": position, "written": word}
        if _insert(self._positions, [DataObject(written, uuid=_place(partition))]):
            raise UnavailableError("the index did not take its position", backend="index")

    def tenants(self) -> list[str]:
        """Return every tenant that has an entry."""
        return sorted(self._cubes.tenants.get())

    def tenant(self, name: str) -> Cubes | None:
        """Return the objects of a tenant; None where it has none."""
        return self._cubes.with_tenant(name) if self._cubes.tenants.exists(name) else None

    def replace(
        self,
        put: Sequence[IndexEntry],
        gone: Collection[tuple[str, str]],
        still: Callable[[], None],
    ) -> bool:
        """Write the last entry of each cube that is not to go, remove what is; say if any was."""
        entries = {(e.tenant, e.cube_id): e for e in put}
        kept = [entry for key, entry in entries.items() if key not in gone]
        for tenant in sorted({e.tenant for e in kept}):
            self.put(tenant, [e for e in kept if e.tenant == tenant], still)
        for tenant in sorted({tenant for tenant, _ in gone}):
            still()
            self.remove(tenant, [cube for of, cube in gone if of == tenant])
        still()
        return bool(kept or gone)

    def put(self, tenant: str, entries: Iterable[IndexEntry], still: Callable[[], None]) -> None:
        """Write entries, each in the place of the one that was there."""
        cubes = self._cubes.with_tenant(tenant)
        for piece in pieces(entries):
            still()
            if failed := _insert(cubes, [object_of(entry) for entry in piece]):
                msg = f"the index did not take {len(failed)} of {len(piece)} entries"
                named = {(tenant, piece[number].cube_id) for number in failed}
                raise EntriesRefusedError(msg, cubes=named)

    def remove(self, tenant: str, ids: Iterable[str]) -> None:
        """Remove entries; with the last one of a tenant its folder is deleted."""
        cubes = self.tenant(tenant)
        if cubes is None:
            return
        for piece in pieces(object_id(tenant, cube) for cube in ids):
            done = cubes.data.delete_many(where=Filter.by_id().contains_any(piece))
            if done.failed:
                msg = f"the index did not remove {done.failed} of {done.matches} entries"
                raise UnavailableError(msg, backend="index")
        if not count(cubes, None):
            self._cubes.tenants.remove([tenant])

    def present(self, tenant: str, ids: Iterable[uuid.UUID]) -> Iterator[uuid.UUID]:
        """Yield those of some ids that are there."""
        cubes = self.tenant(tenant)
        for piece in pieces(ids) if cubes is not None else ():
            assert cubes is not None
            there = Filter.by_id().contains_any(piece)
            found = cubes.query.fetch_objects(filters=there, limit=PAGE, return_properties=[])
            yield from (each.uuid for each in found.objects)

    def parked(self) -> Iterator[ParkedCube]:
        """Yield the cubes whose entries are parked, in no order."""
        parked = Filter.by_property("parked").contains_any([*PARKED])
        for tenant in self.tenants():
            cubes, offset = self._cubes.with_tenant(tenant), 0
            while found := cubes.query.fetch_objects(
                filters=parked, limit=PAGE, offset=offset, return_properties=["cube", "parked"]
            ).objects:
                for each in found:
                    kept = each.properties
                    yield ParkedCube(tenant, str(kept["cube"]), str(kept["parked"]))
                offset += PAGE

    def objects(self, tenant: str) -> Iterator[Any]:
        """Yield every object of a tenant with its vector, in no order."""
        return iter(self._cubes.with_tenant(tenant).iterator(include_vector=True))

    def contradictions(self) -> Iterator[str]:
        """Yield the place of what the objects do not account for."""
        kept = self._written()
        numbers = [each.get(name) for each in kept for name in ("partition", "position")]
        partitions = {each.get("partition") for each in kept}
        if len(partitions) < len(kept) or not all(isinstance(n, int) and n >= 0 for n in numbers):
            yield "position"
        for tenant in self.tenants():
            objects = 0
            for each in self.objects(tenant):
                objects += 1
                if not is_sound(tenant, each.uuid, each.properties):
                    yield f"{tenant}/{each.properties.get('cube') or each.uuid}"
            if objects != count(self._cubes.with_tenant(tenant), None):
                yield f"{tenant}/count"

    def clear(self) -> None:
        """Remove the positions, then every tenant; killed between, all is applied again."""
        for each in self._written():
            self._positions.data.delete_by_id(_place(int(each["partition"])))
        if tenants := self.tenants():
            self._cubes.tenants.remove(tenants)


def _place(partition: int) -> uuid.UUID:
    return object_id("", f"position {partition}")


def _insert(cubes: Cubes, objects: Sequence[Any]) -> list[int]:
    """
    Write objects, each over the one of its id; return the numbers of those that were refused.

    What Weaviate says of one would hold its terms, so that is not told.
    """
    return [*cubes.data.insert_many(objects).errors]
