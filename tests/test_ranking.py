"""Who said it, what stands beside it, and what fits: the order of a recall, and its packing."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench import locomo
from memos_gov.errors import InvalidCommandError
from memos_gov.packing import Line, fitting, packed
from memos_gov.service import Actor, Service

PURPOSE = "complaint-handling"
MAY = datetime(2023, 5, 8, 13, 56, tzinfo=UTC)


def best(actor: Actor, query: str, k: int = 10) -> list[str]:
    """Return the contents that a query finds, best first."""
    return [hit.content or "" for hit in actor.recall(query, k=k).hits]


def test_recall_that_names_an_author_prefers_what_that_author_said(owner: Actor) -> None:
    """A name is a field, with its possessive and in any case; it is no word of the query."""
    owner.remember("the race was long", author="Ann Lee", conversation="one", position=1)
    owner.remember("the race was long", author="Bob", conversation="one", position=9)
    owner.remember("Bob was here", author="Ann Lee", conversation="two", position=1)
    for query, author in (("Ann Lee's race", "Ann Lee"), ("what race did bob run", "Bob")):
        hits = owner.recall(query, k=10).hits
        assert author == hits[0].author
        assert not any(hit.content == "Bob was here" for hit in hits)


def test_recall_finds_the_answer_beside_the_question(owner: Actor) -> None:
    """A turn without a word of the query is found by the turns around it, and before a question."""
    owner.remember("Which pottery class is it?", conversation="one", position=1)
    owner.remember("Tuesdays, in the old mill", conversation="one", position=2)
    owner.remember("We never met", conversation="one", position=9)
    assert ["Which pottery class is it?", "Tuesdays, in the old mill"] == best(owner, "pottery")


def test_recall_finds_a_memory_by_its_day(owner: Actor) -> None:
    """The day from which a memory is valid is among its words."""
    owner.remember("we met", valid_from=MAY)
    owner.remember("we met again", valid_from=datetime(2022, 6, 1, tzinfo=UTC))
    assert ["we met"] == best(owner, "May 2023", k=1)


def test_recall_within_a_budget_packs_whole_cubes_in_order_of_time(owner: Actor) -> None:
    """One header a session; what does not fit is passed over, and is not in the hits either."""
    owner.remember(
        "A kestrel, a kestrel!", author="Ann", conversation="one", position=2, valid_from=MAY
    )
    owner.remember("Look up", author="Bob", conversation="one", position=1, valid_from=MAY)
    owner.remember(f"kestrel {'long ' * 30}", conversation="two", position=1, valid_from=MAY)

    found = owner.recall("kestrel", budget=60)

    assert "8 May 2023\nBob: Look up\nAnn: A kestrel, a kestrel!\n" == found.text
    assert [1, 2] == [hit.rank for hit in found.hits]
    assert {"one"} == {hit.conversation for hit in found.hits}
    assert found.text is not None
    assert len(found.text) <= 60


@pytest.mark.parametrize("budget", [0, -1, 1_000_001])
def test_recall_with_an_impossible_budget_is_refused(owner: Actor, budget: int) -> None:
    """The field is named."""
    with pytest.raises(InvalidCommandError, match="budget"):
        owner.recall("kestrel", budget=budget)


def test_packed_text_is_as_long_as_was_counted() -> None:
    """What `fitting` counts is what `packed` writes, to the character."""
    lines = [
        Line("one", 1_683_554_160, 1, "Ann", 4, "abcd"),
        Line("two", 1_683_554_160, 1, "", 2, "ab"),
        Line("one", 1_683_554_161, 2, "Bob", 1, "x"),
    ]
    whole = len(packed(lines))
    assert [0, 1, 2] == [*fitting(lines, whole)]
    assert [0, 1] == [*fitting(lines, whole - 1)]
    assert [] == [*fitting(lines, 3)]


def test_recall_of_a_real_conversation_reaches_the_gates(gov: Service, shared_data: Path) -> None:
    """Forty questions about one long conversation, with room for how few they are."""
    turns, asked = locomo.conversations(shared_data / "locomo10.json")[0]
    actor = locomo.remembered(gov, "talk", turns)
    rows = [locomo.marks(actor, question, []) for question in asked[:40]]
    any_ten, all_ten, any_packed, all_packed = (sum(c) / len(rows) for c in zip(*rows, strict=True))
    assert any_ten >= 0.75
    assert all_ten >= 0.6
    assert any_packed >= 0.8
    assert all_packed >= 0.7
