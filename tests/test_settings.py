"""Settings: where engines are, what wins, what a settings file says, and what no text shows."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

import memos_gov
from memos_gov import settings as s
from memos_gov.engines import secrets_in
from memos_gov.errors import SettingsError

FILE = """
tenant = "acme"

[engines.kafka]
brokers = ["broker-1:9092", "broker-2:9092"]
partitions = 12

[engines.postgres]
url = "postgresql://gov@db:5432/postgres"

[engines.opa]
url = "http://opa:8181"

[engines.weaviate]
url = "http://weaviate:8080"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder whose settings file names engines."""
    (tmp_path / s.FILE_NAME).write_text(FILE)
    return tmp_path


def test_engines_of_a_settings_file_are_read_with_defaults(folder: Path) -> None:
    """What a file leaves out is as documented."""
    engines = s.load(folder).engines

    assert engines is not None
    assert (("broker-1:9092", "broker-2:9092"), 12) == (
        engines.kafka.brokers,
        engines.kafka.partitions,
    )
    assert ("memos-gov", False) == (engines.kafka.topic, engines.kafka.dev)
    assert 50051 == engines.weaviate.grpc_port


def test_variable_of_an_engine_wins_over_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One word at a time; the rest of the table stands."""
    monkeypatch.setenv("MEMOS_GOV_ENGINES__KAFKA__PARTITIONS", "3")
    monkeypatch.setenv("MEMOS_GOV_ENGINES__KAFKA__PASSWORD", "hunter2")

    engines = s.load(folder).engines

    assert engines is not None
    assert ("broker-1:9092", 3) == (engines.kafka.brokers[0], engines.kafka.partitions)
    assert engines.kafka.password is not None
    assert "hunter2" == engines.kafka.password.get_secret_value()


def test_secret_of_an_engine_shows_in_no_text(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither where settings are shown, nor in the file of a new folder."""
    monkeypatch.setenv("MEMOS_GOV_ENGINES__KAFKA__PASSWORD", "hunter2")
    loaded = s.load(folder)

    s.write(loaded, tmp_path / "written.toml")

    for text in (repr(loaded), loaded.model_dump_json(), (tmp_path / "written.toml").read_text()):
        assert "hunter2" not in text


def test_settings_written_are_read_back(folder: Path, tmp_path: Path) -> None:
    """A new folder remembers where its engines are."""
    loaded, again = s.load(folder), tmp_path / "again"
    again.mkdir()

    s.write(loaded, again / s.FILE_NAME)

    assert loaded.engines == s.load(again).engines


SPOKEN = {
    "in front of the host": "postgresql://gov:hunter2@db:5432/postgres",
    "without an account": "postgres://:hunter2@db/postgres",
    "with signs of an address": "postgresql://gov:hunter2?#x@db/postgres",
    "with an @ in it": "postgresql://gov:hunter2@x@db/postgres",
    "of two hosts": "postgresql://gov:hunter2@db1:5432,db2:5432/postgres",
    "in the query": "postgresql://gov@db/postgres?sslmode=require&password=hunter2",
    "in the query, quoted": "postgresql://gov@db/postgres?pass%77ord=hunter2",
    "of a key": "postgresql://gov@db/postgres?sslpassword=hunter2",
    "as a key word": "host=db user=gov password = 'hunter2' dbname=postgres",
    "after a quoted word": "host='db'password=hunter2",
    "of a key as a key word": "host=db sslpassword=hunter2",
    "of another kind": "host=db oauth_client_secret=hunter2",
}


@pytest.mark.parametrize("case", SPOKEN, ids=lambda name: name.replace(" ", "_"))
def test_password_in_the_address_of_postgres_is_not_written(folder: Path, case: str) -> None:
    """However libpq would find it; the error says where it belongs and does not say it."""
    url = json.dumps(SPOKEN[case])
    (folder / s.FILE_NAME).write_text(FILE.replace('"postgresql://gov@db:5432/postgres"', url))
    loaded = s.load(folder)

    with pytest.raises(SettingsError, match=r"engines\.postgres\.url") as refused:
        s.write(loaded, folder / "written.toml")

    assert "PGPASSWORD" in refused.value.remedy
    assert "hunter2" not in f"{refused.value} {refused.value.remedy}"
    assert not (folder / "written.toml").exists()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://gov:@db/postgres?passfile=/run/secrets/pgpass&sslmode=verify-full",
        "host=db user=password dbname=postgres",
        "postgresql://db/user:x@y",
    ],
)
def test_address_of_postgres_without_a_password_is_written(folder: Path, url: str) -> None:
    """A file of passwords is no password, nor is an account or a database that looks like one."""
    text = json.dumps(url)
    (folder / s.FILE_NAME).write_text(FILE.replace('"postgresql://gov@db:5432/postgres"', text))
    loaded = s.load(folder)

    s.write(loaded, folder / s.FILE_NAME)

    assert loaded.engines == s.load(folder).engines


def test_secrets_of_a_file_are_known_by_name() -> None:
    """Every secret of an engine, and the address of Postgres only where it says one."""
    known: dict[str, Any] = {
        "kafka": {"brokers": ["b:1"], "password": "x", "key_password": "x", "user": "x"},
        "postgres": {"url": "postgresql://gov:x@db/postgres", "prefix": "x"},
        "opa": {"url": "http://opa:8181", "token": "x"},
        "weaviate": {"url": "http://weaviate:8080", "key": "x"},
    }
    found = secrets_in(known)
    known["postgres"]["url"] = "postgresql://gov@db/postgres"

    names = ["kafka.key_password", "kafka.password", "postgres.url", "opa.token", "weaviate.key"]
    assert names == found
    assert "postgres.url" not in secrets_in(known)
    assert [] == secrets_in({"tenant": "acme", "kafka": 3})


def test_init_with_a_password_in_the_address_makes_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused before a folder or a store is made, wherever the address comes from."""
    engines = s.load(folder).engines
    assert engines is not None
    url = "postgresql://gov:hunter2@db:5432/postgres"
    monkeypatch.setenv("MEMOS_GOV_ENGINES__POSTGRES__URL", url)

    with pytest.raises(SettingsError, match=r"engines\.postgres\.url: it holds a password"):
        memos_gov.init(tmp_path / "made" / "data", engines=engines.model_dump(exclude={"postgres"}))

    assert not (tmp_path / "made").exists()


def test_settings_file_holds_no_secret_and_is_its_owners(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each secret it says which variable gives it; nobody else may read the rest."""
    secrets = ("KAFKA__PASSWORD", "KAFKA__KEY_PASSWORD", "OPA__TOKEN", "WEAVIATE__KEY")
    for name in secrets:
        monkeypatch.setenv(f"MEMOS_GOV_ENGINES__{name}", f"hunter2 {name}")
    before, written = os.umask(0), folder / "written.toml"
    try:
        written.touch(mode=0o666)
        s.write(s.load(folder), written)
    finally:
        os.umask(before)

    text = written.read_text()
    assert "hunter2" not in text
    assert all(f"MEMOS_GOV_ENGINES__{name}" in text for name in secrets)
    assert 0o600 == stat.S_IMODE(written.stat().st_mode)


@pytest.mark.parametrize(
    ("word", "instead", "field"),
    [
        ('brokers = ["broker-1:9092", "broker-2:9092"]', "brokers = []", "engines.kafka.brokers"),
        ("partitions = 12", "partitions = 0", "engines.kafka.partitions"),
        ("partitions = 12", "partition = 12", "engines.kafka.partition"),
        ('url = "http://opa:8181"', 'url = "opa:8181"', "engines.opa.url"),
        ('[engines.weaviate]\nurl = "http://weaviate:8080"', "", "engines.weaviate"),
    ],
)
def test_engine_that_cannot_be_is_named(folder: Path, word: str, instead: str, field: str) -> None:
    """One error that names the setting, with nothing of its value."""
    (folder / s.FILE_NAME).write_text(FILE.replace(word, instead))

    with pytest.raises(SettingsError, match=field):
        s.load(folder)
