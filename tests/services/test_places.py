"""Ports and folders are where the environment says, and nowhere that others control."""

import os
from pathlib import Path

import pytest

from scripts.services.failure import ServiceError
from scripts.services.places import PORTS, Places, ports_of_environment


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [name for name in os.environ if name.startswith("MEMOS_GOV_SERVICES_")]:
        monkeypatch.delenv(variable)


def test_ports_without_a_word_in_the_environment_are_the_projects_own() -> None:
    """None is an engine's own default, so a user's servers are left alone."""
    defaults = {9092, 9093, 5432, 8181, 8080, 50051, 7946, 7947, 8300, 8301}

    assert dict(PORTS) == ports_of_environment()
    assert set() == defaults & set(PORTS.values())
    assert len(set(PORTS.values())) == len(PORTS)


def test_ports_from_a_base_stand_in_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """One number moves a whole set; a port that is named itself goes where it is told."""
    monkeypatch.setenv("MEMOS_GOV_SERVICES_PORT", "20000")
    monkeypatch.setenv("MEMOS_GOV_SERVICES_OPA_PORT", "30000")

    ports = ports_of_environment()
    assert 30000 == ports.pop("opa")
    assert [20000, 20001, 20002, *range(20004, 20010)] == list(ports.values())


@pytest.mark.parametrize("value", ["", "kafka", "0", "-1", "65536", "1.5"])
def test_port_that_is_none_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """The reader learns which variable to correct."""
    monkeypatch.setenv("MEMOS_GOV_SERVICES_POSTGRES_PORT", value)

    with pytest.raises(ServiceError, match=r"MEMOS_GOV_SERVICES_POSTGRES_PORT is no port"):
        ports_of_environment()


def test_base_whose_row_would_pass_the_last_port_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A port beyond the last would be noticed only when its engine starts."""
    monkeypatch.setenv("MEMOS_GOV_SERVICES_PORT", "65530")

    with pytest.raises(ServiceError, match="65536"):
        ports_of_environment()


def test_run_folder_of_an_engine_can_be_entered_whatever_the_umask_is(tmp_path: Path) -> None:
    """The user postgres goes through it; only its owner writes."""
    before = os.umask(0o077)
    try:
        folder = Places(runs=tmp_path / "runs", caches=tmp_path, ports={}).made_run_folder("web")
    finally:
        os.umask(before)

    assert [0o755, 0o755] == [path.stat().st_mode & 0o777 for path in (folder, folder.parent)]


def test_run_folder_that_somebody_laid_before_us_is_refused(tmp_path: Path) -> None:
    """Its name can be guessed, so a link there may lead anywhere."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "runs").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(ServiceError, match="is not a folder of yours"):
        Places(runs=tmp_path / "runs", caches=tmp_path, ports={}).made_run_folder("web")

    assert [] == list((tmp_path / "elsewhere").iterdir())
