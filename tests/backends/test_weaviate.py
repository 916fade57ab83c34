"""WeaviateCubeIndex keeps the contract on a real server, and what only a server can get wrong."""

import json
import secrets
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from memos_gov.backends.weaviate.index import WeaviateCubeIndex, WeaviateServer
from memos_gov.domain.verdicts import Scope, ScopeClause
from memos_gov.errors import SettingsError, UnavailableError
from tests.contracts.cube_index import (
    ALL,
    NOW,
    CubeIndexContract,
    CubeIndexMachine,
    an_entry,
    ids_of,
)
from tests.engines import WEAVIATE, WEAVIATE_DATA, WEAVIATE_GRPC_PORT

pytestmark = [pytest.mark.connected, pytest.mark.timeout(300)]
INTERNAL = Scope((ScopeClause(labels=("internal",)),))


def a_server(**changes: Any) -> WeaviateServer:
    """Return the server of these tests, with a collection of its own."""
    own = {"collection": f"Test{secrets.token_hex(8)}"}
    return WeaviateServer(**{"url": WEAVIATE, "grpc_port": WEAVIATE_GRPC_PORT, **own, **changes})


def taken_away(server: WeaviateServer) -> None:
    """Delete what a test made."""
    for name in (server.collection, f"{server.collection}Position"):
        httpx.delete(f"{WEAVIATE}/v1/schema/{name}", timeout=30)


@pytest.fixture(scope="module")
def servers() -> Iterator[list[WeaviateServer]]:
    """Return two names of collections for the contract, which begins each test with none."""
    both = [a_server(), a_server()]
    yield both
    for server in both:
        taken_away(server)


@pytest.fixture
def server() -> Iterator[WeaviateServer]:
    """Return a server with a collection that does not exist yet."""
    server = a_server()
    yield server
    taken_away(server)


@pytest.fixture
def index(server: WeaviateServer) -> Iterator[WeaviateCubeIndex]:
    """Return an index over a collection of its own."""
    with closing(WeaviateCubeIndex(server)) as index:
        yield index


def tenants_of(server: WeaviateServer) -> list[str]:
    """Return the Weaviate tenants of a collection, asked behind the port's back."""
    found = httpx.get(f"{WEAVIATE}/v1/schema/{server.collection}/tenants", timeout=10).json()
    return sorted(each["name"] for each in found)


def objects_of(server: WeaviateServer, tenant: str) -> list[dict[str, Any]]:
    """Return the objects of a tenant, asked behind the port's back."""
    found: list[dict[str, Any]] = []
    while True:
        after = {"after": found[-1]["id"]} if found else {}
        query = {"class": server.collection, "tenant": tenant, "limit": 500, **after}
        query["include"] = "vector"
        page = httpx.get(f"{WEAVIATE}/v1/objects", params=query, timeout=30).json()["objects"]
        found += page
        if len(page) < 500:
            return found


class TestWeaviateCubeIndex(CubeIndexContract):
    """The contract, on a collection that each test finds empty."""

    @pytest.fixture(autouse=True)
    def place(self, servers: list[WeaviateServer]) -> None:
        """Remember where the probe must look."""
        self.server = servers[0]

    @pytest.fixture
    def index(self, servers: list[WeaviateServer]) -> Iterator[WeaviateCubeIndex]:
        """Return an empty index."""
        with closing(WeaviateCubeIndex(servers[0])) as index:
            index.clear()
            yield index

    @pytest.fixture
    def another(self, servers: list[WeaviateServer]) -> Iterator[WeaviateCubeIndex]:
        """Return a second empty index."""
        with closing(WeaviateCubeIndex(servers[1])) as another:
            another.clear()
            yield another

    @pytest.fixture
    def broken(self) -> WeaviateCubeIndex:
        """Return an index whose server does not exist."""
        return WeaviateCubeIndex(a_server(url="http://127.0.0.1:1"))

    def raw_bytes(self) -> bytes:
        """Return every object that the server gives to whoever asks for all."""
        kept = [objects_of(self.server, tenant) for tenant in tenants_of(self.server)]
        vectors = [o.get("vectors", {}).get("content") or [] for found in kept for o in found]
        packed = [struct.pack(f"<{len(numbers)}f", *numbers) for numbers in vectors]
        return json.dumps(kept).encode() + b"".join(packed)


def test_index_step_by_step_equals_the_brute_force(servers: list[WeaviateServer]) -> None:
    """Whatever is applied, cleared and asked for, the order is that of the model."""

    class Machine(CubeIndexMachine):
        make = staticmethod(lambda: WeaviateCubeIndex(servers[0]))

    checks = settings(
        max_examples=20, stateful_step_count=12, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(Machine, settings=checks)


def test_content_is_kept_as_stems_and_counts_in_no_order_of_the_text(
    index: WeaviateCubeIndex, server: WeaviateServer
) -> None:
    """Nobody reads a sentence off the server."""
    index.apply(0, [an_entry("a", "Running zebras were eating the yellow apples, apples!")])

    (kept,) = objects_of(server, "acme")

    assert "appl appl eat run yellow zebra" == kept["properties"]["terms"]
    assert 6 == kept["properties"]["words"]


def test_batch_cut_off_before_its_position_is_applied_again(
    index: WeaviateCubeIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash between objects and position loses nothing and doubles nothing."""
    index.apply(0, [an_entry("a", "cat"), an_entry("b", "cat")])
    batch = [an_entry("a", "dog", revision=2), an_entry("c", "cat")]

    with monkeypatch.context() as crash:

        def die(*_: object, **__: object) -> None:
            raise OSError

        crash.setattr("memos_gov.backends.weaviate.store.OpenedStore.advance", die)
        with pytest.raises(UnavailableError):
            index.apply(1, batch, [("acme", "b")])
    assert 0 == index.position()
    index.apply(1, batch, [("acme", "b")])

    assert 1 == index.position()
    assert ["c"] == ids_of(index.search("acme", "cat", ALL, NOW))
    assert ["a", "c"] == [kept.cube_id for kept in index.entries()]


def test_batch_of_which_an_object_is_refused_does_not_advance(
    index: WeaviateCubeIndex, server: WeaviateServer
) -> None:
    """Failed objects of a batch do not raise by themselves; here they do, without their words."""
    index.apply(0, [])
    # A property of another kind in one object is what the server itself refuses.
    httpx.post(
        f"{WEAVIATE}/v1/schema/{server.collection}/properties",
        json={"name": "extra", "dataType": ["int"]},
        timeout=10,
    )
    with pytest.MonkeyPatch.context() as patch:
        made = "memos_gov.backends.weaviate.objects.properties_of"
        patch.setattr(
            made, lambda e: {"cube": e.cube_id, "extra": "secretword" if e.cube_id == "b" else 1}
        )
        with pytest.raises(UnavailableError, match="1 of 2 entries") as caught:
            index.apply(1, [an_entry("a"), an_entry("b")])

    assert "secretword" not in str(caught.value)
    assert 0 == index.position()


def test_last_entry_of_a_tenant_takes_its_folder_along(
    index: WeaviateCubeIndex, server: WeaviateServer
) -> None:
    """A tenant that holds nothing has no folder in which bytes could stay."""
    index.apply(0, [an_entry("a"), an_entry("b"), an_entry("a", tenant="beta")])
    index.apply(1, [], [("acme", "a")])
    assert ["acme", "beta"] == tenants_of(server)

    index.apply(2, [], [("acme", "b"), ("nobody", "x")])

    assert ["beta"] == tenants_of(server)
    assert [] == ids_of(index.search("acme", "cat", ALL, NOW))
    assert set() == index.present("acme", ["a", "b"])
    index.apply(3, [an_entry("c")])
    assert ["c"] == ids_of(index.search("acme", "cat", ALL, NOW))


@pytest.mark.skipif(WEAVIATE_DATA is None, reason="MEMOS_GOV_TEST_WEAVIATE_DATA names no folder")
def test_last_entry_of_a_tenant_and_clear_leave_no_byte_on_the_disk(
    index: WeaviateCubeIndex,
) -> None:
    """What the documents say of bytes that stay, and of when they are gone."""
    assert WEAVIATE_DATA is not None
    word = f"zq{secrets.token_hex(8)}x"

    def lies_there() -> bool:
        files = Path(str(WEAVIATE_DATA)).rglob("*")
        return any(word.encode() in path.read_bytes() for path in files if path.is_file())

    index.apply(0, [an_entry("a", f"cat {word}"), an_entry("b", "dog")])
    index.apply(1, [], [("acme", "a")])
    after_one = lies_there()
    index.apply(2, [], [("acme", "b")])
    after_last = lies_there()
    index.apply(3, [an_entry("a", f"cat {word}"), an_entry("b", "dog")])
    index.clear()

    assert (True, False, False) == (after_one, after_last, lies_there())


def test_search_with_more_matches_than_are_ranked_yields_all_of_them(
    server: WeaviateServer,
) -> None:
    """The best are ranked over the scope, and the others follow by id, each once."""
    put = [an_entry(f"c{n:04d}", "cat" if n % 7 else "cat cat cat") for n in range(1200)]
    put += [an_entry(f"o{n}", "cat fish", label="secret") for n in range(50)]
    with closing(WeaviateCubeIndex(server, candidates_max=100)) as index:
        index.apply(0, put)
        found = ids_of(index.search("acme", "cat", INTERNAL, NOW))

    best = [f"c{n:04d}" for n in range(1200) if not n % 7]
    assert {e.cube_id for e in put[:1200]} == set(found)
    assert 1200 == len(found)
    assert set(found[:100]) <= set(best)
    assert sorted(found[:100]) == found[:100]
    assert sorted(found[100:]) == found[100:]


@pytest.mark.parametrize(
    "change",
    [
        {"properties": {"terms": "cat dog dog"}},
        {"properties": {"words": 7}},
        {"properties": {"cube": "elsewhere"}},
        {"properties": {"findable": False}},
    ],
)
def test_object_changed_behind_the_port_is_found(
    index: WeaviateCubeIndex, server: WeaviateServer, change: dict[str, Any]
) -> None:
    """An examiner sees a digest that is no longer the entry's, and a contradiction."""
    entry = an_entry("a", "cat dog")
    index.apply(0, [entry])
    (kept,) = objects_of(server, "acme")
    body = {"class": server.collection, "tenant": "acme", **change}
    place = f"{WEAVIATE}/v1/objects/{server.collection}/{kept['id']}"
    assert 204 == httpx.patch(place, json=body, timeout=10).status_code

    (found,) = index.entries()

    assert index.digest(entry) != found.digest
    assert [f"acme/{change['properties'].get('cube', 'a')}"] == list(index.damaged())


def test_object_that_is_not_ours_is_found(index: WeaviateCubeIndex, server: WeaviateServer) -> None:
    """Something that somebody put there lies under no id of ours."""
    index.apply(0, [an_entry("a")])
    body = {"class": server.collection, "tenant": "acme", "properties": {"cube": "x", "words": 0}}
    assert httpx.post(f"{WEAVIATE}/v1/objects", json=body, timeout=10).is_success

    assert ["acme/x"] == list(index.damaged())


def test_position_that_is_none_is_found(index: WeaviateCubeIndex, server: WeaviateServer) -> None:
    """A second position contradicts the first."""
    index.apply(0, [])
    body = {"class": f"{server.collection}Position", "properties": {"position": 3}}
    assert httpx.post(f"{WEAVIATE}/v1/objects", json=body, timeout=10).is_success

    assert ["position"] == list(index.damaged())


@pytest.mark.parametrize(
    "other",
    [
        {"properties": [{"name": "cube", "dataType": ["text"]}]},
        {"multiTenancyConfig": {"enabled": True}, "properties": []},
        {},
    ],
)
def test_collection_of_another_schema_is_refused_and_left_alone(
    index: WeaviateCubeIndex, server: WeaviateServer, other: dict[str, Any]
) -> None:
    """Somebody else's collection of that name is one clear error that names what differs."""
    body = {"class": server.collection, **other}
    assert httpx.post(f"{WEAVIATE}/v1/schema", json=body, timeout=10).is_success
    before = httpx.get(f"{WEAVIATE}/v1/schema/{server.collection}", timeout=10).json()

    with pytest.raises(SettingsError, match="has another schema") as caught:
        index.apply(0, [an_entry("a")])

    assert server.collection in str(caught.value)
    assert before == httpx.get(f"{WEAVIATE}/v1/schema/{server.collection}", timeout=10).json()


def test_collection_of_another_owner_is_refused_and_left_alone(server: WeaviateServer) -> None:
    """Before anything was put into it, too; whoever asks for anybody's may look."""
    with closing(WeaviateCubeIndex(server, owner="aa11")) as theirs:
        assert -1 == theirs.position()
    before = httpx.get(f"{WEAVIATE}/v1/schema/{server.collection}", timeout=10).json()

    for other in ("bb22", ""):
        refused = pytest.raises(SettingsError, match="is not of this data folder")
        with closing(WeaviateCubeIndex(server, owner=other)) as ours, refused as caught:
            ours.apply(0, [an_entry("c1")])
        assert "engines.weaviate.collection" in caught.value.remedy
        assert {"aa11"} == ours.owners()

    with closing(WeaviateCubeIndex(server, owner=None)) as anybody:
        assert -1 == anybody.position()
    assert before == httpx.get(f"{WEAVIATE}/v1/schema/{server.collection}", timeout=10).json()


def test_collection_that_is_not_there_is_made_for_its_owner_alone(server: WeaviateServer) -> None:
    """Whoever does not know whose it is makes none, and one that is absent is dropped at once."""
    refused = pytest.raises(SettingsError, match=f"there is no collection {server.collection}")
    with closing(WeaviateCubeIndex(server, owner=None)) as anybody, refused:
        anybody.position()

    with closing(WeaviateCubeIndex(server, owner="aa11")) as index:
        assert set() == index.owners()
        index.drop()
        index.apply(0, [an_entry("c1")])
        assert {"aa11"} == index.owners()
        index.drop()
        assert set() == index.owners()
        assert -1 == index.position()
        assert {"aa11"} == index.owners()


def test_collection_that_gained_a_property_is_refused(
    index: WeaviateCubeIndex, server: WeaviateServer
) -> None:
    """A newer program's schema is not written to by this one."""
    index.apply(0, [an_entry("a")])
    index.close()
    httpx.post(
        f"{WEAVIATE}/v1/schema/{server.collection}/properties",
        json={"name": "later", "dataType": ["int"]},
        timeout=10,
    )

    with pytest.raises(SettingsError, match="another schema: later"):
        index.position()


def test_collection_has_an_explicit_schema_and_no_vectorizer(
    index: WeaviateCubeIndex, server: WeaviateServer
) -> None:
    """Vectors are ours, tenants apart, and no content goes to a model of the server's."""
    index.position()

    found = httpx.get(f"{WEAVIATE}/v1/schema/{server.collection}", timeout=10).json()

    assert found["multiTenancyConfig"]["enabled"]
    assert {"content": {"none": {}}} == {
        name: config["vectorizer"] for name, config in found["vectorConfig"].items()
    }
    searchable = [p["name"] for p in found["properties"] if p["indexSearchable"]]
    assert ["terms"] == searchable


def test_indexes_opened_at_once_make_one_collection(server: WeaviateServer) -> None:
    """Of two programs that start together none refuses the other's schema."""
    indexes = [WeaviateCubeIndex(server) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        positions = list(threads.map(lambda each: each.position(), indexes))
    for each in indexes:
        each.close()

    assert [-1] * 4 == positions


@pytest.mark.parametrize(
    "changes", [{"url": "http://127.0.0.1:1"}, {"grpc_port": 1}], ids=["http", "grpc"]
)
def test_server_that_is_away_is_unavailable_within_seconds(changes: dict[str, Any]) -> None:
    """Whichever of the two ports nobody listens on, nobody waits a minute."""
    begun = time.monotonic()

    with pytest.raises(UnavailableError) as caught:
        WeaviateCubeIndex(a_server(**changes)).position()

    assert caught.value.__cause__ is not None
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("url", ["", "127.0.0.1:8080", "grpc://h:1", "http://h", "http://u:p@h:1"])
def test_address_that_is_none_is_one_clear_error(url: str) -> None:
    """The operator learns what the setting must look like."""
    with pytest.raises(SettingsError, match="weaviate: the address must be"):
        WeaviateCubeIndex(a_server(url=url))


@pytest.mark.parametrize("name", ["", "lower", "With-Dash", "A" * 80])
def test_name_that_weaviate_would_change_is_refused(name: str) -> None:
    """What is asked for and what is made have one name."""
    with pytest.raises(SettingsError, match="collection's name"):
        WeaviateCubeIndex(a_server(collection=name))


def test_key_shows_nowhere() -> None:
    """No text about the server holds it."""
    assert "secret-key" not in repr(a_server(api_key="secret-key"))


def test_import_of_the_backend_warns_of_nothing() -> None:
    """What the client's own imports have to say is not the operator's business."""
    program = "import memos_gov.backends.weaviate.index"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )

    assert (0, "") == (done.returncode, done.stderr)
