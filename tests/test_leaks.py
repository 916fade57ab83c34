"""Content never leaks sideways: not into files in the clear, errors, or logger lines."""

import logging
from pathlib import Path

import pytest

import memos_gov
from memos_gov.domain import commands as c
from tests.residue import places_of

PURPOSE = "complaint-handling"
CANARY = "xylophone-quartz-7731"
PERSON = "person-canary-8842"
MATTER = "matter-canary-9953"


def test_content_that_policy_keeps_from_the_index_stands_nowhere_in_the_clear(
    gov: memos_gov.Service, folder: Path
) -> None:
    """Restricted content lies sealed, and its words in no file."""
    owner = gov.acting_as("owner", purpose=PURPOSE)
    receipt = owner.remember(
        f"the secret is {CANARY}",
        label="restricted",
        subjects=[PERSON],
        author=PERSON,
        conversation=PERSON,
        metadata={"note": CANARY},
    )
    assert receipt.cube_id is not None
    owner.hold(matter=MATTER, subject=PERSON)
    owner.get(receipt.cube_id)
    owner.recall(f"who said {CANARY}")
    owner.list(subject=PERSON)

    assert [] == [place for text in (CANARY, PERSON, MATTER) for place in places_of(text, folder)]


def test_content_in_the_index_stands_in_no_other_file(gov: memos_gov.Service, folder: Path) -> None:
    """Where the plan says `full`, words lie in the index's files and nowhere else."""
    owner = gov.acting_as("owner", purpose=PURPOSE)
    owner.remember("a sentence about xylophonists")
    owner.recall("xylophonists")

    assert all(name.startswith("index.db") for name in places_of("xylophonist", folder))


@pytest.mark.parametrize(
    ("command", "fields"),
    [
        (c.RememberCube, {"content": f"{CANARY}\0", "label": "internal"}),
        (c.RememberCube, {"content": CANARY, "label": CANARY.upper()}),
        (c.RememberCube, {"content": CANARY, "subjects": [f"{CANARY}\n"]}),
        (c.ReviseCube, {"cube": "c_1", "content": CANARY, "mode": CANARY}),
        (c.ReviseCube, {"cube": "c_1", "content": CANARY, "metadata": {"note": f"{CANARY}\0"}}),
        (c.RecallCubes, {"query": f"{CANARY}\0"}),
    ],
)
def test_error_of_an_invalid_command_holds_no_content(
    command: type[c.Command], fields: dict[str, object]
) -> None:
    """The message names the field, never its value."""
    with pytest.raises(memos_gov.InvalidCommandError) as error:
        c.make(command, **fields)

    assert CANARY.lower() not in f"{error.value}{error.value.remedy}{error.value.field}".lower()
    assert error.value.__cause__ is None


def test_logger_lines_of_a_whole_life_hold_no_content(
    gov: memos_gov.Service, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever libraries log at the finest level, content is not in it."""
    caplog.set_level(logging.DEBUG)
    owner = gov.acting_as("owner", purpose=PURPOSE)
    cube = owner.remember(f"the secret is {CANARY}", subjects=[PERSON]).cube_id
    assert cube is not None
    owner.revise(cube, f"still {CANARY}")
    owner.recall(CANARY)
    owner.list(subject=PERSON)

    assert CANARY not in caplog.text
    assert PERSON not in caplog.text
