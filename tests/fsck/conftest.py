"""A folder with a varied life, made once, and a copy of it that a test may spoil."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import memos_gov
from tests.lives import a_life_that_ends


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a closed folder with a life that ends, its views and its index caught up."""
    folder = tmp_path_factory.mktemp("fsck") / "data"
    with memos_gov.init(folder) as gov:
        a_life_that_ends(gov)
    return folder


@pytest.fixture
def folder(lived: Path, tmp_path: Path) -> Path:
    """Return a copy that a test may spoil."""
    return Path(shutil.copytree(lived, tmp_path / "data"))
