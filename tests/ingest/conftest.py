"""A founded data folder and its owner, and files of rows and maps."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import memos_gov
from memos_gov import Actor, Service
from memos_gov.ingest import Mapping, load_map

MAP = """
map = "notes"
row_key = ["id"]
[content]
template = "{text}"
[cube]
subjects = { column = "id" }
label = { column = "label" }
valid_from = { column = "when" }
"""


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder as `init` leaves it; copy it, never open it."""
    folder = tmp_path_factory.mktemp("founded") / "data"
    memos_gov.init(folder, purpose="complaint-handling").close()
    return folder


@pytest.fixture
def data(founded: Path, tmp_path: Path) -> Path:
    """Return a data folder of this test's own."""
    return Path(shutil.copytree(founded, tmp_path / "data"))


@pytest.fixture
def gov(data: Path) -> Iterator[Service]:
    """Return the open data folder."""
    with memos_gov.open(data) as service:
        yield service


@pytest.fixture
def owner(gov: Service) -> Actor:
    """Return the first principal."""
    return gov.acting_as("owner")


@pytest.fixture
def notes(tmp_path: Path) -> Mapping:
    """Return a map of the columns id, text, label and when."""
    path = tmp_path / "notes.toml"
    path.write_text(MAP, encoding="utf-8")
    return load_map(path)


@pytest.fixture
def file_of(tmp_path: Path) -> Callable[..., Path]:
    """Return a writer of files: `file_of(b"...", "rows.csv")`."""

    def write(body: bytes | str, name: str = "rows.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(body.encode() if isinstance(body, str) else body)
        return path

    return write
