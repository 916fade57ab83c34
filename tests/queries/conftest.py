"""One folder with a varied life, shared by the questions about it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import memos_gov
from memos_gov.service import Actor, Service
from tests.lives import PURPOSE, Life, a_varied_life


@pytest.fixture(scope="module")
def gov(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return an open folder that a life is lived in."""
    folder: Path = tmp_path_factory.mktemp("queries") / "data"
    with memos_gov.init(folder) as gov:
        yield gov


@pytest.fixture(scope="module")
def life(gov: Service) -> Life:
    """Return what the life left behind."""
    return a_varied_life(gov)


@pytest.fixture
def owner(gov: Service, life: Life) -> Actor:
    """Return the steward of the default tenant."""
    return gov.acting_as("owner", purpose=PURPOSE)


@pytest.fixture
def auditor(gov: Service, life: Life) -> Actor:
    """Return somebody who reads evidence and never content."""
    return gov.acting_as("aud", purpose="oversight")
