"""One log on SQLite and on Postgres: equal roots, equal rows, and nothing lost by a connection."""

import gc
import itertools
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Table, select, text

import memos_gov
from memos_gov.backends.postgres import migrate
from memos_gov.backends.postgres.connection import connect
from memos_gov.backends.postgres.tables import PostgresTables
from memos_gov.domain.history import Rows
from memos_gov.errors import UnavailableError
from memos_gov.follow import Certifier, Follower
from memos_gov.fsck.report import Findings
from memos_gov.fsck.tables import compare
from memos_gov.ports import Tables
from memos_gov.projections.tables import TablesModel
from memos_gov.rebuild import check_roots, replay, roots
from memos_gov.service import Service
from tests.databases import fresh_database
from tests.lives import a_life_that_ends

pytestmark = pytest.mark.connected

Fresh = Callable[[], PostgresTables]
_NUMBERS = itertools.count()
IMPATIENT = "BEGIN; SET LOCAL idle_in_transaction_session_timeout = '200ms'"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Return the address of a database of this file's own."""
    with fresh_database() as made:
        yield made


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a closed folder with a life of every kind of event."""
    folder = tmp_path_factory.mktemp("history") / "data"
    with memos_gov.init(folder) as gov:
        a_life_that_ends(gov)
    return folder


@pytest.fixture
def gov(lived: Path, tmp_path: Path) -> Iterator[Service]:
    """Return the service over a copy of it, whose tables are those of SQLite."""
    with memos_gov.open(shutil.copytree(lived, tmp_path / "data")) as opened:
        opened.rooms.follower.catch_up()
        yield opened


@pytest.fixture
def fresh(url: str) -> Iterator[Fresh]:
    """Return what makes empty tables on Postgres; all of them go after the test."""
    made: list[PostgresTables] = []
    schemas: list[str] = []

    def make() -> PostgresTables:
        schemas.append(f"tables_{next(_NUMBERS)}")
        migrate.upgrade(url, "tables", schema=schemas[-1])
        made.append(PostgresTables(url, schema=schemas[-1]))
        return made[-1]

    yield make
    for tables in made:
        tables.close()
    for schema in schemas:
        migrate.drop_schema(url, schema)


def rows(table: Table, connection: Connection) -> list[tuple[Any, ...]]:
    """Return every row of a table, in order of its key."""
    return [
        tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns))
    ]


def everything(tables: Tables) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table."""
    with tables.connection() as connection:
        return {t.name: rows(t, connection) for t in TablesModel.metadata.sorted_tables}


def certifier_of(gov: Service, tables: Tables) -> Certifier:
    """Return who decides the log of a service anew, into other tables."""
    governor = gov.rooms.governor
    return Certifier(governor.log, tables, governor.keys)


def test_log_gives_equal_rows_and_roots_on_both_engines(gov: Service, fresh: Fresh) -> None:
    """Certified and followed: every row of every table, in the same order."""
    tables, live = fresh(), gov.rooms.governor.tables
    certifier_of(gov, tables).catch_up()
    Follower(gov.rooms.governor.log, tables).catch_up()

    expected = everything(live)
    assert all(expected[name] for name in expected)
    assert expected == everything(tables)
    assert roots(live) == roots(tables)


def test_rebuild_by_copy_gives_the_rows_of_certification(gov: Service, fresh: Fresh) -> None:
    """Another way of writing, the same tables; and one schema beside the other."""
    live, copied = gov.rooms.governor.tables, fresh()
    replayed = replay(gov.rooms.governor.log, gov.rooms.governor.keys, copied, None)

    assert gov.rooms.governor.log.end(0) == replayed.records
    assert everything(live) == everything(copied)
    check_roots(live, copied)
    findings, certified = Findings(), fresh()
    certifier_of(gov, certified).catch_up()
    Follower(gov.rooms.governor.log, certified).catch_up()
    compare(certified, copied, findings)
    assert not findings.report().findings


def test_rebuild_whose_view_fails_beside_certification_ends_with_that_error(
    gov: Service, fresh: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of any batch, the last one too; nobody waits for ever, and collection goes on."""
    log, keys = gov.rooms.governor.log, gov.rooms.governor.keys
    monkeypatch.setattr("memos_gov.rebuild.BULK_RECORDS_MAX", 7)
    batches = -(-log.end(0) // 7)
    for failing in (1, batches // 2, batches):
        seen = itertools.count(1)

        def apply(follower: Follower, batch: Any, *, at: int = failing, n: Any = seen) -> None:
            if next(n) == at:
                raise UnavailableError("the view's connection is gone")

        with monkeypatch.context() as broken:
            broken.setattr(Follower, "apply", apply)
            with pytest.raises(UnavailableError, match="connection is gone"):
                replay(log, keys, fresh(), None)
    assert gc.isenabled()

    copied = fresh()
    replay(log, keys, copied, None)
    assert everything(gov.rooms.governor.tables) == everything(copied)


def test_certifiers_beside_each_other_decide_a_log_once(gov: Service, fresh: Fresh) -> None:
    """Four of them, and four followers, each with connections of its own."""
    first = fresh()
    openings = [PostgresTables(first.url, schema=first.schema) for _ in range(4)]
    log = gov.rooms.governor.log

    def work(tables: PostgresTables) -> None:
        certifier_of(gov, tables).catch_up()
        Follower(log, tables).catch_up()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, openings))
    for tables in openings:
        tables.close()
    Follower(log, first).catch_up()

    assert everything(gov.rooms.governor.tables) == everything(first)


def test_certification_whose_connection_is_ended_loses_nothing(
    gov: Service, fresh: Fresh, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is unavailable, its batch is not there, and the next one decides it."""
    tables = fresh()
    write = "memos_gov.backends.postgres.certification.PostgresCertification._advance"

    def ended(transaction: Any, *_: object) -> object:
        with connect(url) as other:
            pid = transaction._connection.info.backend_pid
            other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
        return transaction._connection.execute("SELECT 1")

    with monkeypatch.context() as patched:
        patched.setattr(write, ended)
        with pytest.raises(UnavailableError) as caught:
            certifier_of(gov, tables).catch_up()

    assert caught.value.__cause__ is not None
    assert {} == roots(tables)
    certifier_of(gov, tables).catch_up()
    Follower(gov.rooms.governor.log, tables).catch_up()
    assert everything(gov.rooms.governor.tables) == everything(tables)


def test_certifier_that_stopped_inside_its_turn_loses_it(
    gov: Service, fresh: Fresh, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one decides instead; the zombie's rows are not there when it wakes."""
    tables = fresh()
    monkeypatch.setattr("memos_gov.backends.postgres.tables._CERTIFY", IMPATIENT)
    taken, go_on = threading.Event(), threading.Event()
    other = PostgresTables(tables.url, schema=tables.schema)

    def stop() -> None:
        with tables.certification() as transaction:
            transaction.checkpoint(0)
            taken.set()
            assert go_on.wait(60)
            transaction.checkpoint(0)

    with ThreadPoolExecutor(1) as thread:
        zombie = thread.submit(stop)
        assert taken.wait(60)
        certifier_of(gov, other).catch_up()
        go_on.set()
        with pytest.raises(UnavailableError):
            zombie.result()
    other.close()
    assert roots(gov.rooms.governor.tables) == roots(tables)


def test_fence_holds_where_the_checkpoint_moved_all_the_same(gov: Service, fresh: Fresh) -> None:
    """Whatever let somebody past the lock, the compare-and-set writes nothing of this."""
    tables = fresh()
    certifier_of(gov, tables).catch_up()
    moved = text("UPDATE checkpoints SET next_offset = 1 WHERE follower = 'certifier'")

    def overtaken() -> None:
        with tables.certification() as transaction:
            at = transaction.checkpoint(0)
            transaction._connection.execute(str(moved))
            transaction.write(0, Rows(), at)

    with pytest.raises(UnavailableError, match="somebody else certified meanwhile"):
        overtaken()
    with tables.snapshot() as snapshot:
        assert gov.rooms.governor.log.end(0) == snapshot.certified(0)
