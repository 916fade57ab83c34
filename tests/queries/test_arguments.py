"""What a question of evidence cannot be about is one clear error, before anything is written."""

from collections.abc import Callable
from typing import Any

import pytest

from memos_gov.errors import InvalidCommandError
from memos_gov.service import Actor

LONE = "\ud800"
QUESTIONS: dict[str, tuple[Callable[[Any, Any], object], str, tuple[Any, ...]]] = {
    "history": (lambda actor, bad: actor.history(bad), "cube", (None, 7, LONE, "x" * 300)),
    "explain": (
        lambda actor, bad: actor.explain(bad),
        "verdict",
        (None, 7, LONE, "", "٣", "1/C_X", "-1", "9" * 19, b"1"),
    ),
    "audit": (lambda actor, bad: actor.audit(bad), "question", (None, [], LONE, 7)),
    "audit subject": (
        lambda actor, bad: actor.audit("subject", subject=bad),
        "subject",
        (LONE, 7, "", "a\0b", "x" * 300),
    ),
    "audit access": (
        lambda actor, bad: actor.audit("access", cube=bad),
        "cube",
        (LONE, 7, ["c_1"], "x" * 300),
    ),
    "audit holds": (lambda actor, bad: actor.audit("holds", cube=bad), "cube", (LONE, 7)),
    "log_tail": (
        lambda actor, bad: actor.log_tail(bad),
        "count",
        (None, "3", 0, -1, 1.5, True, 10**30),
    ),
    "log_show": (
        lambda actor, bad: actor.log_show(bad),
        "index",
        (None, "3", -1, 1.5, True, 10**30),
    ),
}
CASES = [(name, bad) for name, (_, _, values) in QUESTIONS.items() for bad in values]


@pytest.mark.parametrize(("name", "bad"), CASES, ids=ascii)
def test_question_about_what_can_be_none_names_the_field_and_writes_nothing(
    auditor: Actor, name: str, bad: object
) -> None:
    """Whatever is given in place of a name, an id or a number."""
    ask, field, _ = QUESTIONS[name]
    before = auditor.rooms.governor.log.end(0)

    with pytest.raises(InvalidCommandError) as caught:
        ask(auditor, bad)

    assert field == caught.value.field
    assert before == auditor.rooms.governor.log.end(0)


def test_audit_holds_of_a_cube_whose_id_is_none_has_no_rows(auditor: Actor) -> None:
    """A slip of the pen does not ask about everything."""
    assert 1 == len(auditor.audit("holds").rows)
    assert () == auditor.audit("holds", cube="no id at all").rows
