"""Postgres is taken from the machine, never run as root, and never on data of another version."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.services import postgres
from scripts.services.failure import ServiceError
from scripts.services.places import Places
from scripts.services.postgres import Postgres

SERVER = """#!/bin/sh
echo 'postgres (PostgreSQL) {version} (Debian)'
"""


def programs(packages: Path, version: str) -> Path:
    """Lay out the programs of one version as the package does."""
    folder = packages / version.partition(".")[0] / "bin"
    folder.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (folder / name).write_text(SERVER.format(version=version))
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder in the place of the machine's packages, with nothing on PATH."""
    folder = tmp_path / "packages"
    folder.mkdir()
    tools = tmp_path / "tools"
    tools.mkdir()
    monkeypatch.setattr(postgres, "PACKAGES", folder)
    monkeypatch.setattr(postgres, "is_root", lambda: False)
    monkeypatch.setenv("PATH", str(tools))
    return folder


@pytest.fixture
def engine(tmp_path: Path, packages: Path) -> Postgres:
    """Return the engine with a run folder of the test's own."""
    places = Places(runs=tmp_path / "runs", caches=tmp_path / "caches", ports={"postgres": 15432})
    places.made_run_folder("postgres")
    return Postgres(places, print)


def test_postgres_of_several_versions_is_the_newest(packages: Path, engine: Postgres) -> None:
    """Nine comes before fifteen, whatever the alphabet says."""
    programs(packages, "9.6")
    programs(packages, "15.18")
    newest = programs(packages, "17.2")

    assert newest == postgres.installed()
    assert "17.2" == engine.version()
    assert [] == engine.lacks()


def test_postgres_that_is_too_old_is_missing(packages: Path, engine: Postgres) -> None:
    """What is needed is said with its version."""
    programs(packages, "14.9")

    assert postgres.installed() is None
    assert ["postgres (from 15 on)"] == engine.lacks()


def test_postgres_that_is_missing_is_installed_where_root_may(
    packages: Path, engine: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lists of packages are read first: on a fresh machine there are none."""
    apt = tmp_path / "tools" / "apt-get"
    words = tmp_path / "words"
    made = programs(tmp_path / "brought", "15.18").parent
    apt.write_text(f'#!/bin/sh\necho "$@" >> {words}\n/bin/mv {made} {packages} 2>&1 || true\n')
    apt.chmod(0o755)
    (tmp_path / "tools" / "setpriv").symlink_to(apt)
    monkeypatch.setattr(postgres, "is_root", lambda: True)

    assert [] == engine.lacks()
    engine.obtain()

    assert ["update", "install -y --no-install-recommends postgresql"] == (
        words.read_text().splitlines()
    )
    assert packages / "15" / "bin" == postgres.installed()


def test_postgres_on_data_of_another_version_is_refused(packages: Path, engine: Postgres) -> None:
    """The data stay as they are, and the command that ends them is named."""
    programs(packages, "17.2")
    engine.data.mkdir(parents=True)
    (engine.data / "PG_VERSION").write_text("15\n")

    with pytest.raises(ServiceError, match=r"made by Postgres 15; .* reset postgres"):
        engine.lay_out()

    assert ["PG_VERSION"] == [path.name for path in engine.data.iterdir()]


def test_postgres_whose_socket_would_have_too_long_a_path_is_refused(
    tmp_path: Path, packages: Path
) -> None:
    """The server would say so in a log only."""
    places = Places(runs=tmp_path / ("r" * 100), caches=tmp_path, ports={"postgres": 15432})

    with pytest.raises(ServiceError, match="path of its socket is too long, set TMPDIR"):
        Postgres(places, print).lay_out()


def test_postgres_in_a_folder_that_its_user_cannot_enter_is_refused(
    engine: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may go anywhere, the user postgres may not."""
    monkeypatch.setattr(postgres, "is_root", lambda: True)
    tmp_path.chmod(0o700)

    with pytest.raises(ServiceError, match=r"user postgres cannot enter .*: set TMPDIR"):
        engine.lay_out()
