"""
The answers of policy, typed and closed.

An answer that does not fit these types (an unknown effect, an unknown
obligation, a missing field) is no answer, and no answer means *no*: see
`refusal`. The types decode straight from a policy engine's JSON.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

INTEGER_MAX = 2**53 - 1  # RFC 7493 2.2: beyond it JSON numbers are not the same everywhere
Integer = Annotated[int, msgspec.Meta(ge=-INTEGER_MAX, le=INTEGER_MAX)]
Effect = Literal["allow", "refuse", "review"]
FindingKind = Literal["card", "iban", "email", "phone"]
IndexDepth = Literal["full", "vector_only", "none"]
Custodian = Literal["vault", "directory", "index", "tensors", "tables", "log"]
Disposal = Literal["keep", "archive", "expire", "erase"]

UNDEFINED = "policy_undefined"
ERROR = "policy_error"
TIMED_OUT = "policy_timeout"
MALFORMED = "policy_malformed"
UNKNOWN_OBLIGATION = "obligation_unknown"
UNKNOWN_TARGET = "unknown_target"
HELD = "retention/hold"
UNANSWERED = "retention/unanswered"
FAILED_CLOSED = frozenset({UNDEFINED, ERROR, TIMED_OUT, MALFORMED, UNKNOWN_OBLIGATION})


class Reason(msgspec.Struct, frozen=True, forbid_unknown_fields=True, order=True):
    """A stable reason code; `public` says whether a refused caller may learn it."""

    code: str
    public: bool


class Obligation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """
    Something that must be done with what was allowed.

    `mask` blanks the finding kinds in `what` wherever content enters or leaves;
    `label` raises the label to `label`; `quarantine` keeps a cube unread until
    a review approves it; `unlink` says, with a `reason`, that what was read in
    the session is no source of what is remembered.
    """

    kind: Literal["mask", "label", "quarantine", "unlink"]
    what: tuple[FindingKind, ...] = ()
    label: str | None = None
    reason: str | None = None


class Verdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What policy answered about one target; valid until `valid_until` (seconds, exclusive)."""

    effect: Effect
    reasons: tuple[Reason, ...]
    obligations: tuple[Obligation, ...]
    rules: tuple[str, ...]
    valid_until: Integer

    @property
    def allows(self) -> bool:
        """Whether the effect is `allow`."""
        return self.effect == "allow"

    @property
    def public_reasons(self) -> tuple[str, ...]:
        """The reason codes a caller without further rights may see, sorted."""
        return tuple(sorted(r.code for r in self.reasons if r.public))

    @property
    def masks(self) -> tuple[FindingKind, ...]:
        """The finding kinds that every `mask` obligation names together, sorted."""
        return tuple(sorted({w for o in self.obligations if o.kind == "mask" for w in o.what}))

    @property
    def unlinks(self) -> bool:
        """Whether what was read in the session is no source of what enters."""
        return any(o.kind == "unlink" for o in self.obligations)


class ScopeClause(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A conjunction of closed lists; an absent list does not constrain."""

    labels: tuple[str, ...] | None = None
    purposes: tuple[str, ...] | None = None
    states: tuple[str, ...] | None = None
    owners: tuple[str, ...] | None = None
    shared_with: tuple[str, ...] | None = None
    regions: tuple[str, ...] | None = None


class Scope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A superset of all cubes a verdict could allow: any clause that matches, at most eight."""

    any: tuple[ScopeClause, ...]


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One step of a derivation: a stable code, and the moment (seconds) that was compared."""

    code: str
    at: Integer | None = None


class RetentionVerdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    What becomes of a cube next and when (seconds); nothing where `due` is None.

    The first of `rules` decided, the others were weighed; `steps` derive it in
    order. `review`: a second person must approve it before it is done.
    """

    action: Disposal
    due: Integer | None
    review: bool
    rules: tuple[str, ...]
    steps: tuple[Step, ...]

    def is_due(self, now: int) -> bool:
        """Whether something is to be done by now."""
        return self.action != "keep" and self.due is not None and self.due <= now


UNDECIDED = RetentionVerdict("keep", None, False, (UNANSWERED,), (Step("policy_unanswered"),))


class FormPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which forms of a cube should exist; for now how deep its content is indexed."""

    index: IndexDepth
    rules: tuple[str, ...]


class ErasureAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a cube is erased or kept, why, by which rules, and the derivation step by step."""

    action: Literal["erase", "keep"]
    reasons: tuple[Reason, ...]
    rules: tuple[str, ...]
    steps: tuple[Step, ...]


class ErasurePlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    What becomes of each cube of a page, and of the name of the person it was asked for.

    `custodians` are those who must read back before the erasure is complete.
    """

    cubes: dict[str, ErasureAnswer]
    subject: Literal["erase", "keep"]
    custodians: tuple[Custodian, ...]
    valid_until: Integer


def refusal(code: str, valid_until: int, *, public: bool = False) -> Verdict:
    """Return the refusal that stands for an answer that did not come."""
    return Verdict("refuse", (Reason(code, public),), (), (), valid_until)


def merge(first: Verdict, *others: Verdict) -> Verdict:
    """
    Join verdicts about one target: refuse wins over review, review over allow.

    Reasons and rules are united and sorted, obligations united in order, and
    the earliest `valid_until` holds.
    """
    verdicts = (first, *others)
    effects = {v.effect for v in verdicts}
    effect: Effect = next((e for e in ("refuse", "review") if e in effects), "allow")
    return Verdict(
        effect,
        tuple(sorted({r for v in verdicts for r in v.reasons})),
        tuple(dict.fromkeys(o for v in verdicts for o in v.obligations)),
        tuple(sorted({r for v in verdicts for r in v.rules})),
        min(v.valid_until for v in verdicts),
    )
