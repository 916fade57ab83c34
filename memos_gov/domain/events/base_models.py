"""Events about base models."""

from __future__ import annotations

from memos_gov.domain import ids
from memos_gov.domain.events.event import Event
from memos_gov.domain.fingerprint import Fingerprint


class BaseModelRegistered(Event, frozen=True, kw_only=True):
    """
    From here on this base model is the tenant's; tensors of another one are of no use.

    `base_model` is the digest of the fingerprint.
    """

    base_model: str
    fingerprint: Fingerprint

    def stream(self, tenant: str) -> str:
        """Return the guard that says which base model the tenant has."""
        return ids.base_model_stream(tenant)
