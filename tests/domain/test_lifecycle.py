"""The table of states: every transition that a command can ask for, allowed or refused."""

import pytest
from msgspec.structs import replace

from memos_gov.domain import commands as c
from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.decide import decide
from memos_gov.domain.facts import Facts, GovernanceFacts
from memos_gov.domain.lifecycle import ALLOWED, STATES, State, may_become
from tests.domain.given import (
    ALLOWED as PERMITTED,
)
from tests.domain.given import (
    CUBE,
    TENANT,
    Decision,
    fold,
    fold_on,
    remembered,
    situation,
)

ASKS: dict[type[c.OnCube], State] = {c.ArchiveCube: "archived", c.RestoreCube: "activated"}
MAKES: dict[type[e.OnGovernance], State] = {
    e.CubeArchived: "archived",
    e.CubeActivated: "activated",
    e.CubeExpired: "expired",
}
STREAM = ids.governance_stream(TENANT, CUBE)


def in_state(state: State) -> dict[str, Facts]:
    """Return the facts of a cube that has come to `state`, however it did."""
    known = fold(remembered())
    governance = known[STREAM]
    assert isinstance(governance, GovernanceFacts)
    return {**known, STREAM: replace(governance, state=state)}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("command_type", ASKS, ids=lambda x: x.__name__)
def test_command_moves_a_cube_only_along_the_table(
    command_type: type[c.OnCube], state: State
) -> None:
    """What the table does not list is refused; out of `generated` only a review leads."""
    known, command = in_state(state), c.make(command_type, cube=CUBE)
    listed = may_become(state, ASKS[command_type])
    by_review = state == "generated"

    drafts = decide(command, situation(command, known), PERMITTED)

    if listed and not by_review:
        after = fold_on(known, drafts[0].event)[STREAM]
        assert ASKS[command_type] == after.state  # type: ignore[attr-defined]
    else:
        Decision(drafts, known).refused("transition_not_allowed")


@pytest.mark.parametrize("event_type", MAKES, ids=lambda x: x.__name__)
def test_event_brings_a_cube_to_its_state(event_type: type[e.OnGovernance]) -> None:
    """Each event that moves a cube leads to one state."""
    after = fold_on(in_state("generated"), event_type(cube=CUBE))[STREAM]

    assert MAKES[event_type] == after.state  # type: ignore[attr-defined]


def test_table_lists_every_state_and_ends_at_erased() -> None:
    """Every state can be left for erased, which nothing leaves."""
    assert set(STATES) == set(ALLOWED)
    assert frozenset() == ALLOWED["erased"]
    assert all(may_become(state, "erased") for state in STATES if state != "erased")


def test_table_lets_every_state_but_the_last_come_to_its_end() -> None:
    """A cube's time is over wherever it is kept."""
    kept = {state for state in STATES if state not in {"expired", "erased"}}

    assert kept == {state for state in STATES if may_become(state, "expired")}


def test_table_lets_no_state_follow_itself() -> None:
    """A transition to the same state would be an event that says nothing."""
    assert not any(may_become(state, state) for state in STATES)


@pytest.mark.parametrize("event", [e.CubeFrozen(cube=CUBE), e.CubeQuarantined(cube=CUBE)])
@pytest.mark.parametrize("state", STATES)
def test_flag_leaves_the_state_alone(event: e.Event, state: State) -> None:
    """Frozen and quarantined stand beside the state."""
    after = fold_on(in_state(state), event)[STREAM]

    assert state == after.state  # type: ignore[attr-defined]


def test_read_leaves_all_facts_alone() -> None:
    """Reads change no state."""
    known = in_state("activated")
    read = e.CubesRead(
        action="read", cubes=(e.ReadCube(cube=CUBE, revision=1),), snapshot=3, refused={}
    )

    assert known == fold_on(known, read)
