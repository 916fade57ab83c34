"""Signed checkpoints in the log: the notary's alone, true heads, each going on from the last."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.transparency.checkpoints import TreeHead
from memos_gov.transparency.notes import Signer
from tests.certify.cases import REFUSED, why
from tests.domain.given import remembered
from tests.notaries import ORIGIN, SIGNER, a_checkpoint, a_history, leaves, newest, propose
from tests.records import TENANT, History, a_record, allowing
from tests.transparency import naive

STREAM = ids.checkpoint_stream(TENANT)
INVALID = ("invalid", {"why": ["checkpoint"]})


@pytest.fixture
def history() -> History:
    """Return a history with three cubes."""
    history = a_history()
    for number in range(3):
        assert history.propose(remembered(cube=f"c_{number}")).final
    return history


def test_head_of_the_whole_tree_is_accepted(history: History) -> None:
    """It becomes the newest head of the tenant, and a leaf itself."""
    outcome = propose(history, a_checkpoint(history))

    facts = newest(history)
    assert ("accepted", 4) == (outcome.code, outcome.index)
    assert facts is not None
    assert (4, 4, naive.mth(leaves(history)[:4]).hex()) == (facts.size, facts.index, facts.root)


def test_head_that_goes_on_from_the_last_is_accepted_though_the_tree_has_grown(
    history: History,
) -> None:
    """Writers need not wait for the notary."""
    propose(history, a_checkpoint(history))
    history.propose(remembered(cube="c_more"))
    event = a_checkpoint(history)
    history.propose(remembered(cube="c_later"))

    assert "accepted" == propose(history, event).code


def test_head_above_the_tree_is_invalid(history: History) -> None:
    """Nobody signs what was not decided, whoever asks."""
    mine = [*leaves(history), b"x" * 32]
    head = TreeHead(origin=ORIGIN, size=5, root=naive.mth(mine))

    assert INVALID == why(propose(history, a_checkpoint(history, head=head)))


def test_head_of_the_whole_tree_with_another_root_is_invalid(history: History) -> None:
    """Though the tenant's key signed it."""
    head = TreeHead(origin=ORIGIN, size=4, root=b"x" * 32)

    assert INVALID == why(propose(history, a_checkpoint(history, head=head)))


def test_head_inconsistent_with_the_last_is_invalid(history: History) -> None:
    """Another history of the same length, signed and proven within itself."""
    propose(history, a_checkpoint(history))
    history.propose(remembered(cube="c_more"))
    forked = [b"x" * 32, *leaves(history)[1:]]
    head = TreeHead(origin=ORIGIN, size=6, root=naive.mth(forked))
    proof = tuple(found.hex() for found in naive.proof(4, forked))
    event = a_checkpoint(history, head=head, consistency=proof)
    history.propose(remembered(cube="c_later"))

    assert INVALID == why(propose(history, event))


@pytest.mark.parametrize("size", [4, 3])
def test_head_that_is_not_newer_than_the_last_is_stale(history: History, size: int) -> None:
    """Two notaries at once: the second one comes too late, and nothing is lost."""
    event = a_checkpoint(history, size=size)
    propose(history, a_checkpoint(history))

    assert ("stale", {"streams": [STREAM]}) == why(propose(history, event))


@pytest.mark.parametrize(
    "changes",
    [
        {"consistency": ("00" * 32,)},
        {"consistency": ("zz",)},
        {"root": "00" * 32},
        {"size": 3},
        {"size": 0},
        {"size": -1},
        {"note": ""},
        {"note": "no note\n"},
        {"first_offset": 1},
        {"first_offset": -1},
        {"last_offset": 99},
        {"last_offset": -2},
    ],
)
def test_head_that_contradicts_itself_is_invalid(history: History, changes: dict[str, Any]) -> None:
    """Each field is held against the note, the log and the head before."""
    assert INVALID == why(propose(history, replace(a_checkpoint(history), **changes)))


@pytest.mark.parametrize("offsets", [(2, 1), (1, 1), (3, 99), (-1, 2)])
def test_head_with_outcomes_out_of_order_is_invalid(
    history: History, offsets: tuple[int, int]
) -> None:
    """Each record is spoken of once, in order, within what is covered."""
    told = tuple(
        e.RecordedOutcome(offset=offset, code="stale", detail={}, apart=False) for offset in offsets
    )

    assert INVALID == why(propose(history, a_checkpoint(history, outcomes=told)))


def test_second_head_that_leaves_records_out_is_invalid(history: History) -> None:
    """Coverage has no gap."""
    propose(history, a_checkpoint(history))
    history.propose(remembered(cube="c_more"))
    event = a_checkpoint(history)

    later = replace(event, first_offset=event.first_offset + 1)

    assert INVALID == why(propose(history, later))


@pytest.mark.parametrize(
    "signer",
    [
        Signer(ORIGIN, b"x" * 32),
        Signer("memos-gov/one/other", b"v" * 32),
        Signer("memos-gov/two/acme", b"v" * 32),
    ],
)
def test_head_that_the_tenants_key_did_not_sign_is_invalid(
    history: History, signer: Signer
) -> None:
    """Another key, another tenant, another instance: an enrolled proposer alone is not enough."""
    assert INVALID == why(propose(history, a_checkpoint(history, signer=signer)))


def test_head_proposed_by_anybody_but_the_notary_is_invalid(history: History) -> None:
    """A principal, another worker, and the notary's name under a verdict."""
    event = a_checkpoint(history)

    for actor in ("p_owner", ids.ERASER, ids.SCHEDULER):
        assert ("invalid", {"why": ["verdict"]}) == why(propose(history, event, actor=actor))
    outcome = propose(history, event, verdict=allowing([""]), relied_on=history.relied_on(event))
    assert ("invalid", {"why": ["verdict"]}) == why(outcome)


def test_head_under_a_mac_of_somebody_else_is_forged(history: History) -> None:
    """Whoever can write to the log cannot sign for the notary."""
    assert "forged" == propose(history, a_checkpoint(history), key=b"x" * 32).code


def test_notary_without_a_verdict_may_propose_nothing_but_heads(history: History) -> None:
    """Neither a memory, nor a refusal, nor a head with something beside it."""
    event = a_checkpoint(history)
    for events in ((remembered(cube="c_x"),), (REFUSED,), (event, REFUSED)):
        body = a_record(*events, actor=ids.NOTARY, verdict=None)
        assert ("invalid", {"why": ["verdict"]}) == why(history.append(body))


def test_head_of_the_instance_must_be_that_of_its_whole_tree(history: History) -> None:
    """It has no verifier key of its own, so its root is compared or it is stale."""
    event = a_checkpoint(history, tenant=ids.INSTANCE)
    assert "accepted" == propose(history, event, ids.INSTANCE).code
    later = a_checkpoint(history, tenant=ids.INSTANCE)
    history.append(b"nonsense", ids.INSTANCE)

    assert "stale" == propose(history, later, ids.INSTANCE).code


def test_tenant_whose_verifier_key_is_none_gets_no_head(history: History) -> None:
    """An older genesis with another word there: rejected, not stopped."""
    other = History(verifier_key="not hex")
    other.propose(remembered())

    assert INVALID == why(propose(other, a_checkpoint(other, signer=SIGNER)))
