"""
The collections: made with an explicit schema and an owner, or refused where they have others.

Whose a collection is stands in its description, which is made with it and
never changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed
from weaviate import WeaviateClient
from weaviate.classes import config as schema
from weaviate.exceptions import WeaviateBaseError, WeaviateQueryError

from memos_gov.backends.weaviate.finding import Cubes
from memos_gov.backends.weaviate.objects import PROPERTIES, VECTOR
from memos_gov.errors import SettingsError
from memos_gov.relevance import K1, B

OWNER = "memos-gov: of instance "
_SHARD_S_MAX = 5.0
_POSITION = {
    "partition": schema.DataType.INT,
    "position": schema.DataType.INT,
    "written": schema.DataType.TEXT,
}
_TEXTS = {schema.DataType.TEXT, schema.DataType.TEXT_ARRAY}


def names(name: str) -> tuple[str, str]:
    """Return what the collections of cubes and of positions are called."""
    return name, f"{name}Position"


def laid_out(client: WeaviateClient, name: str, owner: str | None) -> tuple[Cubes, Cubes]:
    """
    Return the collections of cubes and of the positions, made where they are not there yet.

    Args:
        owner: Whose they must be; None takes those of anybody, and makes none.

    Raises:
        SettingsError: One of that name is somebody else's, or has another schema.
    """
    cubes, positions = names(name)
    for each, properties in ((cubes, PROPERTIES), (positions, _POSITION)):
        tenants = each == cubes
        if owner is not None and not client.collections.exists(each):
            _create(client, each, properties, owner, tenants=tenants)
        found = _found(client, each)
        _require(found, properties, tenants=tenants)
        if owner not in {None, _owner(found)}:
            raise _not_ours(each)
    _await_shard(client.collections.get(positions))
    return client.collections.get(cubes), client.collections.get(positions)


def owners(client: WeaviateClient, name: str) -> set[str]:
    """Return whose those of the collections are that are there."""
    there = [each for each in names(name) if client.collections.exists(each)]
    return {_owner(client.collections.get(each).config.get()) for each in there}


def _owner(found: Any) -> str:
    return str(found.description or "").removeprefix(OWNER)


def _found(client: WeaviateClient, name: str) -> Any:
    if not client.collections.exists(name):
        msg = f"weaviate: there is no collection {name}"
        raise SettingsError(msg, remedy="Run `memos-gov rebuild`, or name the one that is there.")
    return client.collections.get(name).config.get()


def _not_ours(name: str) -> SettingsError:
    msg = f"weaviate: the collection {name} is not of this data folder"
    remedy = (
        "Name the collection of this folder (engines.weaviate.collection), or one that is not"
        " there yet; `memos-gov rebuild` fills it. One that nobody needs may be deleted."
    )
    return SettingsError(msg, remedy=remedy)


def _await_shard(positions: Cubes) -> None:
    """Wait until a collection answers: its schema is there a moment before its first shard is."""
    for attempt in Retrying(
        retry=retry_if_exception_type(WeaviateQueryError),
        stop=stop_after_delay(_SHARD_S_MAX),
        wait=wait_fixed(0.05),
        reraise=True,
    ):
        with attempt:
            positions.query.fetch_objects(limit=1)


def _create(
    client: WeaviateClient,
    name: str,
    properties: Mapping[str, schema.DataType],
    owner: str,
    *,
    tenants: bool,
) -> None:
    try:
        client.collections.create(
            name,
            description=f"{OWNER}{owner}" if owner else None,
            multi_tenancy_config=schema.Configure.multi_tenancy(
                enabled=tenants, auto_tenant_creation=tenants
            ),
            vector_config=[_vectors()],
            inverted_index_config=schema.Configure.inverted_index(
                bm25_k1=K1, bm25_b=B, stopwords_preset=schema.StopwordsPreset.NONE
            ),
            properties=[_property(name, kind) for name, kind in properties.items()],
        )
    except WeaviateBaseError:
        if not client.collections.exists(name):
            raise  # else another process was first, and its schema is looked at


def _vectors() -> Any:
    """Return how vectors are kept: as they are, since they have length 1 and are not rounded."""
    return schema.Configure.Vectors.self_provided(
        name=VECTOR,
        quantizer=schema.Configure.VectorIndex.Quantizer.none(),
        vector_index_config=schema.Configure.VectorIndex.hnsw(
            distance_metric=schema.VectorDistances.DOT
        ),
    )


def _property(name: str, kind: schema.DataType) -> schema.Property:
    if kind not in _TEXTS:
        return schema.Property(name=name, data_type=kind)
    return schema.Property(
        name=name,
        data_type=kind,
        tokenization=_tokens(name),
        index_filterable=name != "seal",
        index_searchable=name == "terms",
    )


def _tokens(name: str) -> schema.Tokenization:
    return schema.Tokenization.WHITESPACE if name == "terms" else schema.Tokenization.FIELD


def _require(found: Any, properties: Mapping[str, schema.DataType], *, tenants: bool) -> None:
    """Raise SettingsError where a collection is not as `_create` makes it."""
    expected: dict[str, object] = {
        name: (kind, _tokens(name) if kind in _TEXTS else None, name == "terms")
        for name, kind in properties.items()
    }
    expected |= {"(tenants)": tenants, "(vectors)": [(VECTOR, "dot")]}
    actual: dict[str, object] = {
        each.name: (each.data_type, each.tokenization, each.index_searchable)
        for each in found.properties
    }
    actual |= {
        "(tenants)": found.multi_tenancy_config.enabled,
        "(vectors)": sorted(
            (name, str(each.vector_index_config.distance_metric.value))
            for name, each in (found.vector_config or {}).items()
        ),
    }
    wrong = sorted(n for n in expected.keys() | actual.keys() if expected.get(n) != actual.get(n))
    if wrong:
        msg = f"weaviate: the collection {found.name} has another schema: {', '.join(wrong[:5])}"
        remedy = (
            "Name another collection (engines.weaviate.collection), or delete this one and run"
            " `memos-gov rebuild`."
        )
        raise SettingsError(msg, remedy=remedy)
