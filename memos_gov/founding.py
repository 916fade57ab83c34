"""
Beginnings: the control records of a log, and index 0 of a tenant.

The control record names the instance, the first enrolled proposer and the
event types permitted. A tenant is founded by the one command record without
a verdict: its first principal, its policy, the verifier key of its
checkpoints, and the recovery key, which may only bring a former policy back.
"""

from __future__ import annotations

from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.facts import LogFacts
from memos_gov.domain.recovery import private_key_of, recovery_text, sign_recovery
from memos_gov.domain.rules_version import RULES_VERSION, require_rules
from memos_gov.errors import ConflictError, InvalidCommandError
from memos_gov.governor import Governor
from memos_gov.naming import opaque
from memos_gov.proposer import new_command_id

FIRST_ROLES = ("dpo", "steward")
_REMEDIES: dict[type[e.Event], str] = {
    e.PolicyRolledBack: "Check that the key is this tenant's and that the policy decided before.",
    e.TenantFounded: "Choose another name; `memos-gov tenant list` shows those taken.",
}


def found_log(governor: Governor, instance: str, mac_key_id: str) -> None:
    """
    Write the control record at offset 0 of every partition of an empty log.

    Raises:
        ConflictError: Something stands at offset 0 of a partition already.
    """
    founded = e.LogFounded(
        instance=instance,
        partitions=governor.log.partitions,
        mac_key=mac_key_id,
        event_types=event_types(),
        rules=RULES_VERSION,
    )
    for partition in range(governor.log.partitions):
        _found(governor, ids.control_of(partition), "instance", founded)


def found_tenant(
    governor: Governor,
    tenant: str,
    principal: str,
    *,
    policy: str,
    clearance: str,
    purposes: tuple[str, ...],
    verifier_key: str,
    recovery_key: str,
) -> int:
    """
    Found a tenant whose first principal is steward and data protection officer.

    Raises:
        InvalidCommandError: The name cannot be a tenant's.
        ConflictError: The tenant exists.
    """
    if not ids.is_tenant(tenant):
        msg = "tenant: must be 1 to 63 of a-z, 0-9 and -, and not begin with -"
        raise InvalidCommandError(msg, field="tenant")
    with governor.tables.snapshot() as snapshot:
        if snapshot.index(tenant) >= 0:
            remedy = "Choose another name; `memos-gov tenant list` shows those taken."
            raise ConflictError("the tenant exists already", remedy=remedy)
    founded = e.TenantFounded(
        principal=opaque(governor.keys, tenant, "principal", principal, create=True),
        roles=FIRST_ROLES,
        clearance=clearance,
        purposes=purposes,
        regions=("*",),
        policy=policy,
        verifier_key=verifier_key,
        recovery_key=recovery_key,
    )
    return _found(governor, tenant, founded.principal, founded)


def roll_back_policy(governor: Governor, tenant: str, policy: str, recovery_key: bytes) -> int:
    """
    Bring a formerly active policy back with the recovery key, without a verdict.

    Args:
        recovery_key: What the key file holds: hex text, or the 32 bytes of the key.

    Raises:
        InvalidCommandError: That is no such key; nothing was written.
        ConflictError: The key is not the tenant's, or the policy was never active.
    """
    private, command_id = private_key_of(recovery_key), new_command_id()
    signature = sign_recovery(private, recovery_text(tenant, policy, command_id))
    event = e.PolicyRolledBack(policy=policy, signature=signature)
    return _found(governor, tenant, "recovery-key", event, command_id)


def extend_log(governor: Governor) -> None:
    """
    Permit the event types of this program that the log does not permit yet.

    Its own control record says so in each partition, at the place from which they
    may stand: a certifier that lacks them stops there, and not before.

    Raises:
        SettingsError: A newer program has extended the log to rules of its own.
    """
    known = event_types()
    extended = e.LogExtended(event_types=known, rules=RULES_VERSION)
    for control in map(ids.control_of, range(governor.log.partitions)):
        stream = ids.log_stream(control)
        with governor.tables.snapshot() as snapshot:
            _, facts = snapshot.facts([stream]).get(stream, (0, None))
        if not isinstance(facts, LogFacts):
            continue
        require_rules(facts)
        if not set(known) <= set(facts.event_types):
            _found(governor, control, "instance", extended)


def event_types() -> tuple[str, ...]:
    """Return the event types that this program knows, every version, as a log names them."""
    return tuple(sorted(e.type_name(t) for t in e.EVENT_VERSIONS.values()))


def _found(
    governor: Governor, tenant: str, actor: str, event: e.Event, command_id: str = ""
) -> int:
    """Propose a record without a verdict and return its index."""
    outcome = governor.proposer.submit_unjudged(
        tenant, actor, event, action="found", command_id=command_id
    )
    if outcome.code != "accepted":
        msg = f"the record was not accepted ({outcome.code})"
        raise ConflictError(msg, remedy=_REMEDIES.get(type(event)))
    return outcome.index
