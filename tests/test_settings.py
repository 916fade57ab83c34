"""Settings: where engines are, what wins, what a settings file says, and what no text shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from memos_gov import settings as s
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
