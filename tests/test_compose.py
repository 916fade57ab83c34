"""The containers are the engines that `make services-up` starts, closed to the outside."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from memos_gov.cli.program import VERBS
from scripts import opa
from scripts.services import kafka, postgres, weaviate
from scripts.services.places import PORTS

ROOT = Path(__file__).resolve().parents[1]
ENGINES = ("kafka", "postgres", "opa", "weaviate")
ONE_SHOT = {"memos-gov", "weaviate-volume"}  # end by themselves, so have no health


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """Return the services of compose.yaml by name."""
    return dict(yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"])


def test_image_of_each_engine_is_the_version_that_the_script_starts(
    services: dict[str, Any],
) -> None:
    """Who tests against containers tests against the same engines."""
    wanted = {
        "kafka": f"apache/kafka:{kafka.VERSION}",
        "postgres": f"postgres:{postgres.MAJOR_MIN}-bookworm",
        "opa": f"openpolicyagent/opa:{opa.VERSION}",
        "weaviate": f"cr.weaviate.io/semitechnologies/weaviate:{weaviate.VERSION}",
    }

    assert wanted == {name: services[name]["image"] for name in wanted}


def test_port_that_is_published_is_that_of_the_script_and_on_the_loopback_only(
    services: dict[str, Any],
) -> None:
    """Engines that let everybody in are reachable from this machine alone."""
    published = [port for one in services.values() for port in one.get("ports", [])]
    callers = ("kafka", "postgres", "opa", "weaviate", "weaviate_grpc")

    assert {f"127.0.0.1:{PORTS[name]}" for name in callers} == {
        port.rpartition(":")[0] for port in published
    }
    assert len(callers) == len(published)


def test_service_that_stays_has_a_health_check_and_no_root(services: dict[str, Any]) -> None:
    """`up --wait` means that it works, not that it was started."""
    staying = {name: one for name, one in services.items() if name not in ONE_SHOT}

    assert {*ENGINES, "certifier", "worker"} == set(staying)
    assert [] == [name for name, one in staying.items() if "test" not in one.get("healthcheck", {})]
    assert [] == [name for name, one in staying.items() if one.get("user", "root") == "root"]


def test_root_that_hands_over_a_volume_has_no_network(services: dict[str, Any]) -> None:
    """The one step that needs root can do nothing else with it."""
    handing = services["weaviate-volume"]

    assert ("root", "none") == (handing["user"], handing["network_mode"])
    assert "chown" == handing["entrypoint"][0]


def test_verb_that_a_container_of_ours_is_told_is_one_of_the_command_line(
    services: dict[str, Any],
) -> None:
    """A container that is told what nobody understands would restart for ever."""
    ours = [one for one in services.values() if one["image"] == "memos-gov"]
    told = {one["command"][0] for one in ours if one.get("command")}

    assert ours
    assert set() == told - set(VERBS)


def test_image_of_memos_gov_copies_all_that_is_packaged_and_runs_as_nobody_special() -> None:
    """What the wheel needs is in the context of the build, and the last user is not root."""
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    copied = set(re.findall(r"^COPY (\w+) \1$", dockerfile, re.MULTILINE))
    let_in = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]

    packaged = {path.split("/")[0] for path in wheel["targets"]["wheel"]["only-include"]}
    assert set() == packaged - copied
    assert set() == {f"!{folder}" for folder in copied} - set(let_in)
    assert ["10001"] == re.findall(r"^USER (.*)$", dockerfile, re.MULTILINE)


def test_compose_file_is_one_that_compose_understands() -> None:
    """Asked of the client itself, where there is one; it needs no engine for containers."""
    client = shutil.which("docker")
    version = [str(client), "compose", "version"]
    if client is None or subprocess.run(version, capture_output=True, check=False).returncode:
        pytest.skip("there is no `docker compose` on this machine")

    command = [client, "compose", "--profile", "*", "config", "--quiet"]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False
    )

    assert (0, "") == (done.returncode, done.stderr)
