"""
A scope means the same as a filter everywhere, and holds whatever a verdict would allow.

The same generated principals and cubes go to policy, to the cubes table through
SQLAlchemy, and to an index; all that differs between set-ups is the engine.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
import sqlalchemy
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from memos_gov.backends.sqlite.index import in_memory
from memos_gov.domain.verdicts import Scope, ScopeClause, Verdict
from memos_gov.ports import CubeIndex, IndexEntry
from memos_gov.projections.tables import CubeRow, CubeWordRow, TablesModel, table_of
from memos_gov.queries.cubes import scope_filter
from tests.contracts.cube_index import NOW
from tests.engines import POSTGRES, WEAVIATE, WEAVIATE_GRPC_PORT
from tests.policies.conftest import Ask
from tests.policies.facts import a_cube, asked
from tests.policies.test_scope import PURPOSES, actors, cubes

TENANT = "acme"
WORD = "heron"
CUBE, CUBE_WORD = table_of(CubeRow), table_of(CubeWordRow)
some_words = st.none() | st.lists(st.sampled_from(("anna", "olga", "eu", "%", "public"))).map(tuple)
clauses = st.builds(
    ScopeClause,
    labels=some_words,
    purposes=st.none() | st.lists(st.sampled_from(PURPOSES), max_size=2).map(tuple),
    states=st.none() | st.just(("activated",)),
    owners=some_words,
    shared_with=some_words,
    regions=some_words,
)
scopes = st.lists(clauses, max_size=3).map(lambda some: Scope(tuple(some)))


class Rows:
    """The tables `cubes` and `cube_words` in a database, and what a scope finds in them."""

    def __init__(self, engine: sqlalchemy.Engine) -> None:
        self._engine = engine
        TablesModel.metadata.create_all(engine, tables=[CUBE, CUBE_WORD])

    def hold(self, facts: list[dict[str, Any]]) -> None:
        """Hold the rows of these cubes and no others."""
        rows, words = [], []
        for cube in facts:
            key = {"tenant": TENANT, "cube": cube["id"]}
            same = {c.name: cube[c.name] for c in CUBE.c if c.name in cube and c.name != "tenant"}
            rows.append({**same, **key, "revision": 1})
            lists = {"purpose": cube["purposes"]}
            lists["shared_with"] = [grant["principal"] for grant in cube["grants"]]
            words += [
                {**key, "kind": kind, "value": value}
                for kind, values in lists.items()
                for value in set(values)
            ]
        with self._engine.begin() as connection:
            for table, held in ((CUBE, rows), (CUBE_WORD, words)):
                connection.execute(table.delete())
                if held:
                    connection.execute(table.insert(), held)

    def within(self, scope: Scope) -> set[str]:
        """Return the cubes that the filter lets through."""
        query = sqlalchemy.select(CUBE.c.cube).where(CUBE.c.tenant == TENANT, scope_filter(scope))
        with self._engine.connect() as connection:
            return set(connection.scalars(query))


def entry_of(cube: dict[str, Any]) -> IndexEntry:
    """Return what an index is given of a cube."""
    return IndexEntry(
        tenant=TENANT,
        cube_id=cube["id"],
        revision=1,
        content=WORD,
        label=cube["label"],
        purposes=tuple(cube["purposes"]),
        state=cube["state"],
        owner=cube["owner"],
        shared_with=tuple(grant["principal"] for grant in cube["grants"]),
        region=cube["region"],
        author=None,
        conversation=None,
        position=None,
    )


class Setup:
    """Tables and an index that hold the same cubes."""

    def __init__(self, rows: Rows, index: CubeIndex) -> None:
        self._rows, self._index = rows, index

    def hold(self, facts: list[dict[str, Any]]) -> None:
        """Hold these cubes and no others."""
        self._rows.hold(facts)
        self._index.clear()
        self._index.apply(0, [entry_of(cube) for cube in facts])

    def within(self, scope: Scope) -> tuple[set[str], set[str]]:
        """Return what the filter of the tables finds, and what that of the index does."""
        return self._rows.within(scope), {
            each.cube for each in self._index.search(TENANT, WORD, scope, NOW)
        }


@contextmanager
def embedded() -> Iterator[Setup]:
    """Enter the embedded set-up, in memory."""
    engine = sqlalchemy.create_engine("sqlite://")
    with in_memory() as index:
        yield Setup(Rows(engine), index)
    engine.dispose()


@contextmanager
def connected() -> Iterator[Setup]:
    """Enter the connected set-up, with a schema and a collection of its own."""
    import httpx

    from memos_gov.backends.weaviate.index import WeaviateCubeIndex, WeaviateServer

    name = f"scope_{secrets.token_hex(6)}"
    url = sqlalchemy.make_url(POSTGRES).set(drivername="postgresql+psycopg")
    engine = sqlalchemy.create_engine(
        url, connect_args={"options": f"-c search_path={name} -c client_min_messages=warning"}
    )
    server = WeaviateServer(
        url=WEAVIATE, grpc_port=WEAVIATE_GRPC_PORT, collection=f"Test{secrets.token_hex(8)}"
    )
    with engine.begin() as connection:
        connection.execute(sqlalchemy.schema.CreateSchema(name))
    try:
        with closing(WeaviateCubeIndex(server)) as index:
            yield Setup(Rows(engine), index)
    finally:
        with engine.begin() as connection:
            connection.execute(sqlalchemy.schema.DropSchema(name, cascade=True))
        engine.dispose()
        for each in (server.collection, f"{server.collection}Position"):
            httpx.delete(f"{WEAVIATE}/v1/schema/{each}", timeout=30)


def numbered(facts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return whole cubes with ids of their own."""
    return [a_cube(f"c{number}", **each) for number, each in enumerate(facts)]


def holds_what_is_allowed(ask: Ask, *setups: Setup) -> Callable[[], None]:
    """Return a property over principals and cubes: allow implies in scope, in every set-up."""

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        actor=actors,
        action=st.sampled_from(("read", "recall", "list")),
        purpose=st.sampled_from(PURPOSES),
        place=st.sampled_from((None, "eu", "us")),
        facts=st.lists(cubes, min_size=1, max_size=8).map(numbered),
    )
    def check(
        actor: dict[str, Any],
        action: str,
        purpose: str,
        place: str | None,
        facts: list[dict[str, Any]],
    ) -> None:
        question = asked(actor, action, purpose)
        question["context"]["region"] = place
        scope = ask("access/scope", question, Scope)
        becomes = {"label": None, "basis": None}
        put = {**question, "cubes": facts, "becomes": becomes}
        verdicts = ask("access/verdicts", put, dict[str, Verdict])
        allowed = {cube for cube, verdict in verdicts.items() if verdict.allows}
        event("something is allowed" if allowed else "nothing is allowed")
        found = []
        for setup in setups:
            setup.hold(facts)
            found += setup.within(scope)
        assert all(allowed <= each for each in found)
        assert all(found[0] == each for each in found)

    return check


def finds_the_same(*setups: Setup) -> Callable[[], None]:
    """Return a property over cubes and scopes: every filter lets the same cubes through."""

    @given(facts=st.lists(cubes, min_size=1, max_size=8).map(numbered), scope=scopes)
    def check(facts: list[dict[str, Any]], scope: Scope) -> None:
        found = []
        for setup in setups:
            setup.hold(facts)
            found += setup.within(scope)
        event(f"{len(found[0])} within")
        assert all(found[0] == each for each in found)

    return check


def test_cube_that_a_verdict_allows_passes_the_filters_of_the_embedded_set_up(ask: Ask) -> None:
    """Neither the tables nor the index hide what may be read."""
    with embedded() as setup:
        holds_what_is_allowed(ask, setup)()


def test_scope_finds_the_same_in_tables_and_index_of_the_embedded_set_up() -> None:
    """Any scope, with empty lists and without lists, is one question asked twice."""
    with embedded() as setup:
        finds_the_same(setup)()


@pytest.mark.connected
@pytest.mark.timeout(300)
def test_cube_that_a_verdict_allows_passes_the_filters_of_both_set_ups(ask: Ask) -> None:
    """SQLite, Postgres, our postings and Weaviate agree, and hide nothing that is allowed."""
    with embedded() as one, connected() as other:
        holds_what_is_allowed(ask, one, other)()


@pytest.mark.connected
@pytest.mark.timeout(300)
def test_scope_finds_the_same_in_both_set_ups() -> None:
    """Four filters, one answer."""
    with embedded() as one, connected() as other:
        finds_the_same(one, other)()


def test_scope_as_a_filter_has_bind_parameters_only() -> None:
    """No word of a scope is ever part of a statement."""
    word = "'; DROP TABLE cubes; --"
    clause = ScopeClause((word,), (word,), (word,), (word,), (word,), (word,))

    statement = str(scope_filter(Scope((clause,))).compile())

    assert "DROP" not in statement
    assert {(word,), word} >= {
        value if isinstance(value, str) else tuple(value)
        for value in scope_filter(Scope((clause,))).compile().params.values()
        if value not in ("purpose", "shared_with")
    }
