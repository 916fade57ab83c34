"""
The table of bad input around the connected set-up: one clear error each, and nothing written.

Each row is what is wrong, the exit code, what the one error line must name, what
its remedy must name, and which line of `doctor` explains it.
"""

from __future__ import annotations

import gc
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from click.testing import Result

pytest.importorskip("kafka")

import memos_gov
from memos_gov.backends.postgres.connection import another_database, connect, drop_database
from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.commands import CONTENT_BYTES_MAX
from memos_gov.founding import _found, event_types
from tests import engines
from tests.connected import worlds
from tests.connected.worlds import World, copied, doctor, typed, world

pytestmark = [
    pytest.mark.connected,
    # A client of the driver that reaches nobody leaves its socket to the collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
KAFKA, POSTGRES, OPA, WEAVIATE = (
    f"MEMOS_GOV_ENGINES__{name}__" for name in ("KAFKA", "POSTGRES", "OPA", "WEAVIATE")
)
NOBODY = "127.0.0.1:1"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Return a connected data folder with one memory, for every test that changes nothing in it."""
    with world(tmp_path_factory.mktemp("own")) as made:
        yield made


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Return a data folder of another instance."""
    with world(tmp_path_factory.mktemp("other")) as made:
        yield made


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    yield
    gc.collect()


class Wrong(NamedTuple):
    """What settings say, and what must be said of it."""

    env: dict[str, str]
    exit_code: int
    names: str
    remedy: str
    line: str


SETTINGS = {
    "broker away": Wrong(
        {f"{KAFKA}BROKERS": json.dumps([NOBODY])}, 6, NOBODY, "engines.kafka.brokers", "kafka"
    ),
    "another count of partitions": Wrong(
        {f"{KAFKA}PARTITIONS": "2"}, 8, "has 3 partitions", "engines.kafka.partitions", "kafka"
    ),
    "no such topic": Wrong(
        {f"{KAFKA}TOPIC": "bad-nothing"}, 8, "no topic bad-nothing", "engines.kafka.topic", "kafka"
    ),
    "TLS to a broker without": Wrong(
        {f"{KAFKA}SECURITY_PROTOCOL": "SSL"}, 6, "did not answer", "security protocol", "kafka"
    ),
    "no file of authorities": Wrong(
        {f"{KAFKA}CA_FILE": "/nowhere/ca.pem"}, 8, "ca.pem", "engines.kafka.ca_file", "kafka"
    ),
    "no certificate in it": Wrong(
        {f"{KAFKA}CA_FILE": __file__}, 8, "no certificate", "engines.kafka.ca_file", "kafka"
    ),
    "Postgres away": Wrong(
        {f"{POSTGRES}URL": f"postgresql://memos_gov@{NOBODY}/postgres"},
        6,
        f"{NOBODY}/",
        "engines.postgres.url",
        "postgres vault",
    ),
    "no database": Wrong(
        {f"{POSTGRES}PREFIX": "bad_nothing"},
        8,
        "does not exist",
        "engines.postgres.prefix",
        "postgres vault",
    ),
    "no such account": Wrong(
        {f"{POSTGRES}URL": engines.POSTGRES.replace("memos_gov@", "bad_nobody@")},
        8,
        "does not exist",
        "engines.postgres.url",
        "postgres vault",
    ),
    "TLS to a Postgres without": Wrong(
        {f"{POSTGRES}URL": f"{engines.POSTGRES}?sslmode=require"},
        8,
        "does not support SSL",
        "engines.postgres.url",
        "postgres vault",
    ),
    "no certificate for OPA": Wrong(
        {f"{OPA}CA_FILE": __file__}, 8, "no certificate", "engines.opa.ca_file", "opa server"
    ),
    "Weaviate away": Wrong(
        {f"{WEAVIATE}URL": f"http://{NOBODY}"}, 6, NOBODY, "engines.weaviate.url", "weaviate"
    ),
}


def require_told(done: Result, told: Wrong) -> None:
    """Require one error with its exit code, and no trace."""
    assert "Traceback" not in done.stderr
    assert told.exit_code == done.exit_code, done.stderr
    said = json.loads(done.stderr)
    said = said.get("error", said)
    assert told.names in said["message"]
    assert told.remedy in said["remedy"]


def require_explained(folder: Path, told: Wrong) -> None:
    """Require that `doctor` has a line of the same words, and finds something wrong."""
    code, checks = doctor(folder, told.env)
    assert 7 == code
    assert "wrong" == checks[told.line]["state"], checks
    assert told.names in checks[told.line]["found"]
    assert told.remedy in checks[told.line]["remedy"]


@pytest.mark.parametrize("case", SETTINGS, ids=lambda name: name.replace(" ", "_"))
def test_settings_that_do_not_fit_get_one_error_and_write_nothing(own: World, case: str) -> None:
    """The error names place and setting, `doctor` says the same, and everything is as before."""
    told, before = SETTINGS[case], own.written()

    done = typed(own.folder, "list", env=told.env)

    require_told(done, told)
    require_explained(own.folder, told)
    assert before == own.written()


def test_postgres_that_finds_the_password_wrong_names_where_it_is_set(own: World) -> None:
    """The password itself is in no message."""
    with worlds.refusing_postgres() as port:
        url = f"postgresql://memos_gov:s3cr3t@127.0.0.1:{port}/postgres"
        env = {f"{POSTGRES}URL": url}
        told = Wrong(env, 8, "authentication failed", "PGPASSWORD", "postgres vault")

        done = typed(own.folder, "list", env=env)

        require_told(done, told)
        require_explained(own.folder, told)
    assert "s3cr3t" not in done.stderr


@contextmanager
def _at(url: str) -> Iterator[str]:
    yield url


OPAS: dict[str, tuple[Callable[[], AbstractContextManager[str]], str, str]] = {
    "away": (lambda: _at(f"http://{NOBODY}"), f"{NOBODY} does not answer", "engines.opa.url"),
    "without TLS": (
        lambda: _at(engines.OPA.replace("http:", "https:")),
        "do not fit",
        "engines.opa.ca_file",
    ),
    "of another version": (worlds.older_opa, "OPA 0.1.0 answers", "Run OPA"),
}


@pytest.mark.parametrize("case", OPAS, ids=lambda name: name.replace(" ", "_"))
def test_opa_that_gives_no_answer_means_no_and_doctor_says_why(own: World, case: str) -> None:
    """Only the refusal is recorded: no key, no name; callers hear nothing of the engines."""
    asked, names, remedy = OPAS[case]
    _, outcomes, *before = own.written()
    with asked() as url:
        env = {f"{OPA}URL": url}
        told = Wrong(env, 6, "policy gave no answer", "memos-gov doctor", "opa server")

        require_told(typed(own.folder, "list", env=env), told)
        require_explained(own.folder, told._replace(names=names, remedy=remedy))

    _, after, *unchanged = own.written()
    assert outcomes[0] + 1 == after[0]
    assert before == unchanged


def test_opa_whose_bundle_is_gone_or_changed_gets_it_again(own: World) -> None:
    """What vouches for a bundle is missing with any part of it, so that it is uploaded anew."""
    assert 0 == typed(own.folder, "list").exit_code
    (digest,) = (path.name for path in (own.folder / "policies").iterdir())

    changed = httpx.put(f"{engines.OPA}/v1/data/memos_gov_{digest}/piece", json="of another")
    done, (code, checks) = typed(own.folder, "list"), doctor(own.folder)

    assert 204 == changed.status_code
    assert 0 == done.exit_code, done.stderr
    assert (0, "good") == (code, checks["opa server"]["state"])


TOPICS = {
    "compaction": ({"cleanup_policy": "compact"}, "cleanup.policy is compact"),
    "finite retention": ({"retention_ms": "86400000"}, "retention.ms is 86400000"),
    "finite size": ({"retention_bytes": "1000000"}, "retention.bytes is 1000000"),
    "wide time": ({"message_timestamp_after_max_ms": "60000"}, "after.max.ms is 60000"),
    "time of arrival": ({"message_timestamp_type": "LogAppendTime"}, "type is LogAppendTime"),
}


@pytest.mark.parametrize("case", TOPICS, ids=lambda name: name.replace(" ", "_"))
def test_topic_that_would_lose_or_change_records_is_refused(other: World, case: str) -> None:
    """The remedy is the command that mends exactly these settings."""
    values, names = TOPICS[case]
    told, before = Wrong({}, 8, names, "kafka-configs.sh", "kafka"), other.written()
    kept = {name: worlds.required(name) for name in values}

    other.configured(**values)
    try:
        require_told(typed(other.folder, "list"), told)
        require_explained(other.folder, told)
    finally:
        other.configured(**kept)

    assert before == other.written()
    assert 0 == typed(other.folder, "list").exit_code


FORMATS = {
    "older vault": ("vault", "vault_0001", "older", "memos-gov rebuild"),
    "newer vault": ("vault", "vault_9999", "newer", "Upgrade memos-gov"),
    "older operations": ("operations", "operations_0001", "older", "memos-gov rebuild"),
    "newer operations": ("operations", "operations_9999", "newer", "Upgrade memos-gov"),
    "older tables": ("tables", "tables_0001", "older", "memos-gov rebuild"),
    "newer tables": ("tables", "tables_9999", "newer", "Upgrade memos-gov"),
}


@contextmanager
def formatted(made: World, branch: str, revision: str) -> Iterator[None]:
    """Let a database say that it has another format."""
    schema = "tables" if branch == "tables" else "public"
    change = "UPDATE alembic_version SET version_num = %s"
    with connect(made.database(branch), schema=schema) as connection:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        assert row is not None
        connection.execute(change, (revision,))
        try:
            yield
        finally:
            connection.execute(change, row)


@pytest.mark.parametrize("case", FORMATS, ids=lambda name: name.replace(" ", "_"))
def test_database_of_another_format_is_refused_with_the_command(own: World, case: str) -> None:
    """An older one is made again or brought forward, a newer one asks for a newer program."""
    branch, revision, names, remedy = FORMATS[case]
    told, before = Wrong({}, 8, names, remedy, f"postgres {branch}"), own.written()

    with formatted(own, branch, revision):
        require_told(typed(own.folder, "list"), told)
        require_explained(own.folder, told)

    assert before == own.written()


def test_database_that_orders_texts_in_another_way_is_refused(own: World) -> None:
    """A database that was moved to another order would find rows in another place."""
    prefix = f"bad_{own.name}_moved"
    url = another_database(engines.POSTGRES, f"{prefix}_vault")
    statement = f"CREATE DATABASE {prefix}_vault TEMPLATE template0 LC_COLLATE 'C.UTF-8'"
    with connect(engines.POSTGRES) as server:
        server.execute(statement.encode())
    env = {f"{POSTGRES}PREFIX": prefix}
    told = Wrong(env, 8, "orders texts by C.UTF-8", "LC_COLLATE 'C'", "postgres vault")
    try:
        require_told(typed(own.folder, "list", env=env), told)
        require_explained(own.folder, told)
    finally:
        drop_database(url)


def test_collection_of_somebody_else_is_refused_and_left(own: World) -> None:
    """Another schema under the name is not written to."""
    name = f"Foreign{own.name}"
    httpx.post(f"{engines.WEAVIATE}/v1/schema", json={"class": name}).raise_for_status()
    env = {f"{WEAVIATE}COLLECTION": name}
    told = Wrong(env, 8, f"{name} has another schema", "engines.weaviate.collection", "weaviate")
    try:
        require_told(typed(own.folder, "recall", "card", env=env), told)
        require_explained(own.folder, told)
        kept = httpx.get(f"{engines.WEAVIATE}/v1/schema/{name}").json()
    finally:
        worlds.drop_collection(name)
    assert not kept["properties"]


def test_index_that_followed_another_log_farther_is_refused(own: World) -> None:
    """The cubes of another instance are not taken for ours."""
    name = f"Farther{own.name}"
    with closing(own.opened_index(name)) as index:
        index.apply(9999, [])
    env = {f"{WEAVIATE}COLLECTION": name}
    told = Wrong(env, 7, "has followed the", "memos-gov rebuild", "weaviate")
    try:
        require_told(typed(own.folder, "list", env=env), told)
        _, checks = doctor(own.folder, env)
    finally:
        worlds.drop_collection(name)
    assert "wrong" == checks["folder"]["state"]


TOGETHER = {
    "topic of another": lambda one: {f"{KAFKA}TOPIC": one.settings["kafka"]["topic"]},
    "databases of another": lambda one: {f"{POSTGRES}PREFIX": one.settings["postgres"]["prefix"]},
}


@pytest.mark.parametrize("case", TOGETHER, ids=lambda name: name.replace(" ", "_"))
def test_log_and_vault_of_two_instances_are_not_brought_together(
    own: World, other: World, case: str
) -> None:
    """Neither has anything written to it."""
    before = own.written(), other.written()
    told = Wrong(TOGETHER[case](other), 7, "another log", "engines.kafka.topic", "instance")

    require_told(typed(own.folder, "list", env=told.env), told)
    require_explained(own.folder, told)

    assert before == (own.written(), other.written())


def test_folder_without_its_keys_is_told_from_one_that_is_none(own: World, tmp_path: Path) -> None:
    """Its engines are there, so that a new one must not be made."""
    folder = copied(own, tmp_path)
    shutil.rmtree(folder / "keys")
    told = Wrong({}, 8, "keys is missing", "Bring it back", "folder")

    require_told(typed(folder, "list"), told)
    require_explained(folder, told)


def test_keys_of_another_folder_open_nothing(own: World, other: World, tmp_path: Path) -> None:
    """The vault says so before anything is read or written."""
    folder, before = copied(own, tmp_path), own.written()
    shutil.rmtree(folder / "keys")
    shutil.copytree(other.folder / "keys", folder / "keys")

    done = typed(folder, "list")
    code, checks = doctor(folder)

    assert done.exit_code in {7, 8}, done.stderr
    assert "key" in done.stderr
    assert (7, "wrong") == (code, checks["instance"]["state"])
    assert before == own.written()


def test_copied_folder_is_as_good_as_the_first(own: World, tmp_path: Path) -> None:
    """Hosts share a folder, or have a copy of it."""
    done = typed(copied(own, tmp_path), "list")

    assert 0 == done.exit_code, done.stderr


def _with(made: World, engine: str, field: str) -> dict[str, dict[str, object]]:
    """Return settings of nobody but for one name, which is another folder's."""
    fresh = World(made.folder, f"{made.name}x").settings
    fresh[engine] = {**fresh[engine], field: made.settings[engine][field]}
    return fresh


OWNED = {
    "topic": ("kafka", "topic", "holds a log already"),
    "databases": ("postgres", "prefix", "in use by another data folder"),
    "collection": ("weaviate", "collection", "in use by another data folder"),
}


@pytest.mark.parametrize("case", OWNED)
def test_second_init_on_what_another_folder_uses_is_refused(
    own: World, tmp_path: Path, case: str
) -> None:
    """Nothing of the first is dropped, and the second leaves no folder."""
    engine, field, names = OWNED[case]
    assert 0 == typed(own.folder, "recall", "card").exit_code  # the index has followed
    before = own.written()
    try:
        with pytest.raises(memos_gov.SettingsError, match=names) as refused:
            memos_gov.init(tmp_path / "second", engines=_with(own, engine, field))
    finally:
        worlds.removed(World(tmp_path / "second", f"{own.name}x"))

    assert f"engines.{engine}.{field}" in refused.value.remedy
    assert [] == list(tmp_path.iterdir())
    assert before == own.written()
    found = json.loads(typed(own.folder, "recall", "card").stdout)
    assert 1 == len(found["hits"])


def test_records_of_somebody_else_do_no_harm_and_are_counted(other: World) -> None:
    """Each has an outcome in the partition's own tree, and life goes on."""
    other.stranger(b"no record", b'{"a":1}', b"\xff")

    remembered, (code, checks) = typed(other.folder, "remember", "after"), doctor(other.folder)

    assert 0 == remembered.exit_code, remembered.stderr
    assert 0 == code
    assert "3 invalid" in checks["strangers"]["found"]


def test_secret_in_settings_that_others_may_read_is_told(own: World, tmp_path: Path) -> None:
    """Which one, and how it is mended; the secret itself is not said."""
    settings = copied(own, tmp_path) / "memos-gov.toml"
    table = "[engines.opa]\n"
    settings.write_text(settings.read_text().replace(table, f'{table}token = "s3cr3t"\n'))
    codes = []
    for mode in (0o640, 0o600):
        settings.chmod(mode)
        code, checks = doctor(settings.parent)
        codes.append((code, "memos-gov.toml" in checks))
        assert "s3cr3t" not in json.dumps(checks)
        if mode == 0o640:
            assert "engines.opa.token" in checks["memos-gov.toml"]["found"]
            assert f"chmod go-rwx {settings}" in checks["memos-gov.toml"]["remedy"]

    assert [(7, True), (0, False)] == codes


def test_content_over_the_limit_is_refused_before_the_log(own: World) -> None:
    """The limit is named, and no record stands."""
    before = own.written()
    refused = pytest.raises(memos_gov.InvalidCommandError, match="CONTENT_BYTES_MAX")
    with memos_gov.open(own.folder) as service, refused:
        service.acting_as("owner").remember("x" * (CONTENT_BYTES_MAX + 1))

    assert before == own.written()


def test_log_that_a_newer_program_extended_stops_an_older_one(tmp_path: Path) -> None:
    """It asks for the newer program, judges nothing by its own rules, and loses nothing."""
    with world(tmp_path) as made:
        with memos_gov.open(made.folder) as service:
            types = (*event_types(), "CubeDreamed.v1")
            newer = e.LogExtended(event_types=types, rules=2)
            for partition in range(worlds.PARTITIONS):
                _found(service.rooms.governor, ids.control_of(partition), "instance", newer)
        before = made.written()

        told = Wrong({}, 8, "decided by rules 2", "Upgrade memos-gov", "folder")
        require_told(typed(made.folder, "remember", "by rules of before"), told)
        require_explained(made.folder, told)

        assert before == made.written()
