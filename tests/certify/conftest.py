"""A founded history, and one with a cube of one subject."""

import pytest

from tests.domain.given import remembered as remembered_event
from tests.records import (
    History,
)


@pytest.fixture
def history() -> History:
    """Return a founded log and tenant."""
    return History()


@pytest.fixture
def lived(history: History) -> History:
    """Return a history with one cube of one subject."""
    assert "accepted" == history.propose(remembered_event()).code
    return history
