"""
What every Tables promises, proved against any backend.

A subclass gives the fixtures `open_tables` (opens the one store of the test,
again and again; the fixture closes them) and `broken` (one whose store does
not answer). The rows written here are those of a real history.
"""

import gc
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from sqlalchemy import text

from memos_gov.certify import certify, needs, parse
from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.events import CubeRelabelled
from memos_gov.domain.facts import Facts, GovernanceFacts
from memos_gov.domain.history import LogPosition, LogRecord, Needs, Outcome, Rows, Tree
from memos_gov.errors import CorruptionError, UnavailableError
from memos_gov.follow import read_checkpoint, write_checkpoints
from memos_gov.ports import Checkpoint, Tables
from memos_gov.transparency.merkle import leaf_hash
from tests.certify.cases import REFUSED
from tests.domain.given import CUBE, NOW, SUBJECT, made_of, remembered
from tests.records import KEY, KEY_ID, TENANT, History, a_record, refusing

OpenTables = Callable[[], Tables]
GOVERNANCE = ids.governance_stream(TENANT, CUBE)


class StopHereError(Exception):
    """What a test raises inside a transaction."""


def a_history(cubes: int = 1) -> History:
    """Return a founded tenant with cubes of one subject, the first called `CUBE`."""
    history = History()
    for number in range(cubes):
        name = CUBE if number == 0 else f"c_{number:05d}"
        assert history.propose(remembered(cube=name)).final
    return history


CHILDREN = {CUBE: ("c_child", "c_twin"), "c_child": ("c_leaf",), "c_twin": ("c_leaf",)}
NARROWED = (("c_child", CUBE), ("c_twin", CUBE), ("c_leaf", CUBE))


def a_family() -> History:
    """Return a history with a cube, two that were made of it, and one made of both."""
    history = a_history()
    for cube, sources in (
        ("c_child", (CUBE,)),
        ("c_twin", (CUBE,)),
        ("c_leaf", ("c_child", "c_twin")),
    ):
        assert "accepted" == history.propose(*made_of(*sources, cube=cube)).code
    return history


def a_narrowing(cube: str, source: str) -> e.CubeNarrowed:
    """Return that a cube's label rose with its source's."""
    return e.CubeNarrowed(
        cube=cube,
        source=source,
        label="secret",
        index=None,
        basis=None,
        quarantined=False,
        restricted=False,
        expires_at=None,
        valid_to=None,
    )


def put(tables: Tables, history: History, start: int = 0) -> dict[int, Outcome]:
    """Certify the records of a history from `start` on into tables, as one batch."""
    batch = [parse(record) for record in history.records[start:]]
    with tables.certification() as transaction:
        transaction.checkpoint(0)
        rows = certify(batch, transaction.load(needs(batch)), {KEY_ID: KEY})
        transaction.write(0, rows, Checkpoint(len(history.records), b"d" * 32, 77))
    return rows.by_offset


class TablesContract:
    """The rules of the port `Tables`, as tests."""

    @pytest.fixture
    def tables(self, open_tables: OpenTables) -> Tables:
        """Return the tables under test, empty."""
        return open_tables()

    def test_tables_without_rows_are_at_the_beginning(self, tables: Tables) -> None:
        """No tenant, no checkpoint, nothing known."""
        with tables.snapshot() as snapshot:
            assert -1 == snapshot.index(TENANT)
            assert {} == snapshot.facts([GOVERNANCE])
            assert snapshot.outcome(LogPosition(0, 0)) is None
        with tables.certification() as transaction:
            assert Checkpoint() == transaction.checkpoint(0)
            assert {} == transaction.load(Needs()).trees

    def test_rows_written_are_found_by_every_question(self, tables: Tables) -> None:
        """Index, facts, facts of a version, outcomes, and the content event."""
        history = a_history()
        outcomes = put(tables, history)
        cid = outcomes[2].command_id

        with tables.snapshot() as snapshot:
            assert 1 == snapshot.index(TENANT)
            version, facts = snapshot.facts([GOVERNANCE, "acme/cube/c_none"])[GOVERNANCE]
            assert (1, history.known.facts[GOVERNANCE]) == (version, facts)
            assert facts == snapshot.facts_at(GOVERNANCE, 1)
            assert snapshot.facts_at(GOVERNANCE, 2) is None
            assert outcomes[2] == snapshot.outcome(LogPosition(0, 2))
            assert (LogPosition(0, 2), outcomes[2]) == snapshot.outcome_of(TENANT, cid)
            assert snapshot.outcome_of("other", cid) is None
            event = snapshot.content_event(TENANT, CUBE, 1)
        assert event is not None
        assert ("CubeRemembered", cid) == (event.type, event.command_id)

    def test_content_keys_of_a_cube_are_those_of_its_accepted_content(self, tables: Tables) -> None:
        """Every revision up to an index, no other cube's, and none of what was rejected."""
        history = a_history(cubes=2)
        revise = e.CubeRevised(
            cube=CUBE,
            revision=2,
            mode="overwrite",
            findings=(),
            index="full",
            size_bytes=5,
            valid_from=NOW,
            valid_to=None,
        )
        history.propose(revise, key_id="k_two")
        history.propose(revise, key_id="k_lost", relied_on={})
        put(tables, history)

        with tables.snapshot() as snapshot:
            assert {"k_one", "k_two"} == snapshot.content_keys(TENANT, CUBE, 9)
            assert {"k_one"} == snapshot.content_keys(TENANT, CUBE, 2)
            assert set() == snapshot.content_keys(TENANT, CUBE, 0)
            assert set() == snapshot.content_keys("other", CUBE, 9)
            assert set() == snapshot.content_keys(TENANT, "c_none", 9)

    def test_newest_events_come_newest_first_and_no_more_than_asked(self, tables: Tables) -> None:
        """The end of a tenant's history, without reading the rest of it."""
        put(tables, a_history(cubes=3))

        with tables.snapshot() as snapshot:
            newest = snapshot.newest_events(TENANT, 2)
            assert [] == snapshot.newest_events("other", 2)
            assert [ids.INSTANCE, TENANT] == snapshot.tenants()
            assert 77 == snapshot.log_time_ms()
        assert [3, 2] == [event.index for event in newest]

    def test_tree_and_its_leaf_entries_are_found(self, tables: Tables) -> None:
        """What a tree is made of, in order, a page at a time; nothing of other tenants."""
        history = a_history(cubes=3)
        outcomes = put(tables, history)
        mine = [outcome for outcome in outcomes.values() if outcome.tenant == TENANT]

        with tables.snapshot() as snapshot:
            assert history.known.trees[TENANT] == snapshot.tree(TENANT)
            entries = snapshot.leaf_entries(TENANT, 0, 10)
            assert entries[1:3] == snapshot.leaf_entries(TENANT, 1, 2)
            assert [] == snapshot.leaf_entries(TENANT, 4, 10)
            assert (Tree(), []) == (snapshot.tree("other"), snapshot.leaf_entries("other", 0, 9))
            assert len(history.records) == snapshot.certified(0)
            assert (LogPosition(0, 3), outcomes[3]) == snapshot.decided(TENANT, 2)
            assert (None, None) == (snapshot.decided(TENANT, 9), snapshot.decided_at(TENANT, 9))
            assert NOW * 1000 == snapshot.decided_at(TENANT, 0)
        assert [outcome.leaf for outcome in mine] == [leaf_hash(entry) for entry in entries]

    def test_records_that_were_not_plainly_accepted_are_found(self, tables: Tables) -> None:
        """Refused, rejected, repeated and untrusted ones, in order, and none of another tenant."""
        history = a_history()
        history.append(history.bodies[-1])
        history.append(b"nonsense", "other")
        history.append(a_record(REFUSED, verdict=refusing()))
        history.propose(remembered(cube="c_fine"))
        history.propose(remembered(cube="c_late"), time_s=NOW + 3600)
        put(tables, history)

        with tables.snapshot() as snapshot:
            found = snapshot.unusual(0, TENANT, 0, 10)
            assert found[1:3] == snapshot.unusual(0, TENANT, 4, 2)
            instance = snapshot.unusual(0, ids.INSTANCE, 0, 10)
        expected = [(3, "duplicate"), (4, "invalid"), (5, "refused"), (7, "late")]
        assert expected == [(each.offset, each.code) for each in found]
        assert [found[1]] == instance
        assert (ids.INSTANCE, "") == (found[1].tenant, found[1].command_id)

    def test_record_that_is_not_trusted_is_found_in_its_partition_alone(
        self, tables: Tables
    ) -> None:
        """Under the partition's own name, for whichever tenant of it is asked about."""
        put(tables, a_history())
        junk = [parse(LogRecord(2, offset, TENANT, b"nonsense")) for offset in range(2)]
        with tables.certification() as transaction:
            rows = certify(junk, transaction.load(needs(junk)), {KEY_ID: KEY})
            transaction.write(2, rows, Checkpoint(2, b"d" * 32, 77))

        with tables.snapshot() as snapshot:
            found = snapshot.unusual(2, "other", 0, 10)
            assert [(0, "_instance-2"), (1, "_instance-2")] == [(x.offset, x.tenant) for x in found]
            assert found[1:] == snapshot.unusual(2, "_instance-2", 1, 10)
            assert [] == snapshot.unusual(0, TENANT, 0, 10)
            assert [ids.INSTANCE, "_instance-2", TENANT] == snapshot.tenants()
            assert [2, 1] == [snapshot.tree(name).size for name in ("_instance-2", ids.INSTANCE)]

    def test_bulk_stretch_ends_with_everything_readable(self, tables: Tables) -> None:
        """What was written inside is there afterwards, and writing goes on."""
        history = a_history(cubes=2)

        with tables.bulk():
            put(tables, history)

        with tables.snapshot() as snapshot:
            assert 2 == snapshot.index(TENANT)
        history.propose(remembered(cube="c_later"))
        put(tables, history, start=4)
        with tables.snapshot() as snapshot:
            assert 3 == snapshot.index(TENANT)

    def test_outcome_of_a_repeated_record_is_the_first_one(self, tables: Tables) -> None:
        """Wherever it is asked for."""
        history = a_history()
        history.append(history.bodies[-1])
        outcomes = put(tables, history)

        with tables.snapshot() as snapshot:
            assert outcomes[2] == snapshot.outcome(LogPosition(0, 3))

    def test_rejected_command_is_not_found_by_its_id(self, tables: Tables) -> None:
        """Only a final outcome spends an id."""
        history = a_history()
        rejected = history.propose(remembered(cube="c_two"), relied_on={})
        put(tables, history)

        with tables.snapshot() as snapshot:
            assert snapshot.outcome_of(TENANT, rejected.command_id) is None
            assert rejected == snapshot.outcome(LogPosition(0, 3))

    def test_tree_and_versions_carry_over_from_batch_to_batch(self, tables: Tables) -> None:
        """Certified at once or one by one: the same trees."""
        history = a_history(cubes=4)
        for start in range(len(history.records)):
            one = History(founded=False)
            one.records = history.records[: start + 1]
            put(tables, one, start)

        with tables.certification() as transaction:
            known = transaction.load(needs([parse(r) for r in history.records]))
        assert history.known.trees == known.trees
        assert history.known.versions == known.versions

    def test_subjects_of_the_cubes_named_are_loaded_with_them(self, tables: Tables) -> None:
        """The certifier derives what a record must name from them."""
        put(tables, a_history())
        with tables.certification() as transaction:
            known = transaction.load(Needs(streams={GOVERNANCE}))

        assert isinstance(known.facts[GOVERNANCE], GovernanceFacts)
        assert ids.subject_stream(TENANT, SUBJECT) not in known.facts

    def test_descendants_of_a_narrowed_cube_are_loaded_transitively(self, tables: Tables) -> None:
        """Who was made of whom, and what rules each; of others nothing."""
        put(tables, a_family())
        with tables.certification() as transaction:
            known = transaction.load(Needs(narrowed={(TENANT, CUBE)}))
            nothing = transaction.load(Needs(narrowed={(TENANT, "c_leaf"), ("other", CUBE)}))

        lineage = {ids.lineage_stream(TENANT, x): y for x, y in CHILDREN.items()}
        assert lineage == known.children
        family = {ids.governance_stream(TENANT, x) for x in ("c_child", "c_twin", "c_leaf")}
        assert family == {x for x in known.facts if x.endswith("/governance")}
        assert {} == nothing.children

    def test_descendants_are_loaded_no_further_than_they_are_live(self, tables: Tables) -> None:
        """What is restricted or erased, and what was made of it, is past narrowing."""
        history = a_family()
        erased = [e.CubeErased(cube=cube, erasure="e_1") for cube in ("c_leaf", "c_child")]
        for event in erased:
            assert "accepted" == history.propose(event, actor=ids.ERASER).code
        put(tables, history)

        with tables.certification() as transaction:
            known = transaction.load(Needs(narrowed={(TENANT, CUBE)}))

        assert {ids.lineage_stream(TENANT, x) for x in (CUBE, "c_twin")} == known.children.keys()
        assert ids.governance_stream(TENANT, "c_child") in known.facts

    def test_children_of_cubes_come_oldest_first_and_of_one_tenant(self, tables: Tables) -> None:
        """However many are asked about at once."""
        put(tables, a_family())
        strangers = [f"c_{number}" for number in range(1200)]

        with tables.snapshot() as snapshot:
            assert CHILDREN == snapshot.children(TENANT, [*strangers, *CHILDREN, "c_leaf"])
            assert {} == snapshot.children("other", [CUBE])

    def test_lineage_is_certified_alike_in_batches_of_any_size(
        self, open_tables: OpenTables
    ) -> None:
        """What a batch adds to a lineage counts for the rest of it, as if it had been loaded."""
        history = a_family()
        told = [a_narrowing(cube, source) for cube, source in NARROWED]
        relabelled = e.CubeRelabelled(cube=CUBE, label="secret")
        assert "incomplete" == history.propose(relabelled, *told[:-1]).code
        assert "accepted" == history.propose(relabelled, *told).code
        tables = open_tables()

        for start in range(len(history.records)):
            one = History(founded=False)
            one.records = history.records[: start + 1]
            put(tables, one, start)

        codes = [row[5] for rows in history.rows for row in rows.outcomes]
        with tables.connection() as connection:
            found = connection.execute(text("SELECT code FROM outcomes ORDER BY log_offset"))
            assert codes == [code for (code,) in found]
            rows = connection.execute(text("SELECT * FROM lineage")).fetchall()
        assert {row for rows in history.rows for row in rows.lineage} == {tuple(r) for r in rows}

    def test_checkpoint_written_is_the_one_read(self, tables: Tables) -> None:
        """Also by whoever opens the tables later, and a partition has its own."""
        put(tables, a_history())

        with tables.certification() as transaction:
            assert Checkpoint(3, b"d" * 32, 77) == transaction.checkpoint(0)
            assert Checkpoint() == transaction.checkpoint(1)

    def test_certification_that_raises_leaves_nothing(self, tables: Tables) -> None:
        """Rolled back whole: rows, trees, checkpoint."""
        history = a_history()
        batch = [parse(record) for record in history.records]

        def stop() -> None:
            with tables.certification() as transaction:
                rows = certify(batch, transaction.load(needs(batch)), {KEY_ID: KEY})
                transaction.write(0, rows, Checkpoint(3, b"d", 1))
                raise StopHereError

        with pytest.raises(StopHereError):
            stop()

        with tables.snapshot() as snapshot:
            assert -1 == snapshot.index(TENANT)
            assert {} == snapshot.facts([GOVERNANCE])
        with tables.certification() as transaction:
            assert Checkpoint() == transaction.checkpoint(0)
        assert 3 == len(put(tables, history))

    def test_view_that_raises_leaves_nothing(self, tables: Tables) -> None:
        """A view's rows and its checkpoint are one transaction."""
        statement = text("INSERT INTO usage VALUES ('acme', 'c_one', 1, 1)")

        def stop() -> None:
            with tables.connection(write=True) as connection:
                connection.execute(statement)
                raise StopHereError

        with pytest.raises(StopHereError):
            stop()

        with tables.connection() as connection:
            assert 0 == connection.execute(text("SELECT count(*) FROM usage")).scalar_one()

    def test_facts_as_of_an_index_are_those_that_stood_then(self, tables: Tables) -> None:
        """However the records were batched, and each stream at its own newest version."""
        history, stood = a_history(), list[dict[str, Facts]]()
        for label in ("confidential", "restricted", "internal"):
            stood.append(dict(history.known.facts))
            assert history.propose(CubeRelabelled(cube=CUBE, label=label)).final
            history.propose(remembered(cube=f"c_{label}"))
        stood.append(dict(history.known.facts))
        put(tables, history)
        streams = {s for s in stood[-1] if s.startswith(TENANT)}

        with tables.snapshot() as snapshot:
            for turn, facts in enumerate(stood):
                found = snapshot.facts_as_of(streams, 1 + 2 * turn)
                assert {s: f for s, f in facts.items() if s in streams} == {
                    stream: document for stream, (_, document) in found.items()
                }
            assert {} == snapshot.facts_as_of(streams, -1)
            assert snapshot.facts(streams) == snapshot.facts_as_of(streams, 99)

    def test_versions_of_a_stream_come_newest_first_up_to_an_index(self, tables: Tables) -> None:
        """Each with the facts it had."""
        history, labels = a_history(), ["confidential", "restricted"]
        for label in labels:
            history.propose(CubeRelabelled(cube=CUBE, label=label))
        put(tables, history)

        with tables.snapshot() as snapshot:
            known = snapshot.versions(GOVERNANCE, 2)
            assert [] == snapshot.versions(GOVERNANCE, 0)
            assert [] == snapshot.versions("acme/cube/c_none", 9)
        assert [(2, "confidential"), (1, "internal")] == [
            (version, facts.label) for version, facts in known if isinstance(facts, GovernanceFacts)
        ]

    def test_index_at_a_time_is_the_newest_that_was_decided_by_then(self, tables: Tables) -> None:
        """Inclusive to the millisecond, and a record whose clock was behind changes nothing."""
        history = a_history()
        for seconds in (10, 7, 20, 20.5):
            history.propose(CubeRelabelled(cube=CUBE, label="internal"), time_s=NOW + seconds)
        put(tables, history)
        times = {-1: -1, 0: 1, 9.999: 1, 10: 3, 19.999: 3, 20: 4, 20.499: 4, 20.5: 5, 9999: 5}

        with tables.snapshot() as snapshot:
            assert times == {
                at: snapshot.index_at(TENANT, round((NOW + at) * 1000)) for at in times
            }
            moments = [snapshot.time_ms_of(TENANT, index) for index in (1, 2, 3, 4, 5, 6)]
            assert -1 == snapshot.index_at("other", NOW * 1000)
        assert [0, 10_000, 10_000, 20_000, 20_500] == [m - NOW * 1000 for m in moments[:5]]
        assert 0 == moments[5]

    def test_snapshot_sees_nothing_of_what_comes_later(self, tables: Tables) -> None:
        """One consistent view; nothing in it moves."""
        history = a_history()
        put(tables, history)
        with tables.snapshot() as snapshot:
            before = snapshot.index(TENANT)
            history.propose(remembered(cube="c_two"))
            put(tables, history, 3)

            assert before == snapshot.index(TENANT)
            assert {} == snapshot.facts([ids.governance_stream(TENANT, "c_two")])
        with tables.snapshot() as snapshot:
            assert before + 1 == snapshot.index(TENANT)

    def test_snapshot_is_open_beside_a_certification(self, tables: Tables) -> None:
        """Readers and the certifier do not wait for each other."""
        put(tables, a_history())
        with tables.certification() as transaction, tables.snapshot() as snapshot:
            transaction.write(0, Rows(trees={TENANT: Tree(9, ())}), Checkpoint(9))

            assert 1 == snapshot.index(TENANT)

    def test_question_about_thousands_of_streams_is_answered_whole(self, tables: Tables) -> None:
        """However long the list, to the certifier too."""
        history = a_history(cubes=1300)
        put(tables, history)
        streams = [s for s in history.known.facts if s.endswith("/governance")]

        with tables.snapshot() as snapshot:
            assert 1300 == len(snapshot.facts(streams))
        with tables.certification() as transaction:
            assert set(streams) <= transaction.load(Needs(streams=set(streams))).facts.keys()

    def test_certifications_of_two_openings_take_turns(self, open_tables: OpenTables) -> None:
        """Each sees what the one before wrote: nothing is counted twice."""
        openings = [open_tables() for _ in range(3)]

        def advance(number: int) -> None:
            with openings[number % 3].certification() as transaction:
                at = transaction.checkpoint(0).next_offset
                transaction.write(0, Rows(), Checkpoint(at + 1))

        with ThreadPoolExecutor(6) as threads:
            list(threads.map(advance, range(60)))

        with openings[0].certification() as transaction:
            assert 60 == transaction.checkpoint(0).next_offset

    def test_garbage_collection_is_on_again_after_certifications(
        self, open_tables: OpenTables
    ) -> None:
        """However many ran at once, in one opening or in several."""
        openings = [open_tables() for _ in range(2)]
        assert gc.isenabled()

        def enter(number: int) -> None:
            with openings[number % 2].certification() as transaction:
                transaction.checkpoint(0)

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(enter, range(80)))

        assert gc.isenabled()

    def test_question_that_forgot_the_tenant_meets_the_wall_where_there_is_one(
        self, tables: Tables
    ) -> None:
        """Who reads for a tenant sees rows of this one only; without a wall the WHERE decides."""
        put(tables, a_history())
        seen = tables.supports_tenant_wall
        for table, column in {"outcomes": "tenant", "facts": "tenant", "streams": "stream"}.items():
            with tables.connection(tenant=TENANT) as connection:
                rows = connection.execute(text(f"SELECT DISTINCT {column} FROM {table}"))
                owners = {str(row[0]).split("/")[0] for row in rows}
            assert ({TENANT} if seen else {TENANT, ids.INSTANCE}) == owners, table

        with tables.snapshot(tenant=TENANT) as snapshot:
            assert ([TENANT] if seen else [ids.INSTANCE, TENANT]) == snapshot.tenants()
        with tables.snapshot(tenant="other") as snapshot:
            assert (-1 if seen else 1) == snapshot.index(TENANT)

    def test_wall_stands_for_one_transaction_only(self, tables: Tables) -> None:
        """Whoever has the connection next sees what it may see, and views write."""
        put(tables, a_history())
        for _ in range(2):
            with tables.snapshot(tenant="other") as snapshot:
                assert -1 == snapshot.index("other")
            with tables.snapshot() as snapshot:
                assert 1 == snapshot.index(TENANT)
            with tables.connection(tenant="other") as connection:
                connection.execute(text("SELECT count(*) FROM trees"))
            with tables.connection(write=True) as connection:
                connection.execute(text("DELETE FROM usage"))

    def test_watch_hears_of_each_certification_where_it_can(self, open_tables: OpenTables) -> None:
        """Of others too, from the beginning of the watch on; without ability it returns at once."""
        mine, other = open_tables(), open_tables()
        hears, history = mine.supports_watching, a_history()
        put(other, history)

        with mine.watch() as watch:
            started = time.monotonic()
            assert not watch.wait(0.05 if hears else 60)
            assert hears == (time.monotonic() - started >= 0.04)
            history.propose(remembered(cube="c_two"))
            put(other, history, 3)
            assert hears == watch.wait(30)
            assert not watch.wait(0)

    def test_views_are_written_beside_a_certification_where_they_can(self, tables: Tables) -> None:
        """Before it ends, or only after; either way both stand, and neither fails."""
        history = a_history()
        batch = [parse(record) for record in history.records]

        def follow() -> None:
            with tables.connection(write=True) as connection:
                write_checkpoints(connection, ["cubes"], 0, Checkpoint(3, b"d" * 32, 0))

        with ThreadPoolExecutor(1) as thread:
            with tables.certification() as transaction:
                transaction.checkpoint(0)
                rows = certify(batch, transaction.load(needs(batch)), {KEY_ID: KEY})
                transaction.write(0, rows, Checkpoint(len(batch), b"d" * 32, 77))
                followed = thread.submit(follow)
                within_s = 30 if tables.supports_views_beside else 0.3
                assert tables.supports_views_beside == bool(wait([followed], within_s).done)
            followed.result()

        with tables.snapshot() as snapshot, tables.connection() as connection:
            assert len(batch) == snapshot.certified(0)
            assert 3 == read_checkpoint(connection, "cubes", 0).next_offset

    def test_threads_that_watch_are_all_woken(self, open_tables: OpenTables) -> None:
        """However many wait, none takes another one's news away."""
        mine, other = open_tables(), open_tables()
        begun = threading.Barrier(7)

        def hear(_: int) -> bool:
            with mine.watch() as watch:
                begun.wait()
                return watch.wait(30)

        with ThreadPoolExecutor(6) as threads:
            heard = threads.map(hear, range(6))
            begun.wait()
            put(other, a_history())
            assert [mine.supports_watching] * 6 == list(heard)

    def test_name_that_no_table_can_hold_is_not_found_and_stops_nothing(
        self, tables: Tables
    ) -> None:
        """Anybody's record may name it; a NUL is no text everywhere."""
        put(tables, a_history())
        odd = f"{TENANT}/cube/c_\0"
        wanted = Needs(
            streams={odd, GOVERNANCE},
            commands={(TENANT, "\0"), ("\0", "id")},
            narrowed={(TENANT, odd), ("\0", CUBE)},
            tenants={TENANT, "\0"},
        )

        with tables.certification() as transaction:
            known = transaction.load(wanted)

        assert {TENANT, ids.INSTANCE} == known.trees.keys()
        assert GOVERNANCE in known.facts
        assert odd not in known.facts

    def test_store_that_does_not_answer_is_unavailable_or_corrupt(self, broken: Tables) -> None:
        """Every driver error is translated, with its cause, also from a view's connection."""

        def certification() -> None:
            with broken.certification() as transaction:
                transaction.checkpoint(0)

        def snapshot() -> None:
            with broken.snapshot() as found:
                found.index(TENANT)

        def connection() -> None:
            with broken.connection() as opened:
                opened.execute(text("SELECT count(*) FROM trees"))

        for act in (certification, snapshot, connection):
            with pytest.raises((UnavailableError, CorruptionError)) as caught:
                act()

            assert caught.value.__cause__ is not None
