"""Reliance and recovery: what a record must name, and what the recovery key may sign."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given as forall

from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.evolve import touched
from memos_gov.domain.facts import PolicyFacts, facts_type
from memos_gov.domain.recovery import is_recovery_signature, recovery_text, sign_recovery
from memos_gov.domain.reliance import base_streams, cube_streams, required_streams
from tests.domain.given import (
    ANN,
    CUBE,
    OTHER_POLICY,
    OWNER,
    POLICY,
    SUBJECT,
    TENANT,
    fold,
    remembered,
)
from tests.domain.samples import events

PRIVATE = b"r" * 32


@forall(events())
def test_whatever_an_event_changes_it_relies_on(event: e.Event) -> None:
    """So two records that change one thing never both stand unseen."""
    if isinstance(event, e.LogFounded | e.TenantFounded | e.PolicyActivated):
        return  # without a verdict, or named by every record as a guard
    changed = set(touched(event, TENANT))
    if isinstance(event, e.CubeDerived | e.CubeLinked):
        changed = {event.stream(TENANT)}  # a lineage only grows, whatever it was

    required = set(required_streams(event, TENANT, fold(remembered())))

    assert changed <= required
    assert all(facts_type(stream) for stream in required)


def test_every_verdict_relies_on_who_acts_for_whom_and_on_the_guards() -> None:
    """An absence of holds or restrictions is a version too."""
    alone, together = base_streams(TENANT, OWNER, None), base_streams(TENANT, OWNER, ANN)

    assert {ids.principal_stream(TENANT, ANN)} == set(together) - set(alone)
    assert set(ids.guard_streams(TENANT)) < set(alone)


def test_cube_that_is_known_brings_its_subjects() -> None:
    """One that is not brings only itself."""
    own = {ids.content_stream(TENANT, CUBE), ids.governance_stream(TENANT, CUBE)}

    assert own == set(cube_streams(TENANT, CUBE, {}))
    assert {ids.subject_stream(TENANT, SUBJECT)} == (
        set(cube_streams(TENANT, CUBE, fold(remembered()))) - own
    )


def facts(**changes: object) -> PolicyFacts:
    """Return a tenant that left `POLICY` for `OTHER_POLICY`."""
    public = Ed25519PrivateKey.from_private_bytes(PRIVATE).public_key().public_bytes_raw().hex()
    fields: dict[str, object] = {
        "active": OTHER_POLICY,
        "former": (POLICY,),
        "verifier_key": "",
        "recovery_key": public,
    }
    return PolicyFacts(**(fields | changes))  # type: ignore[arg-type]


def signed(
    policy: str = POLICY, tenant: str = TENANT, command_id: str = "id"
) -> e.PolicyRolledBack:
    """Return the event of a way back."""
    signature = sign_recovery(PRIVATE, recovery_text(tenant, policy, command_id))
    return e.PolicyRolledBack(policy=policy, signature=signature)


def test_recovery_signed_for_a_former_policy_is_good() -> None:
    """Exactly this tenant, policy and command."""
    assert is_recovery_signature(signed(), TENANT, "id", facts())


@pytest.mark.parametrize(
    ("event", "known"),
    [
        (signed(tenant="other"), facts()),
        (signed(command_id="other"), facts()),
        (signed(), facts(former=())),
        (signed("c" * 64), facts()),
        (e.PolicyRolledBack(policy=POLICY, signature="zz"), facts()),
        (signed(), facts(recovery_key="zz")),
        (signed(), facts(recovery_key="00" * 32)),
    ],
)
def test_recovery_that_differs_in_anything_is_not(
    event: e.PolicyRolledBack, known: PolicyFacts
) -> None:
    """A bad signature or key is an answer, not an exception."""
    assert not is_recovery_signature(event, TENANT, "id", known)
