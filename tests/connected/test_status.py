"""`status` of a folder on engines: where each is, how it stands, what waits; one away or not."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("kafka")

import memos_gov
from memos_gov.cli.errors import FOUND_WRONG
from tests import engines
from tests.connected.worlds import World, typed, world

pytestmark = [
    pytest.mark.connected,
    # A client of the driver that reaches nobody leaves its socket to the collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
NOBODY = "127.0.0.1:1"
PASSWORD = "pass-phrase-7"
AWAY = {
    "kafka": {"MEMOS_GOV_ENGINES__KAFKA__BROKERS": json.dumps([NOBODY])},
    "postgres": {
        "MEMOS_GOV_ENGINES__POSTGRES__URL": f"postgresql://memos_gov:{PASSWORD}@{NOBODY}/postgres"
    },
    "opa": {"MEMOS_GOV_ENGINES__OPA__URL": f"http://{NOBODY}"},
    "weaviate": {"MEMOS_GOV_ENGINES__WEAVIATE__URL": f"http://{NOBODY}"},
}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Return a connected data folder with one memory that no index has seen."""
    with world(tmp_path_factory.mktemp("own")) as made:
        yield made


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    yield
    gc.collect()


def status(own: World, env: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    """Return exit code and answer of `status --json`."""
    done = typed(own.folder, "status", env=env)
    assert PASSWORD not in done.stdout + done.stderr
    return done.exit_code, json.loads(done.stdout)


def test_status_on_engines_that_answer_names_each_and_what_waits(own: World) -> None:
    """Address, version, what is ours there, bytes, and a lag for each partition."""
    code, found = status(own)

    assert 0 == code
    at = {each["engine"]: each for each in found["engines"]}
    assert ["kafka", "postgres", "opa", "weaviate"] == list(at)
    assert all(each["reachable"] and each["version"] for each in at.values())
    assert (engines.KAFKA, f"topic bad-{own.name}") == (
        at["kafka"]["address"],
        at["kafka"]["holds"],
    )
    assert engines.OPA == at["opa"]["address"]
    assert found["log_bytes"] > 1000
    assert [0, 1, 2] == [each["partition"] for each in found["partitions"]]
    assert found["log_end"] == sum(each["end"] for each in found["partitions"])
    assert {0} == {each["undecided"] for each in found["partitions"]}
    (tenant,) = found["waiting"]
    assert ("default", 2, 2) == (tenant["tenant"], tenant["decided"], tenant["effects"])
    controls = 3  # (a control record in each partition is nobody's effect)
    assert 2 + controls == sum(each["unindexed"] for each in found["partitions"])


@pytest.mark.parametrize("engine", AWAY)
def test_status_with_an_engine_away_says_so_and_what_the_others_know(
    own: World, engine: str
) -> None:
    """Exit status as of `doctor`; what nobody could tell is null, and no password is shown."""
    code, found = status(own, AWAY[engine])

    assert FOUND_WRONG == code
    assert [engine] == [each["engine"] for each in found["engines"] if not each["reachable"]]
    (away,) = (each for each in found["engines"] if each["engine"] == engine)
    assert NOBODY in away["problem"]
    assert f"engines.{engine}." in away["remedy"]
    assert (engine == "opa") == (found["instance"] is not None)
    told = {name: found["partitions"][0][name] is not None for name in ("undecided", "unindexed")}
    assert {
        "undecided": engine not in {"kafka", "postgres"},
        "unindexed": engine not in {"kafka", "weaviate"},
    } == told


def test_status_for_a_reader_is_a_line_an_engine(own: World) -> None:
    """What is wrong with one stands below, with its remedy."""
    from click.testing import CliRunner

    from memos_gov.cli.program import command_line

    done = CliRunner().invoke(
        command_line, ["--data", str(own.folder), "status"], env=AWAY["weaviate"]
    )

    assert FOUND_WRONG == done.exit_code
    lines = done.stdout.splitlines()
    assert ["weaviate", "no", "unknown", f"http://{NOBODY}"] == next(
        line.split()[:4] for line in lines if line.startswith("weaviate ")
    )
    assert any(line.startswith("weaviate: the index at") for line in lines)
    assert any(line.startswith("0  ") and line.endswith("unknown") for line in lines)


def test_status_of_a_folder_that_does_not_fit_its_engines_says_both(own: World) -> None:
    """An engine that answers and has another topic is reachable, and wrong."""
    code, found = status(own, {"MEMOS_GOV_ENGINES__KAFKA__TOPIC": "bad-nothing"})

    assert FOUND_WRONG == code
    kafka = found["engines"][0]
    assert (True, None) == (kafka["reachable"], found["instance"])
    assert "no topic bad-nothing" in kafka["problem"]


def test_metrics_and_status_count_alike(own: World) -> None:
    """Both tell what the index has not seen, by tenant."""
    from memos_gov.worker.telemetry import Telemetry

    _, found = status(own)
    with memos_gov.open(own.folder) as service:
        page = Telemetry(service.rooms, []).page("/metrics")[2].decode()

    effects = float(found["waiting"][0]["effects"])
    assert f'memos_gov_effects_waiting{{tenant="default"}} {effects}' in page
