"""The ids of an erasure's steps: the same at every run, and nobody else's."""

from __future__ import annotations

import hmac

from memos_gov.domain import ids
from memos_gov.ports import KeyStore

STEPS = "erasure"
COMPLETED = "completed"
BACKUPS = "backups"
_VERSION_AT = 14  # in the text of a UUID


def page_step(number: int) -> str:
    """Return the name of a page's step; pages are counted from 1."""
    return f"page/{number}"


def is_step_id(command_id: str) -> bool:
    """Whether an id of the eraser's may be one of `step_id`: chance makes none of that version."""
    return command_id[_VERSION_AT] == "8"


def step_id(keys: KeyStore, tenant: str, erasure: str, step: str) -> str:
    """
    Return the command id of a step, a UUIDv8 (RFC 9562) of its HMAC-SHA256.

    It is keyed, so that nobody can spend the id of a step before it is taken.
    """
    secret = keys.secret(tenant, STEPS, create=True)
    assert secret is not None
    return ids.uuid8(hmac.digest(secret, f"{erasure}\0{step}".encode(), "sha256"))
