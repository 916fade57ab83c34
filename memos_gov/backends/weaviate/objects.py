"""
What is kept of an entry: an object's id, its properties, and whether it is sound.

Stems and counts, in order of the alphabet, and the facts a scope can name;
equal entries are kept equally. A vector stands beside them, with its seal.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from weaviate.classes.config import DataType
from weaviate.classes.data import DataObject

from memos_gov.nearness import numbers_of, seal_of, vector_of
from memos_gov.ports import IndexedCube, IndexEntry
from memos_gov.relevance import stems

PAGE = 500
VECTOR = "content"  # the name of an object's vector
ENDLESS = 2**53  # seconds; what is valid for ever, since a filter finds no absent value
_PIECE_CHARACTERS_MAX = 4_000_000  # of contents in one request
_NAMESPACE = uuid.UUID("6d656d6f-735f-5f67-8f76-5f696e646578")
# `terms` holds each stem as often as the content has it. Texts are compared whole.
PROPERTIES: dict[str, DataType] = {
    "cube": DataType.TEXT,
    "revision": DataType.INT,
    "findable": DataType.BOOL,
    "terms": DataType.TEXT,
    "words": DataType.INT,
    "label": DataType.TEXT,
    "purposes": DataType.TEXT_ARRAY,
    "state": DataType.TEXT,
    "owner": DataType.TEXT,
    "shared_with": DataType.TEXT_ARRAY,
    "region": DataType.TEXT,
    "author": DataType.TEXT,
    "conversation": DataType.TEXT,
    "place": DataType.INT,
    "asks": DataType.BOOL,
    "valid_from": DataType.INT,
    "valid_to": DataType.INT,
    "model": DataType.TEXT,
    "seal": DataType.TEXT,
    "parked": DataType.TEXT,
}
_EMPTY: dict[DataType, Any] = {
    DataType.TEXT: "",
    DataType.TEXT_ARRAY: [],
    DataType.INT: 0,
    DataType.BOOL: False,
}


def properties_of(entry: IndexEntry) -> dict[str, Any]:
    """Return what is kept of an entry: sorted, so that equal entries are kept equally."""
    terms = sorted(stems(entry.content or ""))
    return {
        "cube": entry.cube_id,
        "revision": entry.revision,
        "findable": entry.content is not None,
        "terms": " ".join(terms),
        "words": len(terms),
        "label": entry.label,
        "purposes": sorted(set(entry.purposes)),
        "state": entry.state,
        "owner": entry.owner,
        "shared_with": sorted(set(entry.shared_with)),
        "region": entry.region,
        "author": entry.author,
        "conversation": entry.conversation,
        "place": entry.position,
        "asks": entry.asks,
        "valid_from": entry.valid_from,
        "valid_to": ENDLESS if entry.valid_to is None else entry.valid_to,
        "model": entry.model,
        "seal": _seal(entry.tenant, entry.cube_id, entry.revision, entry.model, entry.vector),
        "parked": entry.parked,
    }


def object_of(entry: IndexEntry) -> DataObject[Any, Any]:
    """Return what is written of an entry."""
    vector = {VECTOR: numbers_of(entry.vector)} if entry.vector else None
    place = object_id(entry.tenant, entry.cube_id)
    return DataObject(properties_of(entry), place, vector)


def digest_of(tenant: str, kept: Mapping[str, Any], *, sealed: bool) -> bytes:
    """
    Return the digest of an object's properties; what is empty may be absent.

    Of the vector it says whether it is `sealed`, and by which model it is.
    """
    values = {name: kept.get(name) or _EMPTY.get(kind) for name, kind in PROPERTIES.items()}
    values["place"], values["seal"] = kept.get("place"), sealed
    return hashlib.sha256(msgspec.json.encode([tenant, *values.values()])).digest()


def indexed_cube(tenant: str, found: Any) -> IndexedCube:
    """Return what an object says it holds."""
    kept, findable = found.properties, bool(found.properties.get("findable"))
    digest = digest_of(tenant, kept, sealed=_is_sealed(tenant, found))
    return IndexedCube(tenant, str(kept["cube"]), int(kept["revision"]), findable, digest)


def _is_sealed(tenant: str, found: Any) -> bool:
    """Whether an object has a vector, and that which it was written with."""
    kept, numbers = found.properties, found.vector.get(VECTOR)
    if not kept.get("model") or not numbers:
        return False
    whose = (tenant, kept.get("cube") or "", int(kept.get("revision") or 0), kept["model"])
    return bool(_seal(*whose, vector_of(numbers)) == kept.get("seal"))


def _seal(tenant: str, cube: str, revision: int, model: str, vector: bytes) -> str:
    return seal_of(tenant, cube, revision, model, vector).hex() if model else ""


def is_sound(tenant: str, place: uuid.UUID, kept: Mapping[str, Any]) -> bool:
    """Whether an object lies under its own id, and says itself how many words it has."""
    terms = (kept.get("terms") or "").split()
    counted = kept.get("words") == len(terms) and terms == sorted(terms)
    hidden = bool(kept.get("findable")) or not terms
    return counted and hidden and place == object_id(tenant, kept.get("cube") or "")


def object_id(tenant: str, cube: str) -> uuid.UUID:
    """Return where the object of a cube lies; the same for ever."""
    return uuid.uuid5(_NAMESPACE, f"{tenant}/{cube}")


def pieces(items: Iterable[Any]) -> Iterator[list[Any]]:
    """Yield items in lists that one request can carry."""
    piece: list[Any] = []
    size = 0
    for item in items:
        size += len(item.content or "") + len(item.vector) if isinstance(item, IndexEntry) else 0
        piece.append(item)
        if len(piece) == PAGE or size > _PIECE_CHARACTERS_MAX:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece
