"""The erasure of one person with one cube, event by event."""

from __future__ import annotations

from typing import Any

from memos_gov.domain import events as e
from memos_gov.domain import ids
from tests.domain.given import CUBE, NOW, SUBJECT, TENANT

ERASURE = "e_one"
DIGEST = "d" * 64
STREAM = ids.erasure_stream(TENANT, ERASURE)
OPEN = ids.open_erasures_stream(TENANT)
PERSON = ids.subject_stream(TENANT, SUBJECT)
GOVERNANCE = ids.governance_stream(TENANT, CUBE)
REQUESTED = e.ErasureRequested(erasure=ERASURE, subject=SUBJECT, cube=None, cubes=())
RESTRICTED = e.SubjectRestricted(subject=SUBJECT, erasure=ERASURE)
ERASED = e.CubeErased(cube=CUBE, erasure=ERASURE)
KEPT = e.CubeRestricted(cube=CUBE, erasure=ERASURE, reasons=("legal_hold",))
PENDING = e.CubeRestricted(cube=CUBE, erasure=ERASURE, reasons=())
ENDED = e.SubjectErased(subject=SUBJECT, erasure=ERASURE)
COMPLETED = e.ErasureCompleted(erasure=ERASURE, erased=1, kept=0, statement=DIGEST)


def planned(**changes: Any) -> e.ErasurePlanned:
    """Return the only page of an erasure of one cube, which is erased."""
    fields: dict[str, Any] = {
        "erasure": ERASURE,
        "subject": SUBJECT,
        "page": 1,
        "erased": 1,
        "kept": 0,
        "last": CUBE,
        "state": "checking",
        "custodians": ("vault", "log"),
    }
    return e.ErasurePlanned(**(fields | changes))


def reported(**changes: Any) -> e.CustodianErased:
    """Return what the vault reports."""
    fields: dict[str, Any] = {
        "erasure": ERASURE,
        "custodian": "vault",
        "checked": 1,
        "remaining": 0,
        "digest": DIGEST,
        "place": "vault",
        "started_at": NOW,
        "ended_at": NOW,
    }
    return e.CustodianErased(**(fields | changes))
