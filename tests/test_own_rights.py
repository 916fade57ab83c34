"""Nobody gives a clearance, a purpose or a role beyond their own, whatever the way round."""

from collections.abc import Callable

import pytest

from memos_gov.errors import DeniedError
from memos_gov.service import Actor, Service

PURPOSE = "complaint-handling"


@pytest.fixture
def sam(gov: Service, owner: Actor) -> Actor:
    """Return a steward with the lowest clearance and one purpose."""
    owner.add_principal("sam", roles=["steward"], clearance="public", purposes=[PURPOSE])
    return gov.acting_as("sam", purpose=PURPOSE)


BEYOND: dict[str, Callable[[Actor], object]] = {
    "a clearance": lambda sam: sam.add_principal("pup", roles=["analyst"], clearance="restricted"),
    "a purpose": lambda sam: sam.add_principal(
        "pup", roles=["analyst"], clearance="public", purposes=[PURPOSE, "marketing"]
    ),
    "a role": lambda sam: sam.add_principal("pup", roles=["dpo", "steward"], clearance="public"),
    "a role later": lambda sam: sam.grant("ann", "dpo"),
}


@pytest.mark.parametrize("what", BEYOND)
def test_steward_who_gives_beyond_own_rights_is_refused(
    owner: Actor, sam: Actor, what: str
) -> None:
    """No second principal lifts the limits of the first, and the refusal says why."""
    owner.add_principal("ann", roles=["analyst"], clearance="public", purposes=[PURPOSE])

    with pytest.raises(DeniedError) as caught:
        BEYOND[what](sam)

    assert ("beyond_own_rights",) == caught.value.verdict.public_reasons


def test_steward_who_gives_within_own_rights_is_not_hindered(gov: Service, sam: Actor) -> None:
    """Running a tenant needs nobody's help up to one's own limits."""
    sam.add_principal("tim", roles=["analyst"], clearance="public", purposes=[PURPOSE])
    sam.grant("tim", "steward", "auditor")

    assert ("analyst", "auditor", "steward") == gov.acting_as("tim").whoami().roles


def test_dpo_is_made_by_a_dpo_and_explained_alike(gov: Service, owner: Actor) -> None:
    """What was given stands in the record, so the question can be asked again."""
    receipt = owner.add_principal("dora", roles=["dpo"], clearance="restricted")

    assert ("dpo",) == gov.acting_as("dora").whoami().roles
    assert True is owner.explain(str(receipt.index)).same
