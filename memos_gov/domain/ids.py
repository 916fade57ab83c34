"""
Names of things: tenants, streams, cubes, and the alphabet that ids may use.

Ids in headers are opaque: random, or derived from the command id. What they
stand for ("customer 4711") lies sealed in the vault's directory.
"""

from __future__ import annotations

import base64
import hashlib
import re
import uuid
from functools import lru_cache

from memos_gov.errors import InvalidCommandError

INSTANCE = "_instance"
_CONTROL = re.compile(rf"{INSTANCE}(-[1-9][0-9]{{0,6}})?")
NOTARY, SCHEDULER, ERASER = "w_notary", "w_scheduler", "w_eraser"
WORKERS = frozenset({NOTARY, SCHEDULER, ERASER})
TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
COMMAND_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
OPAQUE = re.compile(r"[a-z]_[a-z0-9]{1,40}")
_CORRELATION_BYTES = 16
_ID = r"[a-z]_[a-z0-9]{1,40}"
STREAM = re.compile(
    rf"[a-z0-9_-]+/(cube/{_ID}(/governance|/lineage)?"
    rf"|(subject|principal|matter|case|correlation|erasure|artefact)/{_ID}|guard/[a-z]+|log|checkpoint)"
)

PREFIXES = {
    "subject": "s",
    "principal": "p",
    "author": "a",
    "conversation": "v",
    "matter": "m",
}


def is_tenant(name: str) -> bool:
    """Whether `name` may be a tenant of a customer (`_instance` may not)."""
    return TENANT.fullmatch(name) is not None


def control_of(partition: int) -> str:
    """Return who the control records of a partition, and what is not trusted there, belong to."""
    return f"{INSTANCE}-{partition}" if partition else INSTANCE


def is_control(name: str) -> bool:
    """Whether `name` is no tenant but a partition's own, as `control_of` names it."""
    return _CONTROL.fullmatch(name) is not None


def partition_of(tenant: str, partitions: int) -> int:
    """
    Return the partition of a tenant: SHA-256 of its name mod the count.

    What belongs to a partition itself (`control_of`) stands in that one, if there is one.
    """
    if is_control(tenant):
        return int(tenant.removeprefix(INSTANCE).removeprefix("-") or "0")
    return int.from_bytes(hashlib.sha256(tenant.encode()).digest()) % partitions


def is_opaque(text: str) -> bool:
    """Whether `text` has the form of an id of ours, so that it may stand in a header."""
    return OPAQUE.fullmatch(text) is not None


def check_command_id(command_id: object) -> None:
    """
    Refuse an idempotency key that is no UUID in its canonical form.

    Raises:
        InvalidCommandError: Names `command_id`.
    """
    if not isinstance(command_id, str) or not COMMAND_ID.fullmatch(command_id):
        msg = "command_id: must be a UUID in lower case, with dashes"
        raise InvalidCommandError(msg, field="command_id")


def short(raw: bytes) -> str:
    """Return 16 bytes as 26 letters and digits that sort like the bytes."""
    return base64.b32hexencode(raw).decode().rstrip("=").lower()


def opaque_id(kind: str, raw: bytes) -> str:
    """Return the id of a directory entry of `kind` from 16 random bytes."""
    return f"{PREFIXES[kind]}_{short(raw)}"


def uuid8(digest: bytes) -> str:
    """Return a UUIDv8 (RFC 9562) of the first 16 bytes of a digest."""
    raw = bytearray(digest[:16])
    raw[6] = raw[6] & 0x0F | 0x80
    raw[8] = raw[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(raw)))


def cube_id_of(command_id: str, place: int = 0) -> str:
    """Return the id of a cube that a command makes; the same for every retry of it."""
    return f"c_{short(_of_command(command_id, str(place) if place else ''))}"


def case_id_of(command_id: str, about: str = "") -> str:
    """Return the id of the review case that a command opens, of one of several `about` a cube."""
    return f"r_{short(_of_command(command_id, about))}"


def _of_command(command_id: str, detail: str) -> bytes:
    """Return 16 bytes that belong to a command, or to one detail of it."""
    raw = uuid.UUID(command_id).bytes
    return hashlib.sha256(raw + detail.encode()).digest()[: len(raw)] if detail else raw


def disposal_case_id(cube: str, due: int) -> str:
    """Return the id of the review of what is due for a cube at a moment; the same at every run."""
    return f"d_{short(hashlib.sha256(f'{cube}/{due}'.encode()).digest()[:16])}"


def hold_id_of(command_id: str) -> str:
    """Return the id of the hold on a scope that a command places."""
    return f"h_{short(uuid.UUID(command_id).bytes)}"


def erasure_id_of(command_id: str) -> str:
    """Return the id of the erasure that a command asks for."""
    return f"e_{short(uuid.UUID(command_id).bytes)}"


def artefact_id_of(command_id: str) -> str:
    """Return the id of what a command has made of cubes in another form."""
    return f"f_{short(uuid.UUID(command_id).bytes)}"


def content_stream(tenant: str, cube: str) -> str:
    """Return the stream of a cube's content revisions."""
    return f"{tenant}/cube/{cube}"


def governance_stream(tenant: str, cube: str) -> str:
    """Return the stream of a cube's governed facts."""
    return f"{tenant}/cube/{cube}/governance"


def lineage_stream(tenant: str, cube: str) -> str:
    """Return the stream that moves whenever something is made of a cube."""
    return f"{tenant}/cube/{cube}/lineage"


@lru_cache(maxsize=1024)
def correlation_stream(tenant: str, actor: str, correlation: str) -> str:
    """
    Return the stream of what an actor read in a session, whose own name may be anything.

    A record's session is asked for several times on its way, so answers are kept.
    """
    raw = hashlib.sha256(f"{actor}\0{correlation}".encode()).digest()
    return f"{tenant}/correlation/k_{short(raw[:_CORRELATION_BYTES])}"


def subject_stream(tenant: str, subject: str) -> str:
    """Return the stream of a subject's consents, holds and restriction."""
    return f"{tenant}/subject/{subject}"


def principal_stream(tenant: str, principal: str) -> str:
    """Return the stream of a principal's roles and attributes."""
    return f"{tenant}/principal/{principal}"


def guard_stream(tenant: str, name: str) -> str:
    """Return a stream that makes an absence checkable: `policy`, `holds` or `restrictions`."""
    return f"{tenant}/guard/{name}"


def matter_stream(tenant: str, matter: str) -> str:
    """Return the stream of one legal matter and what it holds."""
    return f"{tenant}/matter/{matter}"


def case_stream(tenant: str, case: str) -> str:
    """Return the stream of one review case."""
    return f"{tenant}/case/{case}"


def erasure_stream(tenant: str, erasure: str) -> str:
    """Return the stream of one erasure, from the request to its completion."""
    return f"{tenant}/erasure/{erasure}"


def artefact_stream(tenant: str, artefact: str) -> str:
    """Return the stream of cubes in another form."""
    return f"{tenant}/artefact/{artefact}"


def open_erasures_stream(tenant: str) -> str:
    """Return the guard that names the erasures to go on with; no verdict relies on it."""
    return guard_stream(tenant, "erasures")


def base_model_stream(tenant: str) -> str:
    """Return the guard that says which base model a tenant has."""
    return guard_stream(tenant, "basemodel")


def usage_stream(tenant: str) -> str:
    """Return the stream of reads, refusals and questions; it versions nothing."""
    return f"{tenant}/usage"


def checkpoint_stream(tenant: str) -> str:
    """Return the stream of the signed checkpoints of a tenant's tree."""
    return f"{tenant}/checkpoint"


def log_stream(control: str = INSTANCE) -> str:
    """Return the stream of the log itself, as a partition's own records tell it."""
    return f"{control if is_control(control) else INSTANCE}/log"


GUARDS = ("policy", "holds", "restrictions")


def guard_streams(tenant: str) -> tuple[str, ...]:
    """Return the guards every verdict of a tenant relies on."""
    return tuple(guard_stream(tenant, name) for name in GUARDS)
