"""
The questions put to policy, as closed models; `schemas/policy/` is generated from them.

A policy that names a field absent here fails `opa check --strict`. `now` and
all times are whole seconds since the epoch (UTC), because Rego compiled to
Wasm has no clock. A model says what a policy may know; the hot path builds
plain dicts of the same shape in `questions.py`, and tests hold the two
together.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[int, Field(description="seconds since the epoch, UTC", ge=0)]


class Question(BaseModel):
    """A closed model: an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Actor(Question):
    """Who acts, with the attributes the log knows of them, never the caller's word."""

    id: str
    roles: list[str]
    clearance: str
    purposes: list[str]
    regions: list[str]


class Context(Question):
    """The circumstances of the request."""

    session: str | None = None
    channel: str | None = None
    region: str | None = None
    approved: bool = Field(
        False, description="a review approved exactly this action on this target"
    )


class Consent(Question):
    """Consent of a cube's subjects at `now`: `given` by all of them, `withdrawn` by any."""

    given: list[str]
    withdrawn: list[str]


class Grant(Question):
    """A share in force at `now`."""

    principal: str
    scope: Literal["read", "write"]


class CubeFacts(Question):
    """The governed facts of one cube at `now`; never its content."""

    id: str
    tenant: str
    form: Literal["plaintext", "activation", "parametric"]
    label: str
    state: Literal["generated", "activated", "merged", "archived", "expired", "erased"]
    frozen: bool
    quarantined: bool
    held: bool
    restricted: bool
    erasing: bool = Field(description="an erasure decides about the cube right now")
    owner: str
    purposes: list[str]
    basis: str
    region: str
    retention_class: str
    semantic_type: str
    priority: str
    findings: list[str] = Field(description="kinds of personal numbers found in the content")
    grants: list[Grant]
    consent: Consent
    recorded_at: Seconds
    valid_from: Seconds
    valid_to: Seconds | None


class Asked(Question):
    """What every question about an act carries."""

    now: Seconds
    tenant: str
    actor: Actor
    action: str
    purpose: str
    context: Context


class Becomes(Question):
    """The words that the act would give the cubes; null for what stays."""

    label: str | None = None
    basis: str | None = None


class AccessVerdicts(Asked):
    """May the actor do `action` for `purpose` to these cubes? Answer: `{cube id: verdict}`."""

    cubes: list[CubeFacts]
    becomes: Becomes


class AccessScope(Asked):
    """What can the actor see at all? Answer: `{any: [clause]}`, at most eight clauses."""


class Target(Question):
    """What an act that is not about a set of cubes is about."""

    kind: Literal["tenant", "principal", "subject", "policy", "audit", "log", "case"]
    id: str | None
    name: str | None = Field(description="of an audit question")
    roles: list[str] = Field(description="to be given or taken")
    clearance: str | None = Field(description="to be given to a new principal")
    purposes: list[str] = Field(description="to be given to a new principal")
    own: bool = Field(description="the target is the actor, or was made by the actor")
    held: bool
    restricted: bool


class AccessAction(Asked):
    """May the actor do `action` for `purpose` to `target`? Answer: a verdict."""

    target: Target


class Candidate(Question):
    """A cube that asks to be admitted."""

    form: Literal["plaintext", "activation", "parametric"]
    label: str
    purposes: list[str]
    basis: str
    region: str
    retention_class: str
    semantic_type: str
    origin: Literal["user", "agent", "import", "inference"]
    size_bytes: int
    session_reads: int = Field(
        description="how many cubes the actor has read in this session; they become sources"
    )


class AdmissionVerdict(Asked):
    """May this content enter, and how? `findings` come from the detectors. Answer: a verdict."""

    cube: Candidate
    findings: list[str]
    consent: Consent
    restricted: bool


class RetainedCube(Question):
    """What retention looks at: moments from which time is counted, and what else has a say."""

    id: str
    retention_class: str
    state: str
    created_at: Seconds
    changed_at: Seconds = Field(description="of the newest content revision")
    last_used_at: Seconds | None = Field(description="when it was last read or recalled")
    triggered_at: Seconds | None = Field(description="of the event that its class waits for")
    expires_at: Seconds | None = Field(description="a cap that the cube itself has")
    expired_at: Seconds | None = Field(description="when its time was over, if it is")
    held: bool
    restricted: bool
    erasure_requested: bool
    approved: bool = Field(description="a second person approved the disposal that is due")


class RetentionVerdicts(Question):
    """Keep, archive, expire or erase, and when? Answer: `{cube id: retention}`."""

    now: Seconds
    tenant: str
    cubes: list[RetainedCube]


class ErasureTarget(Question):
    """What an erasure was asked for, and how it stands before this page of its plan."""

    kind: Literal["subject", "cube"]
    id: str
    held: bool = Field(description="a matter holds the subject itself")
    kept: int = Field(description="cubes that earlier pages of this plan kept")
    last: bool = Field(description="no page follows this one")


class CubeToErase(RetainedCube):
    """A cube whose erasure was asked for."""

    others: int = Field(description="how many persons it is about besides the one asked for")


class ErasurePlan(Question):
    """
    What becomes of each cube, and of the subject's name? At most 200 cubes a page.

    Answer: `{cubes: {cube id: {action, reasons, rules, steps}}, subject, custodians,
    valid_until}`.
    """

    now: Seconds
    tenant: str
    target: ErasureTarget
    cubes: list[CubeToErase]


class PlannedCube(Question):
    """What the choice of forms looks at."""

    id: str
    form: str
    label: str
    semantic_type: str
    quarantined: bool
    findings: list[str]


class TransformationPlans(Question):
    """How deep should each cube be indexed? Answer: `{cube id: {index, rules}}`."""

    now: Seconds
    tenant: str
    cubes: list[PlannedCube]


ENTRYPOINTS: dict[str, type[Question]] = {
    "memos_gov/access/verdicts": AccessVerdicts,
    "memos_gov/access/scope": AccessScope,
    "memos_gov/access/action": AccessAction,
    "memos_gov/admission/verdict": AdmissionVerdict,
    "memos_gov/retention/verdicts": RetentionVerdicts,
    "memos_gov/transformation/plans": TransformationPlans,
    "memos_gov/erasure/plan": ErasurePlan,
}
