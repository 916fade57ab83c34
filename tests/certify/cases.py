"""The events that records of these tests propose, and how an outcome is told."""

from memos_gov.domain import events as e
from memos_gov.domain import ids
from memos_gov.domain.history import Outcome
from tests.domain.given import ANN, CUBE, NOW, SUBJECT
from tests.records import (
    TENANT,
)

OTHER_CUBE = "c_other"
POLICY_GUARD = ids.guard_stream(TENANT, "policy")
GOVERNANCE = ids.governance_stream(TENANT, CUBE)
CONTENT = ids.content_stream(TENANT, CUBE)
PERSON = ids.subject_stream(TENANT, SUBJECT)
REFUSED = e.CommandRefused(action="read", targets=(CUBE,), reasons=("frozen",))
ANN_ADDED = e.PrincipalAdded(
    principal=ANN, roles=("analyst",), clearance="internal", purposes=(), regions=()
)
SHARED = e.CubeShared(cube=CUBE, principal=ANN, scope="read", valid_from=NOW, valid_to=None)
CONSENTED = e.ConsentGiven(subject=SUBJECT, purpose="research", valid_from=NOW, valid_to=None)
SCHEDULED = e.RetentionScheduled(
    cube=CUBE, retention_class="standard", action="expire", due=NOW, rules=(), steps=()
)
FROZEN = e.CubeFrozen(cube=CUBE)


def read(*cubes: str) -> e.CubesRead:
    """Return a read of first revisions."""
    found = tuple(e.ReadCube(cube=cube, revision=1) for cube in cubes)
    return e.CubesRead(action="recall", cubes=found, snapshot=1, refused={})


def revised(revision: int = 2) -> e.CubeRevised:
    """Return a new revision."""
    return e.CubeRevised(
        cube=CUBE,
        revision=revision,
        mode="overwrite",
        findings=(),
        index="full",
        size_bytes=5,
        valid_from=NOW,
        valid_to=None,
    )


def why(outcome: Outcome) -> tuple[str, dict[str, list[str]]]:
    """Return code and detail."""
    return outcome.code, outcome.detail
