"""What may not be known of looks like what is not there, to whoever asks, whatever they ask."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

import memos_gov
from memos_gov.domain import codec
from memos_gov.domain import commands as c
from memos_gov.domain.commands import make
from memos_gov.domain.events import CubesRead
from memos_gov.errors import (
    GovernanceError,
)
from memos_gov.service import Actor, Service

PURPOSE = "complaint-handling"


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


def told(gov: Service, *, hidden: bool) -> list[str]:
    """Return what eve recalls in order, beside cubes she may not see or without them."""
    owner = gov.acting_as("owner", purpose=PURPOSE)
    owner.add_principal("eve", roles=["analyst"], clearance="internal", purposes=[PURPOSE])
    withdrawn = [make(c.Consent, purpose=PURPOSE, given=False)]

    def say(content: str, conversation: str, position: int, **words: object) -> None:
        owner.remember(
            content, conversation=conversation, position=position, subjects=["s"], **words
        )

    say("a kestrel on the roof", "one", 5, author="Ann")
    say("nothing much today", "one", 6, author="Bob")
    say("a kestrel in the barn", "two", 5, author="Ann")
    say("nothing much again", "two", 6, author="Bob")
    say("Rosalind asked about a heron", "three", 1)
    say("a heron and a heron", "four", 1)
    if hidden:
        many = "kestrel kestrel heron Rosalind"
        for position in (3, 4, 7, 8):
            owner.remember(
                many,
                conversation="two",
                position=position,
                author="Rosalind",
                subjects=["gone"],
                consents=withdrawn if position == 3 else (),
                label="confidential",
            )
    eve = gov.acting_as("eve", purpose=PURPOSE)
    queries = ("kestrel", "kestrel of Ann", "nothing of Bob", "Rosalind and the heron")
    return [hit.content or "" for query in queries for hit in eve.recall(query, k=10).hits]


def test_neighbours_and_conversations_that_are_hidden_leave_no_trace(
    gov: Service, tmp_path: Path
) -> None:
    """What stands beside a cube, fills its conversation or has an author lifts nothing unseen."""
    with memos_gov.init(tmp_path / "other", purpose=PURPOSE) as other:
        assert told(other, hidden=False) == told(gov, hidden=True)


def test_refused_neighbours_within_scope_lift_nothing(gov: Service, owner: Actor) -> None:
    """Only a verdict knows of a withdrawn consent; until it is asked, they stand beside."""
    owner.add_principal("eve", roles=["analyst"], clearance="internal", purposes=[PURPOSE])
    withdrawn = [make(c.Consent, purpose=PURPOSE, given=False)]
    first = owner.remember("a kestrel here", conversation="one", position=5).cube_id
    second = owner.remember("a kestrel there", conversation="two", position=5).cube_id
    third = owner.remember("nothing", conversation="two", position=6).cube_id
    for position in (3, 4, 7):
        owner.remember(
            f"a kestrel {position}",
            conversation="two",
            position=position,
            subjects=["gone"],
            consents=withdrawn,
        )

    hits = gov.acting_as("eve", purpose=PURPOSE).recall("kestrel", k=10).hits

    assert sorted([str(first), str(second)]) == [hit.cube_id for hit in hits[:2]]
    assert [third] == [hit.cube_id for hit in hits[2:]]


def within_budgets(gov: Service, reader: Actor, word: str) -> dict[int, tuple[object, ...]]:
    """Return what a recall within each of many budgets shows, and what its record names."""
    shown: dict[int, tuple[object, ...]] = {}
    for budget in range(15, 90):
        reading = reader.recall(word, budget=budget)
        log = gov.rooms.governor.log
        event = codec.decode_header(
            codec.decode(log.read(0, log.end(0) - 1, 1)[0].body).data.events[0]
        )
        assert isinstance(event, CubesRead)
        contents = tuple(hit.content for hit in reading.hits)
        shown[budget] = (contents, reading.text, len(event.cubes))
    return shown


def test_budget_of_a_recall_shows_nothing_of_how_long_masked_words_are(
    gov: Service, owner: Actor
) -> None:
    """Numbers of two lengths that look the same fit the same budgets, and make the same room."""
    attributes = {"clearance": "restricted", "purposes": [PURPOSE]}
    owner.add_principal("ana", roles=["analyst"], **attributes)  # type: ignore[arg-type]
    ana = gov.acting_as("ana", purpose=PURPOSE)
    found = []
    for word, number in (("zebra", "+49 30 1234567"), ("heron", "+49 30 123456789")):
        owner.remember(f"{word}, phone {number}, {word}")
        owner.remember(f"a {word} and no number")
        found.append(within_budgets(gov, ana, word))
    zebra, heron = found

    assert "zebra, phone [phone], zebra" in str(zebra)
    told = [at for at in zebra if str(zebra[at]) != str(heron[at]).replace("heron", "zebra")]
    assert [] == told
    assert {0, 1, 2} == {count for *_, count in zebra.values()}
