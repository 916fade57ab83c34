"""
What every CubeIndex promises, proved against any backend.

A subclass gives the fixtures `index`, `another` and `broken` and the probe
`raw_bytes`; the oracle is a dictionary of entries and BM25 by brute force. It
rounds as a sum over the sorted terms of `tf / (tf + k1 (1 - b + b words N / all))`.
"""

import math
import struct
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count, islice
from threading import Thread
from typing import ClassVar

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from memos_gov.domain.verdicts import Scope, ScopeClause
from memos_gov.errors import UnavailableError
from memos_gov.ports import Akin, Candidate, CubeIndex, IndexEntry, Meaning

ALL = Scope((ScopeClause(),))
NOW = 1_000
WORDS = ("cat", "dog", "fish", "bird", "2023")  # each its own stem
K1, B = 0.9, 0.3


def an_entry(
    cube_id: str,
    content: str | None = "cat",
    *,
    tenant: str = "acme",
    revision: int = 1,
    label: str = "internal",
    purposes: tuple[str, ...] = ("support",),
    state: str = "active",
    owner: str = "anna",
    shared_with: tuple[str, ...] = (),
    region: str = "eu",
    author: str | None = None,
    place: tuple[str, int] | None = None,
    asks: bool = False,
    valid: tuple[int, int | None] = (0, None),
    meaning: tuple[float, ...] = (),
    model: str = "a-model",
    parked: str = "",
) -> IndexEntry:
    """Return an entry of which a test names only what it is about."""
    return IndexEntry(
        tenant=tenant,
        cube_id=cube_id,
        revision=revision,
        content=content,
        label=label,
        purposes=purposes,
        state=state,
        owner=owner,
        shared_with=shared_with,
        region=region,
        author=author,
        conversation=place[0] if place else None,
        position=place[1] if place else None,
        asks=asks,
        valid_from=valid[0],
        valid_to=valid[1],
        model=model if meaning else "",
        vector=a_vector(*meaning) if meaning else b"",
        parked=parked,
    )


def a_vector(*numbers: float) -> bytes:
    """Return a vector of length 1 in the direction of these numbers."""
    length = math.sqrt(sum(number**2 for number in numbers))
    return struct.pack(f"<{len(numbers)}f", *(number / length for number in numbers))


def meant(
    *numbers: float, model: str = "a-model", akin: Mapping[str, Sequence[Akin]] | None = None
) -> Meaning:
    """Return what a query means, in few dimensions."""
    return Meaning(model, a_vector(*numbers), akin or {})


def ids_of(candidates: Iterable[Candidate]) -> list[str]:
    """Return which cubes these are, in order."""
    return [each.cube for each in candidates]


def within(entry: IndexEntry, scope: Scope) -> bool:
    """Whether some clause of `scope` holds `entry`, spelled out."""
    return any(
        (c.labels is None or entry.label in c.labels)
        and (c.purposes is None or any(p in c.purposes for p in entry.purposes))
        and (c.states is None or entry.state in c.states)
        and (c.owners is None or entry.owner in c.owners)
        and (c.shared_with is None or any(p in c.shared_with for p in entry.shared_with))
        and (c.regions is None or entry.region in c.regions)
        for c in scope.any
    )


def is_valid(entry: IndexEntry) -> bool:
    """Whether what an entry says holds now."""
    return entry.valid_from <= NOW and (entry.valid_to is None or entry.valid_to > NOW)


def ranked(entries: Iterable[IndexEntry], tenant: str, query: str, scope: Scope) -> list[str]:
    """Return what a search must yield: BM25 by brute force over the entries in scope."""
    found = [
        e for e in entries if e.tenant == tenant and e.content is not None and within(e, scope)
    ]
    texts = {e.cube_id: (e.content or "").split() for e in found}
    valid = {e.cube_id: texts[e.cube_id] for e in found if is_valid(e)}
    words = sum(map(len, texts.values()))
    scores: dict[str, float] = {}
    for word in sorted(set(query.split())):
        df = sum(word in text for text in valid.values())
        idf = math.log(1 + (len(texts) - df + 0.5) / (df + 0.5))
        for cube_id, text in valid.items():
            if tf := text.count(word):
                norm = K1 * (1 - B + B * len(text) * len(texts) / words)
                scores[cube_id] = scores.get(cube_id, 0.0) + idf * tf / (tf + norm)
    return sorted(scores, key=lambda cube_id: (-scores[cube_id], cube_id))


contents = st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)
people = st.lists(st.sampled_from(["anna", "ann", "bob"]), max_size=2, unique=True).map(tuple)
entries = st.builds(
    an_entry,
    st.sampled_from([f"c{i}" for i in range(8)]),
    st.none() | contents,
    tenant=st.sampled_from(["acme", "acm"]),
    label=st.sampled_from(["public", "internal"]),
    purposes=st.lists(st.sampled_from(["support", "care"]), max_size=2).map(tuple),
    owner=st.sampled_from(["anna", "ann"]),
    shared_with=people,
    valid=st.sampled_from([(0, None), (0, None), (0, NOW + 1), (0, NOW), (NOW + 1, None)]),
    meaning=st.sampled_from([(), (1.0, 0.0, 0.0), (0.6, 0.8, 0.0), (0.5, -0.5, 0.7)]),
)
clauses = st.builds(
    ScopeClause,
    labels=st.none() | st.just(("public",)),
    purposes=st.none() | st.sampled_from([(), ("care",), ("support", "care")]),
    owners=st.none() | st.just(("ann",)),
    shared_with=st.none() | people,
)
scopes = st.lists(clauses, max_size=3).map(lambda found: Scope(tuple(found)))


class CubeIndexMachine(RuleBasedStateMachine):
    """Any CubeIndex, step by step, against a dictionary; a test binds `make` to a backend."""

    make: ClassVar[Callable[[], CubeIndex]]

    def __init__(self) -> None:
        super().__init__()
        self.index = type(self).make()
        self.index.clear()
        self.model: dict[tuple[str, str], IndexEntry] = {}
        self.position = -1

    @rule(put=st.lists(entries, max_size=6), drop=st.sets(st.integers(0, 7), max_size=2))
    def apply(self, put: Sequence[IndexEntry], drop: set[int]) -> None:
        """Advance by one batch; what is both put and removed ends removed."""
        remove = [(tenant, f"c{i}") for i in drop for tenant in ("acme", "acm")]
        self.position += 1
        self.index.apply(self.position, put, remove)
        self.model |= {(e.tenant, e.cube_id): e for e in put}
        for key in remove:
            self.model.pop(key, None)

    @rule(put=st.lists(entries, max_size=3))
    def apply_again(self, put: Sequence[IndexEntry]) -> None:
        """A position reached before changes nothing, whatever comes with it."""
        self.index.apply(self.position, put, [("acme", "c0")])

    @rule()
    def clear(self) -> None:
        """Begin again."""
        self.index.clear()
        self.model, self.position = {}, -1

    @rule(query=contents, scope=scopes, tenant=st.sampled_from(["acme", "acm", "nobody"]))
    def search(self, query: str, scope: Scope, tenant: str) -> None:
        """The order is that of the brute force."""
        expected = ranked(self.model.values(), tenant, query, scope)
        assert expected == ids_of(self.index.search(tenant, query, scope, NOW))

    @rule(scope=scopes, tenant=st.sampled_from(["acme", "acm", "nobody"]))
    def nearest(self, scope: Scope, tenant: str) -> None:
        """The order is that of the cosines."""
        cosines = {
            e.cube_id: round(struct.unpack("<3f", e.vector)[0], 5)
            for e in self.model.values()
            if e.tenant == tenant and e.model and within(e, scope) and is_valid(e)
        }
        expected = sorted(cosines, key=lambda cube: (-cosines[cube], cube))
        assert expected == ids_of(self.index.nearest(tenant, meant(1, 0, 0), scope, NOW))
        assert cosines == {
            cube: pytest.approx(near)
            for cube, near in self.index.nearness(tenant, [*cosines], meant(1, 0, 0)).items()
        }

    @invariant()
    def has_come_as_far(self) -> None:
        """The position is that of the last batch."""
        assert self.position == self.index.position()

    def teardown(self) -> None:
        """Release the files of this run."""
        self.index.close()


class CubeIndexContract:
    """The promises of the port; `Test<Backend>(CubeIndexContract)` runs them."""

    @pytest.fixture
    @abstractmethod
    def index(self) -> CubeIndex:
        """Return an empty index."""

    @pytest.fixture
    @abstractmethod
    def another(self) -> CubeIndex:
        """Return a second empty index that knows nothing of the first."""

    @pytest.fixture
    @abstractmethod
    def broken(self) -> CubeIndex:
        """Return an index whose storage cannot be used."""

    @abstractmethod
    def raw_bytes(self) -> bytes:
        """
        Return every byte `index` has, read behind the port's back.

        On the disk where it sweeps its files; where it does not, what its
        engine still gives to whoever asks it for everything.
        """

    def test_search_on_an_empty_index_yields_nothing(self, index: CubeIndex) -> None:
        """Nothing was applied, so nothing is found and the position is -1."""
        assert [] == ids_of(index.search("acme", "cat", ALL, NOW))
        assert -1 == index.position()

    def test_position_in_a_partition_is_its_own(self, index: CubeIndex) -> None:
        """What was skipped in one is not skipped in another, and both begin again together."""
        index.apply(5, [an_entry("a")])
        index.apply(2, [an_entry("b")], partition=1)
        index.apply(2, [an_entry("c")], partition=1)
        index.apply(0, [an_entry("d")], partition=2)

        assert [5, 2, 0, -1] == [index.position(partition) for partition in range(4)]
        assert {"a", "b", "d"} == set(ids_of(index.search("acme", "cat", ALL, NOW)))
        assert [] == list(index.damaged())
        index.clear()
        assert [-1, -1, -1] == [index.position(partition) for partition in range(3)]

    def test_search_with_two_matches_yields_the_better_one_first(self, index: CubeIndex) -> None:
        """More of the query's words in fewer words is better."""
        index.apply(0, [an_entry("a", "cat dog fish"), an_entry("b", "cat"), an_entry("c", "dog")])
        assert ["b", "a"] == ids_of(index.search("acme", "cat", ALL, NOW))

    def test_search_with_inflected_words_finds_their_stem(self, index: CubeIndex) -> None:
        """Case, inflection and a possessive make no difference."""
        index.apply(0, [an_entry("a", "Anna's CATS were running"), an_entry("b", "a dog")])
        assert ["a"] == ids_of(index.search("acme", "the cat runs", ALL, NOW))
        assert ["a"] == ids_of(index.search("acme", "anna", ALL, NOW))

    def test_search_for_a_number_finds_it(self, index: CubeIndex) -> None:
        """Numbers are words: years are asked for."""
        index.apply(0, [an_entry("a", "in May 2023"), an_entry("b", "in May 2022")])
        assert ["a"] == ids_of(index.search("acme", "2023", ALL, NOW))

    @pytest.mark.parametrize("query", ["", "the of and", "?!", "\ud800"])
    def test_search_without_an_indexed_word_yields_nothing(
        self, index: CubeIndex, query: str
    ) -> None:
        """Stop words and punctuation ask for nothing."""
        index.apply(0, [an_entry("a", "the cat of Anna")])
        assert [] == ids_of(index.search("acme", query, ALL, NOW))

    def test_search_between_equal_scores_orders_by_cube_id(self, index: CubeIndex) -> None:
        """Ties are broken by id, not by order of arrival."""
        index.apply(0, [an_entry(i, "cat") for i in "cab"])
        assert ["a", "b", "c"] == ids_of(index.search("acme", "cat", ALL, NOW))

    def test_search_left_halfway_blocks_nobody(self, index: CubeIndex) -> None:
        """An open search sees its snapshot, and `apply` goes on beside it."""
        index.apply(0, [an_entry(i, "cat") for i in "abc"])
        hits = index.search("acme", "cat", ALL, NOW)
        assert ["a"] == ids_of(islice(hits, 1))
        index.apply(1, [], [("acme", "b")])
        assert ["b", "c"] == ids_of(hits)

    def test_search_for_a_tenant_never_meets_another(self, index: CubeIndex) -> None:
        """One cube id in two tenants is two cubes; removing one leaves the other."""
        index.apply(0, [an_entry("a", "cat"), an_entry("a", "dog", tenant="other")])
        assert [] == ids_of(index.search("acme", "dog", ALL, NOW))
        index.apply(1, [], [("acme", "a")])
        assert ["a"] == ids_of(index.search("other", "dog", ALL, NOW))

    @pytest.mark.parametrize(
        "clause",
        [
            ScopeClause(labels=("intern",)),
            ScopeClause(purposes=("port", "sup")),
            ScopeClause(states=("act",)),
            ScopeClause(owners=("ann", "anna,bob", "%")),
            ScopeClause(shared_with=("bo", "bob,eve", '"bob"', "b_b")),
            ScopeClause(regions=("e",)),
            ScopeClause(labels=()),
            ScopeClause(labels=("internal",), owners=("bob",)),
        ],
    )
    def test_search_with_a_near_miss_in_a_list_yields_nothing(
        self, index: CubeIndex, clause: ScopeClause
    ) -> None:
        """Lists are compared whole value by whole value, and all of a clause must hold."""
        index.apply(0, [an_entry("a", shared_with=("bob", "eve"))])
        assert [] == ids_of(index.search("acme", "cat", Scope((clause,)), NOW))
        hit = Scope((clause, ScopeClause(shared_with=("eve",))))
        assert ["a"] == ids_of(index.search("acme", "cat", hit, NOW))

    def test_candidates_say_what_their_words_say_of_the_query(self, index: CubeIndex) -> None:
        """Counts follow the stems in order; words are counted without stop words."""
        index.apply(0, [an_entry("a", "cat cat, the dog"), an_entry("b", "a cat", asks=True)])
        best, other = index.search("acme", "dog cat bird", ALL, NOW)
        assert ("a", (0, 2, 1), 3, False) == (best.cube, *best[2:])
        assert ("b", (0, 1, 0), 1, True) == (other.cube, *other[2:])
        assert best.score > other.score > 0

    def test_search_finds_what_is_akin_to_a_word_and_ranks_it_below(self, index: CubeIndex) -> None:
        """A word counts by itself or by the best of those akin to it, never by both."""
        index.apply(
            0,
            [
                an_entry("a", "fish cat"),
                an_entry("b", "fish dog"),
                an_entry("c", "fish dog bird"),
                an_entry("d", "fish"),
            ],
        )
        akin = {"cat": [Akin("dog", 0.9), Akin("bird", 0.5)]}
        found = [*index.search("acme", "cat", ALL, NOW, akin)]
        assert [("a", (1, 0, 0)), ("b", (0, 1, 0)), ("c", (0, 1, 1))] == [
            (each.cube, each.counts) for each in found
        ]
        assert ["a"] == ids_of(index.search("acme", "cat", ALL, NOW))
        rarity = math.log(1 + 2.5 / 2.5)  # 2 of 4 have it, which is less rare than the word itself
        norm = K1 * (1 - B + B * 2 * 4 / 8)
        assert found[1].score == pytest.approx(0.8 * 0.9**2 * rarity / (1 + norm))

    def test_nearest_are_those_of_the_scope_whatever_their_words(self, index: CubeIndex) -> None:
        """What is hidden, foreign, not valid, of another model or without a vector is not there."""
        near = (1.0, 0.1)
        index.apply(
            0,
            [
                an_entry("a", "cat", meaning=(0.5, 1.0), asks=True),
                an_entry("b", None, meaning=near),
                an_entry("c", "cat", meaning=near, label="secret"),
                an_entry("d", "cat", meaning=near, tenant="other"),
                an_entry("e", "cat", meaning=near, valid=(0, NOW)),
                an_entry("f", "cat", meaning=near, model="another"),
                an_entry("g", "cat"),
                an_entry("h", "dog dog", meaning=near),
            ],
        )
        scope, query = Scope((ScopeClause(labels=("internal",)),)), meant(1, 0)
        found = [*index.nearest("acme", query, scope, NOW)]
        assert ["b", "h", "a"] == ids_of(found)
        assert [(0, False), (2, False), (1, True)] == [(each.words, each.asks) for each in found]
        assert {0.0} == {each.score for each in found}
        assert [] == [*index.nearest("acme", query, Scope(()), NOW)]
        assert [] == [*index.nearest("nobody", query, ALL, NOW)]

        nearness = index.nearness("acme", ["a", "b", "f", "g", "x"], query)
        assert {"a": pytest.approx(0.44721), "b": pytest.approx(0.99504)} == nearness
        assert {} == index.nearness("acme", [], query)
        assert {} == index.nearness("nobody", ["a"], query)

    def test_vector_changes_and_ends_with_its_cube(self, index: CubeIndex) -> None:
        """Another revision brings its own or none, and no byte of the former stays."""
        gone, kept = (0.123, 0.456, 0.789), (0.321, 0.654, 0.987)
        index.apply(0, [an_entry(i, "cat", meaning=gone) for i in "abc"])
        assert a_vector(*gone) in self.raw_bytes()
        index.apply(
            1,
            [an_entry("a", "cat", revision=2, meaning=kept), an_entry("b", "cat", revision=2)],
            [("acme", "c")],
        )
        assert ["a"] == ids_of(index.nearest("acme", meant(1, 1, 1), ALL, NOW))
        assert ["a", "b"] == ids_of(index.search("acme", "cat", ALL, NOW))
        assert a_vector(*kept) in self.raw_bytes()
        assert a_vector(*gone) not in self.raw_bytes()
        assert [] == list(index.damaged())

    def test_cubes_beside_a_place_are_those_of_the_scope(self, index: CubeIndex) -> None:
        """Whole conversations are compared; what is hidden, unfindable or foreign is not there."""
        there = ("v1", 3)
        index.apply(
            0,
            [
                an_entry("a", "the cat", place=there, asks=True),
                an_entry("b", "dog bird", place=there),
                an_entry("c", "dog", place=("v1", 4)),
                an_entry("d", "dog", place=("v2", 3)),
                an_entry("e", "dog", place=there, label="secret"),
                an_entry("f", None, place=there),
                an_entry("g", "dog", place=there, tenant="other"),
                an_entry("h", "dog"),
            ],
        )
        scope = Scope((ScopeClause(labels=("internal",)),))
        a, b = Candidate("a", 0.0, (), 1, asks=True), Candidate("b", 0.0, (), 2, asks=False)
        assert [a, b] == index.beside("acme", [there, ("v1", 9)], scope, NOW)
        assert [] == index.beside("acme", [there], Scope(()), NOW)
        assert [] == index.beside("acme", [], scope, NOW)
        index.apply(1, [], [("acme", "a")])
        assert [b] == index.beside("acme", [there], scope, NOW)

    def test_authors_are_known_by_their_cubes_in_scope(self, index: CubeIndex) -> None:
        """Whoever has only hidden, unfindable or foreign cubes is nobody."""
        index.apply(
            0,
            [
                an_entry("a", author="p_ann"),
                an_entry("b", author="p_bob", label="secret"),
                an_entry("c", None, author="p_eve"),
                an_entry("d", author="p_dan", tenant="other"),
            ],
        )
        everybody = ["p_ann", "p_bob", "p_eve", "p_dan", "p_an"]
        scope = Scope((ScopeClause(labels=("internal",)),))
        assert {"p_ann"} == index.authors("acme", everybody, scope)
        assert {"p_ann", "p_bob"} == index.authors("acme", everybody, ALL)
        assert set() == index.authors("acme", everybody, Scope(()))
        assert set() == index.authors("nobody", everybody, ALL)

    def test_a_search_finds_what_is_valid_at_its_moment(self, index: CubeIndex) -> None:
        """From the first second on, and no longer in that of the end; so of what stands beside."""
        index.apply(
            0,
            [
                an_entry("a", place=("v1", 1), valid=(NOW, NOW + 10)),
                an_entry("b", place=("v1", 1), valid=(NOW + 5, None)),
                an_entry("c", place=("v1", 1), valid=(0, NOW + 5)),
            ],
        )
        moments = {NOW - 1: "c", NOW: "ac", NOW + 4: "ac", NOW + 5: "ab", NOW + 10: "b"}
        for now, valid in moments.items():
            assert [*valid] == ids_of(index.search("acme", "cat", ALL, now))
            assert [*valid] == ids_of(index.beside("acme", [("v1", 1)], ALL, now))

    def test_search_in_a_scope_without_clauses_yields_nothing(self, index: CubeIndex) -> None:
        """No clause allows nothing; a clause without lists allows the tenant."""
        index.apply(0, [an_entry("a")])
        assert [] == ids_of(index.search("acme", "cat", Scope(()), NOW))
        assert ["a"] == ids_of(index.search("acme", "cat", ALL, NOW))

    @settings(
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,  # cleared each time
            HealthCheck.differing_executors,  # one class a backend
        ]
    )
    @given(
        put=st.lists(entries, max_size=20, unique_by=lambda e: (e.tenant, e.cube_id)),
        query=contents,
        scope=scopes,
    )
    def test_search_beside_entries_out_of_scope_orders_as_without_them(
        self, index: CubeIndex, another: CubeIndex, put: list[IndexEntry], query: str, scope: Scope
    ) -> None:
        """What lies outside the scope shows nowhere in the order."""
        for each in (index, another):
            each.clear()
        index.apply(0, put)
        another.apply(0, [e for e in put if e.tenant == "acme" and within(e, scope)])
        expected = ids_of(another.search("acme", query, ALL, NOW))
        assert expected == ids_of(index.search("acme", query, scope, NOW))

    @pytest.mark.parametrize("outside", [{"tenant": "other"}, {"label": "secret"}])
    def test_search_beside_many_short_entries_out_of_scope_keeps_its_order(
        self, index: CubeIndex, outside: dict[str, str]
    ) -> None:
        """Neither their number nor their length weighs: counted in, "long" would come last."""
        index.apply(0, [an_entry("short", "cat"), an_entry("long", "cat cat" + " dog" * 28)])
        index.apply(1, [an_entry(f"o{n}", "fish", **outside) for n in range(100)])  # type: ignore[arg-type]
        scope = Scope((ScopeClause(labels=("internal",)),))
        assert ["long", "short"] == ids_of(index.search("acme", "cat", scope, NOW))

    def test_entry_without_content_is_never_found(self, index: CubeIndex) -> None:
        """Content kept out of the index stays out, and replacing takes it out."""
        index.apply(0, [an_entry("a", "secretword cat")])
        index.apply(1, [an_entry("a", None, revision=2)])
        assert [] == ids_of(index.search("acme", "cat", ALL, NOW))
        assert b"secretword" not in self.raw_bytes()

    def test_entries_of_an_index_name_what_it_holds_in_order(self, index: CubeIndex) -> None:
        """An examiner sees each cube once, with its revision and whether its words find it."""
        entries = [an_entry("c2", revision=3), an_entry("c1", None), an_entry("c0", tenant="beta")]

        index.apply(1, entries)

        assert [
            ("acme", "c1", 1, False),
            ("acme", "c2", 3, True),
            ("beta", "c0", 1, True),
        ] == [kept[:4] for kept in index.entries()]

    @settings(
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,  # cleared each time
            HealthCheck.differing_executors,  # one class a backend
        ]
    )
    @given(put=st.lists(entries, max_size=20), again=st.lists(entries, max_size=5))
    def test_digest_of_an_entry_is_that_of_what_is_kept_of_it(
        self, index: CubeIndex, put: list[IndexEntry], again: list[IndexEntry]
    ) -> None:
        """Whatever came before, an index holds exactly what it would keep of the last entries."""
        index.clear()
        index.apply(0, put)
        index.apply(1, again)

        last = {(e.tenant, e.cube_id): e for e in (*put, *again)}
        assert {key: index.digest(entry) for key, entry in last.items()} == {
            (kept.tenant, kept.cube_id): kept.digest for kept in index.entries()
        }
        assert [] == list(index.damaged())

    @pytest.mark.parametrize(
        "changes",
        [
            {"content": "cat dog cat"},
            {"content": None},
            {"tenant": "other"},
            {"revision": 2},
            {"label": "public"},
            {"purposes": ("care",)},
            {"state": "archived"},
            {"owner": "bob"},
            {"shared_with": ("bob",)},
            {"region": "us"},
            {"valid_from": 1},
            {"valid_to": 1},
            {"parked": "refused"},
            {"model": "a-model", "vector": a_vector(1.0, 2.0)},
        ],
    )
    def test_digest_depends_on_everything_that_is_kept(
        self, index: CubeIndex, changes: dict[str, object]
    ) -> None:
        """What it left out could be changed unseen; a word counts as often as it stands."""
        one = an_entry("c1", "cat dog")

        assert index.digest(one) != index.digest(msgspec.structs.replace(one, **changes))

    def test_parked_names_cubes_until_their_entry_is_made(self, index: CubeIndex) -> None:
        """With the reason, in order; one that was removed is parked no more."""
        cubes = [
            an_entry("b", None, parked="refused"),
            an_entry("a", None, parked="unreadable"),
            an_entry("a", None, parked="refused", tenant="other"),
            an_entry("c", None),
        ]
        index.apply(0, cubes)
        assert [
            ("acme", "a", "unreadable"),
            ("acme", "b", "refused"),
            ("other", "a", "refused"),
        ] == index.parked()

        index.apply(1, [an_entry("b")], [("acme", "a")])
        assert [("other", "a", "refused")] == index.parked()
        assert ["b"] == ids_of(index.search("acme", "cat", ALL, NOW))

    def test_present_names_those_that_have_an_entry(self, index: CubeIndex) -> None:
        """Findable or not, of one tenant; what was removed is not among them."""
        entries = [an_entry("a"), an_entry("b", None), an_entry("c"), an_entry("d", tenant="beta")]
        index.apply(1, entries)
        index.apply(2, [], [("acme", "c")])

        assert {"a", "b"} == index.present("acme", ["a", "b", "c", "d", "e"])
        assert set() == index.present("acme", [])

    def test_apply_at_a_reached_position_changes_nothing(self, index: CubeIndex) -> None:
        """Applying twice equals applying once, whatever the second holds."""
        index.apply(5, [an_entry("a", "cat")])
        index.apply(5, [an_entry("b", "cat")], [("acme", "a")])
        index.apply(4, [], [("acme", "a")])
        assert ["a"] == ids_of(index.search("acme", "cat", ALL, NOW))
        assert 5 == index.position()

    def test_mend_at_the_reached_position_replaces_and_stays(self, index: CubeIndex) -> None:
        """What was applied before is written over, and nothing of it has to be applied again."""
        index.apply(3, [an_entry("a", "cat"), an_entry("b", "cat")])

        assert index.mend(3, [an_entry("a", "dog")], [("acme", "b")])

        assert 3 == index.position()
        assert ["a"] == ids_of(index.search("acme", "dog", ALL, NOW))
        assert [] == ids_of(index.search("acme", "cat", ALL, NOW))

    def test_mend_of_what_was_read_at_another_position_writes_nothing(
        self, index: CubeIndex
    ) -> None:
        """It would bring back what somebody else has changed since."""
        index.apply(4, [], [("acme", "a")], partition=1)

        assert not index.mend(3, [an_entry("a", "cat")], partition=1)
        assert not index.mend(4, [an_entry("a", "cat")])

        assert set() == index.present("acme", ["a"])

    def test_remove_takes_entries_out_and_leaves_the_position(self, index: CubeIndex) -> None:
        """Outright: nothing finds them, whatever is applied later at a lower position."""
        index.apply(3, [an_entry("a", "cat"), an_entry("b", "cat")])

        index.remove("acme", ["a", "unknown"])
        index.remove("other", ["b"])

        assert 3 == index.position()
        assert ["b"] == ids_of(index.search("acme", "cat", ALL, NOW))

    def test_apply_with_one_cube_twice_keeps_the_last(self, index: CubeIndex) -> None:
        """Of two entries of a cube in one batch the last counts."""
        index.apply(0, [an_entry("a", "cat"), an_entry("a", "dog")])
        assert [] == ids_of(index.search("acme", "cat", ALL, NOW))
        assert ["a"] == ids_of(index.search("acme", "dog", ALL, NOW))

    def test_apply_of_new_facts_moves_the_entry_between_scopes(self, index: CubeIndex) -> None:
        """The facts of the latest revision are the only ones."""
        index.apply(0, [an_entry("a", label="internal")])
        index.apply(1, [an_entry("a", label="secret", revision=2)])
        inside = Scope((ScopeClause(labels=("internal",)),))
        assert [] == ids_of(index.search("acme", "cat", inside, NOW))

    def test_removal_among_many_leaves_no_byte_behind(self, index: CubeIndex) -> None:
        """Words, ids and facts of removed and replaced entries are gone, as `raw_bytes` says."""
        marks = count()
        for batch in range(4):
            put = [
                an_entry(f"cube{n:05d}x", f"{' '.join(WORDS)} word{n:05d}x", owner=f"own{n:05d}x")
                for n in islice(marks, 250)
            ]
            index.apply(batch, put)
        gone = [n for n in range(1000) if n % 3]
        put = [an_entry(f"cube{n:05d}x", "cat") for n in gone[::2]]
        index.apply(9, put, [("acme", f"cube{n:05d}x") for n in gone[1::2]])
        raw = self.raw_bytes()
        assert b"word00000x" in raw
        canaries = [f"{kind}{n:05d}x" for n in gone for kind in ("word", "own")]
        canaries += [f"cube{n:05d}x" for n in gone[1::2]]
        assert [] == [canary for canary in canaries if canary.encode() in raw]

    def test_clear_leaves_nothing_behind(self, index: CubeIndex) -> None:
        """After `clear` the index is as new, behind the port too."""
        index.apply(7, [an_entry("a", "secretword")])
        index.clear()
        assert -1 == index.position()
        assert [] == ids_of(index.search("acme", "secretword", ALL, NOW))
        assert b"secretword" not in self.raw_bytes()
        index.apply(0, [an_entry("b")])
        assert ["b"] == ids_of(index.search("acme", "cat", ALL, NOW))

    def test_close_loses_nothing(self, index: CubeIndex) -> None:
        """Closing twice is closing once, and what was applied is there afterwards."""
        index.apply(0, [an_entry("a")])
        index.close()
        index.close()
        assert ["a"] == ids_of(index.search("acme", "cat", ALL, NOW))

    def test_threads_applying_and_searching_see_whole_batches_or_say_they_may_not(
        self, index: CubeIndex
    ) -> None:
        """Readers beside a writer see all of a batch or nothing, where there are transactions."""
        seen: list[int] = []
        index.apply(0, [])

        def write() -> None:
            for n in range(1, 11):
                index.apply(n, [an_entry(f"{n}-{i}") for i in range(10)])

        def read() -> None:
            seen.extend(len(ids_of(index.search("acme", "cat", ALL, NOW))) for _ in range(30))

        threads = [Thread(target=work) for work in (write, read, read)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert 60 == len(seen)
        assert all(hits % 10 == 0 for hits in seen) or not index.supports_transactions
        assert 100 == len(ids_of(index.search("acme", "cat", ALL, NOW)))

    def test_broken_storage_is_unavailable_with_its_cause(self, broken: CubeIndex) -> None:
        """Each call names the backend and keeps the driver's error as its cause."""
        calls: list[Callable[[], object]] = [
            lambda: broken.apply(0, [an_entry("a")]),
            broken.position,
            lambda: ids_of(broken.search("acme", "cat", ALL, NOW)),
            lambda: ids_of(broken.nearest("acme", meant(1), ALL, NOW)),
            lambda: broken.nearness("acme", ["a"], meant(1)),
            lambda: broken.present("acme", ["a"]),
            broken.clear,
        ]
        for call in calls:
            with pytest.raises(UnavailableError) as caught:
                call()
            assert caught.value.__cause__ is not None
