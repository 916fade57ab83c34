"""A folder in which a person has memories, and what an outsider sees of it."""

from __future__ import annotations

import pytest

from memos_gov.service import Actor, Service

PURPOSE = "complaint-handling"
PERSON = "customer-17"


@pytest.fixture
def ann(owner: Actor, gov: Service) -> Actor:
    """Return an analyst, who reads every complaint and ends none."""
    owner.add_principal("ann", roles=["analyst"], clearance="internal", purposes=(PURPOSE,))
    return gov.acting_as("ann", purpose=PURPOSE)
