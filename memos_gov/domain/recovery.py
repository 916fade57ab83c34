"""
What the recovery key may do: bring a formerly active policy back, nothing else.

The private half is kept away from the machine; its signature stands in the
event, so that anybody can check why no verdict was needed.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from memos_gov.domain.events import PolicyRolledBack
from memos_gov.domain.facts import PolicyFacts
from memos_gov.errors import InvalidCommandError

_PRIVATE_BYTES = 32


def recovery_text(tenant: str, policy: str, command_id: str) -> bytes:
    """Return what the recovery key signs."""
    return f"memos-gov/recovery/v1\n{tenant}\n{policy}\n{command_id}\n".encode()


def is_recovery_signature(
    event: PolicyRolledBack, tenant: str, command_id: str, facts: PolicyFacts
) -> bool:
    """Whether the tenant's recovery key signed the way back to a formerly active policy."""
    if event.policy not in facts.former:
        return False
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(facts.recovery_key))
        text = recovery_text(tenant, event.policy, command_id)
        key.verify(bytes.fromhex(event.signature), text)
    except (InvalidSignature, ValueError):
        return False
    return True


def private_key_of(given: bytes) -> bytes:
    """
    Return the raw private key of what a recovery key file holds: 32 bytes, or hex text.

    Raises:
        InvalidCommandError: It is neither.
    """
    if len(given) == _PRIVATE_BYTES:
        return given
    try:
        key = bytes.fromhex(given.decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != _PRIVATE_BYTES:
        msg = "recovery_key: must be 32 bytes, or 64 hexadecimal digits"
        raise InvalidCommandError(msg, field="recovery_key")
    return key


def sign_recovery(private_key: bytes, text: bytes) -> str:
    """Return the Ed25519 signature of `text`, in hex."""
    return Ed25519PrivateKey.from_private_bytes(private_key).sign(text).hex()
