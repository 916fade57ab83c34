"""Events of logs and tenants, reviews and policies."""

from __future__ import annotations

from memos_gov.domain import ids
from memos_gov.domain.events.event import Event, OnCase, OnPrincipal
from memos_gov.domain.verdicts import Integer


class LogFounded(Event, frozen=True, kw_only=True):
    """The control record at offset 0: whose log this is and what may stand in it."""

    instance: str
    partitions: Integer
    mac_key: str
    event_types: tuple[str, ...]
    rules: Integer

    def stream(self, tenant: str) -> str:
        """Return the stream of the log itself, in this partition."""
        return ids.log_stream(tenant)


class LogExtended(Event, frozen=True, kw_only=True):
    """A further control record: more event types may stand in the log from here on."""

    event_types: tuple[str, ...]
    rules: Integer

    def stream(self, tenant: str) -> str:
        """Return the stream of the log itself, in this partition."""
        return ids.log_stream(tenant)


class TenantFounded(OnPrincipal, frozen=True, kw_only=True):
    """Index 0 of a tenant: first principal, policy and keys; the one command without a verdict."""

    roles: tuple[str, ...]
    clearance: str
    purposes: tuple[str, ...]
    regions: tuple[str, ...]
    policy: str
    verifier_key: str
    recovery_key: str


class ReviewOpened(OnCase, frozen=True, kw_only=True):
    """An act waits for a second pair of eyes."""

    action: str
    target: str


class ReviewApproved(OnCase, frozen=True, kw_only=True):
    """The act may be done."""


class ReviewRejected(OnCase, frozen=True, kw_only=True):
    """The act may not be done."""


class ReviewUsed(OnCase, frozen=True, kw_only=True):
    """The approved act was done; the approval is spent."""


class PolicyActivated(Event, frozen=True, kw_only=True):
    """Another bundle decides from here on."""

    policy: str

    def stream(self, tenant: str) -> str:
        """Return the policy guard, so that every verdict under the former policy is stale."""
        return ids.guard_stream(tenant, "policy")


class PolicyRolledBack(PolicyActivated, frozen=True, kw_only=True):
    """The recovery key brought a former bundle back; `signature` is over `recovery_text`."""

    signature: str


class VaultRotated(Event, frozen=True, kw_only=True):
    """
    From here on every key is wrapped under `epoch`, and the master keys of `ended` are destroyed.

    When that was done stands in the vault, which may have been rotated by order
    of another tenant before.
    """

    epoch: Integer
    ended: tuple[Integer, ...]

    def stream(self, tenant: str) -> str:
        """Return the stream of the vault, as this tenant ordered it."""
        return ids.guard_stream(tenant, "vault")
