"""What may not be known of looks like what is not there, to whoever asks, whatever they ask."""

from collections.abc import Callable

import msgspec
import pytest

from memos_gov.domain import commands as c
from memos_gov.domain.commands import make
from memos_gov.errors import (
    GovernanceError,
)
from memos_gov.service import Actor, Service

PURPOSE = "complaint-handling"


@pytest.fixture
def owner(gov: Service) -> Actor:
    """Return the tenant's first principal."""
    return gov.acting_as("owner", purpose=PURPOSE)


ACTS: dict[str, Callable[[Actor, str], object]] = {
    "read": lambda actor, cube: actor.get(cube),
    "revise": lambda actor, cube: actor.revise(cube, "new"),
    "append": lambda actor, cube: actor.revise(cube, "new", mode="append", expected_revision=9),
    "share": lambda actor, cube: actor.share(cube, with_="owner"),
    "share with nobody": lambda actor, cube: actor.share(cube, with_="nobody"),
    "unshare": lambda actor, cube: actor.unshare(cube, with_="owner"),
    "freeze": lambda actor, cube: actor.freeze(cube),
    "thaw": lambda actor, cube: actor.thaw(cube),
    "archive": lambda actor, cube: actor.archive(cube),
    "restore": lambda actor, cube: actor.restore(cube),
    "merge": lambda actor, cube: actor.merge([cube, "c_" + "1" * 26]),
    "summarise": lambda actor, cube: actor.summarise([cube], "in short"),
    "split": lambda actor, cube: actor.split(cube, ["a", "secret"]),
    "roll back": lambda actor, cube: actor.roll_back(cube, to_revision=1),
    "hold": lambda actor, cube: actor.hold(matter="m", cube=cube),
    "history": lambda actor, cube: actor.handle(make(c.ReadHistory, cube=cube)),
}


def answer(act: Callable[[Actor, str], object], actor: Actor, cube: str) -> tuple[object, ...]:
    """Return everything a refused caller learns, ids and times apart."""
    with pytest.raises(GovernanceError) as caught:
        act(actor, cube)
    error = caught.value
    verdict = getattr(error, "verdict", None)
    shown = verdict and msgspec.structs.replace(verdict, valid_until=0)
    return type(error), str(error), error.remedy, error.code, shown


@pytest.mark.parametrize("role", ["analyst", "agent", "auditor"])
@pytest.mark.parametrize("name", ACTS)
def test_cube_that_is_hidden_looks_like_one_that_is_not_there(
    gov: Service, owner: Actor, name: str, role: str
) -> None:
    """With the role for the act or without it: the same class, message and remedy."""
    owner.add_principal("eve", roles=[role], clearance="public", purposes=[PURPOSE])
    hidden = owner.remember("a secret", label="confidential", subjects=["customer-1"]).cube_id or ""
    frozen = owner.remember("another", label="confidential").cube_id or ""
    owner.freeze(frozen)
    eve = gov.acting_as("eve", purpose=PURPOSE)

    missing = answer(ACTS[name], eve, "c_" + "0" * 26)

    assert missing == answer(ACTS[name], eve, hidden)
    assert missing == answer(ACTS[name], eve, frozen)
    assert missing == answer(ACTS[name], eve, "no id at all")


@pytest.mark.parametrize("name", ACTS)
def test_cube_of_another_tenant_is_not_there(gov: Service, owner: Actor, name: str) -> None:
    """Also for somebody who may do everything in both."""
    gov.add_tenant("other", principal="owner")
    foreign = gov.acting_as("owner", tenant="other", purpose=PURPOSE).remember("x").cube_id or ""

    assert answer(ACTS[name], owner, "c_" + "0" * 26) == answer(ACTS[name], owner, foreign)
