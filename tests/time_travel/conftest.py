"""A folder of its own for each test, whose time the test moves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import memos_gov
from memos_gov.service import Actor, Service
from tests.test_words import newcomer
from tests.time_travel.acting import SetClock


@pytest.fixture
def clock() -> SetClock:
    """Return a clock that the test moves."""
    return SetClock()


@pytest.fixture
def gov(tmp_path: Path, clock: SetClock) -> Iterator[Service]:
    """Return an open folder whose time the test moves."""
    with memos_gov.init(tmp_path / "data", clock=clock) as service:
        yield service


@pytest.fixture
def ann(gov: Service, owner: Actor) -> Actor:
    """Return an analyst, cleared to internal, who sees no personal numbers."""
    return newcomer(gov, "ann", "analyst")
