"""A data folder whose tenant has a tiny base model."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import memos_gov
from memos_gov.service import Actor
from tests.base_models import require_base_models, tiny

PURPOSE = "complaint-handling"


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a tiny base model."""
    require_base_models()
    return tiny(tmp_path_factory.mktemp("base_model") / "llama")


@pytest.fixture
def gov(folder: Path, llama: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[memos_gov.Service]:
    """Return an open service whose setting names the tiny base model."""
    monkeypatch.setenv("MEMOS_GOV_BASE_MODEL", str(llama))
    with memos_gov.open(folder) as service:
        yield service


@pytest.fixture
def owner(gov: memos_gov.Service) -> Actor:
    """Return the first principal, whose tenant has the base model."""
    found = gov.acting_as("owner", purpose=PURPOSE)
    found.prepare_base_model()
    return found
