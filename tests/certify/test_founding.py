"""Genesis, recovery, and the tree that everything decided goes into."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from memos_gov.certify import certify, parse
from memos_gov.domain import codec, ids
from memos_gov.domain import events as e
from memos_gov.domain.facts import PolicyFacts
from memos_gov.domain.history import Known, LogRecord, Outcome
from memos_gov.domain.recovery import recovery_text, sign_recovery
from memos_gov.transparency import merkle
from tests.certify.cases import (
    FROZEN,
    POLICY_GUARD,
    REFUSED,
    why,
)
from tests.domain.given import ANN, CUBE, OTHER_POLICY, POLICY
from tests.records import (
    KEY,
    KEY_ID,
    LOG_FOUNDED,
    TENANT,
    History,
    a_record,
    allowing,
    an_id,
    refusing,
    tenant_founded,
)

# --- Founding -------------------------------------------------------------------


def test_tenant_begins_with_its_genesis(history: History) -> None:
    """Index 0, and the instance's own tree beside."""
    outcome = history.found_tenant("other")

    assert ("accepted", 0, "other") == (outcome.code, outcome.index, outcome.tenant)
    assert 1 == history.known.trees[ids.INSTANCE].size


def test_tenant_founded_twice_is_invalid(history: History) -> None:
    """Nobody takes a tenant over by founding it again."""
    outcome = history.found_tenant(TENANT, principal=ANN)

    assert ("invalid", {"why": ["verdict"]}) == why(outcome)
    assert ids.principal_stream(TENANT, ANN) not in history.known.facts


@pytest.mark.parametrize("verdict", [allowing([""]), refusing()])
@pytest.mark.parametrize("tenant", [TENANT, "fresh"])
def test_founding_under_a_verdict_is_invalid(
    history: History, tenant: str, verdict: codec.RecordedVerdict
) -> None:
    """No policy may found a tenant, and none may found it again."""
    body = a_record(tenant_founded(), tenant=tenant, verdict=verdict)

    assert "invalid" == history.append(body, tenant).code
    assert "fresh" not in history.known.trees


@pytest.mark.parametrize("tenant", ["", "A", "a/b", "_instance", "-a", "a" * 64, "a\nb", "ä"])
def test_tenant_of_a_bad_name_is_never_founded(history: History, tenant: str) -> None:
    """A name is part of every stream and key."""
    assert "invalid" == history.found_tenant(tenant).code
    assert {ids.INSTANCE, TENANT} == history.known.trees.keys()


def test_founding_that_is_rejected_leaves_the_name_free(history: History) -> None:
    """Index 0 of a tenant is its genesis, so a rejected one is evidence of the instance."""
    record = codec.decode(a_record(tenant_founded(), tenant="fresh", verdict=None))
    (env,) = record.data.events
    moved = replace(env, stream="fresh/usage")
    body = codec.sign(replace(record, data=replace(record.data, events=(moved,))), KEY)

    rejected = history.append(body, "fresh")

    assert ("invalid", ids.INSTANCE) == (rejected.code, rejected.tenant)
    assert ("accepted", 0) == (
        (again := history.found_tenant("fresh")).code,
        again.index,
    )


def test_tenant_founded_before_the_log_is_rejected() -> None:
    """Offset 0 is the control record, and nothing is permitted before it."""
    history = History(founded=False)

    assert ("unknown_type", ids.INSTANCE) == (
        (outcome := history.found_tenant()).code,
        outcome.tenant,
    )
    assert TENANT not in history.known.trees


def decided(known: Known, partition: int, offset: int, body: bytes, tenant: str) -> Outcome:
    """Return what becomes of a record where it stands."""
    record = LogRecord(partition, offset, tenant, body)
    return certify([parse(record)], known, {KEY_ID: KEY}).by_offset[offset]


def test_partition_is_founded_by_the_control_record_of_its_own_name() -> None:
    """One that was copied from another partition founds nothing."""
    event = replace(LOG_FOUNDED, partitions=4)
    bodies = {
        name: a_record(event, tenant=name, verdict=None) for name in ("_instance", "_instance-3")
    }

    assert "invalid" == decided(Known(), 3, 0, bodies["_instance"], "_instance").code
    assert "invalid" == decided(Known(), 0, 0, bodies["_instance-3"], "_instance-3").code
    assert "invalid" == decided(Known(), 3, 1, bodies["_instance-3"], "_instance-3").code
    known = Known()
    found = decided(known, 3, 0, bodies["_instance-3"], "_instance-3")
    assert ("accepted", "_instance-3", 0) == (found.code, found.tenant, found.index)
    assert {"_instance-3/log"} == known.facts.keys()


@pytest.mark.parametrize(
    ("name", "partition"), [("default", 3), ("other", 2), ("acme", 3), ("_instance-1", 1)]
)
def test_name_stands_in_one_partition_of_four_for_ever(name: str, partition: int) -> None:
    """SHA-256 of the name mod the count; a log that was written relies on it."""
    assert partition == ids.partition_of(name, 4)


@pytest.mark.parametrize("partition", [0, 1, 2])
def test_tenant_founded_in_a_partition_that_is_not_its_own_is_invalid(partition: int) -> None:
    """Of four partitions `acme` stands in the last."""
    known, name = Known(), ids.control_of(partition)
    control = a_record(replace(LOG_FOUNDED, partitions=4), tenant=name, verdict=None)
    assert "accepted" == decided(known, partition, 0, control, name).code

    found = decided(
        known, partition, 1, a_record(tenant_founded(), tenant=TENANT, verdict=None), TENANT
    )

    assert ("invalid", name, {"why": ["tenant"]}) == (found.code, found.tenant, found.detail)


@pytest.mark.parametrize("verdict", [None, allowing([""])])
def test_log_founded_later_is_invalid(
    history: History, verdict: codec.RecordedVerdict | None
) -> None:
    """Nobody enrols a proposer by a second control record."""
    evil = replace(LOG_FOUNDED, mac_key="m_two")
    body = a_record(evil, tenant=ids.INSTANCE, verdict=verdict)

    assert "invalid" == history.append(body, ids.INSTANCE).code
    assert ("m_one",) == history.known.log.mac_keys  # type: ignore[union-attr]


def test_log_founded_by_a_tenant_is_invalid(history: History) -> None:
    """Its stream is the instance's."""
    assert "invalid" == history.propose(replace(LOG_FOUNDED, mac_key="m_two")).code
    assert ("m_one",) == history.known.log.mac_keys  # type: ignore[union-attr]


# --- Recovery -------------------------------------------------------------------

RECOVERY = Ed25519PrivateKey.from_private_bytes(b"r" * 32)


@pytest.fixture
def locked_out() -> History:
    """Return a tenant whose policy was replaced by another."""
    public = RECOVERY.public_key().public_bytes_raw().hex()
    history = History(recovery_key=public)
    assert "accepted" == history.propose(e.PolicyActivated(policy=OTHER_POLICY)).code
    return history


def rolled_back(
    history: History, policy: str = POLICY, key: bytes = b"r" * 32, **changes: Any
) -> Outcome:
    """Append a recovery, signed for what `changes` say it is."""
    cid = an_id()
    fields = {"tenant": TENANT, "policy": policy, "command_id": cid} | changes
    signature = sign_recovery(key, recovery_text(**fields))
    event = e.PolicyRolledBack(policy=policy, signature=signature)
    return history.append(a_record(event, command_id=cid, verdict=None))


def test_recovery_key_brings_a_former_policy_back(locked_out: History) -> None:
    """Without a verdict, since the active policy may refuse everything."""
    outcome = rolled_back(locked_out)

    policy = locked_out.known.facts[POLICY_GUARD]
    assert "accepted" == outcome.code
    assert isinstance(policy, PolicyFacts)
    assert (POLICY, (POLICY, OTHER_POLICY)) == (policy.active, policy.former)


@pytest.mark.parametrize(
    "change",
    [
        {"key": b"x" * 32},
        {"command_id": an_id()},
        {"tenant": "other"},
        {"policy": "c" * 64},
        {"policy": OTHER_POLICY},
    ],
    ids=["other key", "replayed", "other tenant", "never active", "active now"],
)
def test_recovery_that_is_not_exactly_signed_or_not_former_is_invalid(
    locked_out: History, change: dict[str, Any]
) -> None:
    """The key may do one thing, once a signature."""
    assert ("invalid", {"why": ["verdict"]}) == why(rolled_back(locked_out, **change))


@pytest.mark.parametrize("signature", ["", "zz", "00", "00" * 64])
def test_recovery_with_a_malformed_signature_is_invalid(
    locked_out: History, signature: str
) -> None:
    """Garbage is an outcome."""
    event = e.PolicyRolledBack(policy=POLICY, signature=signature)

    assert "invalid" == locked_out.append(a_record(event, verdict=None)).code


@pytest.mark.parametrize("key", ["", "zz", "00"])
def test_recovery_under_a_malformed_key_is_invalid(key: str) -> None:
    """A tenant founded with a bad key stops nothing; it only cannot be recovered."""
    history = History(recovery_key=key)
    history.propose(e.PolicyActivated(policy=OTHER_POLICY))

    assert "invalid" == rolled_back(history).code


# --- The tree -------------------------------------------------------------------


def test_index_is_gapless_over_every_decided_record(lived: History) -> None:
    """Accepted, refused and rejected count; duplicates and foreign evidence do not."""
    outcomes = [
        lived.propose(FROZEN),
        lived.append(a_record(REFUSED, verdict=refusing())),
        lived.propose(FROZEN, relied_on={}),
        lived.propose(e.CubeThawed(cube=CUBE)),
    ]

    assert [2, 3, 4, 5] == [outcome.index for outcome in outcomes]
    leaves = [row[10] for rows in lived.rows for row in rows.outcomes if row[2] == TENANT]
    root = merkle.root(lived.known.trees[TENANT].frontier)
    assert root == merkle.root_of(leaves)  # type: ignore[arg-type]


def test_leaf_depends_on_the_outcome_and_on_the_record(history: History) -> None:
    """Two records never share a leaf, nor does one record under two outcomes."""
    first = history.append(a_record(REFUSED, verdict=refusing()))
    second = history.append(a_record(REFUSED, verdict=refusing()))

    assert first.leaf != second.leaf
    assert 32 == len(first.leaf)


def test_log_is_extended_by_a_further_control_record(history: History) -> None:
    """An enrolled proposer permits more types; what stood before is not judged again."""
    event = e.LogExtended(event_types=("CubeVanished.v1",), rules=1)
    outcome = history.append(a_record(event, tenant=ids.INSTANCE, verdict=None), ids.INSTANCE)

    assert "accepted" == outcome.code
    assert history.known.log is not None
    assert "CubeVanished.v1" in history.known.log.event_types


@pytest.mark.parametrize("verdict", [None, allowing([""])])
def test_log_extended_by_a_tenant_is_invalid(
    history: History, verdict: codec.RecordedVerdict | None
) -> None:
    """Only the log's own tenant says what may stand in the log, whatever a policy allows."""
    event = e.LogExtended(event_types=("CubeVanished.v1",), rules=1)
    outcome = history.append(a_record(event, tenant=TENANT, verdict=verdict))

    assert "invalid" == outcome.code
