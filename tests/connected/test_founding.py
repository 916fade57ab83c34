"""Making a folder on engines: alone, whole or not at all, and nothing of anybody else touched."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("kafka")

from kafka import KafkaAdminClient, KafkaProducer

import memos_gov
from memos_gov.backends.kafka import KafkaConnection, create_topic
from memos_gov.backends.postgres import migrate
from memos_gov.backends.postgres.claiming import BEING_MADE
from memos_gov.backends.postgres.connection import (
    another_database,
    connect,
    drop_database,
    has_database,
    make_database,
)
from memos_gov.bootstrap import fsck, making, remove_stores
from memos_gov.errors import SettingsError, UnavailableError
from tests import engines
from tests.connected.steps import RENAMED, STEPS, after
from tests.connected_folders import own_engines, removed_afterwards

pytestmark = [
    pytest.mark.connected,
    pytest.mark.timeout(120),
    # A client of the driver that is killed leaves its socket to the collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
BRANCHES = ("vault", "operations", "tables")
WAIT_S = 60


def database(said: dict[str, Any], branch: str) -> str:
    """Return the address of a database."""
    return another_database(engines.POSTGRES, f"{said['postgres']['prefix']}_{branch}")


def left(said: dict[str, Any]) -> list[str]:
    """Return what is on the engines under some names."""
    with closing(KafkaAdminClient(bootstrap_servers=[engines.KAFKA])) as admin:
        topics = {*admin.list_topics()} & {said["kafka"]["topic"]}
    name = said["weaviate"]["collection"]
    collections = [
        each
        for each in (name, f"{name}Position")
        if httpx.get(f"{engines.WEAVIATE}/v1/schema/{each}").is_success
    ]
    databases = [branch for branch in BRANCHES if has_database(database(said, branch))]
    return [*topics, *databases, *collections]


@contextmanager
def of_two() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Enter with names for two folders; all that is on engines under them is removed."""
    both = own_engines(), own_engines()
    try:
        yield both
    finally:
        for each in both:
            cleared(each)


def cleared(said: dict[str, Any]) -> None:
    """Remove everything of some names."""
    with closing(KafkaAdminClient(bootstrap_servers=[engines.KAFKA])) as admin:
        if said["kafka"]["topic"] in admin.list_topics():
            admin.delete_topics([said["kafka"]["topic"]])
    for branch in BRANCHES:
        drop_database(database(said, branch))
    name = said["weaviate"]["collection"]
    for each in (name, f"{name}Position"):
        httpx.delete(f"{engines.WEAVIATE}/v1/schema/{each}")


def require_made(folder: Path, said: dict[str, Any]) -> None:
    """Require that a folder can be made under some names, and is sound."""
    with memos_gov.init(folder, engines=said) as gov:
        owner = gov.acting_as("owner")
        owner.remember("a quiet shop")
        assert 1 == len(owner.recall("shop").hits)
    assert fsck(folder).clean


def paused(folder: Path, said: dict[str, Any]) -> tuple[Callable[[], object], list[object]]:
    """Begin an `init` that waits when its vault is founded; return what lets it go on."""
    reached, go = threading.Event(), threading.Event()
    result: list[object] = []

    def wait() -> None:
        reached.set()
        assert go.wait(WAIT_S)

    def make() -> None:
        try:
            memos_gov.init(folder, engines=said).close()
        except memos_gov.GovernanceError as error:
            result.append(error)

    thread = threading.Thread(target=make)
    with after("vault founded", wait):
        thread.start()
        assert reached.wait(WAIT_S)

    def ended() -> None:
        go.set()
        thread.join(WAIT_S)

    return ended, result


@pytest.mark.parametrize(
    ("engine", "field"), [("postgres", "prefix"), ("kafka", "topic"), ("weaviate", "collection")]
)
def test_second_init_beside_one_that_is_at_work_is_refused(
    tmp_path: Path, engine: str, field: str
) -> None:
    """Whichever name they share; the first one ends well, with everything that it made."""
    with of_two() as (one, two):
        two[engine] = {**two[engine], field: one[engine][field]}
        end, failed = paused(tmp_path / "one", one)
        try:
            with pytest.raises(UnavailableError, match=f"at work with the same {field}"):
                memos_gov.init(tmp_path / "two", engines=two)
        finally:
            end()

        assert [] == failed
        assert ["one"] == [path.name for path in tmp_path.iterdir()]
        with memos_gov.open(tmp_path / "one") as gov:
            gov.acting_as("owner").remember("a quiet shop")
        assert fsck(tmp_path / "one").clean


def test_init_that_lost_its_turn_takes_nothing_from_the_one_that_got_it(tmp_path: Path) -> None:
    """Its session ended in the middle; another made its folder, and keeps what it accepted."""
    with of_two() as (said, _):
        end, failed = paused(tmp_path / "one", said)
        try:
            _cut_off(said)
            with memos_gov.init(tmp_path / "two", engines=said) as gov:
                gov.acting_as("owner").remember("a quiet shop")
                end()
                assert 1 == len(gov.acting_as("owner").recall("shop").hits)
        finally:
            end()

        assert 1 == len(failed)
        assert ["two"] == [path.name for path in tmp_path.iterdir()]
        assert fsck(tmp_path / "two").clean
        with memos_gov.open(tmp_path / "two") as gov:
            assert 1 == len(gov.acting_as("owner").recall("shop").hits)


def _cut_off(said: dict[str, Any]) -> None:
    """End the session that has the right to make what is called by some names."""
    query = (
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
        " AND (classid::bigint << 32 | objid::bigint) = hashtextextended(%s, 0)"
    )
    name = f"memos-gov init prefix {said['postgres']['prefix']}"
    with connect(another_database(engines.POSTGRES, "postgres")) as server:
        assert [(True,)] == server.execute(query, (name,)).fetchall()


STRANGE = {
    "a table": "CREATE TABLE orders (x int); INSERT INTO orders VALUES (1)",
    "a table elsewhere": "CREATE SCHEMA shop; CREATE TABLE shop.orders (x int)",
    "a view": "CREATE VIEW orders AS SELECT 1 AS x",
    "a schema": "CREATE SCHEMA shop",
    "a function": "CREATE FUNCTION orders() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "a type": "CREATE TYPE orders AS ENUM ('one')",
    "a large object": "SELECT lo_create(0)",
    "a format of its own": "CREATE TABLE alembic_version (version_num text)",
}
PLACES = [("vault", "a table elsewhere"), *((b, s) for b in BRANCHES[1:] for s in STRANGE)]


@pytest.mark.parametrize(("branch", "case"), PLACES, ids=lambda name: name.replace(" ", "_"))
def test_database_that_is_not_ours_is_refused_and_left(
    tmp_path: Path, branch: str, case: str
) -> None:
    """Whatever is in it, and whichever of the three it is; nothing else is made either."""
    with of_two() as (said, _):
        url = database(said, branch)
        make_database(url)
        with connect(url) as strangers:
            strangers.execute(STRANGE[case].encode())
        before = _dumped(url)

        with pytest.raises(SettingsError, match="holds what is not of memos-gov") as refused:
            memos_gov.init(tmp_path / "data", engines=said)

        assert "engines.postgres.prefix" in refused.value.remedy
        assert before == _dumped(url)
        assert [branch] == left(said)
        assert [] == list(tmp_path.iterdir())


def _dumped(url: str) -> list[object]:
    """Return what is in a database, as far as anybody put it there."""
    query = (
        "SELECT 'r', oid::text, relname FROM pg_class WHERE oid >= 16384"
        " UNION ALL SELECT 'n', oid::text, nspname FROM pg_namespace WHERE oid >= 16384"
        " UNION ALL SELECT 'p', oid::text, proname FROM pg_proc WHERE oid >= 16384"
        " UNION ALL SELECT 'd', oid::text, shobj_description(oid, 'pg_database') FROM pg_database"
        "  WHERE datname = current_database()"
        " UNION ALL SELECT 'l', oid::text, '' FROM pg_largeobject_metadata ORDER BY 1, 2"
    )
    with connect(url) as database:
        return [*database.execute(query.encode())]


def test_database_that_somebody_speaks_of_is_refused_even_when_empty(tmp_path: Path) -> None:
    """A comment of another kind says that it is meant for something."""
    with of_two() as (said, _):
        url = database(said, "tables")
        make_database(url)
        with connect(url) as server:
            server.execute(
                f"COMMENT ON DATABASE {said['postgres']['prefix']}_tables IS 'orders'".encode()
            )

        with pytest.raises(SettingsError, match="holds what is not of memos-gov"):
            memos_gov.init(tmp_path / "data", engines=said)

        assert ["tables"] == left(said)


def test_empty_database_is_taken(tmp_path: Path) -> None:
    """An account that may make none uses those that were made for it."""
    with of_two() as (said, _):
        for branch in BRANCHES:
            make_database(database(said, branch))

        require_made(tmp_path / "data", said)


@pytest.mark.parametrize("branch", BRANCHES)
def test_database_of_another_folder_is_refused_also_without_the_others(
    tmp_path: Path, branch: str
) -> None:
    """A vault that waits for its log to be brought back, for one, or tables without their vault."""
    with of_two() as (one, two), removed_afterwards(tmp_path / "one") as folder:
        memos_gov.init(folder, engines=one).close()
        for each in BRANCHES:
            if each != branch:
                drop_database(database(one, each))
        two["postgres"] = one["postgres"]
        before = _dumped(database(one, branch))

        with pytest.raises(SettingsError, match="in use by another data folder"):
            memos_gov.init(tmp_path / "two", engines=two)

        assert before == _dumped(database(one, branch))
        assert [branch] == left(two)


def test_database_without_a_comment_is_taken_by_nobody(tmp_path: Path) -> None:
    """One that was brought back from a backup may have lost it."""
    with of_two() as (said, _):
        for branch in BRANCHES:
            schema = "tables" if branch == "tables" else "public"
            migrate.upgrade(database(said, branch), branch, schema=schema)

        with pytest.raises(SettingsError, match="in use by another data folder"):
            memos_gov.init(tmp_path / "data", engines=said)

        assert [*BRANCHES] == left(said)


def test_database_that_was_being_made_and_was_given_to_others_is_refused(tmp_path: Path) -> None:
    """What a killed `init` left is made anew only while nobody else has put anything there."""
    with of_two() as (said, _):
        url = database(said, "operations")
        make_database(url)
        with connect(url) as server:
            name = f"{said['postgres']['prefix']}_operations"
            server.execute(f"COMMENT ON DATABASE {name} IS '{BEING_MADE}{'a' * 32}'".encode())
            server.execute(STRANGE["a table"].encode())

        with pytest.raises(SettingsError, match="holds what is not of memos-gov"):
            memos_gov.init(tmp_path / "data", engines=said)

        with connect(url) as server:
            assert (1,) == server.execute("SELECT x FROM orders").fetchone()


def test_collection_of_a_folder_that_indexed_nothing_is_refused(tmp_path: Path) -> None:
    """It is somebody's from the moment it is made, and the first folder goes on with it."""
    with of_two() as (one, two), removed_afterwards(tmp_path / "one") as folder:
        with memos_gov.init(folder, engines=one) as gov:
            assert -1 == gov.rooms.index.position()
            two["weaviate"] = one["weaviate"]

            with pytest.raises(SettingsError, match="is in use by another data folder"):
                memos_gov.init(tmp_path / "two", engines=two)

            gov.acting_as("owner").remember("a quiet shop")
            assert 1 == len(gov.acting_as("owner").recall("shop").hits)
        assert fsck(folder).clean


def test_collection_of_another_instance_is_not_opened(tmp_path: Path) -> None:
    """Also where both have come equally far, so that no position tells them apart."""
    with (
        of_two() as (one, two),
        removed_afterwards(tmp_path / "one") as first,
        removed_afterwards(tmp_path / "two") as second,
    ):
        for folder, said in ((first, one), (second, two)):
            with memos_gov.init(folder, engines=said) as gov:
                gov.acting_as("owner").remember(f"a quiet shop of {folder.name}")
        text = (first / "memos-gov.toml").read_text()
        names = [each["weaviate"]["collection"] for each in (one, two)]
        (first / "memos-gov.toml").write_text(text.replace(*names))

        with pytest.raises(SettingsError, match=f"{names[1]} is not of this data folder"):
            memos_gov.open(first)

        assert not fsck(first).clean
        (first / "memos-gov.toml").write_text(text)
        for folder in (first, second):
            assert fsck(folder).clean


class BrokenError(Exception):
    """What a test lets happen."""


def _broken() -> None:
    raise BrokenError


@pytest.mark.parametrize("step", [*STEPS, RENAMED], ids=lambda name: name.replace(" ", "_"))
def test_init_that_fails_leaves_nothing_and_can_be_made_again(tmp_path: Path, step: str) -> None:
    """At any step, the last one too."""
    with of_two() as (said, _):
        with after(step, _broken), pytest.raises(BrokenError):
            memos_gov.init(tmp_path / "data", engines=said)

        assert [] == left(said)
        assert [] == list(tmp_path.iterdir())
        require_made(tmp_path / "data", said)


@pytest.mark.parametrize("step", [*STEPS, RENAMED], ids=lambda name: name.replace(" ", "_"))
def test_init_that_is_killed_can_be_made_again_until_it_is_settled(
    tmp_path: Path, step: str
) -> None:
    """What it left is known as such; at the very end it is somebody's: renaming makes it whole."""
    with of_two() as (said, _):
        folder = tmp_path / "data"
        command = [sys.executable, "-m", "tests.connected.killed_init"]
        killed = subprocess.run(
            [*command, str(folder), json.dumps(said), step], timeout=WAIT_S, check=False
        )
        assert -signal.SIGKILL == killed.returncode
        assert not folder.exists()

        if step in {"settled", RENAMED}:
            before = [_dumped(database(said, branch)) for branch in BRANCHES]
            with pytest.raises(SettingsError, match="in use by another data folder"):
                memos_gov.init(folder, engines=said)
            assert before == [_dumped(database(said, branch)) for branch in BRANCHES]
            (aside,) = tmp_path.iterdir()
            aside.rename(folder)
            assert fsck(folder).clean
            memos_gov.open(folder).close()
        else:
            require_made(folder, said)


AWAY = {
    "the cluster": "memos_gov.bootstrap.connected_founding.delete_topic",
    "the index": "memos_gov.backends.weaviate.index.WeaviateCubeIndex.drop",
    "the databases": "memos_gov.backends.postgres.claiming.Claim.drop",
}


@pytest.mark.parametrize("case", AWAY, ids=lambda name: name.replace(" ", "_"))
@pytest.mark.parametrize("step", ["tenant founded", "settled"])
def test_what_a_failed_init_could_not_remove_is_cleared_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, case: str
) -> None:
    """An engine went away in the middle: the first error is told, and what is left says whose."""

    def away(*_: object) -> None:
        raise UnavailableError("away", backend="test")

    with of_two() as (said, _):
        with monkeypatch.context() as without, after(step, _broken):
            without.setattr(AWAY[case], away)
            with pytest.raises(BrokenError):
                memos_gov.init(tmp_path / "data", engines=said)
        assert {*BRANCHES} <= {*left(said)}
        assert [] == list(tmp_path.iterdir())

        require_made(tmp_path / "data", said)


def test_log_that_somebody_began_meanwhile_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A making that lost the topic to somebody on another server removes its own stores alone."""
    with of_two() as (said, _):
        found_log = making.found_log

        def beaten(*args: Any) -> None:
            with closing(KafkaProducer(bootstrap_servers=[engines.KAFKA])) as producer:
                producer.send(said["kafka"]["topic"], b"somebody's").get(timeout=10)
            found_log(*args)

        monkeypatch.setattr(making, "found_log", beaten)
        with pytest.raises(memos_gov.GovernanceError):
            memos_gov.init(tmp_path / "data", engines=said)

        assert [said["kafka"]["topic"]] == left(said)


def test_topic_that_was_there_and_empty_stays(tmp_path: Path) -> None:
    """Somebody made it for this; while no record is in it, a failed `init` leaves it so."""
    with of_two() as (said, _):
        topic = said["kafka"]["topic"]
        create_topic(KafkaConnection(brokers=(engines.KAFKA,), topic=topic, dev=True))

        with after("vault made", _broken), pytest.raises(BrokenError):
            memos_gov.init(tmp_path / "data", engines=said)

        assert [topic] == left(said)
        require_made(tmp_path / "data", said)


def test_stores_of_a_folder_are_removed_by_name(tmp_path: Path) -> None:
    """Nothing is left on the engines."""
    with of_two() as (said, _):
        memos_gov.init(tmp_path / "data", engines=said).close()
        assert 6 == len(left(said))

        remove_stores(tmp_path / "data")

        assert [] == left(said)
